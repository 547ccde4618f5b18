//! Room `spec`: the specification as data. Bytes come in from [`crate::artifact`], a checked [`Specification`]
//! goes out to [`crate::rules`].
//!
//! | file | what |
//! |---|---|
//! | `model.rs` | the document's types, named as in NFD |
//! | `decode.rs` | YAML to model: strict, with line and column; `decode/` holds its way through maps and its messages |
//! | `yaml.rs` | text to a bounded tree of nodes with places |
//! | `scalar.rs` | what a scalar becomes where a string is wanted, as in NFD |
//! | `known.rs` | the names that NFD's features and elements have |
//! | `lint.rs` | what decodes but hardly means what its author thinks; the lowest NFD version it needs |
//! | `diagnostic.rs` | one finding: place, message, what to write instead |

pub mod decode;
pub mod diagnostic;
pub(crate) mod known;
pub mod lint;
mod model;
pub mod scalar;
pub mod yaml;

pub use decode::{Decoded, Invalid, decode};
pub use diagnostic::{Diagnostic, Severity};
pub use model::{CompatibilitySet, Expression, MatchAny, Position, Rule, Specification, Term};
