//! The worker's task `documents`: an image's index and manifest, from its registry.
//!
//! As `fetch` does, it reads configuration and credentials as root and speaks to a network only after it is confined.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::protocol::{DocumentsAnswer, DocumentsRequest};
use crate::deadline::Deadline;
use crate::registry::access::{Access, Options};
use crate::registry::documents;

/// Longest request: a repository, a few digests, a number.
const REQUEST_BYTES: u64 = 64 << 10;

/// Answers one request.
pub fn run(
    input: impl Read,
    mut output: impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.take(REQUEST_BYTES).read_to_end(&mut bytes)?;
    let request: DocumentsRequest = serde_json::from_slice(&bytes)?;
    let deadline = Deadline::after(Duration::from_millis(request.deadline_ms));
    let access = Access::for_repository(&request.repository, &Options::default());
    enter_sandbox()?;
    let answer = match access {
        Ok(access) => documents::documents(&request, &access, deadline),
        Err(unavailable) => DocumentsAnswer::Unavailable(unavailable),
    };
    serde_json::to_writer(&mut output, &answer)?;
    output.flush()
}
