//! Why an expression has no answer, in words for the author of the specification.
//!
//! NFD gives up on the whole rule with an error in these cases (`expression.go`); here the rule is undecided.

use thiserror::Error;

use super::pattern::PatternError;
use super::version::Version;

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// The operator is none of NFD's.
    #[error("unknown operator {op}{}", did_you_mean(*suggestion))]
    UnknownOperator {
        /// The operator as written, quoted.
        op: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// Operators that take no values got some.
    #[error("operator {op:?} takes no values, but {count} are given{}", op_hint(op))]
    UnexpectedValues {
        /// The operator.
        op: &'static str,
        /// How many values it got.
        count: usize,
    },
    /// Operators that need a value, or exactly so many, got another number.
    #[error("operator {op} needs {needed}, but {count} are given")]
    WrongCount {
        /// The operator.
        op: &'static str,
        /// How many it needs.
        needed: &'static str,
        /// How many values it got.
        count: usize,
    },
    /// The `type` is neither empty nor `version`.
    #[error("unknown type {value_type} for operator {op}; it can be \"version\" or be left out")]
    UnknownType {
        /// The operator.
        op: &'static str,
        /// The type as written, quoted.
        value_type: String,
    },
    /// A text is not a number.
    #[error(
        "{side} {text} is not an integer of 64 bits, which operator {op} compares{}",
        version_hint(text)
    )]
    NotAnInteger {
        /// The operator.
        op: &'static str,
        /// Whose text it is.
        side: Side,
        /// The text, quoted.
        text: String,
    },
    /// A text is not a version.
    #[error("{side} {text} is not a version, which operator {op} compares")]
    NotAVersion {
        /// The operator.
        op: &'static str,
        /// Whose text it is.
        side: Side,
        /// The text, quoted.
        text: String,
    },
    /// The lower bound is not below the upper one.
    #[error("operator {op} needs a first value below the second, but {low} is not below {high}")]
    BoundsOrder {
        /// The operator.
        op: &'static str,
        /// The first value.
        low: i64,
        /// The second value.
        high: i64,
    },
    /// A pattern cannot be compiled.
    #[error("pattern {pattern} is not valid: {source}")]
    BadPattern {
        /// The pattern, quoted.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// It depends on the variables of a rule that is itself undecided.
    #[error("depends on the variables of rule {rule}, which could not be evaluated")]
    DependsOnUndecided {
        /// The rule's name, quoted.
        rule: String,
    },
    /// The steps of [`crate::limits::EVALUATION_STEPS`] are used up, or the patterns take too much memory.
    #[error("the specification takes too much work to evaluate")]
    TooMuchWork,
}

/// Whose text an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The host's value.
    Host,
    /// A value of the specification.
    Specification,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Host => "the host's value",
            Side::Specification => "the value",
        })
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn op_hint(op: &str) -> &'static str {
    if op.is_empty() { "; is \"op\" missing?" } else { "" }
}

/// Kernel and operating system versions are the usual texts that people compare as if they were integers.
fn version_hint(text: &str) -> &'static str {
    if Version::parse_host(text.trim_matches('"')).is_some() {
        "; \"type: version\" compares versions"
    } else {
        ""
    }
}
