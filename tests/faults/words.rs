//! Rows 17, 20 and 27: what the hook is told: its input, its configuration, and being replaced while it is used.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgcompat::verdict::Cause;

use crate::attached::{FAILS, attached, specification};
use crate::node::{Node, install};
use crate::{MODES, Ran, follows_policy, strict};

fn with_input(input: &'static [u8]) -> Ran {
    Box::new(move |node| Node::finish(node.command(&[]), input))
}

#[test]
fn row_17_input_that_is_no_state_follows_the_policy() {
    let long: &'static [u8] = vec![b'x'; 8 << 20].leak();
    let table: [(&str, &'static [u8]); 5] = [
        ("empty", b""),
        ("garbage", b"\xff\xfe\x00{"),
        ("half", b"{\"ociVersion\":\"1.0"),
        ("8 MiB", long),
        ("deep", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    ];
    for (fault, input) in table {
        follows_policy(fault, Cause::Internal, "", || {
            (Node::with_image("localhost/bb:1"), with_input(input))
        });
    }
    follows_policy("closed", Cause::Internal, "", || {
        let closed: Ran = Box::new(|node| {
            Node::finish(node.command(&["sh", "-c", "exec \"$0\" \"$@\" <&-"]), b"")
        });
        (Node::with_image("localhost/bb:1"), closed)
    });
}

#[test]
fn row_17_input_that_never_ends_costs_the_deadline() {
    for (mode, code) in MODES {
        let node = Node::with_image("localhost/bb:1");
        node.write("etc/imgcompat/config.toml", &strict(mode, "deadline = '1s'\n"));
        let began = Instant::now();
        let mut child = node.command(&[]).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{\"ociVersion\":").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{mode}");
        println!("input that never ends, {mode}: {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(6));
        assert!(node.record().cause.is_some());
    }
}

#[test]
fn row_20_a_broken_configuration_allows_unless_told_otherwise() {
    type Fault = (&'static str, fn(&Node));
    let table: [Fault; 6] = [
        ("a typo", |node| node.write("etc/imgcompat/config.toml", "moed = 'audit'\n")),
        ("a bad value", |node| node.write("etc/imgcompat/config.toml", "mode = 'audti'\n")),
        ("a half-written drop-in", |node| {
            node.write("etc/imgcompat/config.d/1.toml", "mode = 'aud")
        }),
        ("a directory", |node| {
            fs::create_dir_all(node.root().join("etc/imgcompat/config.toml")).unwrap();
        }),
        ("not UTF-8", |node| {
            node.write("etc/imgcompat/config.toml", "");
            fs::write(node.root().join("etc/imgcompat/config.toml"), b"\xff\xfe").unwrap();
        }),
        ("writable by all", |node| {
            node.write("etc/imgcompat/config.toml", "mode = 'off'\n");
            let path = node.root().join("etc/imgcompat/config.toml");
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }),
    ];
    for (fault, make) in table {
        let (node, _registry, _server) = attached(&specification(FAILS));
        make(&node);
        let allowed = node.start();
        let record = node.record();
        let closed = node.run(&["--fail-closed"], node.state().as_bytes());
        println!(
            "{fault}: exit code {}, with --fail-closed {}: {}",
            allowed.code, closed.code, record.reason
        );
        assert_eq!(
            (allowed.code, closed.code, record.cause),
            (0, 1, Some(Cause::Internal)),
            "{fault}"
        );
    }
}

/// What is wrong with the hook's own arguments is a broken configuration too, whoever listens.
#[test]
fn row_20_mistakes_in_the_arguments_allow_unless_told_otherwise() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    for (mistake, more) in [
        ("an unknown argument", &["--rot"][..]),
        ("no directory", &["--host-root"]),
        ("no such host", &["--host-root=/nonexistent/host-"]),
    ] {
        for (told, code) in [(None, 0), (Some("--fail-closed"), 1)] {
            let mut command = node.command(&["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full"]);
            command.args(more).args(told);
            let ended = Node::finish(command, node.state().as_bytes());
            println!("{mistake}, {told:?}: exit code {}", ended.code);
            assert_eq!(ended.code, code, "{mistake}, {told:?}: {}", ended.stderr);
            assert_eq!(node.record().cause, Some(Cause::Internal), "{mistake}, {told:?}");
        }
    }
}

#[test]
fn row_27_starts_go_on_while_the_programs_are_replaced() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    assert_eq!(node.start().code, 1);
    let folder = install();
    let hook = folder.path().join("imgcompat-hook");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                for name in ["imgcompat", "imgcompat-hook"] {
                    let (old, new) = (folder.path().join(name), folder.path().join("new"));
                    assert!(Command::new("cp").arg(&old).arg(&new).status().unwrap().success());
                    fs::rename(&new, &old).unwrap();
                }
            }
        });
        for start in 0..60 {
            let ended = Node::finish(node.command_of(&hook, &[]), node.state().as_bytes());
            assert_eq!(ended.code, 1, "start {start}: {}", ended.stderr);
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}
