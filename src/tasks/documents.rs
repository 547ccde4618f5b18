//! The worker's task `documents`: an image's index and manifest, from its registry.
//!
//! As `fetch` does, it reads configuration and credentials as root and speaks to a network only after it is confined.

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::registry::access::{Access, Options};
use crate::registry::documents;
use crate::worker::protocol::{DocumentsAnswer, DocumentsRequest, read_request, write_answer};

/// Answers one request.
pub fn run(
    input: impl Read,
    output: impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let request: DocumentsRequest = read_request(input)?;
    let deadline = Deadline::after(Duration::from_millis(request.deadline_ms));
    let options = Options {
        credential_sources: request.credentials.clone(),
        deadline: Some(deadline),
        ..Options::default()
    };
    let access = Access::for_repository(&request.repository, &options);
    enter_sandbox()?;
    let answer = match access {
        Ok(access) => documents::documents(&request, &access, deadline),
        Err(unavailable) => DocumentsAnswer::Unavailable(unavailable),
    };
    write_answer(output, &answer)
}
