//! `imgcompat schema`: prints the JSON Schema of a specification, for editors.

use super::Outcome;

/// The schema (JSON Schema 2020-12), as it lies in `schema/`.
pub const SCHEMA: &str = include_str!("../../schema/specification.schema.json");

/// Runs `imgcompat schema`.
pub fn run() -> Outcome {
    super::print(SCHEMA)
}
