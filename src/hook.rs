//! The hook as a program: its first acts, its arguments, and what happens if it has a defect.
//!
//! Root runs this at every container start, with whatever environment, directory and open files the engine had. So
//! all three are put away before anything else is done.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::audit::listener::Listener;
use crate::deadline::Deadline;
use crate::gate::Gate;
use crate::host::HostRoot;
use crate::paths::Paths;
use crate::policy::Action;
use crate::worker::process::Worker;
use crate::{limits, sanitize, start, surroundings};

const VERSION: &str = concat!("imgcompat-hook ", env!("CARGO_PKG_VERSION"));
const USAGE: &str = "\
imgcompat-hook is run by container engines as an OCI runtime hook (stage createRuntime).
It reads the container's state on standard input; exit code 0 allows the start, 1 refuses it.

  --fail-closed        refuse starts while imgcompat's own configuration is broken
  --root DIR           imgcompat's files (/etc/imgcompat, /var/cache, /var/log) are below DIR
  --host-root PREFIX   the host's files are at PREFIX: a directory that holds proc, sys ..., or the start of
                       paths such as /host-sys
  --version, --help";

/// Longest argument that a message repeats.
const SHOWN_ARGUMENT: usize = 60;

/// What the hook's own arguments say; the administrator writes them into the engine's configuration.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    fail_closed: bool,
    root: Option<PathBuf>,
    host_root: Option<String>,
}

/// What to do by the arguments.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Judge(Arguments),
    Print(String),
}

/// Runs the hook.
pub fn main() -> ExitCode {
    let began = Instant::now();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match parse(&arguments) {
        Ok(Task::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Task::Judge(arguments)) => judge(began, arguments, None),
        // The engine's configuration is the administrator's; a mistake in it is a broken configuration.
        Err((arguments, problem)) => judge(began, arguments, Some(problem)),
    }
}

fn judge(began: Instant, arguments: Arguments, problem: Option<String>) -> ExitCode {
    surroundings::put_away();
    let mut input = Input { stdin: io::stdin(), ended: false };
    // A panic is reported by the record, in its own words; the default report would be a second message.
    panic::set_hook(Box::new(|_| {}));
    let (gate, unusable) = gate(began, arguments);
    let action = match problem.or(unusable) {
        None => gate.decide_in_any_case("imgcompat-hook", |deadline| {
            start::hook::read(&mut input, deadline)
        }),
        Some(problem) => gate.without_policy(&problem),
    };
    drain(&mut input);
    match action {
        Action::Allow => ExitCode::SUCCESS,
        Action::Deny => ExitCode::FAILURE,
    }
}

/// Standard input without a buffer, since it is read in large pieces; it remembers its end.
struct Input {
    stdin: Stdin,
    ended: bool,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = nix::unistd::read(&self.stdin, buffer)?;
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdin.as_fd()
    }
}

/// Reads what is left of the state. crun takes a hook that ends before it was told everything for a failed one
/// ("writing to pipe: Broken pipe") and refuses the container, whatever the hook's exit code; so also a start that is
/// allowed unread (mode off, a broken configuration) is read to its end. Bounded by time, since nothing is kept.
fn drain(input: &mut Input) {
    let deadline = Deadline::after(limits::DRAIN_TIME);
    // Not on the stack, whose pages would be touched at every start, drained or not.
    let mut chunk = Vec::new();
    while !input.ended && deadline.wait_readable(input).unwrap_or(false) {
        chunk.resize(16 << 10, 0);
        match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// The gate, and why it cannot judge by the host that the arguments name.
fn gate(began: Instant, arguments: Arguments) -> (Gate, Option<String>) {
    let (host, problem) = match arguments.host_root.as_deref().map(HostRoot::from_prefix) {
        Some(Err(error)) => (HostRoot::local(), Some(error.to_string())),
        Some(Ok(host)) => (host, None),
        None => (HostRoot::local(), None),
    };
    let gate = Gate {
        paths: arguments.root.as_deref().map_or_else(Paths::of_this_user, Paths::below),
        host,
        worker: Worker::of_this_program(),
        fail_closed: arguments.fail_closed,
        listener: Listener::Runtime,
        began,
    };
    (gate, problem)
}

/// Reads the arguments to their end: what comes after a mistake was meant as well, `--fail-closed` above all.
fn parse(arguments: &[OsString]) -> Result<Task, (Arguments, String)> {
    let mut parsed = Arguments::default();
    let mut problem = None;
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let text = argument.to_str().unwrap_or_default();
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let is_value = |word: &&OsString| !word.as_bytes().starts_with(b"--");
        let mut value =
            || inline.clone().or_else(|| rest.next_if(is_value)?.to_str().map(str::to_owned));
        let mistake = match name {
            "--fail-closed" => {
                parsed.fail_closed = true;
                None
            }
            "--root" => {
                parsed.root = value().map(PathBuf::from);
                parsed.root.is_none().then(|| "--root needs a directory".to_owned())
            }
            "--host-root" => {
                parsed.host_root = value();
                parsed.host_root.is_none().then(|| "--host-root needs a prefix".to_owned())
            }
            "--version" if problem.is_none() => return Ok(Task::Print(VERSION.to_owned())),
            "--help" | "-h" if problem.is_none() => return Ok(Task::Print(USAGE.to_owned())),
            _ => Some(unknown_argument(text)),
        };
        problem = problem.or(mistake);
    }
    match problem {
        None => Ok(Task::Judge(parsed)),
        Some(problem) => Err((parsed, problem)),
    }
}

fn unknown_argument(text: &str) -> String {
    let shown = sanitize::bounded_line(text, SHOWN_ARGUMENT);
    format!("the engine's configuration gives imgcompat-hook the unknown argument `{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::BorrowedFd;

    /// An input that brings out a defect.
    struct Panicking(std::os::unix::net::UnixStream);

    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("index out of \x1b[2Jrange")
        }
    }

    impl AsFd for Panicking {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn a_defect_is_recorded_and_follows_the_policy() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("etc/imgcompat/config.toml");
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        for (policy, expected) in [
            ("", Action::Allow),
            ("[on]\ninternal = 'deny'\n", Action::Deny),
            ("mode = 'audit'\n[on]\ninternal = 'deny'\n", Action::Allow),
        ] {
            std::fs::write(&config, policy).unwrap();
            let arguments = Arguments { root: Some(dir.path().to_owned()), ..Arguments::default() };
            let (gate, _) = gate(Instant::now(), arguments);
            let (readable, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
            std::io::Write::write_all(&mut other, b"x").unwrap();
            let mut input = Panicking(readable);
            let action = gate.decide_in_any_case("imgcompat-hook", |deadline| {
                start::hook::read(&mut input, deadline)
            });
            assert_eq!(action, expected, "{policy}");
        }
        let log = std::fs::read_to_string(dir.path().join("var/log/imgcompat/decisions.jsonl"));
        assert!(log.unwrap().contains("has a defect; please report it: index out of"));
    }

    fn parse_words(words: &[&str]) -> Result<Task, (Arguments, String)> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_in_both_spellings() {
        let expected = Arguments {
            fail_closed: true,
            root: Some(PathBuf::from("/r")),
            host_root: Some("/host-".to_owned()),
        };
        let words = ["--root", "/r", "--host-root=/host-", "--fail-closed"];
        assert_eq!(parse_words(&words), Ok(Task::Judge(expected)));
        assert_eq!(parse_words(&[]), Ok(Task::Judge(Arguments::default())));
    }

    #[test]
    fn a_mistake_keeps_what_was_understood() {
        let (arguments, problem) = parse_words(&["--fail-closed", "--rot"]).unwrap_err();
        assert!(arguments.fail_closed);
        assert!(problem.contains("`--rot`"), "{problem}");
        assert!(parse_words(&["--root"]).is_err());
    }

    #[test]
    fn what_comes_after_a_mistake_counts_as_well() {
        for mistake in ["--rot", "--root", "--host-root"] {
            let (arguments, problem) = parse_words(&[mistake, "--fail-closed"]).unwrap_err();
            assert!(arguments.fail_closed, "{mistake}");
            assert!(problem.contains(mistake), "{problem}");
        }
    }
}
