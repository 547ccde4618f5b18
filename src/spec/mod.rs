//! Room `spec`: the specification as data. Bytes come in from [`crate::artifact`], a checked [`Specification`]
//! goes out to [`crate::rules`].
//!
//! | file | what |
//! |---|---|
//! | `model.rs` | the document's types, named as in NFD |
//! | `decode.rs` | YAML to model: strict, bounded, with line and column, with NFD's scalar conversions |
//! | `diagnostic.rs` | one finding: place, message, what to write instead |

pub mod diagnostic;
pub mod model;

pub use diagnostic::{Diagnostic, Severity};
pub use model::{CompatibilitySet, Expression, MatchAny, Position, Rule, Specification, Term};
