//! The worker's task `compile`: an administrator's local specification comes in as it stands in its file, its
//! checked form goes out. YAML is parsed here, confined, and never by the hook.

use std::io::{self, Read, Write};

use crate::image::ImagePattern;
use crate::spec::decode::{LocalSpecification, decode_local};
use crate::worker::protocol::{CompileAnswer, read_specification, write_answer};

/// Reads the file from `input`, confines itself, and answers on `output`.
pub fn run(
    input: &mut impl Read,
    output: &mut impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    enter_sandbox()?;
    write_answer(output, &compile(&read_specification(input)?))
}

/// The checked form, or the first problem.
pub fn compile(bytes: &[u8]) -> CompileAnswer {
    let decoded = match decode_local(bytes) {
        Ok(decoded) => decoded,
        Err(invalid) => return CompileAnswer::Invalid { problem: invalid.to_string() },
    };
    match bad_pattern(&decoded.local) {
        Some(problem) => CompileAnswer::Invalid { problem },
        None => CompileAnswer::Checked {
            local: decoded.local,
            warnings: decoded.warnings.iter().map(ToString::to_string).collect(),
        },
    }
}

fn bad_pattern(local: &LocalSpecification) -> Option<String> {
    local.images.iter().find_map(|pattern| ImagePattern::try_from(pattern.clone()).err())
}
