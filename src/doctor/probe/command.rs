//! An engine's program, run with a time limit. Its output goes to a file and not into a pipe: what an engine leaves
//! running in the background holds a pipe open, and would be waited for.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::stage::Stage;

/// Time for one command. An engine that is well takes a second or two; a sandbox image may have to be pulled.
const TIME: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(20);
/// Most that is read of what it said.
const OUTPUT_BYTES: u64 = 64 << 10;

/// How a command ended.
pub struct Ended {
    /// True if well.
    pub ok: bool,
    /// What it said, on either of its outputs.
    pub said: String,
}

impl Ended {
    /// What it said if it ended well, else the same as a problem.
    pub fn must_be_well(self) -> Result<String, String> {
        if self.ok { Ok(self.said) } else { Err(self.said) }
    }
}

/// Runs a program.
pub fn run(stage: &Stage, program: &str, arguments: &[&str]) -> Result<Ended, String> {
    let failed = |error: std::io::Error| format!("{program} cannot be run: {error}");
    let place = stage.file("output");
    let output = File::create(&place).map_err(failed)?;
    let both = output.try_clone().map_err(failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(both)
        .spawn()
        .map_err(failed)?;
    let end = Instant::now() + TIME;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Some(status),
            None if Instant::now() >= end => break None,
            None => std::thread::sleep(TICK),
        }
    };
    let Some(status) = status else {
        if let Ok(group) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = child.wait();
        return Err(format!("{program} did not end within {} s", TIME.as_secs()));
    };
    let mut bytes = Vec::new();
    let read = File::open(&place).and_then(|file| file.take(OUTPUT_BYTES).read_to_end(&mut bytes));
    read.map_err(failed)?;
    let _ = fs::remove_file(&place);
    let said = String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(Ended { ok: status.success(), said })
}
