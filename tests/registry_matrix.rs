//! Every real registry with and without TLS (of an own authority), and open, by Basic authentication and by tokens: the
//! commands as a person types them, oras beside them, and what is said to the wrong password.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certificates;
#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/real_registry.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod real_registry;
#[path = "support/token_service.rs"]
mod token_service;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use certificates::{Authority, server};
use imgcompat::deadline::Deadline;
use imgcompat::oci::{Repository, media_type};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::client::Client;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::registry::secret::{Credentials, Secret};
use imgcompat::worker::protocol::Unavailable;
use real_registry::{Kind, Registry, Setup, TokenService, program};
use token_service::Tokens;

const USER: &str = "user";
const PASSWORD: &str = "hunter2-canary";
const SPECIFICATION: &str = "version: v1alpha1
compatibilities:
- description: any kernel
  rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions: {major: {op: Exists}}
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Basic,
    Bearer,
}

/// One registry, and what a person has to reach it.
struct Case {
    name: String,
    registry: Registry,
    tokens: Option<Tokens>,
    folder: tempfile::TempDir,
    tls: bool,
    way: Way,
}

impl Case {
    fn start(kind: Kind, tls: bool, way: Way) -> Option<Case> {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let mut setup = Setup::default();
        if tls {
            setup.tls = authority.sign("server", &server(&["127.0.0.1"])).files();
        }
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        std::fs::copy(&authority.certificate, folder.path().join("certs/ca.crt")).unwrap();
        let mut tokens = None;
        match (way, kind) {
            (Way::Open, _) => {}
            (Way::Bearer, Kind::DockerRegistry | Kind::Distribution) => {
                let service = Tokens::start(folder.path(), USER, PASSWORD)?;
                let realm = format!("http://{}/token", service.server.authority);
                let certificates = service.certificate.clone();
                setup.tokens = Some(TokenService { realm, certificates });
                tokens = Some(service);
            }
            _ => {
                setup.htpasswd = Some(htpasswd(folder.path())?);
                setup.own_tokens = way == Way::Bearer;
            }
        }
        let registry = Registry::start(kind, &setup)?;
        let name = format!("{kind:?}, TLS {tls}, {way:?}");
        let case = Case { name, registry, tokens, folder, tls, way };
        case.authfile("auth.json", PASSWORD);
        case.authfile("wrong.json", "hunter2-wrong");
        Some(case)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self) -> String {
        format!("{}/team/app:1", self.registry.authority)
    }

    fn authfile(&self, name: &str, password: &str) {
        let pair = BASE64_STANDARD.encode(format!("{USER}:{password}"));
        let auths = match self.way {
            Way::Open => "{}".to_owned(),
            _ => format!(r#"{{"auths":{{"{}":{{"auth":"{pair}"}}}}}}"#, self.registry.authority),
        };
        std::fs::write(self.path(name), auths).unwrap();
        self.readable_by_everyone(name, false);
    }

    fn readable_by_everyone(&self, name: &str, everyone: bool) {
        use std::os::unix::fs::PermissionsExt;
        let mode = if everyone { 0o644 } else { 0o600 };
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn push_image(&self) -> Result<(), Unavailable> {
        let password = Secret::new(PASSWORD.to_owned());
        let known = Credentials::Basic { username: USER.to_owned(), password };
        let options = Options {
            files: NodeFiles::of_root(Path::new("/nonexistent")),
            cert_dir: Some(self.path("certs")),
            tls_verify: Some(true),
            plain_http: !self.tls,
            credentials: Some(known).filter(|_| self.way != Way::Open),
            ..Options::default()
        };
        let repository =
            Repository { registry: self.registry.authority.clone(), path: "team/app".to_owned() };
        let access = Access::for_repository(&repository, &options)?;
        let client = Client::new(&access.endpoints[0], Deadline::after(Duration::from_secs(30)));
        let config = client.push_blob(b"{}")?;
        let image = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#,
            media_type::IMAGE_MANIFEST
        );
        client.push_manifest("1", media_type::IMAGE_MANIFEST, image.as_bytes(), None).map(drop)
    }

    /// Runs the tool; its exit code and all it said.
    fn tool(&self, arguments: &[&str], authfile: &str) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgcompat"));
        command.args(arguments).arg("--authfile").arg(self.path(authfile));
        if self.tls {
            command.arg("--tls-verify").arg("--cert-dir").arg(self.path("certs"))
        } else {
            command.arg("--plain-http")
        };
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("hunter2"), "{}: {text}", self.name);
        (output.status.code().unwrap_or(-1), text)
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        let (code, text) = self.tool(arguments, "auth.json");
        assert_eq!(code, 0, "{} {arguments:?}: {text}", self.name);
        text
    }

    fn oras(&self, oras: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(oras);
        command.args(arguments);
        command.arg("--registry-config").arg(self.path("auth.json"));
        if self.tls {
            command.arg("--ca-file").arg(self.path("certs/ca.crt"))
        } else {
            command.arg("--plain-http")
        };
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{} oras {arguments:?}: {text}", self.name);
        text
    }
}

fn htpasswd(folder: &Path) -> Option<PathBuf> {
    let Some(htpasswd) = program("htpasswd") else {
        println!("skipped: htpasswd is not installed");
        return None;
    };
    let made = Command::new(htpasswd).args(["-Bbn", USER, PASSWORD]).output().unwrap();
    let path = folder.join("htpasswd");
    std::fs::write(&path, made.stdout).unwrap();
    Some(path)
}

fn every_way(kind: Kind) {
    for way in [Way::Open, Way::Basic, Way::Bearer] {
        for tls in [false, true] {
            let Some(case) = Case::start(kind, tls, way) else { continue };
            let pushed = case.push_image();
            if tls && case.tokens.is_some() {
                // The tests' own token service has no TLS: a registry that has must not send us there with a password.
                let refused = pushed.unwrap_err().detail;
                assert!(refused.contains("no credentials are sent there"), "{refused}");
                assert!(case.tokens.as_ref().is_some_and(|t| t.server.asked().is_empty()));
            } else {
                pushed.unwrap();
                author_to_node(&case);
                wrong_password(&case);
                auth_files_that_are_none(&case);
                println!("{}: in order", case.name);
            }
        }
    }
}

#[test]
fn docker_registry_with_and_without_tls_open_by_password_and_by_token() {
    every_way(Kind::DockerRegistry);
}

#[test]
fn distribution_with_and_without_tls_open_by_password_and_by_token() {
    every_way(Kind::Distribution);
}

#[test]
fn olareg_with_and_without_tls_open_by_password_and_by_token() {
    every_way(Kind::Olareg);
}

fn author_to_node(case: &Case) {
    let (image, spec) = (case.image(), case.path("spec.yaml"));
    std::fs::write(&spec, SPECIFICATION).unwrap();
    let spec = spec.to_str().unwrap();
    assert_eq!(case.tool(&["validate-node", "--image", &image], "auth.json").0, 3, "{}", case.name);
    let annotated =
        ["attach-spec", &image, spec, "--annotation", "org.example.team=blue", "--output", "json"];
    let attached: serde_json::Value = serde_json::from_str(&case.must(&annotated)).unwrap();
    let digest = attached["attached"][0]["digest"].as_str().unwrap();
    assert_eq!(attached["attached"][0]["changed"], true, "{attached}");
    let again: serde_json::Value = serde_json::from_str(&case.must(&annotated)).unwrap();
    assert_eq!(
        (again["attached"][0]["changed"].as_bool(), again["attached"][0]["digest"].as_str()),
        (Some(false), Some(digest))
    );
    assert!(
        case.must(&["validate-node", "--image", &image]).contains("compatible"),
        "{}",
        case.name
    );
    assert!(case.must(&["list-specs", &image]).contains(digest), "{}", case.name);
    if let Some(oras) = program("oras") {
        let text = case.oras(&oras, &["discover", "--format", "json", &image]);
        assert!(
            text.contains(digest) && text.contains("org.example.team"),
            "{}: {text}",
            case.name
        );
        let out = case.path("pulled");
        let artifact = format!("{}/team/app@{digest}", case.registry.authority);
        case.oras(&oras, &["pull", "-o", out.to_str().unwrap(), &artifact]);
        assert_eq!(std::fs::read_to_string(out.join("spec.yaml")).unwrap(), SPECIFICATION);
    }
    let other = case.path("newer.yaml");
    std::fs::write(&other, format!("{SPECIFICATION}# newer\n")).unwrap();
    let replaced = case.must(&["attach-spec", &image, other.to_str().unwrap(), "--replace"]);
    assert!(replaced.contains(&format!("removed {digest}")), "{}: {replaced}", case.name);
    case.must(&["mirror", &image, "--to", case.path("layout").to_str().unwrap()]);
    case.must(&["remove-spec", &image]);
    assert_eq!(case.tool(&["validate-node", "--image", &image], "auth.json").0, 3, "{}", case.name);
}

/// A refused password is a refusal in every command, never "nothing attached", and never tried again without it.
fn wrong_password(case: &Case) {
    if case.way == Way::Open {
        return;
    }
    let (image, spec) = (case.image(), case.path("spec.yaml"));
    let layout = case.path("other");
    for command in [
        &["validate-node", "--image", &image][..],
        &["attach-spec", &image, spec.to_str().unwrap()],
        &["list-specs", &image],
        &["remove-spec", &image],
        &["mirror", &image, "--to", layout.to_str().unwrap()],
    ] {
        let (code, text) = case.tool(command, "wrong.json");
        assert_eq!(code, 4, "{} {command:?}: {text}", case.name);
        assert!(
            text.contains("HTTP 401") || text.contains("HTTP 403"),
            "{} {command:?}: {text}",
            case.name
        );
    }
}

/// An auth file that cannot be read is an error in every command; one that everybody can read, a warning.
fn auth_files_that_are_none(case: &Case) {
    let image = case.image();
    for (name, content) in [("cut.json", "{\"auths\": {\"hunter2"), ("text.json", "hunter2")] {
        std::fs::write(case.path(name), content).unwrap();
        let (code, text) = case.tool(&["list-specs", &image], name);
        assert!(code == 4 && text.contains("it is not an auth file"), "{}: {text}", case.name);
    }
    std::fs::create_dir_all(case.path("folder.json")).unwrap();
    for (name, says) in
        [("missing.json", "there is no such file"), ("folder.json", "not a regular file")]
    {
        let (code, text) = case.tool(&["list-specs", &image], name);
        assert!(code == 4 && text.contains(says), "{}: {text}", case.name);
    }
    case.readable_by_everyone("auth.json", true);
    let text = case.must(&["list-specs", &image]);
    let warned = text.contains("warning:") && text.contains("every user can read it");
    assert_eq!(warned, case.way != Way::Open, "{}: {text}", case.name);
}
