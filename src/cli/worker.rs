//! `imgcompat worker TASK`: the hook's worker. Not for people; see [`crate::worker`].

use std::io;
use std::process::ExitCode;

use crate::tasks::{check, compile, containerd, documents, fetch};
use crate::worker::sandbox;

/// Runs one task between standard input and standard output.
pub fn main(task: Option<&str>) -> ExitCode {
    sandbox::prepare();
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let done = match task {
        Some("fetch") => fetch::run(&mut input, &mut output, sandbox::enter),
        Some("containerd") => containerd::run(&mut input, &mut output, sandbox::enter),
        Some("documents") => documents::run(&mut input, &mut output, sandbox::enter),
        Some("compile") => compile::run(&mut input, &mut output, sandbox::enter),
        Some("check") => check::run(&mut input, &mut output, sandbox::enter),
        _ => Err(io::Error::other(
            "the tasks are fetch, documents, containerd, compile and check; imgcompat-hook runs this",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("imgcompat worker: {error}");
            ExitCode::from(4)
        }
    }
}
