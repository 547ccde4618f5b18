//! A token service for registries of the distribution project: who shows the right user name and password gets a signed
//! token for what was asked for. Tokens are signed by openssl.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use crate::faulty_server::{Asked, Reply, Server, answer};

/// A running service.
pub struct Tokens {
    /// The server; every request to it is remembered.
    pub server: Server,
    /// The certificate of the key that signs.
    pub certificate: PathBuf,
}

impl Tokens {
    /// Starts a service that knows one user; `None` where there is no openssl.
    pub fn start(folder: &Path, user: &str, password: &str) -> Option<Tokens> {
        let (key, certificate) = (folder.join("token.key"), folder.join("token.crt"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=tests",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: openssl is not installed");
            return None;
        }
        let shown = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        let pem = std::fs::read_to_string(&certificate).unwrap();
        let server = Server::start(move |asked| reply(asked, &shown, &key, &pem));
        Some(Tokens { server, certificate })
    }
}

fn reply(asked: &Asked, shown: &str, key: &Path, pem: &str) -> Reply {
    if asked.header("authorization") != Some(shown) {
        return answer(401, "application/json", r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#);
    }
    let token = token(&scopes(&asked.target), key, pem);
    answer(200, "application/json", format!(r#"{{"token":"{token}","expires_in":300}}"#))
}

/// What the query asks for, as a token grants it.
fn scopes(target: &str) -> Vec<serde_json::Value> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let granted = scopes.filter_map(|scope| {
        let scope = scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/");
        let mut parts = scope.splitn(3, ':').map(str::to_owned);
        let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
        let actions: Vec<&str> = actions.split(',').collect();
        Some(serde_json::json!({"type": kind, "name": name, "actions": actions}))
    });
    granted.collect()
}

fn token(access: &[serde_json::Value], key: &Path, pem: &str) -> String {
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "x5c": [der]});
    let claims = serde_json::json!({
        "iss": "tests", "sub": "user", "aud": "registry", "jti": now.to_string(),
        "nbf": now - 60, "iat": now - 60, "exp": now + 300, "access": access,
    });
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
    let signature = openssl.wait_with_output().unwrap().stdout;
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
