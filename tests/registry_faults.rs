//! Registries that misbehave: each fault is a case, and each must end as what it is, within the deadline, never as
//! "nothing is attached".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_registry.rs"]
#[allow(dead_code)]
mod faulty_registry;
#[path = "support/faulty_server.rs"]
#[allow(dead_code)]
mod faulty_server;

use std::time::{Duration, Instant};

use faulty_registry::*;
use faulty_server::{Reply, Server, answer, with_header};
use imgcompat::oci::{Digest, Repository, media_type};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::fetch::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::tasks::fetch::run_with;
use imgcompat::worker::protocol::{FetchOutcome, FetchRequest, UnavailableKind};

#[test]
fn a_good_registry_is_believed_and_asked_three_times_on_one_connection() {
    let server = of(Content::good());
    must_be_found("good", ask(&server));
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|a| a.method == "GET" && a.header("authorization").is_none()));
    assert!(asked.iter().all(|a| a.header("accept-encoding") == Some("identity")), "{asked:?}");
    assert!(
        asked[0].target.contains("artifactType=application%2Fvnd.nfd.image-compatibility.v1alpha1")
    );
}

#[test]
fn a_status_that_is_not_an_answer_is_never_nothing_attached() {
    use UnavailableKind::{Denied, RateLimited, Server as Broken};
    for part in [REFERRERS, MANIFEST, BLOB] {
        for (status, kind) in [
            (401, Denied),
            (403, Denied),
            (429, RateLimited),
            (500, Broken),
            (502, Broken),
            (503, Broken),
        ] {
            let case = format!("{status} for {part}");
            let outcome = ask(&except(part, error(status, "CODE")));
            must_fail(&case, outcome, kind, &format!("HTTP {status} (CODE: because)"));
        }
    }
}

#[test]
fn without_the_api_a_refused_tag_is_no_empty_list() {
    use UnavailableKind::{Denied, RateLimited, Server as Broken};
    let cases = [
        (401, Denied),
        (403, Denied),
        (429, RateLimited),
        (400, Broken),
        (405, Broken),
        (500, Broken),
        (503, Broken),
    ];
    for (status, kind) in cases {
        let server = Server::start(move |asked| {
            if asked.target.contains(TAG) { error(status, "CODE") } else { error(404, "PAGE") }
        });
        must_fail(&format!("tag {status}"), ask(&server), kind, &format!("HTTP {status}"));
    }
}

#[test]
fn retry_after_is_handed_on() {
    let reply = with_header(error(429, "TOOMANYREQUESTS"), "Retry-After", "17");
    match ask(&except(REFERRERS, reply)) {
        FetchOutcome::Unavailable(unavailable) => assert_eq!(unavailable.retry_after, Some(17)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_absent_api_means_the_tag_is_read() {
    let web_page = answer(200, "text/html", "<html>log in</html>");
    let empty = list(&[]);
    let null = answer(200, media_type::IMAGE_INDEX, r#"{"schemaVersion":2,"manifests":null}"#);
    let other_host = redirect(303, "http://127.0.0.2:9/a");
    let absences = [
        ("404", not_found("NOT_FOUND")),
        ("404 without a body", Reply::Answer(404, vec![], vec![])),
        ("404 NAME_UNKNOWN", not_found("NAME_UNKNOWN")),
        ("400", error(400, "UNSUPPORTED")),
        ("405", error(405, "UNSUPPORTED")),
        ("501", error(501, "UNSUPPORTED")),
        ("a web page", web_page),
        ("another media type", answer(200, "application/json", "{}")),
        ("303 to another host (GHCR)", other_host),
        ("an empty list", empty),
        ("manifests: null", null),
    ];
    for (case, absence) in absences {
        let content = Content::good();
        let reply = absence.clone();
        let server = Server::start(move |asked| {
            let is = |part: &str| asked.target.contains(part);
            if is(REFERRERS) {
                reply.clone()
            } else if is(TAG) {
                list(&[content.entry()])
            } else {
                content.reply(asked)
            }
        });
        must_be_found(case, ask(&server));
        let server = except(REFERRERS, absence);
        match (case, ask(&server)) {
            // The tag's own "no such manifest" shows that the repository is known.
            (_, FetchOutcome::None) => {}
            (case, other) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn an_unknown_repository_is_not_nothing_attached() {
    let server = Server::start(|_| not_found("NAME_UNKNOWN"));
    must_fail("unknown", ask(&server), UnavailableKind::Denied, "does not know the repository a");
}

#[test]
fn gitlabs_tag_that_is_the_subject_itself_is_no_list() {
    let image = r#"{"schemaVersion":2,"manifests":[]}"#;
    let subject = Digest::of(image.as_bytes());
    let server = Server::start(move |asked| {
        if asked.target.contains("/manifests/") {
            answer(200, media_type::IMAGE_INDEX, image)
        } else {
            Reply::Answer(404, vec![], vec![])
        }
    });
    let repository = Repository { registry: server.authority.clone(), path: "a".to_owned() };
    let access = Access::for_repository(&repository, &options()).unwrap();
    let request = FetchRequest {
        repository,
        subjects: vec![subject],
        deadline_ms: 5_000,
        credentials: Default::default(),
    };
    assert_eq!(fetch(&request, &access), FetchOutcome::None);
}

#[test]
fn lists_are_filtered_here_and_entries_without_a_type_are_opened() {
    let content = Content::good();
    let other = format!(
        r#"{{"artifactType":"application/spdx+json","mediaType":"{}","digest":"sha512:{}","size":9}}"#,
        media_type::IMAGE_MANIFEST,
        "a".repeat(128)
    );
    let typed = list(&[other.clone(), content.entry()]);
    must_be_found("filter not applied", ask(&except(REFERRERS, typed)));
    let untyped = list(&[other.clone(), content.entry_typed("")]);
    must_be_found("no type", ask(&except(REFERRERS, untyped)));
    let null = list(&[content.entry_typed(r#""artifactType":null,"annotations":null,"#)]);
    must_be_found("null type", ask(&except(REFERRERS, null)));
    assert_eq!(ask(&except(REFERRERS, list(&[other]))), FetchOutcome::None);
    let unreadable = list(&[r#"{"mediaType":"x","digest":"md5:1","size":1}"#.to_owned()]);
    must_fail(
        "entry",
        ask(&except(REFERRERS, unreadable)),
        UnavailableKind::Unverifiable,
        "an entry cannot be read",
    );
    let many: Vec<String> = (0..33).map(|_| content.entry_typed("")).collect();
    must_fail(
        "many",
        ask(&except(REFERRERS, list(&many))),
        UnavailableKind::Server,
        "33 entries without a type",
    );
}

#[test]
fn pages_are_followed_within_the_server_and_within_bounds() {
    let content = Content::good();
    let server = Server::start(move |asked| match asked.target.as_str() {
        target if target.ends_with("?page=2") => list(&[content.entry()]),
        target if target.contains(REFERRERS) => {
            with_header(list(&[]), "Link", r#"<?page=2>; rel="next""#)
        }
        _ => content.reply(asked),
    });
    must_be_found("second page", ask(&server));

    let endless = with_header(list(&[]), "Link", r#"</v2/a/referrers/x>; rel="next""#);
    let server = except(REFERRERS, endless);
    must_fail("endless", ask(&server), UnavailableKind::Server, "more than 20 pages");
    assert_eq!(server.asked().len(), 20);

    let elsewhere = with_header(list(&[]), "Link", r#"<http://127.0.0.2:9/x>; rel="next""#);
    let outcome = ask(&except(REFERRERS, elsewhere));
    must_fail("elsewhere", outcome, UnavailableKind::Server, "on another server");

    let second_fails = with_header(list(&[]), "Link", r#"</v2/a/second>; rel="next""#);
    let content = Content::good();
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/v2/a/second" => not_found("X"),
        target if target.contains(REFERRERS) => second_fails.clone(),
        _ => content.reply(asked),
    });
    must_fail("second page 404", ask(&server), UnavailableKind::Server, "HTTP 404");

    let many: Vec<String> = (0..1001).map(|_| Content::good().entry()).collect();
    let outcome = ask(&except(REFERRERS, list(&many)));
    must_fail("many", outcome, UnavailableKind::Server, "more than 1000");
}

#[test]
fn what_does_not_verify_is_refused_with_its_reason() {
    use UnavailableKind::Unverifiable;
    let good = Content::good();
    let change = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        of(Content::with(&Digest::of(b"image"), SPECIFICATION, move |m| {
            let changed = m.replace(&from, &to);
            assert_ne!(changed, m, "{from}");
            changed
        }))
    };
    let layers = |text: &str| {
        let end = format!(r#""size":{}}}],"subject""#, SPECIFICATION.len());
        let text = text.to_owned();
        of(Content::with(&Digest::of(b"image"), SPECIFICATION, move |m| {
            let start = m.find(r#""layers":["#).unwrap() + 10;
            let stop = m.find(&end).unwrap() + end.len() - 11;
            format!("{}{}{}", &m[..start], text.replace("LAYER", &m[start..stop]), &m[stop..])
        }))
    };
    let html = answer(200, "text/html", "<html>");
    let cases: Vec<(&str, Server, &str)> = vec![
        (
            "other manifest",
            except(MANIFEST, answer(200, media_type::IMAGE_MANIFEST, "{}")),
            "its content has the digest",
        ),
        ("web page for the manifest", except(MANIFEST, html.clone()), "its content has the digest"),
        (
            "other blob",
            except(BLOB, answer(200, "x/y", SPECIFICATION.replace('1', "2"))),
            "its content has the digest",
        ),
        ("shorter blob", except(BLOB, answer(200, "x/y", "v")), "its descriptor says"),
        (
            "longer blob",
            except(BLOB, answer(200, "x/y", format!("{SPECIFICATION} "))),
            "it is larger than",
        ),
        (
            "gzip",
            except(BLOB, with_header(answer(200, "x/y", "v"), "Content-Encoding", "gzip")),
            "it is encoded as `gzip`",
        ),
        (
            "lying media type",
            except(MANIFEST, answer(200, media_type::IMAGE_INDEX, good.manifest.clone())),
            "it is sent as",
        ),
        (
            "other subject",
            change(Digest::of(b"image").hex(), Digest::of(b"other").hex()),
            "its subject is",
        ),
        ("no subject", change(r#""subject""#, r#""object""#), "it names no subject"),
        ("other type", change(media_type::ARTIFACT_TYPE, "a/b"), "its artifactType is `a/b`"),
        (
            "layer type",
            change(media_type::SPECIFICATION, "text/plain"),
            "has the media type `text/plain`",
        ),
        ("two layers", layers("LAYER,LAYER"), "it has 2 layers"),
        ("no layer", layers(""), "it has 0 layers"),
        (
            "both kinds",
            change(r#""schemaVersion":2"#, r#""schemaVersion":2,"manifests":[]"#),
            "a manifest and an index at once",
        ),
        (
            "listed size",
            except(
                REFERRERS,
                list(&[good
                    .entry()
                    .replace(&format!(r#""size":{}"#, good.manifest.len()), r#""size":1"#)]),
            ),
            "its descriptor says 1",
        ),
        (
            "list is no JSON",
            except(REFERRERS, answer(200, media_type::IMAGE_INDEX, "<")),
            "cannot be trusted",
        ),
    ];
    for (case, server, says) in cases {
        must_fail(case, ask(&server), Unverifiable, says);
    }
}

#[test]
fn a_listed_artifact_that_is_gone_is_a_failure() {
    let outcome = ask(&except(MANIFEST, not_found("MANIFEST_UNKNOWN")));
    must_fail("gone", outcome, UnavailableKind::Server, "does not have it");
    let outcome = ask(&except(BLOB, not_found("BLOB_UNKNOWN")));
    must_fail("blob gone", outcome, UnavailableKind::Server, "HTTP 404");
}

#[test]
fn a_specification_that_is_none_is_invalid_and_says_where() {
    for (text, says) in
        [("version: v1alpha1\ncompatibilities:\n- rules: []\nnonsense: 1\n", "line 4"), ("", "")]
    {
        let server = of(Content::with(&Digest::of(b"image"), text, |m| m));
        match ask(&server) {
            FetchOutcome::Invalid { problem, .. } => assert!(problem.contains(says), "{problem}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let size = format!(r#""size":{}}}],"#, SPECIFICATION.len());
    let server = of(Content::with(&Digest::of(b"image"), SPECIFICATION, move |m| {
        m.replace(&size, r#""size":1048577}],"#)
    }));
    match ask(&server) {
        FetchOutcome::Invalid { problem, .. } => {
            assert!(problem.contains("at most 1048576"), "{problem}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_are_read_within_their_limits_and_cut_ones_are_noticed() {
    use UnavailableKind::Connection;
    for part in [REFERRERS, MANIFEST, BLOB] {
        must_be_bounded(part, Reply::Endless);
        must_be_bounded(part, Reply::Huge(100 << 30));
    }
    let cut = Reply::Truncated(SPECIFICATION.len() as u64, b"version".to_vec());
    must_fail("cut blob", ask(&except(BLOB, cut)), Connection, "before the answer was whole");
    let manifest = Content::good().manifest;
    let cut = Reply::Truncated(manifest.len() as u64, manifest.as_bytes()[..9].to_vec());
    must_fail(
        "cut manifest",
        ask(&except(MANIFEST, cut)),
        Connection,
        "before the answer was whole",
    );
}

#[test]
fn cut_chunks_and_endless_headers_are_noticed() {
    for part in [REFERRERS, MANIFEST, BLOB] {
        let cut = Reply::CutChunk(Content::good().manifest.into_bytes());
        let outcome = ask(&except(part, cut));
        assert!(matches!(outcome, FetchOutcome::Unavailable(_)), "{part}: {outcome:?}");
        let headers = with_header(list(&[]), "X-Long", &"x".repeat(1 << 20));
        let outcome = ask(&except(part, headers));
        assert!(matches!(outcome, FetchOutcome::Unavailable(_)), "{part}: {outcome:?}");
    }
}

fn must_be_bounded(part: &'static str, reply: Reply) {
    let start = Instant::now();
    let outcome = ask_with(&except(part, reply.clone()).authority, &options(), 10_000);
    // A list without a media type is no list; then the tag is asked, and has nothing.
    if part == REFERRERS {
        assert_eq!(outcome, FetchOutcome::None, "{part} {reply:?}");
    } else {
        must_fail(part, outcome, UnavailableKind::Unverifiable, "it is larger than");
    }
    assert!(start.elapsed() < Duration::from_secs(9), "{part} {reply:?}");
}

#[test]
fn the_deadline_holds_whatever_the_server_does() {
    let slow = Reply::Drip(Content::good().manifest.into_bytes(), Duration::from_millis(200));
    for part in [REFERRERS, MANIFEST, BLOB] {
        for reply in [Reply::Silence, slow.clone()] {
            let server = except(part, reply.clone());
            let start = Instant::now();
            let outcome = ask_with(&server.authority, &options(), 700);
            must_fail(
                &format!("{part} {reply:?}"),
                outcome,
                UnavailableKind::Timeout,
                "in the time allowed",
            );
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    }
    // A listener that never accepts: the kernel completes the handshake, nobody answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let outcome = ask_with(&authority, &options(), 500);
    must_fail("never accepted", outcome, UnavailableKind::Timeout, "in the time allowed");
    let https = Options { plain_http: false, tls_verify: Some(true), ..options() };
    let outcome = ask_with(&authority, &https, 500);
    must_fail("TLS never answered", outcome, UnavailableKind::Timeout, "in the time allowed");
}

#[test]
fn no_connection_and_no_http_are_told_apart() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = ask_with(&format!("127.0.0.1:{port}"), &options(), 5_000);
    must_fail("refused", outcome, UnavailableKind::Connection, "the connection was refused");
    must_fail(
        "closed",
        ask(&except(REFERRERS, Reply::Close)),
        UnavailableKind::Connection,
        "closed the connection",
    );
    must_fail(
        "garbage",
        ask(&except(REFERRERS, Reply::Garbage)),
        UnavailableKind::Server,
        "does not speak HTTP",
    );
    let https = Options { plain_http: false, tls_verify: Some(true), ..options() };
    let server = of(Content::good());
    let outcome = ask_with(&server.authority, &https, 5_000);
    must_fail("no TLS", outcome, UnavailableKind::Tls, "does not speak TLS");
    match ask_with("no-such-host.invalid:5000", &options(), 5_000) {
        FetchOutcome::Unavailable(failed) => {
            assert_eq!(failed.kind, UnavailableKind::Name, "{failed}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn this_machine_is_spoken_to_in_plain_http_where_it_speaks_that() {
    let local = Options { plain_http: false, ..options() };
    let server = of(Content::good());
    must_be_found("loopback", ask_with(&server.authority, &local, 5_000));
}

#[test]
fn nothing_is_sent_before_the_worker_is_confined() {
    let server = of(Content::good());
    let repository = Repository { registry: server.authority.clone(), path: "a".to_owned() };
    let subjects = vec![Digest::of(b"image")];
    let request =
        FetchRequest { repository, subjects, deadline_ms: 5_000, credentials: Default::default() };
    let input = serde_json::to_vec(&request).unwrap();
    let run = |confine: &dyn Fn() -> std::io::Result<()>| {
        let mut output = Vec::new();
        let done = run_with(options(), input.as_slice(), &mut output, confine);
        (done, output)
    };
    let (done, output) = run(&|| Err(std::io::Error::other("no confinement")));
    assert!(done.is_err() && output.is_empty());
    assert_eq!(server.asked().len(), 0);
    let (done, output) = run(&|| {
        assert_eq!(server.asked().len(), 0);
        Ok(())
    });
    done.unwrap();
    must_be_found("worker", FetchOutcome::read_from(&mut output.as_slice()).unwrap());
}

/// Whoever started the worker kills it at the deadline, and nobody would be left to end what the worker started.
#[test]
fn a_credential_helper_is_ended_before_the_worker_s_time_is_over() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root, whose helpers come from the system's folders");
        return;
    }
    let node = tempfile::tempdir().unwrap();
    let (bin, pid) = (node.path().join("usr/bin"), node.path().join("pid"));
    let conf = node.path().join("etc/containers/registries.conf");
    for folder in [&bin, &conf.parent().unwrap().to_owned()] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(conf, "credential-helpers = ['slow', 'slow']\n").unwrap();
    let script = format!("#!/bin/sh\necho $$ >>{}; exec sleep 1000\n", pid.display());
    let helper = bin.join("docker-credential-slow");
    // By another process: a file that this one has open for writing when another thread forks cannot be executed.
    let written = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .args([helper.as_os_str(), script.as_ref()])
        .status();
    assert!(written.unwrap().success());
    let repository = Repository { registry: "r.invalid".to_owned(), path: "a".to_owned() };
    let subjects = vec![Digest::of(b"image")];
    let request =
        FetchRequest { repository, subjects, deadline_ms: 500, credentials: Default::default() };
    let input = serde_json::to_vec(&request).unwrap();
    let options = Options { files: NodeFiles::of_root(node.path()), ..options() };
    let mut output = Vec::new();
    run_with(options, input.as_slice(), &mut output, || Ok(())).unwrap();
    let outcome = FetchOutcome::read_from(&mut output.as_slice()).unwrap();
    match outcome {
        FetchOutcome::Unavailable(failed) => {
            assert!(failed.detail.contains("did not answer within the deadline"), "{failed}");
        }
        other => panic!("{other:?}"),
    }
    let started = std::fs::read_to_string(&pid).unwrap();
    let pids: Vec<&str> = started.lines().collect();
    assert_eq!(pids.len(), 1, "no second one is started when the time is over");
    assert!(!std::path::Path::new("/proc").join(pids[0]).exists(), "{started}");
}

#[test]
fn a_request_that_is_none_and_a_repository_that_is_none_are_refused() {
    let mut output = Vec::new();
    assert!(run_with(options(), &b"{}"[..], &mut output, || Ok(())).is_err());
    for (registry, path) in
        [("../../etc", "a"), ("r.example", "../a"), ("r.example", "A"), ("", "a")]
    {
        let repository = Repository { registry: registry.to_owned(), path: path.to_owned() };
        let access = Access::for_repository(&repository, &options());
        assert_eq!(access.err().unwrap().kind, UnavailableKind::Configuration, "{registry}/{path}");
    }
}

#[test]
fn redirects_in_circles_and_to_nowhere_end() {
    let circle = except(BLOB, redirect(302, "/v2/a/blobs/again"));
    must_fail("circle", ask(&circle), UnavailableKind::Server, "in circles");
    assert_eq!(circle.asked().len(), 2 + 4);
    let nowhere = except(BLOB, redirect(302, "gopher://x/"));
    must_fail("nowhere", ask(&nowhere), UnavailableKind::Server, "named the address `gopher://x/`");
}

#[test]
fn without_the_api_it_is_asked_once_an_errand_and_noticed_at_the_next() {
    let content = Content::with(&Digest::of(b"index"), SPECIFICATION, |manifest| manifest);
    let has_api = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let gained = has_api.clone();
    let server = Server::start(move |asked| {
        let api = gained.load(std::sync::atomic::Ordering::SeqCst);
        if !asked.target.contains(REFERRERS) {
            content.reply(asked)
        } else if !api {
            Reply::Answer(404, vec![], b"404 page not found\n".to_vec())
        } else if asked.target.contains(content.subject.hex()) {
            list(&[content.entry()])
        } else {
            list(&[])
        }
    });
    let repository = Repository { registry: server.authority.clone(), path: "a".to_owned() };
    let access = Access::for_repository(&repository, &options()).unwrap();
    let subjects = vec![Digest::of(b"image"), Digest::of(b"index")];
    let credentials = Default::default();
    let request = FetchRequest { repository, subjects, deadline_ms: 5_000, credentials };
    assert_eq!(fetch(&request, &access), FetchOutcome::None);
    let of_api = |asked: &[faulty_server::Asked]| {
        asked.iter().filter(|asked| asked.target.contains(REFERRERS)).count()
    };
    assert_eq!((server.asked().len(), of_api(&server.asked())), (3, 1), "two tags, one API");
    has_api.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(fetch(&request, &access), FetchOutcome::Found(_)));
}

#[test]
fn a_404_about_one_manifest_says_nothing_about_the_api() {
    let content = Content::with(&Digest::of(b"index"), SPECIFICATION, |manifest| manifest);
    let server = Server::start(move |asked| content.reply(asked));
    let repository = Repository { registry: server.authority.clone(), path: "a".to_owned() };
    let access = Access::for_repository(&repository, &options()).unwrap();
    let subjects = vec![Digest::of(b"image"), Digest::of(b"index")];
    let credentials = Default::default();
    let request = FetchRequest { repository, subjects, deadline_ms: 5_000, credentials };
    assert!(matches!(fetch(&request, &access), FetchOutcome::Found(_)));
}
