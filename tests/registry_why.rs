//! What a person reads after a start at a registry that misbehaves: every fault ends within the deadline, never as "nothing
//! is attached", and `imgcompat why` names it. What the worker makes of each fault in detail is in `registry_faults.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_registry.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_registry;
#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use faulty_registry::{BLOB, CANARY, Content, MANIFEST, REFERRERS, error, redirect};
use faulty_server::{Asked, Reply, Server, answer, with_header};
use imgcompat::oci::{Digest, media_type};
use imgcompat::verdict::Cause;
use node::Node;

const DEADLINE: Duration = Duration::from_secs(2);

/// A node whose image came from this server, with credentials for it.
fn node_at(authority: &str) -> Node {
    let node = Node::with_image(&format!("{authority}/a:1"));
    let auth = base64::prelude::BASE64_STANDARD.encode(format!("user:{CANARY}"));
    let authfile = node.root().join("etc/imgcompat/auth.json");
    node.write(
        "etc/imgcompat/auth.json",
        &format!(r#"{{"auths":{{"{authority}":{{"auth":"{auth}"}}}}}}"#),
    );
    node.write(
        "etc/imgcompat/config.toml",
        &format!("deadline = '2s'\n[credentials]\nauthfile = '{}'\n", authfile.display()),
    );
    node
}

fn why(node: &Node) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["why", "--last", "1", "--root"])
        .arg(node.root())
        .output()
        .unwrap();
    let container = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["why", node::CONTAINER, "--root"])
        .arg(node.root())
        .output()
        .unwrap();
    String::from_utf8([output.stdout, container.stdout].concat()).unwrap()
}

/// The image's manifest is the same on every node, so a server can be made before its node.
fn subject() -> Digest {
    Node::with_image("any.example/a:1").manifest
}

fn content() -> Content {
    Content::with(&subject(), faulty_registry::SPECIFICATION, |manifest| manifest)
}

fn except(part: &'static str, reply: Reply) -> Server {
    let content = content();
    Server::start(
        move |asked| {
            if asked.target.contains(part) { reply.clone() } else { content.reply(asked) }
        },
    )
}

/// A start at this server is decided in time, and `why` says what happened.
#[track_caller]
fn explained(case: &str, server: &Server, cause: Cause, says: &[&str]) {
    let node = node_at(&server.authority);
    let began = Instant::now();
    let ended = node.start();
    let took = began.elapsed();
    let record = node.record();
    assert_eq!((ended.code, record.cause), (0, Some(cause)), "{case}: {record:?}");
    assert!(took < DEADLINE + Duration::from_secs(4), "{case}: {took:?}");
    let text = why(&node);
    println!("{case}, {took:?}: {}", record.reason);
    for word in says {
        assert!(text.contains(word), "{case}: {word:?} is not in\n{text}");
    }
    assert!(!text.contains(CANARY) && !format!("{record:?}").contains(CANARY), "{case}");
}

#[test]
fn what_a_registry_lies_about_is_named() {
    let unavailable = Cause::RegistryUnavailable;
    let other = answer(200, media_type::IMAGE_MANIFEST, "{}");
    explained(
        "another digest",
        &except(MANIFEST, other),
        unavailable,
        &["(unverifiable)", "its content has the digest sha256:"],
    );
    let foreign =
        Content::with(&Digest::of(b"another image"), faulty_registry::SPECIFICATION, |m| m);
    let listed = faulty_registry::list(&[foreign.entry()]);
    let server = Server::start(move |asked| {
        if asked.target.contains(REFERRERS) { listed.clone() } else { foreign.reply(asked) }
    });
    explained(
        "another subject",
        &server,
        unavailable,
        &["(unverifiable)", "its subject is sha256:"],
    );
    explained(
        "100 GiB",
        &except(BLOB, Reply::Huge(100 << 30)),
        unavailable,
        &["(unverifiable)", "it is larger than"],
    );
}

#[test]
fn a_registry_that_is_slow_costs_the_deadline_and_is_named() {
    let slow = Reply::Drip(content().manifest.into_bytes(), Duration::from_secs(1));
    for part in [REFERRERS, MANIFEST, BLOB] {
        let server = except(part, slow.clone());
        let node = node_at(&server.authority);
        let began = Instant::now();
        node.start();
        assert!(began.elapsed() < DEADLINE + Duration::from_secs(4), "{part}");
        let record = node.record();
        let late = [Some(Cause::DeadlineExceeded), Some(Cause::RegistryUnavailable)];
        assert!(late.contains(&record.cause), "{part}: {record:?}");
        let text = why(&node);
        let named =
            text.contains("deadline") || text.contains("did not answer in the time allowed");
        assert!(named, "{part}: {text}");
    }
}

#[test]
fn refusals_are_told_apart() {
    let unavailable = Cause::RegistryUnavailable;
    let challenge =
        |_: &Asked| with_header(error(401, "UNAUTHORIZED"), "WWW-Authenticate", "Basic realm=x");
    let server = Server::start(challenge);
    explained(
        "a loop of 401",
        &server,
        unavailable,
        &["(denied)", "HTTP 401 (UNAUTHORIZED: because)"],
    );
    assert!(server.asked().len() <= 3, "{}", server.asked().len());
    let limited = with_header(error(429, "TOOMANYREQUESTS"), "Retry-After", "60");
    let server = Server::start(move |_| limited.clone());
    explained(
        "429",
        &server,
        unavailable,
        &["(rate-limited)", "HTTP 429 (TOOMANYREQUESTS: because)"],
    );
    assert_eq!(server.asked().len(), 1, "what is limited is not asked again");
    explained(
        "503",
        &except(REFERRERS, error(503, "DOWN")),
        unavailable,
        &["(server)", "HTTP 503 (DOWN: because)"],
    );
}

#[test]
fn a_redirect_to_another_host_is_followed_without_credentials_and_to_a_strangers_refusal_named() {
    let content = content();
    let stranger = Server::start({
        let content = content.clone();
        move |asked| content.reply(asked)
    });
    let refusing = Server::start(|_| {
        with_header(error(401, "GIVE"), "WWW-Authenticate", "Basic realm=your-password")
    });
    for (target, verdict) in [(&stranger, "found"), (&refusing, "refused")] {
        let (content, address) = (content.clone(), format!("http://{}", target.authority));
        let server = Server::start(move |asked| {
            if asked.header("authorization").is_none() {
                return with_header(error(401, "X"), "WWW-Authenticate", "Basic realm=x");
            }
            if asked.target.contains(BLOB) {
                redirect(307, &format!("{address}{}", asked.target))
            } else {
                content.reply(asked)
            }
        });
        if verdict == "found" {
            let node = node_at(&server.authority);
            node.start();
            assert_eq!(node.record().judgements.len(), 1, "{:?}", node.record());
        } else {
            explained(verdict, &server, Cause::RegistryUnavailable, &["(denied)", "HTTP 401"]);
        }
        assert!(!target.asked().is_empty(), "{verdict}");
        assert!(target.asked().iter().all(|a| a.header("authorization").is_none()), "{verdict}");
    }
}
