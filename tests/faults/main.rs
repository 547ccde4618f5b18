//! The fault matrix: what can go wrong around a start, made to go wrong, with the real hook and its real worker.
//!
//! `docs/fault-matrix.md` lists the rows and names the test of each. Every fault is tried in enforce mode, under the
//! strict profile, where an undecided verdict refuses, and in audit mode, where nothing ever does. Each test prints
//! what was injected and what came out (`cargo test --test faults -- --nocapture`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/attached.rs"]
mod attached;
#[path = "../support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "../support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;
#[path = "../support/script.rs"]
mod script;

mod clock;
mod containerd;
mod disk;
mod host;
mod hour;
mod installed;
mod killed;
mod killed_tool;
mod process;
mod registry;
mod storage;
mod threats;
mod words;

use imgcompat::policy::Action;
use imgcompat::verdict::Cause;
use node::{Ended, Node};

/// The modes, each with what a refusal under the policy looks like in it.
const MODES: [(&str, i32); 2] = [("enforce", 1), ("audit", 0)];

/// The strict profile in a mode, with more lines.
fn strict(mode: &str, more: &str) -> String {
    format!("mode = '{mode}'\nprofile = 'strict'\n{more}")
}

/// A fault that leaves no answer: the policy decides, audit never refuses, and the record says which cause it was.
fn follows_policy(fault: &str, cause: Cause, more: &str, run: impl Fn() -> (Node, Ran)) {
    for (mode, code) in MODES {
        let (node, ran) = run();
        node.write("etc/imgcompat/config.toml", &strict(mode, more));
        let ended = ran(&node);
        let record = node.record();
        println!(
            "{fault}, {mode}: exit code {}, {:?}: {}",
            ended.code, record.cause, record.reason
        );
        assert_eq!(record.cause, Some(cause), "{fault}, {mode}: {}", record.reason);
        assert_eq!(record.under_enforce, Action::Deny, "{fault}, {mode}");
        assert_eq!(ended.code, code, "{fault}, {mode}: {}", ended.stderr);
    }
}

/// How a start is made.
type Ran = Box<dyn Fn(&Node) -> Ended>;

/// The usual way.
fn plainly() -> Ran {
    Box::new(Node::start)
}

/// A fault that must not change anything: the refusal of an incompatible image stays one, and audit allows it.
fn changes_nothing(fault: &str, node: &Node, run: &dyn Fn(&Node) -> Ended) {
    for (mode, code) in MODES {
        node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
        let ended = run(node);
        println!("{fault}, {mode}: exit code {}", ended.code);
        assert_eq!(ended.code, code, "{fault}, {mode}: {}", ended.stderr);
    }
}

/// True if this test may do what only root can; says so if not.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: not root, so this fault is not injected");
    }
    root
}

/// Runs the hook in a mount namespace of its own after `setup`, a line of shell.
fn with_mounts(node: &Node, setup: &str) -> Ended {
    let script = format!("{setup} && exec \"$0\" \"$@\"");
    let command =
        node.command(&["unshare", "--mount", "--propagation", "private", "sh", "-ec", &script]);
    Node::finish(command, node.state().as_bytes())
}
