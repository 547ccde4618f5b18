//! Rows 13 and 16: workers that die, hang or go wild, and a machine without processes, files or memory to give.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use imgcompat::verdict::Cause;

use crate::attached::{FAILS, attached, specification};
use crate::disk::has_strace;
use crate::node::{Node, install};
use crate::script::write_script;
use crate::{MODES, follows_policy, plainly, strict};

/// Runs the hook with a script as its worker.
fn with_worker(node: &Node, script: &str) -> crate::node::Ended {
    let folder = install();
    let worker = folder.path().join("imgcompat");
    write_script(&worker, script, 0o755);
    let command = node.command_of(&folder.path().join("imgcompat-hook"), &[]);
    Node::finish(command, node.state().as_bytes())
}

#[test]
fn row_13_a_worker_that_dies_is_an_internal_error() {
    for (fault, script) in [
        ("kill -9", "kill -9 $$"),
        ("abort", "kill -ABRT $$"),
        ("no answer", "exit 0"),
        ("garbage", "echo garbage"),
        ("half an answer", "printf '{\"outcome\":\"no'"),
        ("exit code 4", "echo broken >&2; exit 4"),
        ("a flood", "exec cat /dev/zero"),
    ] {
        follows_policy(fault, Cause::Internal, "", || {
            let run: crate::Ran = Box::new(move |node| with_worker(node, script));
            (Node::with_image("registry.example/ml:2"), run)
        });
    }
}

#[test]
fn row_13_a_worker_that_hangs_is_killed_at_the_deadline_with_its_children() {
    for (fault, script) in
        [("stopped", "kill -STOP $$"), ("asleep", "sleep 1000"), ("flooding errors", "yes >&2")]
    {
        for (mode, code) in MODES {
            let node = Node::with_image("registry.example/ml:2");
            node.write("etc/imgcompat/config.toml", &strict(mode, "deadline = '1s'\n"));
            let pids = node.root().join("pids");
            let script = format!("sleep 1000 & echo $$ $! >{}\n{script}", pids.display());
            let began = Instant::now();
            let ended = with_worker(&node, &script);
            println!("{fault}, {mode}: exit code {} after {:?}", ended.code, began.elapsed());
            assert_eq!(ended.code, code, "{fault}, {mode}");
            assert!(began.elapsed() < Duration::from_secs(6), "{fault}: {:?}", began.elapsed());
            let cause = node.record().cause;
            assert!(
                cause == Some(Cause::DeadlineExceeded) || cause == Some(Cause::RegistryUnavailable),
                "{cause:?}"
            );
            for pid in fs::read_to_string(pids).unwrap().split_whitespace() {
                assert!(is_gone(pid), "{fault}: {pid} is still there");
            }
        }
    }
}

/// Gone, or dead and waiting to be collected by whoever inherited it.
fn is_gone(pid: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let status =
            fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
        let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
        if state.is_none_or(|state| state == 'Z') {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn row_16_a_machine_that_gives_no_process_or_pipe_leaves_the_policy() {
    if !has_strace() {
        return;
    }
    for injection in
        ["clone,clone3,fork,vfork:error=EAGAIN", "pipe2:error=EMFILE", "execve:error=ENOMEM:when=2"]
    {
        let of_the_hook = injection.replace(":when=2", "");
        follows_policy(injection, Cause::Internal, "", || {
            let of_the_hook = of_the_hook.clone();
            let run: crate::Ran = Box::new(move |node| {
                if of_the_hook.starts_with("execve") {
                    // The first execve that strace sees is the hook's own.
                    return with_worker(node, "exec /nonexistent");
                }
                crate::disk::injected(node, &of_the_hook)
            });
            (Node::with_image("registry.example/ml:2"), run)
        });
    }
}

#[test]
fn row_16_limits_on_files_and_processes_never_refuse_in_audit_mode() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    assert_eq!(node.start().code, 1);
    for limits in ["-n 4", "-n 5", "-n 8", "-v 65536", "-f 0", "-s 256"] {
        for (mode, _) in MODES {
            node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
            let script = format!("ulimit {limits}; exec \"$0\" \"$@\"");
            let ended =
                Node::finish(node.command(&["bash", "-c", &script]), node.state().as_bytes());
            println!("ulimit {limits}, {mode}: exit code {}", ended.code);
            let allowed = if mode == "audit" { &[0][..] } else { &[0, 1][..] };
            assert!(allowed.contains(&ended.code), "{limits}, {mode}: {ended:?}");
        }
    }
}

/// The wrapper too; and the runtime that it becomes has the signals of the engine, not the wrapper's.
#[test]
fn row_16_a_limit_on_the_size_of_files_neither_ends_the_wrapper_nor_reaches_the_runtime() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("runtime");
    write_script(&runtime, "exec grep -E '^Sig(Ign|Cgt)' /proc/self/status", 0o755);
    node.write("etc/imgcompat/config.toml", "mode = 'audit'\n");
    for limits in ["", "ulimit -f 0;"] {
        let script = format!("{limits} exec \"$0\" \"$@\"");
        let ended = node.create(&runtime, &["bash", "-c", &script]).output().unwrap();
        println!("wrapper, {limits}: {}", ended.status);
        assert!(ended.status.success(), "{limits}: {ended:?}");
        let text = String::from_utf8(ended.stdout).unwrap();
        let ignored = text.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        assert_eq!(ignored & (1 << (nix::libc::SIGXFSZ - 1)), 0, "{limits}: {text}");
    }
}

/// An engine with low limits whose root may not raise them: the worker keeps those that are lower than its own.
#[test]
fn row_16_a_worker_under_lower_limits_than_its_own_still_answers() {
    if !crate::is_root() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    let script = "ulimit -n 60; ulimit -u 2000; exec \"$0\" \"$@\"";
    let wrapper = [
        "setpriv",
        "--inh-caps=-sys_resource",
        "--bounding-set=-sys_resource",
        "bash",
        "-c",
        script,
    ];
    let ended = Node::finish(node.command(&wrapper), node.state().as_bytes());
    println!("low limits: exit code {}: {}", ended.code, ended.stderr.trim());
    assert_eq!(ended.code, 1, "{}: {}", ended.stderr, node.record().reason);
}

#[test]
fn row_16_without_a_worker_the_policy_decides() {
    follows_policy("no worker", Cause::Internal, "", || {
        let run: crate::Ran = Box::new(|node| {
            let folder = install();
            fs::remove_file(folder.path().join("imgcompat")).unwrap();
            Node::finish(
                node.command_of(&folder.path().join("imgcompat-hook"), &[]),
                node.state().as_bytes(),
            )
        });
        (Node::with_image("registry.example/ml:2"), run)
    });
    let _ = plainly();
}
