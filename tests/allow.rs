//! `imgcompat allow` as an administrator runs it, and the real hook afterwards.

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
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use attached::{FAILS, attached, specification};
use imgcompat::policy::Action;

const WHY: [&str; 4] = ["--until", "2999-12-31", "--reason", "ticket 1"];

fn allow(root: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_imgcompat");
    let mut command = Command::new(program);
    command.arg("allow").arg("--root").arg(root).args(arguments).env_remove("SUDO_USER");
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn drop_ins(root: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(root.join("etc/imgcompat/config.d")) else { return vec![] };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_refused_image_starts_while_it_is_allowed_and_the_record_says_so() {
    let (node, _registry, server) = attached(&specification(FAILS));
    assert_eq!(node.start().code, 1);
    let image = format!("{}/ml:2", server.authority);
    let output = allow(&node.root(), &[&[image.as_str()], &WHY[..]].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("is allowed until 2999-12-31 (\"ticket 1\")"));
    let files = drop_ins(&node.root());
    assert_eq!(files.len(), 1);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o7777, 0o644);

    assert_eq!(node.start().code, 0);
    let record = node.record();
    assert_eq!((record.decision, record.overridden.as_deref()), (Action::Allow, Some("ticket 1")));
    let list = said(&allow(&node.root(), &["--list"]));
    assert!(list.starts_with("allow    until 2999-12-31") && list.contains(&image), "{list}");

    let output = allow(&node.root(), &["--remove", &image]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(drop_ins(&node.root()).is_empty());
    assert_eq!(node.start().code, 1);
    assert_eq!(allow(&node.root(), &["--remove", &image]).status.code(), Some(3));
}

#[test]
fn a_digest_can_be_allowed() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let name = format!("any.example/name@{}", node.manifest);
    assert!(allow(&node.root(), &[&[name.as_str()], &WHY[..]].concat()).status.success());
    assert_eq!(node.start().code, 0);
    assert!(allow(&node.root(), &["--remove", &node.manifest.to_string()]).status.success());
    assert_eq!(node.start().code, 1);
}

#[test]
fn what_cannot_work_is_refused_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let image = "r.example/ml:2";
    let long = "x".repeat(501);
    let table: [(&[&str], &str); 7] = [
        (&[image, "--until", "2020-01-01", "--reason", "x"], "is in the past"),
        (&[image, "--until", "soon", "--reason", "x"], "is not a time"),
        (&[image, "--until", "2999-12-31", "--reason", " "], "--reason"),
        (&[image, "--until", "2999-12-31", "--reason", "a\nb"], "--reason"),
        (&[image, "--until", "2999-12-31", "--reason", &long], "--reason"),
        (&[image, "--until", "2999-12-31"], "--reason"),
        (&["sha256:12", "--until", "2999-12-31", "--reason", "x"], "sha256:12"),
    ];
    for (arguments, expected) in table {
        let output = allow(root.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    assert!(drop_ins(root.path()).is_empty());
}

#[test]
fn a_policy_that_cannot_be_read_gets_no_exception_on_top() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc/imgcompat");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("config.toml"), "no-such-key = 1\n").unwrap();
    let output = allow(root.path(), &[&["r.example/ml:2"], &WHY[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("config.toml:1:1"), "{}", said(&output));
    assert!(drop_ins(root.path()).is_empty());
}

#[test]
fn what_would_keep_it_from_working_is_said() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/imgcompat/config.d");
    fs::create_dir_all(&directory).unwrap();
    let denied = "mode = 'audit'\n[[override]]\nimage = '**'\naction = 'deny'\nreason = 'no'\nuntil = '2999-01-01'\n";
    fs::write(directory.join("60-deny.toml"), denied).unwrap();
    let text = said(&allow(root.path(), &[&["ml:2"], &WHY[..]].concat()));
    for expected in [
        "another exception comes first and decides: deny for **",
        "the mode for it is audit",
        "docker.io/library/ml:2",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let again = said(&allow(root.path(), &[&["ml:2"], &WHY[..]].concat()));
    assert!(again.contains("replaces the former exception"), "{again}");
    assert_eq!(drop_ins(root.path()).len(), 2);
}

#[test]
fn who_removes_an_exception_is_told_of_another_that_still_counts() {
    let root = tempfile::tempdir().unwrap();
    for image in ["r.example/ml:2", "r.example/**"] {
        let output = allow(root.path(), &[image, "--until", "2999-12-31", "--reason", "x"]);
        assert!(output.status.success(), "{output:?}");
    }
    let output = said(&allow(root.path(), &["r.example/ml:2", "--remove"]));
    assert!(output.contains("another exception counts for it: allow for r.example/**"), "{output}");
    let output = said(&allow(root.path(), &["r.example/**", "--remove"]));
    assert!(!output.contains("another exception"), "{output}");
}
