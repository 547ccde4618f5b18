//! Mirrors, rewritten locations, blocked registries: which server is asked, how often, and with what.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_server.rs"]
#[allow(dead_code)]
mod faulty_server;

use std::time::{Duration, Instant};

use faulty_server::{Asked, Reply, Server, answer, with_header};
use imgcompat::oci::{Digest, Repository, media_type};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::fetch::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::worker::protocol::{FetchOutcome, FetchRequest, UnavailableKind};

const SPECIFICATION: &str = "version: v1alpha1\ncompatibilities:\n- rules: []\n";

fn subject() -> Digest {
    Digest::of(b"image")
}

/// A registry that has the artifact at `/v2/PATH`.
fn has(path: &'static str) -> Server {
    Server::start(move |asked| content(path, asked))
}

/// A registry that has nothing.
fn empty() -> Server {
    Server::start(|_| Reply::Answer(404, vec![], vec![]))
}

fn content(path: &str, asked: &Asked) -> Reply {
    let layer = Digest::of(SPECIFICATION.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"artifactType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[{{"mediaType":"{}","digest":"{layer}","size":{}}}],"subject":{{"mediaType":"{}","digest":"{}","size":5}}}}"#,
        media_type::ARTIFACT_TYPE,
        media_type::EMPTY,
        Digest::of(b"{}"),
        media_type::SPECIFICATION,
        SPECIFICATION.len(),
        media_type::IMAGE_MANIFEST,
        subject()
    );
    let digest = Digest::of(manifest.as_bytes());
    let target = asked.target.split('?').next().unwrap();
    if target == format!("/v2/{path}/referrers/{}", subject()) {
        let list = format!(
            r#"{{"manifests":[{{"artifactType":"{}","mediaType":"{}","digest":"{digest}","size":{}}}]}}"#,
            media_type::ARTIFACT_TYPE,
            media_type::IMAGE_MANIFEST,
            manifest.len()
        );
        answer(200, media_type::IMAGE_INDEX, list)
    } else if target == format!("/v2/{path}/manifests/{digest}") {
        answer(200, media_type::IMAGE_MANIFEST, manifest)
    } else if target == format!("/v2/{path}/blobs/{layer}") {
        answer(200, "application/octet-stream", SPECIFICATION)
    } else {
        Reply::Answer(404, vec![], vec![])
    }
}

/// Asks about `registry/team/app` on a node with these files.
fn ask(registry: &str, files: &[(&str, String)]) -> FetchOutcome {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let options = Options { files: NodeFiles::of_root(root.path()), ..Options::default() };
    let repository = Repository { registry: registry.to_owned(), path: "team/app".to_owned() };
    match Access::for_repository(&repository, &options) {
        Err(unavailable) => FetchOutcome::Unavailable(unavailable),
        Ok(access) => {
            let request = FetchRequest {
                repository,
                subjects: vec![subject()],
                deadline_ms: 3_000,
                credentials: Default::default(),
            };
            fetch(&request, &access)
        }
    }
}

/// registries.conf for registry.example: its location, and its mirrors.
fn conf(location: &str, mirrors: &[&Server], more: &str) -> (&'static str, String) {
    let mut text = format!(
        "[[registry]]\nprefix='registry.example'\nlocation='{location}'\ninsecure=true\n{more}\n"
    );
    for mirror in mirrors {
        text +=
            &format!("[[registry.mirror]]\nlocation='{}/copy'\ninsecure=true\n", mirror.authority);
    }
    ("etc/containers/registries.conf", text)
}

fn must_be_found_at(outcome: FetchOutcome, server: &Server) {
    match outcome {
        FetchOutcome::Found(found) => assert_eq!(found.endpoint, server.authority),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mirror_that_has_it_spares_the_registry() {
    let (mirror, primary) = (has("copy/team/app"), has("real/team/app"));
    let location = format!("{}/real", primary.authority);
    let outcome = ask("registry.example", &[conf(&location, &[&mirror], "")]);
    must_be_found_at(outcome, &mirror);
    assert_eq!((mirror.asked().len(), primary.asked().len()), (3, 0));
}

#[test]
fn a_mirrors_nothing_is_not_the_last_word() {
    let (first, second, primary) = (empty(), empty(), has("real/team/app"));
    let location = format!("{}/real", primary.authority);
    let outcome = ask("registry.example", &[conf(&location, &[&first, &second], "")]);
    must_be_found_at(outcome, &primary);
    // The list and the tag.
    assert_eq!((first.asked().len(), second.asked().len(), primary.asked().len()), (2, 2, 3));
}

#[test]
fn a_broken_or_silent_mirror_leaves_time_for_the_registry() {
    for reply in [Reply::Close, Reply::Silence, answer(503, "text/plain", "")] {
        let answered = reply.clone();
        let mirror = Server::start(move |_| answered.clone());
        let primary = has("real/team/app");
        let start = Instant::now();
        let location = format!("{}/real", primary.authority);
        let outcome = ask("registry.example", &[conf(&location, &[&mirror], "")]);
        must_be_found_at(outcome, &primary);
        assert!(start.elapsed() < Duration::from_secs(3), "{reply:?}");
    }
}

#[test]
fn when_nobody_answers_everybody_is_named() {
    let mirror = Server::start(|_| answer(503, "text/plain", ""));
    let primary = Server::start(|_| answer(429, "text/plain", ""));
    let location = format!("{}/real", primary.authority);
    match ask("registry.example", &[conf(&location, &[&mirror], "")]) {
        FetchOutcome::Unavailable(unavailable) => {
            assert_eq!(unavailable.kind, UnavailableKind::RateLimited);
            for server in [&mirror, &primary] {
                assert!(unavailable.detail.contains(&server.authority), "{unavailable}");
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_registrys_nothing_is_the_last_word_even_if_a_mirror_failed() {
    let mirror = Server::start(|_| answer(503, "text/plain", ""));
    let primary = empty();
    let outcome = ask("registry.example", &[conf(&primary.authority, &[&mirror], "")]);
    assert_eq!(outcome, FetchOutcome::None);
}

#[test]
fn a_blocked_registry_is_not_asked_and_its_mirrors_have_the_last_word() {
    let primary = has("team/app");
    match ask("registry.example", &[conf(&primary.authority, &[], "blocked=true")]) {
        FetchOutcome::Unavailable(unavailable) => {
            assert_eq!(unavailable.kind, UnavailableKind::Blocked);
            assert!(
                unavailable.detail.contains("blocks registry.example/team/app"),
                "{unavailable}"
            );
        }
        other => panic!("{other:?}"),
    }
    let mirror = empty();
    let outcome = ask("registry.example", &[conf(&primary.authority, &[&mirror], "blocked=true")]);
    assert_eq!(outcome, FetchOutcome::None);
    let broken = Server::start(|_| answer(503, "text/plain", ""));
    let outcome =
        ask("registry.example", &[conf(&primary.authority, &[&broken, &mirror], "blocked=true")]);
    assert!(matches!(outcome, FetchOutcome::Unavailable(_)), "one mirror failed: {outcome:?}");
    assert_eq!(primary.asked().len(), 0);
}

#[test]
fn a_mirror_for_tags_only_is_not_asked_by_digest() {
    let (mirror, primary) = (has("copy/team/app"), empty());
    let (path, text) = conf(&primary.authority, &[&mirror], "");
    let outcome =
        ask("registry.example", &[(path, format!("{text}pull-from-mirror='tag-only'\n"))]);
    assert_eq!(outcome, FetchOutcome::None);
    assert_eq!(mirror.asked().len(), 0);
}

#[test]
fn containerds_hosts_are_asked_in_order_with_ns_and_headers() {
    let (first, second, primary) = (empty(), has("team/app"), empty());
    let hosts = format!(
        "server='http://{}'\n[host.'http://{}']\ncapabilities=['pull','resolve','referrers']\n[host.'http://{}'.header]\nx-team='blue'\n",
        primary.authority, first.authority, second.authority
    );
    let outcome =
        ask("registry.example", &[("etc/containerd/certs.d/registry.example/hosts.toml", hosts)]);
    must_be_found_at(outcome, &second);
    let asked = second.asked();
    assert!(asked.iter().all(|a| a.target.contains("ns=registry.example")), "{asked:?}");
    assert!(asked.iter().all(|a| a.header("x-team") == Some("blue")), "{asked:?}");
    assert_eq!((first.asked().len(), primary.asked().len()), (2, 0));
}

#[test]
fn containerds_hosts_without_the_capability_are_passed_over() {
    let (mirror, primary) = (has("team/app"), has("team/app"));
    let hosts = format!(
        "server='http://{}'\n[host.'http://{}']\ncapabilities=['pull','resolve']\n",
        primary.authority, mirror.authority
    );
    let outcome =
        ask("registry.example", &[("etc/containerd/certs.d/registry.example/hosts.toml", hosts)]);
    must_be_found_at(outcome, &primary);
    assert_eq!(mirror.asked().len(), 0);
}

#[test]
fn every_server_sees_its_own_credentials_only() {
    let wants = |path: &'static str| {
        Server::start(move |asked| match asked.header("authorization") {
            Some(_) if path.is_empty() => Reply::Answer(404, vec![], vec![]),
            Some(_) => content(path, asked),
            None => with_header(answer(401, "x/y", ""), "WWW-Authenticate", "Basic realm=x"),
        })
    };
    let (mirror, primary) = (wants(""), wants("team/app"));
    use base64::Engine as _;
    let pair = |text: &str| base64::prelude::BASE64_STANDARD.encode(text);
    let auths = format!(
        r#"{{"auths":{{"{}/copy":{{"auth":"{}"}},"{}":{{"auth":"{}"}},"registry.example":{{"auth":"{}"}}}}}}"#,
        mirror.authority,
        pair("m:mirror"),
        primary.authority,
        pair("p:primary"),
        pair("x:not-asked")
    );
    let files = [conf(&primary.authority, &[&mirror], ""), ("run/containers/0/auth.json", auths)];
    must_be_found_at(ask("registry.example", &files), &primary);
    let seen = |server: &Server| {
        let mut seen: Vec<String> = server
            .asked()
            .iter()
            .filter_map(|a| a.header("authorization").map(str::to_owned))
            .collect();
        seen.dedup();
        seen
    };
    assert_eq!(seen(&mirror), [format!("Basic {}", pair("m:mirror"))]);
    assert_eq!(seen(&primary), [format!("Basic {}", pair("p:primary"))]);
}

#[test]
fn a_proxy_is_used_where_the_configuration_names_one() {
    let proxy = Server::start(|asked| match asked.method.as_str() {
        "CONNECT" => Reply::Answer(200, vec![], vec![]),
        _ => content("team/app", asked),
    });
    let more = format!("proxy='http://{}'", proxy.authority);
    let outcome = ask("registry.example", &[conf("registry.example:80", &[], &more)]);
    assert!(matches!(outcome, FetchOutcome::Found(_)), "{outcome:?}");
    assert!(
        proxy.asked().iter().any(|a| a.method == "CONNECT" && a.target == "registry.example:80")
    );
}

#[test]
fn a_proxy_that_cannot_be_used_is_named() {
    for proxy in ["socks5://127.0.0.1:1", "::"] {
        let more = format!("proxy='{proxy}'");
        match ask("registry.example", &[conf("registry.example:80", &[], &more)]) {
            FetchOutcome::Unavailable(unavailable) => {
                assert_eq!(unavailable.kind, UnavailableKind::Configuration, "{unavailable}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_proxy_that_is_away_is_named() {
    let conf = conf("registry.example:80", &[], "proxy='http://127.0.0.1:1'");
    match ask("registry.example", &[conf]) {
        FetchOutcome::Unavailable(unavailable) => {
            assert!(
                unavailable.detail.ends_with("(asked by the proxy 127.0.0.1:1)"),
                "{unavailable}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mirror_that_comes_back_is_asked_again_and_the_requests_are_counted() {
    let primary = has("real/team/app");
    let location = format!("{}/real", primary.authority);
    let mirror = has("copy/team/app");
    let files = [conf(&location, &[&mirror], "")];
    let address = mirror.authority.clone();
    drop(mirror);
    // The listener ends with the next connection; until it has, the address is taken.
    while std::net::TcpStream::connect(&address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    must_be_found_at(ask("registry.example", &files), &primary);
    assert_eq!(primary.asked().len(), 3);
    let mirror = Server::start_at(&address, |asked| content("copy/team/app", asked));
    must_be_found_at(ask("registry.example", &files), &mirror);
    assert_eq!((mirror.asked().len(), primary.asked().len()), (3, 3));
}

#[test]
fn dockers_mirrors_are_asked_before_docker_hub() {
    let mirror = Server::start(|asked| content("team/app", asked));
    let daemon = format!(r#"{{"registry-mirrors": ["http://{}"]}}"#, mirror.authority);
    let outcome = ask("docker.io", &[("etc/docker/daemon.json", daemon)]);
    must_be_found_at(outcome, &mirror);
    assert_eq!(mirror.asked().len(), 3);
}
