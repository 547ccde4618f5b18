//! Programs that know credentials: they get one question on standard input, two seconds, and 64 KiB for the answer;
//! then they are killed with everything they started.
//!
//! Shared by Docker's credential helpers and the kubelet's credential provider plugins. What they print on standard error is
//! thrown away, since it may hold what must not be seen.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::deadline::Deadline;
use crate::limits;

use super::node_files::NodeFiles;
use super::secret::Secret;

/// What a program said, and whether it ended well.
pub(super) struct Ended {
    /// Its standard output.
    pub output: Secret,
    /// True for exit code 0.
    pub succeeded: bool,
}

/// For programs that run as root: nothing of an environment that came through an engine.
pub(super) fn clean_environment(command: &mut Command, files: &NodeFiles) {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.env_clear().env("PATH", path).envs(files.home.as_ref().map(|home| ("HOME", home)));
}

/// Runs a program to its end, or to that of its time. Whoever waits for the answer kills this process at its own
/// deadline, and then nobody is left to end the program: so it has no time beyond that.
pub(super) fn run(
    mut command: Command,
    question: &[u8],
    deadline: Option<Deadline>,
) -> Result<Ended, String> {
    let earlier = deadline.filter(|deadline| deadline.remaining() < limits::HELPER_TIME);
    if earlier.is_some_and(|deadline| deadline.has_passed()) {
        return Err("there is no time left to ask it".to_owned());
    }
    let deadline = earlier.unwrap_or_else(|| Deadline::after(limits::HELPER_TIME));
    let too_slow = || match earlier {
        Some(_) => "it did not answer within the deadline".to_owned(),
        None => format!("it took longer than {} s", limits::HELPER_TIME.as_secs()),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0).current_dir("/");
    let mut child = command.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
    let output = converse(&mut child, question, deadline);
    let ended = wait(&mut child, deadline);
    let output = output?.ok_or_else(too_slow)?;
    ended.map(|succeeded| Ended { output, succeeded }).ok_or_else(too_slow)
}

/// The program's output; `None` if it did not end in time.
fn converse(
    child: &mut Child,
    question: &[u8],
    deadline: Deadline,
) -> Result<Option<Secret>, String> {
    if let Some(mut input) = child.stdin.take() {
        // A program that ends without reading has its reasons; its output says them.
        let _ = input.write_all(question);
    }
    let mut output = child.stdout.take().ok_or("it has no output")?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let ready = deadline.wait_readable(&output).map_err(|error| error.to_string())?;
        if !ready {
            return Ok(None);
        }
        let count = output.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 {
            break;
        }
        bytes.extend(buffer.iter().take(count));
        if bytes.len() as u64 > limits::HELPER_OUTPUT_BYTES {
            return Err(format!("it printed more than {} bytes", limits::HELPER_OUTPUT_BYTES));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| "it printed no text".to_owned())?;
    Ok(Some(Secret::new(text)))
}

/// Whether it ended well; `None` if it had to be killed. Whatever it started is killed in any case.
fn wait(child: &mut Child, deadline: Deadline) -> Option<bool> {
    let mut ended = None;
    while ended.is_none() && !deadline.has_passed() {
        match child.try_wait() {
            Ok(Some(status)) => ended = Some(status.success()),
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Err(_) => break,
        }
    }
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    if ended.is_none() {
        let _ = child.wait();
    }
    ended
}

#[cfg(test)]
#[path = "../../tests/support/script.rs"]
pub(super) mod script;
