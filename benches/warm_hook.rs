//! How long a warm start takes: the whole hook as a process (storage records, cached specification, evaluation,
//! record), against an empty static program, started the same way. `cargo bench` prints medians; nothing is asserted,
//! since a busy machine would make that a lie.
//!
//! The two are started in random order: a fixed one favours whichever comes second by more than what is measured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run should say where"
)]

#[path = "../tests/support/node.rs"]
#[allow(dead_code)]
mod node;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use node::Node;

const RUNS: usize = 400;
const SPECIFICATION: &str = r#"
images: ["registry.example/**"]
version: v1alpha1
compatibilities:
- rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions:
        major: {op: Gt, value: ["2"]}
    - feature: cpu.model
      matchName: {op: InRegexp, value: ["^vendor"]}
"#;

fn main() {
    let node = Node::with_image("registry.example/bench:1");
    node.write("etc/imgcompat/config.toml", "");
    // A local specification that stands in place of the image's own, so that no registry is needed.
    node.write("etc/imgcompat/specs.d/bench.yaml", &format!("combine: replace{SPECIFICATION}"));
    let first = node.start();
    assert_eq!((first.code, node.record().verdict.as_str()), (0, "compatible"), "{}", first.stderr);
    let scratch = tempfile::tempdir().unwrap();
    let hook = PathBuf::from(env!("CARGO_BIN_EXE_imgcompat-hook"));
    let root = node.root();
    let programs = [
        ("empty static program", empty_program(scratch.path()), vec![]),
        ("imgcompat-hook, warm", hook, vec!["--root".into(), root.into_os_string()]),
    ];
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    let mut random = 1u64;
    while times.iter().any(|t| t.len() < RUNS) {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let choice = usize::from(random >> 63 == 1);
        if let (Some((_, program, arguments)), Some(t)) =
            (programs.get(choice), times.get_mut(choice))
        {
            t.push(time(program, arguments, node.state().as_bytes()));
        }
    }
    let medians = times.map(|mut t| {
        t.sort();
        t.get(t.len() / 2).copied().unwrap_or_default()
    });
    for ((name, ..), median) in programs.iter().zip(medians) {
        println!("{name:24} median {:.3} ms of {RUNS}", median.as_secs_f64() * 1e3);
    }
    let [empty, warm] = medians;
    println!("{:24} {:.2}", "ratio", warm.as_secs_f64() / empty.as_secs_f64());
}

fn time(program: &Path, arguments: &[std::ffi::OsString], input: &[u8]) -> Duration {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The empty program does not read; that is no failure.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait().unwrap();
    began.elapsed()
}

/// Static where a target allows, since the hook is installed so; else as rustc makes it.
fn empty_program(directory: &Path) -> PathBuf {
    let source = directory.join("empty.rs");
    let program = directory.join("empty");
    fs::write(&source, "fn main() {}").unwrap();
    let arch = std::env::consts::ARCH;
    let targets = [
        vec![format!("--target={arch}-unknown-linux-musl")],
        vec!["-Ctarget-feature=+crt-static".to_owned()],
        vec![],
    ];
    let built = targets.iter().any(|target| {
        let compiler = Command::new("rustc")
            .args(target)
            .arg("-O")
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .stderr(Stdio::null())
            .status();
        compiler.is_ok_and(|status| status.success())
    });
    assert!(built, "rustc cannot build an empty program");
    program
}
