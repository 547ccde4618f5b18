//! `imgcompat cache` as an administrator runs it, beside real hooks: what is listed, what is forgotten, and that no
//! start ever suffers from it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/attached.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod attached;
#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attached::{FAILS, FITS, attached, specification};
use faulty_server::{Server, answer};
use node::Node;

fn cache(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgcompat"));
    command.arg("cache").args(arguments).arg("--root").arg(root);
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[track_caller]
fn must(root: &Path, arguments: &[&str]) -> String {
    let output = cache(root, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn listed(root: &Path) -> serde_json::Value {
    serde_json::from_str(&must(root, &["list", "--output", "json"])).unwrap()
}

fn lists_asked_for(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.target.contains("/referrers/")).count()
}

#[test]
fn an_empty_cache_is_no_error_and_is_not_made() {
    let root = tempfile::tempdir().unwrap();
    assert!(must(root.path(), &["list"]).starts_with("0 answers of registries in "));
    assert!(must(root.path(), &["clear"]).starts_with("0 answers of registries and 0 other files"));
    assert!(!root.path().join("var").exists());
    let output = cache(root.path(), &["clear", "r.example/a"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn what_was_found_is_listed_and_after_clear_the_registry_is_asked_again() {
    let (node, _registry, server) = attached(&specification(FITS));
    let root = node.root();
    assert_eq!((node.start().code, node.start().code), (0, 0));
    assert_eq!(lists_asked_for(&server), 1);
    let list = listed(&root);
    let row = &list["answers"][0];
    let name = format!("{}/ml@{}", server.authority, node.manifest);
    assert_eq!((row["image"].as_str(), row["kind"].as_str()), (Some(&*name), Some("found")));
    assert_eq!(
        (row["source"].as_str(), row["subject"].as_str()),
        (Some("registry"), Some(node.manifest.as_str()))
    );
    assert!(row["artifact"].as_str().unwrap().starts_with("sha256:"), "{list}");
    assert!(row["age_seconds"].as_u64().unwrap() < 600, "{list}");
    let text = must(&root, &["list"]);
    assert!(
        text.contains(&name) && text.contains("found sha256:") && text.contains("ago"),
        "{text}"
    );
    assert!(text.contains("1 answer of registries in"), "{text}");

    let repository = format!("{}/ml", server.authority);
    let tagged = format!("{repository}:2");
    let pinned = format!("{repository}@{}", node.manifest);
    let pattern = format!("{}/**", server.authority);
    for (asked, image) in [repository, tagged, pinned, pattern].iter().enumerate() {
        assert!(must(&root, &["clear", image]).starts_with("1 answer is forgotten"), "{image}");
        assert_eq!(listed(&root)["answers"].as_array().unwrap().len(), 0, "{image}");
        assert_eq!(node.start().code, 0);
        assert_eq!(lists_asked_for(&server), asked + 2, "{image}");
    }
    for other in [
        "other.example/ml".to_owned(),
        format!("{}/ml@{}", server.authority, node.index.as_str().replace(char::is_numeric, "0")),
    ] {
        let output = cache(&root, &["clear", &other]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{other}: {}", said(&output));
    }
    assert_eq!(node.start().code, 0);
    assert_eq!(lists_asked_for(&server), 5, "nothing else was forgotten");
    assert!(must(&root, &["clear"]).starts_with("1 answer of registries and "));
    assert_eq!(node.start().code, 0);
    assert_eq!(lists_asked_for(&server), 6);
}

#[test]
fn nothing_attached_no_specification_and_no_answer_are_told_apart() {
    let node = Node::with_image("127.0.0.1:1/ml:2");
    node.start();
    let text = must(&node.root(), &["list"]);
    assert!(text.contains("no answer (connection)") && text.contains("refused"), "{text}");

    let (node, _registry, _server) = attached("version: v1alpha1\nnonsense: 1\n");
    node.start();
    let list = listed(&node.root());
    assert_eq!(list["answers"][0]["kind"], "invalid", "{list}");
    assert!(list["answers"][0]["problem"].as_str().unwrap().contains("line 1"), "{list}");

    let server = Server::start(|_| {
        answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)
    });
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    node.start();
    assert_eq!(listed(&node.root())["answers"][0]["kind"], "none");
}

/// Every folder in the cache is either forgotten as a whole, or an account that stays.
#[test]
fn clear_leaves_accounts_and_nothing_else() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    node.write("etc/imgcompat/specs.d/a.yaml", &format!("images: ['**']\n{}", specification(FITS)));
    for _ in 0..3 {
        node.start();
    }
    let root = node.root();
    let metrics = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["metrics", "--root"])
        .arg(&root)
        .output()
        .unwrap();
    assert!(metrics.status.success(), "{}", said(&metrics));
    let folders = |with_files: bool| {
        let mut names: Vec<String> = fs::read_dir(root.join("var/cache/imgcompat"))
            .unwrap()
            .flatten()
            .filter(|e| !with_files || fs::read_dir(e.path()).unwrap().next().is_some())
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let known = imgcompat::kept::FORGETTABLE.map(|(name, _)| name);
    let unknown: Vec<String> = folders(false)
        .into_iter()
        .filter(|name| {
            !known.contains(&name.as_str()) && !["metrics", "refusals"].contains(&name.as_str())
        })
        .collect();
    assert!(unknown.is_empty(), "neither forgettable nor an account: {unknown:?}");
    must(&root, &["clear"]);
    assert_eq!(folders(true), ["metrics", "refusals"]);
    assert_eq!(node.start().code, 1);
}

#[test]
fn starts_beside_clear_are_all_decided_and_clear_waits_for_whoever_is_asking() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let root = node.root();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                must(&root, &["clear"]);
                must(&root, &["list"]);
            }
        });
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..10).map(|_| node.start()).collect::<Vec<_>>()))
            .collect();
        for ended in starts.into_iter().flat_map(|starts| starts.join().unwrap()) {
            assert_eq!(ended.code, 1, "{ended:?}");
        }
        done.store(true, Ordering::SeqCst);
    });
    for record in node.records() {
        assert_eq!(record.verdict, "incompatible", "{record:?}");
        assert!(record.notes.is_empty(), "{record:?}");
    }
}

#[test]
fn killed_at_any_moment_clear_leaves_a_cache_that_works() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let root = node.root();
    let folder = root.join("var/cache/imgcompat/artifacts");
    for round in 0..20 {
        assert_eq!(node.start().code, 1);
        for number in 0..200 {
            fs::write(folder.join(format!("{number:016x}")), "filling").unwrap();
        }
        let mut clear = cache(&root, &["clear"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(700 * round));
        let _ = clear.kill();
        clear.wait().unwrap();
        assert_eq!(node.start().code, 1, "{round}");
        assert!(node.record().notes.is_empty(), "{:?}", node.record().notes);
    }
    must(&root, &["clear"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_cache_of_somebody_else_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (node, _registry, _server) = attached(&specification(FITS));
    node.start();
    let place = node.root().join("var/cache/imgcompat");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
    for command in ["list", "clear"] {
        let output = cache(&node.root(), &[command]).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(said(&output).contains("others may write to it"), "{}", said(&output));
    }
    assert!(place.join("artifacts").read_dir().unwrap().next().is_some());
}
