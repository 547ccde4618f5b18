//! TLS and authentication against real registries: whom we believe, and what is said when we do not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/real_registry.rs"]
#[allow(dead_code)]
mod real_registry;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use certificates::{Authority, self_signed, server};
use imgcompat::deadline::Deadline;
use imgcompat::oci::{Descriptor, Digest, Repository, media_type};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::attach::Artifact;
use imgcompat::registry::client::Client;
use imgcompat::registry::fetch::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::registry::secret::{Credentials, Secret};
use imgcompat::worker::protocol::{FetchOutcome, FetchRequest, Unavailable, UnavailableKind};
use real_registry::{Kind, Registry, Setup, program};

const SPECIFICATION: &[u8] = b"version: v1alpha1\ncompatibilities:\n- rules: []\n";

/// A node whose configuration is in a folder of its own.
struct Node {
    root: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Node { root: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> Options {
        Options { files: NodeFiles::of_root(self.root.path()), ..Options::default() }
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn copy(&self, from: &Path, to: &str) {
        self.write(to, &std::fs::read_to_string(from).unwrap());
    }
}

fn repository(registry: &Registry) -> Repository {
    Repository { registry: registry.authority.clone(), path: "a".to_owned() }
}

/// Attaches to an image that is pushed for it, then fetches as the worker does.
fn round_trip(registry: &Registry, options: &Options) -> Result<(), Unavailable> {
    let access = Access::for_repository(&repository(registry), options)?;
    let client = Client::new(&access.endpoints[0], Deadline::after(Duration::from_secs(30)));
    let config = client.push_blob(b"{}")?;
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"x/y","digest":"{config}","size":2}},"layers":[]}}"#,
        media_type::IMAGE_MANIFEST
    );
    let subject = Descriptor {
        media_type: media_type::IMAGE_MANIFEST.to_owned(),
        digest: Digest::of(image.as_bytes()),
        size: image.len() as u64,
        artifact_type: None,
        platform: None,
        annotations: None,
    };
    client.push_manifest("1", media_type::IMAGE_MANIFEST, image.as_bytes(), None)?;
    let artifact = Artifact { specification: SPECIFICATION, title: None, annotations: [].into() };
    client.attach(&subject, &artifact)?;
    let request = FetchRequest {
        repository: access.repository.clone(),
        subjects: vec![subject.digest],
        deadline_ms: 10_000,
        credentials: Default::default(),
    };
    match fetch(&request, &access) {
        FetchOutcome::Found(found) => {
            assert_eq!(found.specification, SPECIFICATION);
            Ok(())
        }
        FetchOutcome::Unavailable(unavailable) => Err(unavailable),
        other => panic!("{other:?}"),
    }
}

fn with_tls(kind: Kind, tls: Option<(PathBuf, PathBuf)>) -> Option<Registry> {
    Registry::start(kind, &Setup { tls, ..Setup::default() })
}

#[track_caller]
fn must_fail(result: Result<(), Unavailable>, kind: UnavailableKind, says: &str) {
    let unavailable = result.unwrap_err();
    assert_eq!(unavailable.kind, kind, "{unavailable}");
    assert!(unavailable.detail.contains(says), "{unavailable}");
}

#[test]
fn an_authority_beside_the_registrys_name_is_believed() {
    let node = Node::new();
    let authority = Authority::new(node.root.path());
    let pair = authority.sign("server", &server(&["127.0.0.1"]));
    for kind in Kind::ALL {
        let Some(registry) = with_tls(kind, pair.files()) else { continue };
        for folder in ["etc/containers/certs.d", "etc/docker/certs.d", "etc/containerd/certs.d"] {
            for options in [strict(&node), node.options()] {
                must_fail(round_trip(&registry, &options), UnavailableKind::Tls, "does not know");
            }
            let file = format!("{folder}/{}/ca.crt", registry.authority);
            node.copy(&authority.certificate, &file);
            round_trip(&registry, &strict(&node)).unwrap();
            std::fs::remove_dir_all(node.root.path().join(folder)).unwrap();
        }
        node.copy(&authority.certificate, "etc/ssl/certs/ca-certificates.crt");
        round_trip(&registry, &strict(&node)).unwrap();
        std::fs::remove_file(node.root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
        node.copy(&authority.certificate, "own/ca.crt");
        let cert_dir = Some(node.root.path().join("own"));
        round_trip(&registry, &Options { cert_dir, ..strict(&node) }).unwrap();
    }
}

/// On loopback plain HTTP is tried where no TLS is spoken, unless verification is asked for.
fn strict(node: &Node) -> Options {
    Options { tls_verify: Some(true), ..node.options() }
}

#[test]
fn a_self_signed_authority_as_the_servers_own_certificate_is_believed_if_it_is_the_very_one() {
    let node = Node::new();
    let folder = node.root.path();
    let pair = self_signed(folder, "own", server(&["127.0.0.1"]));
    let Some(registry) = with_tls(Kind::DockerRegistry, pair.files()) else { return };
    let stranger = node.root.path().join("stranger");
    std::fs::create_dir(&stranger).unwrap();
    node.copy(&Authority::new(&stranger).certificate, "etc/ssl/certs/ca-certificates.crt");
    let says = "it shows a certificate authority's certificate as its own";
    must_fail(round_trip(&registry, &strict(&node)), UnavailableKind::Tls, says);
    let file = format!("etc/containers/certs.d/{}/ca.crt", registry.authority);
    let namesake = self_signed(folder, "namesake", server(&["127.0.0.1"]));
    node.copy(&namesake.certificate, &file);
    assert!(round_trip(&registry, &strict(&node)).is_err(), "another certificate of the same name");
    node.copy(&pair.certificate, &file);
    round_trip(&registry, &strict(&node)).unwrap();
}

#[test]
fn certificates_that_are_out_of_date_or_for_another_name_are_refused_with_the_reason() {
    let node = Node::new();
    let folder = node.root.path();
    let authority = Authority::new(folder);
    let mut expired = server(&["127.0.0.1"]);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let mut early = server(&["127.0.0.1"]);
    early.not_before = rcgen::date_time_ymd(2189, 1, 1);
    let other = server(&["other.example"]);
    let cases = [
        (&expired, "has expired"),
        (&early, "not valid yet"),
        (&other, "made out to another name"),
    ];
    for (number, (parameters, says)) in cases.into_iter().enumerate() {
        let signed = authority.sign(&format!("signed{number}"), parameters);
        let own = self_signed(folder, &format!("own{number}"), parameters.clone());
        for (pair, root) in [(&signed, &authority.certificate), (&own, &own.certificate)] {
            let Some(registry) = with_tls(Kind::DockerRegistry, pair.files()) else { return };
            node.copy(root, &format!("etc/containers/certs.d/{}/ca.crt", registry.authority));
            must_fail(round_trip(&registry, &strict(&node)), UnavailableKind::Tls, says);
        }
    }
}

#[test]
fn verification_is_left_out_only_where_somebody_said_so() {
    let node = Node::new();
    let pair = self_signed(node.root.path(), "own", server(&["127.0.0.1"]));
    let Some(registry) = with_tls(Kind::DockerRegistry, pair.files()) else { return };
    round_trip(&registry, &Options { tls_verify: Some(false), ..node.options() }).unwrap();
    let insecure = format!("[[registry]]\nlocation='{}'\ninsecure=true\n", registry.authority);
    node.write("etc/containers/registries.conf.d/x.conf", &insecure);
    round_trip(&registry, &node.options()).unwrap();
    must_fail(round_trip(&registry, &strict(&node)), UnavailableKind::Tls, "");
}

#[test]
fn a_registry_that_wants_a_client_certificate_gets_the_configured_one() {
    let node = Node::new();
    let authority = Authority::new(node.root.path());
    let pair = authority.sign("server", &server(&["127.0.0.1"]));
    let client = authority.sign("client", &server(&["client"]));
    let client_authority = Some(authority.certificate.clone());
    let setup = Setup { tls: pair.files(), client_authority, ..Setup::default() };
    let Some(registry) = Registry::start(Kind::DockerRegistry, &setup) else { return };
    let folder = format!("etc/containers/certs.d/{}", registry.authority);
    node.copy(&authority.certificate, &format!("{folder}/ca.crt"));
    must_fail(round_trip(&registry, &strict(&node)), UnavailableKind::Tls, "alert");
    node.copy(&client.certificate, &format!("{folder}/client.cert"));
    let missing = round_trip(&registry, &strict(&node));
    must_fail(missing, UnavailableKind::Configuration, "client.key");
    node.copy(&client.key, &format!("{folder}/client.key"));
    round_trip(&registry, &strict(&node)).unwrap();
}

#[test]
fn user_name_and_password_are_taken_from_where_the_node_has_them() {
    let Some(htpasswd) = program("htpasswd") else {
        println!("skipped: htpasswd is not installed");
        return;
    };
    let node = Node::new();
    let made = Command::new(htpasswd).args(["-Bbn", "user", "hunter2-canary"]).output().unwrap();
    node.write("htpasswd", &String::from_utf8(made.stdout).unwrap());
    let setup = Setup { htpasswd: Some(node.root.path().join("htpasswd")), ..Setup::default() };
    let Some(registry) = Registry::start(Kind::DockerRegistry, &setup) else { return };
    must_fail(
        round_trip(&registry, &node.options()),
        UnavailableKind::Denied,
        "HTTP 401 (UNAUTHORIZED",
    );
    must_fail(
        round_trip(&registry, &node.options()),
        UnavailableKind::Denied,
        "asked without credentials, since none are known for it",
    );
    let basic = |password: &str| {
        let password = Secret::new(password.to_owned());
        let credentials = Some(Credentials::Basic { username: "user".to_owned(), password });
        Options { credentials, ..node.options() }
    };
    must_fail(round_trip(&registry, &basic("wrong")), UnavailableKind::Denied, "HTTP 401");
    round_trip(&registry, &basic("hunter2-canary")).unwrap();
    the_tool_takes_the_password_from_standard_input(&node, &registry);
    use base64::Engine as _;
    let write_auths = |pair: &str| {
        let pair = base64::prelude::BASE64_STANDARD.encode(pair);
        let auths = format!(r#"{{"auths":{{"{}/a":{{"auth":"{pair}"}}}}}}"#, registry.authority);
        node.write("run/containers/0/auth.json", &auths);
    };
    write_auths("user:hunter2-wrong");
    must_fail(
        round_trip(&registry, &node.options()),
        UnavailableKind::Denied,
        "run/containers/0/auth.json",
    );
    write_auths("user:hunter2-canary");
    round_trip(&registry, &node.options()).unwrap();
}

fn the_tool_takes_the_password_from_standard_input(node: &Node, registry: &Registry) {
    use std::io::Write;
    node.write("spec.yaml", &String::from_utf8_lossy(SPECIFICATION));
    let file = node.root.path().join("spec.yaml");
    let image = format!("{}/a:1", registry.authority);
    for (password, expected) in [("hunter2-canary\r\n", "attached"), ("hunter2-wrong", "HTTP 401")]
    {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
            .args(["attach-spec", &image, "--force"])
            .arg(&file)
            .args(["--plain-http", "--registry-username", "user", "--registry-password-stdin"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        tool.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let output = tool.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
