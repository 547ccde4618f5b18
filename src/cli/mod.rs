//! Room `cli`: one file a subcommand, nothing but arguments and printing.

mod allow;
mod attach_spec;
mod cache;
pub mod command;
mod config;
mod disable;
mod doctor;
mod enable;
pub mod export;
mod image_subjects;
mod list_specs;
mod metrics;
mod mirror;
mod nfd_json;
mod output;
mod paint;
mod progress;
mod registry_args;
mod remove_spec;
mod report;
pub mod schema;
mod table;
mod validate_node;
mod validate_spec;
mod verbose;
mod why;
mod worker;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::files;
use crate::host::HostRoot;

/// Why a subcommand could not do its work. The message says what, where, why and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For people.
    pub message: String,
    /// The exit code: 2 for usage, 4 for "could not find out".
    pub code: u8,
}

impl Failure {
    /// The command was called in a way that cannot work: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: 2 }
    }

    /// The answer could not be found out: exit code 4.
    pub fn undecided(message: impl Into<String>) -> Self {
        Failure { message: message.into(), code: 4 }
    }

    /// The same, since something on this node cannot be read.
    fn unreadable(what: impl Display, error: &io::Error) -> Self {
        Failure::undecided(format!("{what} cannot be read: {error}{}", files::advice(error)))
    }
}

/// What a subcommand returns: an exit code, or a failure that `main` prints.
pub type Outcome = Result<ExitCode, Failure>;

/// Prints to standard output. A reader that has gone away (`| head`) is no failure.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => {
            Err(Failure::undecided(format!("standard output cannot be written: {error}")))
        }
    }
}

/// A number of things, in words: `1 start`, `2 starts`.
fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The host to look at: what was asked for, else this machine. NFD's own images have the host's files below `/host-`; so
/// do ours, where they are mounted.
pub fn host_root(prefix: Option<&str>) -> Result<HostRoot, Failure> {
    let mounted = || if Path::new("/host-sys").is_dir() { "/host-" } else { "/" };
    HostRoot::from_prefix(prefix.unwrap_or_else(mounted))
        .map_err(|error| Failure::usage(format!("--host-root: {error}")))
}
