//! Rows 1 to 8 and 15: registries that do not answer, lie, or are asked by many at once. What a registry can do wrong in
//! detail is in `tests/registry_faults.rs`; here is what becomes of a start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imgcompat::oci::{Digest, media_type};
use imgcompat::verdict::Cause;

use crate::attached::{FAILS, FITS, attached, manifest, specification};
use crate::faulty_server::{Reply, Server, answer, with_header};
use crate::node::Node;
use crate::{MODES, Ran, follows_policy, plainly, strict};

/// A node whose image came from a server that does this.
fn from(
    behaviour: impl Fn(&crate::faulty_server::Asked) -> Reply + Send + Sync + 'static,
) -> (Node, Ran) {
    let server = Server::start(behaviour);
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    let run = move |node: &Node| {
        let _server = &server;
        node.start()
    };
    (node, Box::new(run))
}

#[test]
fn row_1_no_connection_leaves_the_policy_or_an_old_answer() {
    follows_policy("connection refused", Cause::RegistryUnavailable, "", || {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        (Node::with_image(&format!("{free}/ml:2")), plainly())
    });
    for (mode, code) in MODES {
        let (node, _registry, server) = attached(&specification(FAILS));
        node.write(
            "etc/imgcompat/config.toml",
            &format!("mode = '{mode}'\n[cache]\nartifact = '0s'\n"),
        );
        assert_eq!(node.start().code, code);
        drop(server);
        assert_eq!(node.start().code, code, "{mode}: an old answer serves");
        assert_eq!(node.records().last().unwrap().verdict, "incompatible");
        let stale = "[cache]\nartifact = '0s'\nstale = '0s'\n";
        node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n{stale}"));
        assert_eq!(node.start().code, 0, "{mode}: not for ever");
    }
}

#[test]
fn row_2_a_black_hole_costs_the_deadline() {
    for (mode, code) in MODES {
        // The kernel completes connections to a socket that nobody accepts from.
        let hole = TcpListener::bind("127.0.0.1:0").unwrap();
        let node = Node::with_image(&format!("{}/ml:2", hole.local_addr().unwrap()));
        node.write("etc/imgcompat/config.toml", &strict(mode, "deadline = '1s'\n"));
        let began = Instant::now();
        assert_eq!(node.start().code, code);
        let took = began.elapsed();
        println!("black hole, {mode}: {took:?}");
        assert!(took < Duration::from_secs(6), "{took:?}");
        let cause = node.record().cause;
        let known = [Some(Cause::DeadlineExceeded), Some(Cause::RegistryUnavailable)];
        assert!(known.contains(&cause), "{cause:?}");
    }
}

#[test]
fn row_3_answers_without_end_cost_the_deadline() {
    type Behaviour = fn() -> Reply;
    let table: [(&str, Behaviour); 4] = [
        ("a byte a second", || Reply::Drip(b"{}".repeat(100), Duration::from_secs(1))),
        ("endless body", || Reply::Endless),
        ("a huge body", || Reply::Huge(1 << 40)),
        ("endless pages", || {
            let page = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
            let again = format!("</v2/ml/referrers/{}?page=1>; rel=\"next\"", Digest::of(b"x"));
            with_header(answer(200, media_type::IMAGE_INDEX, page), "Link", &again)
        }),
    ];
    for (fault, behaviour) in table {
        for (mode, code) in MODES {
            let (node, run) = from(move |_| behaviour());
            node.write("etc/imgcompat/config.toml", &strict(mode, "deadline = '1s'\n"));
            let began = Instant::now();
            let ended = run(&node);
            println!("{fault}, {mode}: exit code {} after {:?}", ended.code, began.elapsed());
            assert_eq!(ended.code, code, "{fault}, {mode}: {}", node.record().reason);
            assert!(began.elapsed() < Duration::from_secs(6), "{fault}: {:?}", began.elapsed());
            assert_ne!(node.record().verdict, "no-artifact", "{fault}");
        }
    }
}

/// The answer, what names it in the record.
const REFUSALS: [(u16, &str); 5] =
    [(429, "rate-limited"), (503, "server"), (500, "server"), (401, "denied"), (403, "denied")];

#[test]
fn rows_4_and_5_refusals_are_named_and_not_repeated() {
    for (status, kind) in REFUSALS {
        for (mode, code) in MODES {
            let server = Server::start(move |_| {
                let reply = answer(status, "application/json", "{}");
                if status == 429 || status == 503 {
                    with_header(reply, "Retry-After", "60")
                } else {
                    reply
                }
            });
            let node = Node::with_image(&format!("{}/ml:2", server.authority));
            node.write("etc/imgcompat/config.toml", &strict(mode, ""));
            assert_eq!(node.start().code, code);
            let record = node.record();
            println!("{status}, {mode}: {}", record.reason);
            assert_eq!(record.cause, Some(Cause::RegistryUnavailable));
            assert!(record.reason.contains(&format!("({kind})")), "{status}: {}", record.reason);
            let asked = server.asked().len();
            assert_eq!(node.start().code, code);
            assert_eq!(server.asked().len(), asked, "{status}, {mode}: asked again at once");
        }
    }
}

#[test]
fn row_6_without_the_referrers_api_the_tag_counts() {
    for tag_exists in [true, false] {
        for (mode, code) in MODES {
            let text = specification(FAILS);
            let node = Node::with_image("placeholder.example/ml:2");
            let document = manifest(&node.manifest, &text).to_string();
            let tag = node.manifest.as_str().replace(':', "-");
            let index = format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","artifactType":"{}","digest":"{}","size":{}}}]}}"#,
                media_type::IMAGE_INDEX,
                media_type::IMAGE_MANIFEST,
                media_type::ARTIFACT_TYPE,
                Digest::of(document.as_bytes()),
                document.len()
            );
            let server = Server::start(move |asked| {
                let last = asked.target.rsplit('/').next().unwrap_or_default();
                if tag_exists && last == tag {
                    answer(200, media_type::IMAGE_INDEX, index.clone())
                } else if last == Digest::of(document.as_bytes()).as_str() {
                    answer(200, media_type::IMAGE_MANIFEST, document.clone())
                } else if last == Digest::of(text.as_bytes()).as_str() {
                    answer(200, "application/octet-stream", text.clone())
                } else {
                    answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)
                }
            });
            let node = Node::with_image(&format!("{}/ml:2", server.authority));
            node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
            let ended = node.start();
            let expected = if tag_exists { ("incompatible", code) } else { ("no-artifact", 0) };
            let record = node.record();
            println!("no referrers API, tag {tag_exists}, {mode}: {}", record.verdict);
            assert_eq!((record.verdict.as_str(), ended.code), expected);
        }
    }
}

#[test]
fn row_7_what_cannot_be_verified_is_never_no_artifact() {
    let index = |body: &str| answer(200, media_type::IMAGE_INDEX, body);
    let other = Digest::of(b"other");
    let listed = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","artifactType":"{}","digest":"{other}","size":2}}]}}"#,
        media_type::IMAGE_INDEX,
        media_type::IMAGE_MANIFEST,
        media_type::ARTIFACT_TYPE
    );
    let both = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"layers":[]}}"#,
        media_type::IMAGE_INDEX
    );
    let table = [
        ("a list of something else", index("[]")),
        ("a page for people", answer(200, "text/html", "<html>log in</html>")),
        ("manifest and index at once", index(&both)),
        ("a manifest of other bytes", index(&listed)),
    ];
    for (fault, reply) in table {
        follows_policy(fault, Cause::RegistryUnavailable, "", || {
            let reply = reply.clone();
            from(move |asked| {
                if asked.target.contains("/referrers/") {
                    reply.clone()
                } else {
                    answer(200, media_type::IMAGE_MANIFEST, "{}")
                }
            })
        });
    }
}

#[test]
fn row_8_a_name_that_nobody_knows_is_an_unavailable_registry() {
    follows_policy("unknown name", Cause::RegistryUnavailable, "deadline = '3s'\n", || {
        (Node::with_image("registry.invalid/ml:2"), plainly())
    });
}

#[test]
fn row_15_many_cold_starts_make_one_set_of_requests() {
    const STARTS: usize = 40;
    for (mode, code) in MODES {
        let (node, _registry, server) = attached(&specification(FAILS));
        node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\ndeadline = '9s'\n"));
        let decided = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..STARTS {
                scope.spawn(|| {
                    decided.fetch_add(usize::from(node.start().code == code), Ordering::SeqCst)
                });
            }
        });
        let lists =
            server.asked().iter().filter(|asked| asked.target.contains("/referrers/")).count();
        println!("{STARTS} cold starts, {mode}: {lists} lists of referrers asked for");
        assert_eq!((decided.into_inner(), lists), (STARTS, 1), "{mode}");
    }
}

/// Whoever asks hangs, stopped; the others give up at their deadline, and the next start asks again.
#[test]
fn row_15_a_holder_that_hangs_costs_the_others_their_deadline() {
    let server = Server::start(|_| Reply::Silence);
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    node.write("etc/imgcompat/config.toml", &strict("enforce", "deadline = '9s'\n"));
    let mut holder = node.command(&[]).spawn().unwrap();
    use std::io::Write;
    holder.stdin.take().unwrap().write_all(node.state().as_bytes()).unwrap();
    while server.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(holder.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    node.write("etc/imgcompat/config.toml", &strict("enforce", "deadline = '1s'\n"));
    let began = Instant::now();
    assert_eq!(node.start().code, 1);
    assert_eq!(node.record().cause, Some(Cause::DeadlineExceeded));
    assert!(began.elapsed() < Duration::from_secs(6));
    holder.kill().unwrap();
    holder.wait().unwrap();
    drop(server);
    let (other, _registry, _server) = attached(&specification(FITS));
    assert_eq!(other.start().code, 0);
    node.start();
    assert_eq!(
        node.record().cause,
        Some(Cause::RegistryUnavailable),
        "the lock ended with its holder"
    );
}
