//! Room `rules`: a specification and features go in, an [`Evaluation`] comes out. No I/O, no images, no policy.
//!
//! | file | what |
//! |---|---|
//! | `evaluate.rs` | sets, rules and alternatives; the entry |
//! | `term.rs` | one entry of matchFeatures on one feature, with its rows of the report |
//! | `expression.rs` | one expression on one element: the operators |
//! | `expression_error.rs` | why it has no answer |
//! | `version.rs`, `pattern.rs` | what versions and patterns are |
//! | `names.rs` | matchName |
//! | `module_name.rs` | where `-` is `_` |
//! | `facts.rs` | the features asked for, and `rule.matched` |
//! | `matched.rs` | the elements that matched, for `varsTemplate` |
//! | `template/` | `varsTemplate`: Go's template language and sprig, bounded |
//! | `effort.rs` | what an evaluation may cost |
//! | `explain.rs` | which row decided, in words |
//! | `report.rs` | the result: every set, rule and expression with verdict and host value |
//! | `quote.rs` | foreign text in messages, cut to a length that a person reads |

mod effort;
pub mod evaluate;
mod explain;
pub mod expression;
mod expression_error;
mod facts;
pub mod matched;
mod module_name;
mod names;
pub mod pattern;
mod quote;
mod report;
pub mod template;
mod term;
pub mod version;

pub use evaluate::{Options, evaluate};
pub use explain::{Deciding, deciding};
pub use expression::Operator;
pub use expression_error::ExpressionError;
pub use pattern::{Pattern, PatternError};
pub use report::{
    Evaluation, ExpressionReport, ExpressionVerdict, HostValue, MatchAnyReport, Matcher,
    RuleReport, SetReport, SetVerdict, Truth,
};
