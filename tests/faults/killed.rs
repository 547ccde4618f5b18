//! Row 12: kill -9 of the hook and of its worker, at every system call they make.
//!
//! A first run under strace lists the calls; then each is made the last one of a run. Whatever was left behind, the
//! next start must come to the right decision, in time, and nothing under a final name may be a part of a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attached::{FAILS, attached, specification};
use crate::disk::has_strace;
use crate::node::{Node, install, write_script};

/// System calls in the order in which they are made, each with how often its name came before.
fn calls(trace: &Path) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let text = fs::read_to_string(trace).unwrap();
    let names =
        text.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned());
    let names = names.filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    names
        .map(|name| {
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            (name, *count)
        })
        .collect()
}

/// What a killed start may leave behind does no harm.
fn recovers(node: &Node, point: &str) {
    let began = Instant::now();
    let ended = node.start();
    assert_eq!(ended.code, 1, "{point}: {}", ended.stderr);
    assert!(ended.stderr.contains("refused"), "{point}: {}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(5), "{point}: {:?}", began.elapsed());
    let log = fs::read_to_string(node.root().join("var/log/imgcompat/decisions.jsonl"))
        .unwrap_or_default();
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{point}: torn: {line}");
    }
    for name in ["artifacts", "refusals", "images", "host"] {
        let folder =
            imgcompat::kept::Folder::open(&node.root().join("var/cache/imgcompat"), name).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let final_name = !name.starts_with('.') && !name.ends_with(".lock");
            assert!(
                !final_name || folder.load(&name, 1 << 24).is_some(),
                "{point}: {name} is torn"
            );
        }
    }
}

fn killed_everywhere(warm: bool, every: usize) {
    let (node, _registry, _server) = attached(&specification(FAILS));
    if warm {
        node.start();
    }
    let trace = node.root().join("trace");
    fs::create_dir_all(node.root()).unwrap();
    let trace_text = trace.display().to_string();
    let command = node.command(&["strace", "-qq", "-o", &trace_text]);
    assert_eq!(Node::finish(command, node.state().as_bytes()).code, 1);
    let calls = calls(&trace);
    assert!(calls.len() > 50, "{}", calls.len());
    for (name, nth) in calls.iter().step_by(every) {
        if !warm {
            let _ = fs::remove_dir_all(node.root().join("var"));
        }
        let inject = format!("inject={name}:signal=KILL:when={nth}");
        let command = node.command(&["strace", "-qq", "-o", "/dev/null", "-e", &inject]);
        Node::finish(command, node.state().as_bytes());
        recovers(&node, &inject);
    }
    println!(
        "killed at {} of {} system calls, warm {warm}",
        calls.len().div_ceil(every),
        calls.len()
    );
}

#[test]
fn row_12_a_warm_hook_that_is_killed_at_any_system_call_leaves_nothing_wrong() {
    if has_strace() {
        killed_everywhere(true, 2);
    }
}

#[test]
fn row_12_a_cold_hook_that_is_killed_at_any_system_call_leaves_nothing_wrong() {
    if has_strace() {
        killed_everywhere(false, 5);
    }
}

/// The worker is run through strace by a script in its place.
#[test]
fn row_12_a_worker_that_is_killed_at_any_system_call_leaves_nothing_wrong() {
    if !has_strace() {
        return;
    }
    let folder = install();
    let (worker, real) = (folder.path().join("imgcompat"), folder.path().join("real"));
    fs::rename(&worker, &real).unwrap();
    let replace = |arguments: &str| {
        write_script(
            &worker,
            &format!("exec /usr/bin/strace -qq {arguments} {} \"$@\"", real.display()),
        );
    };
    let (node, _registry, _server) = attached(&specification(FAILS));
    let hook = folder.path().join("imgcompat-hook");
    let run = || Node::finish(node.command_of(&hook, &[]), node.state().as_bytes());
    let trace = folder.path().join("trace");
    replace(&format!("-o {}", trace.display()));
    assert_eq!(run().code, 1);
    let calls = calls(&trace);
    assert!(calls.len() > 50);
    for (name, nth) in calls.iter().step_by(8) {
        let _ = fs::remove_dir_all(node.root().join("var"));
        let inject = format!("inject={name}:signal=KILL:when={nth}");
        replace(&format!("-o /dev/null -e {inject}"));
        let ended = run();
        assert!(ended.code == 0 || ended.stderr.contains("refused"), "{inject}: {}", ended.stderr);
        recovers(&node, &format!("worker, {inject}"));
    }
    println!("killed the worker at {} of {} system calls", calls.len().div_ceil(8), calls.len());
}

#[test]
fn row_12_hooks_that_are_killed_at_random_leave_nothing_wrong() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let mut random = 12345u64;
    for round in 0..60 {
        if round % 3 == 0 {
            let _ = fs::remove_dir_all(node.root().join("var"));
        }
        let mut child = node.command(&[]).spawn().unwrap();
        use std::io::Write;
        let _ = child.stdin.take().unwrap().write_all(node.state().as_bytes());
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_micros((random >> 33) % 30_000));
        let _ = child.kill();
        child.wait().unwrap();
        recovers(&node, &format!("round {round}"));
    }
}
