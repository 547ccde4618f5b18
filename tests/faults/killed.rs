//! Row 12: kill -9 of the hook and of its worker, at the system calls they make and at random. `killed_tool.rs` does the
//! same to the tool's commands that write.
//!
//! A first run under strace lists the calls; then each is made the last one of a run. Whatever was left behind, the
//! next start must come to the right decision, in time, and nothing under a final name may be a part of a file. Every
//! test run takes a sample of the calls; with `IMGCOMPAT_KILL_ALL=yes` each one is taken (some thousand kills, minutes).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attached::{FAILS, attached, specification};
use crate::disk::has_strace;
use crate::node::{Node, install};
use crate::script::write_script;

/// Every so many-th call is taken.
pub fn every(usual: usize) -> usize {
    if std::env::var_os("IMGCOMPAT_KILL_ALL").is_some() { 1 } else { usual }
}

/// So many rounds of something at random.
pub fn rounds(usual: usize) -> usize {
    if std::env::var_os("IMGCOMPAT_KILL_ALL").is_some() { usual * 8 } else { usual }
}

/// System calls in the order in which they are made, each with how often its name came before.
pub fn calls(trace: &Path) -> Vec<(String, usize)> {
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

/// A program and what it is killed for: run once through strace as a whole, then once for each call.
pub struct Victim<'a> {
    /// What is killed, for whoever reads the output.
    pub what: &'a str,
    /// Runs it through a program with arguments.
    pub run: &'a dyn Fn(&[&str]),
    /// Puts everything back first.
    pub before: &'a dyn Fn(),
    /// Looks at what is left.
    pub after: &'a dyn Fn(&str),
}

impl Victim<'_> {
    /// Kills it at every so many-th call.
    pub fn killed(&self, step: usize) {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        (self.before)();
        (self.run)(&["strace", "-qq", "-o", &trace.display().to_string()]);
        let calls = calls(&trace);
        assert!(calls.len() > 50, "{}: {} calls", self.what, calls.len());
        for (name, nth) in calls.iter().step_by(step) {
            let inject = format!("inject={name}:signal=KILL:when={nth}");
            (self.before)();
            (self.run)(&["strace", "-qq", "-o", "/dev/null", "-e", &inject]);
            (self.after)(&format!("{}, {inject}", self.what));
        }
        let kills = calls.len().div_ceil(step);
        println!("{}: killed at {kills} of {} system calls", self.what, calls.len());
    }

    /// Kills it so many times at random, within the time that it takes.
    pub fn killed_at_random(&self, rounds: usize) {
        (self.before)();
        let began = Instant::now();
        (self.run)(&[]);
        let usual = began.elapsed();
        let mut random = 20_000_003u64;
        for round in 0..rounds {
            let wrapper = within(usual, &mut random);
            (self.before)();
            (self.run)(&wrapper.each_ref().map(String::as_str));
            (self.after)(&format!("{}, round {round}, after {} s", self.what, wrapper[4]));
        }
        println!("{}: killed {rounds} times at random", self.what);
    }
}

/// The beginning of a command line that ends a program at a moment of the time it usually takes.
pub fn within(usual: Duration, random: &mut u64) -> [String; 5] {
    *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    let share = (*random >> 33) as f64 / (1u64 << 31) as f64;
    let moment = format!("{:.6}", 0.0005 + usual.as_secs_f64() * share);
    ["/usr/bin/timeout", "--foreground", "--signal", "KILL", &moment].map(str::to_owned)
}

/// What a killed start may leave behind does no harm.
pub fn recovers(node: &Node, point: &str) {
    let began = Instant::now();
    let ended = node.start();
    assert_eq!(ended.code, 1, "{point}: {}", ended.stderr);
    assert!(ended.stderr.contains("refused"), "{point}: {}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(5), "{point}: {:?}", began.elapsed());
    no_line_is_torn(node, point);
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

/// In the log and in what rotation made of it.
pub fn no_line_is_torn(node: &Node, point: &str) {
    for entry in fs::read_dir(node.root().join("var/log/imgcompat")).into_iter().flatten() {
        let log = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in log.lines() {
            let whole = serde_json::from_str::<serde_json::Value>(line).is_ok();
            assert!(whole, "{point}: torn: {line}");
        }
    }
}

fn killed_hook(warm: bool, step: usize) {
    let (node, _registry, _server) = attached(&specification(FAILS));
    node.start();
    Victim {
        what: if warm { "the warm hook" } else { "the cold hook" },
        run: &|wrapper| drop(Node::finish(node.command(wrapper), node.state().as_bytes())),
        before: &|| {
            if !warm {
                let _ = fs::remove_dir_all(node.root().join("var"));
            }
        },
        after: &|point| recovers(&node, point),
    }
    .killed(step);
}

#[test]
fn row_12_a_warm_hook_that_is_killed_at_any_system_call_leaves_nothing_wrong() {
    if has_strace() {
        killed_hook(true, every(2));
    }
}

#[test]
fn row_12_a_cold_hook_that_is_killed_at_any_system_call_leaves_nothing_wrong() {
    if has_strace() {
        killed_hook(false, every(6));
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
            0o755,
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
    let step = every(8);
    for (name, nth) in calls.iter().step_by(step) {
        let _ = fs::remove_dir_all(node.root().join("var"));
        let inject = format!("inject={name}:signal=KILL:when={nth}");
        replace(&format!("-o /dev/null -e {inject}"));
        let ended = run();
        assert!(ended.code == 0 || ended.stderr.contains("refused"), "{inject}: {}", ended.stderr);
        recovers(&node, &format!("worker, {inject}"));
    }
    let kills = calls.len().div_ceil(step);
    println!("the worker: killed at {kills} of {} system calls", calls.len());

    let (mut random, rounds) = (30_000_001u64, rounds(15));
    for round in 0..rounds {
        let _ = fs::remove_dir_all(node.root().join("var"));
        let wrapper = within(Duration::from_millis(15), &mut random).join(" ");
        write_script(&worker, &format!("exec {wrapper} {} \"$@\"", real.display()), 0o755);
        let ended = run();
        let point = format!("worker, round {round}, {wrapper}");
        assert!(ended.code == 0 || ended.stderr.contains("refused"), "{point}: {}", ended.stderr);
        recovers(&node, &point);
    }
    println!("the worker: killed {rounds} times at random");
}

#[test]
fn row_12_hooks_that_are_killed_at_random_leave_nothing_wrong() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let mut random = 12345u64;
    let rounds = rounds(50);
    for round in 0..rounds {
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
    println!("the hook: killed {rounds} times at random");
}
