//! Real registries on loopback: Debian's docker-registry and distribution 3, its present form (no referrers API: the tag
//! schema), and olareg (referrers API).
//!
//! Each keeps its files in a temporary folder and ends with the value. Where a program is not installed, the caller
//! says `skipped: …` and returns.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// distribution 2.8: no referrers API.
    DockerRegistry,
    /// distribution 3: no referrers API either.
    Distribution,
    /// olareg: referrers API.
    Olareg,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::DockerRegistry, Kind::Distribution, Kind::Olareg];

    fn program(self) -> &'static str {
        match self {
            Kind::DockerRegistry => "docker-registry",
            Kind::Distribution => "distribution",
            Kind::Olareg => "olareg",
        }
    }
}

/// A service that gives out tokens for a registry of the distribution project.
#[derive(Debug, Clone)]
pub struct TokenService {
    /// Its address.
    pub realm: String,
    /// The certificates whose keys sign tokens.
    pub certificates: PathBuf,
}

/// How the registry is to be run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Certificate and key in PEM, for TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The authority whose certificates clients have to show (not olareg).
    pub client_authority: Option<PathBuf>,
    /// An htpasswd file (bcrypt), for Basic authentication.
    pub htpasswd: Option<PathBuf>,
    /// Who gives out tokens (not olareg, which does so itself).
    pub tokens: Option<TokenService>,
    /// For olareg: tokens instead of Basic authentication, for the users of `htpasswd`.
    pub own_tokens: bool,
}

/// A running registry.
pub struct Registry {
    child: Child,
    /// Host and port.
    pub authority: String,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program on PATH or in the folders that the test runner builds into.
pub fn program(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("IMGCOMPAT_TEST_BIN").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.into_iter().chain([built]).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A port nobody listens on just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Registry {
    /// Starts a registry, or says why that is skipped.
    pub fn start(kind: Kind, setup: &Setup) -> Option<Registry> {
        let name = kind.program();
        let Some(program) = program(name) else {
            println!("skipped: {name} is not installed");
            return None;
        };
        // Another process may take the port between looking and listening; then another one is tried.
        let started = (0..5).find_map(|_| Self::start_once(kind, &program, setup));
        assert!(started.is_some(), "{name} does not start");
        started
    }

    fn start_once(kind: Kind, program: &Path, setup: &Setup) -> Option<Registry> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        match kind {
            Kind::DockerRegistry | Kind::Distribution => {
                let config = folder.path().join("config.yml");
                std::fs::write(&config, distribution_config(folder.path(), port, setup)).unwrap();
                command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none");
            }
            Kind::Olareg => {
                command.args([
                    "serve",
                    "--addr",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--api-delete",
                ]);
                command.arg("--dir").arg(folder.path());
                if let Some((certificate, key)) = &setup.tls {
                    command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
                }
                if let Some(htpasswd) = &setup.htpasswd {
                    let users = folder.path().join("users.yaml");
                    std::fs::write(&users, olareg_users(htpasswd)).unwrap();
                    let by = if setup.own_tokens { "--auth-token-opaque" } else { "--auth-basic" };
                    let scheme = if setup.tls.is_some() { "https" } else { "http" };
                    command.arg(by).arg(users);
                    command.arg("--external-url").arg(format!("{scheme}://127.0.0.1:{port}"));
                }
            }
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let authority = format!("127.0.0.1:{port}");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&authority).is_err() {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < end, "{program:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Registry { child, authority, _folder: folder })
    }

    /// Pushes an image of one layer under `repository:tag`, by a client that is not ours; returns its digest.
    pub fn push_image(&self, repository: &str, tag: &str, text: &str) -> String {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Labels":{{"t":"{text}"}}}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let config_digest = self.push_blob(repository, config.as_bytes());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[]}}"#,
            config.len()
        );
        self.push_manifest(repository, tag, "application/vnd.oci.image.manifest.v1+json", &manifest)
    }

    /// Pushes an index of two platforms; returns its digest and those of its manifests (amd64, arm64).
    pub fn push_index(&self, repository: &str, tag: &str) -> (String, [String; 2]) {
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let digests = ["amd64", "arm64"].map(|arch| self.push_image(repository, arch, arch));
        let sizes = digests.clone().map(|d| {
            let (_, _, body) = http(
                &self.authority,
                "GET",
                &format!("/v2/{repository}/manifests/{d}"),
                &[("Accept", manifest)],
                b"",
            );
            body.len()
        });
        let entries: Vec<String> = ["amd64", "arm64"]
            .iter()
            .zip(digests.iter().zip(sizes))
            .map(|(arch, (digest, size))| format!(r#"{{"mediaType":"{manifest}","digest":"{digest}","size":{size},"platform":{{"os":"linux","architecture":"{arch}"}}}}"#))
            .collect();
        let index = "application/vnd.oci.image.index.v1+json";
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{index}","manifests":[{}]}}"#,
            entries.join(",")
        );
        (self.push_manifest(repository, tag, index, &text), digests)
    }

    fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = imgcompat::oci::Digest::of(bytes).to_string();
        let (status, headers, _) =
            http(&self.authority, "POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(status, 202);
        let location = headers.iter().find(|(n, _)| n == "location").unwrap().1.clone();
        let path = location.split_once(&self.authority).map_or(location.as_str(), |(_, path)| path);
        let join = if path.contains('?') { '&' } else { '?' };
        let (status, _, body) = http(
            &self.authority,
            "PUT",
            &format!("{path}{join}digest={digest}"),
            &[("Content-Type", "application/octet-stream")],
            bytes,
        );
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        digest
    }

    fn push_manifest(&self, repository: &str, tag: &str, media_type: &str, text: &str) -> String {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (status, _, body) =
            http(&self.authority, "PUT", &path, &[("Content-Type", media_type)], text.as_bytes());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        imgcompat::oci::Digest::of(text.as_bytes()).to_string()
    }
}

fn distribution_config(folder: &Path, port: u16, setup: &Setup) -> String {
    let mut config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        folder.display()
    );
    if let Some((certificate, key)) = &setup.tls {
        config += &format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        );
        if let Some(authority) = &setup.client_authority {
            config += &format!("    clientcas: [{}]\n", authority.display());
        }
    }
    if let Some(htpasswd) = &setup.htpasswd {
        config += &format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", htpasswd.display());
    }
    if let Some(TokenService { realm, certificates }) = &setup.tokens {
        config += &format!(
            "auth:\n  token: {{realm: '{realm}', service: registry, issuer: tests, rootcertbundle: {}}}\n",
            certificates.display()
        );
    }
    config
}

/// olareg's own form of the same: everybody in the file may do everything.
fn olareg_users(htpasswd: &Path) -> String {
    let text = std::fs::read_to_string(htpasswd).unwrap();
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let users = pairs.iter().map(|(user, hash)| {
        // Go's bcrypt knows the same algorithm by its older name.
        format!("  {user}: {{cred: \"{}\"}}\n", hash.replacen("$2y$", "$2a$", 1))
    });
    let names: Vec<&str> = pairs.iter().map(|(user, _)| *user).collect();
    format!(
        "users:\n{}acls:\n- {{repo: '*', members: {names:?}, access: [read, write, delete]}}\n- {{repo: '', members: {names:?}, access: [read]}}\n",
        users.collect::<String>()
    )
}

/// One plain HTTP request, one connection, by hand: the tests' own client shares nothing with the program's.
pub fn http(
    authority: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut stream = TcpStream::connect(authority).unwrap();
    let mut head = format!(
        "{method} {target} HTTP/1.0\r\nHost: {authority}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut found = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim().split_once(':') {
            Some((name, value)) => found.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut answered = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut answered).unwrap();
    (status, found, answered)
}
