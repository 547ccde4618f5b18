//! The worker's main for fetching from a registry: request in, answer out, and between the two the loss of every
//! right that is not needed for talking to a network.
//!
//! As root it reads the node's configuration and credentials (and may run a credential helper); then it enters the
//! sandbox; only then it speaks to anybody. Called by the tool's `worker fetch`.

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::registry::access::{Access, Options};
use crate::registry::fetch;

use crate::worker::protocol::{FetchOutcome, FetchRequest, read_request};

/// Answers one request. `enter_sandbox` gives up the process's rights; nothing is sent before it has succeeded.
pub fn run(
    input: impl Read,
    output: impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    run_with(Options::default(), input, output, enter_sandbox)
}

/// The same with configuration files from elsewhere.
pub fn run_with(
    options: Options,
    input: impl Read,
    mut output: impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let request: FetchRequest = read_request(input)?;
    let deadline = Deadline::after(Duration::from_millis(request.deadline_ms));
    let options =
        Options { credential_sources: request.credentials, deadline: Some(deadline), ..options };
    let access = Access::for_repository(&request.repository, &options);
    enter_sandbox()?;
    let outcome = match access {
        Ok(access) => fetch::fetch_until(&request.subjects, &access, deadline),
        Err(unavailable) => FetchOutcome::Unavailable(unavailable),
    };
    outcome.write_to(&mut output)
}
