//! The worker's task `check`: a specification as it is attached to an image comes in, its checked form goes out.
//!
//! For specifications that the hook finds in a layout on disk: their YAML is parsed here, confined, and never by the
//! hook. A registry's specifications are decoded by the task `fetch`, which has them already.

use std::io::{self, Read, Write};

use crate::limits;
use crate::spec::decode::decode;
use crate::worker::protocol::{CheckAnswer, read_specification};

/// Warnings that are handed on.
const WARNINGS: usize = 20;

/// Reads the specification from `input`, confines itself, and answers on `output`.
pub fn run(
    input: &mut impl Read,
    output: &mut impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    enter_sandbox()?;
    output.write_all(&answer(&read_specification(input)?)?)?;
    output.flush()
}

/// The answer on the wire; one that the hook would not read or keep is a problem of the specification.
fn answer(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let answer = serde_json::to_vec(&check(bytes))?;
    if answer.len() as u64 <= limits::CACHE_FILE_BYTES {
        return Ok(answer);
    }
    let problem = "its checked form is too large".to_owned();
    Ok(serde_json::to_vec(&CheckAnswer::Invalid { problem })?)
}

/// The checked form, or the first problem.
pub fn check(bytes: &[u8]) -> CheckAnswer {
    match decode(bytes) {
        Ok(decoded) => CheckAnswer::Checked {
            specification: decoded.specification,
            warnings: decoded.warnings.iter().take(WARNINGS).map(ToString::to_string).collect(),
        },
        Err(invalid) => {
            let first = invalid.errors.first().map(ToString::to_string);
            let problem = first.unwrap_or_else(|| "it is not a specification".to_owned());
            CheckAnswer::Invalid { problem }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_becomes_its_checked_form_and_anything_else_a_problem_with_its_place() {
        let good = check(b"version: v1alpha1\ncompatibilities:\n- rules: [{name: r}]\n");
        assert!(matches!(good, CheckAnswer::Checked { .. }), "{good:?}");
        match check(b"version: v1alpha1\ncompatibilities: [{rules: [{nam: r}]}]\n") {
            CheckAnswer::Invalid { problem } => assert!(problem.contains("line 2"), "{problem}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_parsed_before_the_sandbox_is_entered() {
        let mut output = Vec::new();
        let refused = || Err(io::Error::other("no sandbox"));
        assert!(run(&mut &b"version: v1alpha1"[..], &mut output, refused).is_err());
        assert!(output.is_empty());
    }
}
