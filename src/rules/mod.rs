//! Room `rules`: a specification and features go in, an [`Evaluation`] comes out. No I/O, no images, no policy.
//!
//! | file | what |
//! |---|---|
//! | `report.rs` | the result: every set, rule and expression with verdict and host value |

pub mod report;

pub use report::{
    Evaluation, ExpressionReport, ExpressionVerdict, HostValue, MatchAnyReport, Matcher,
    RuleReport, SetReport, SetVerdict, Truth,
};
