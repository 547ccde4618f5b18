//! The result of an evaluation: every set, rule and expression with its verdict and what the host really has.
//!
//! These types are the `sets` of the tool's JSON and of the decision record; field names are part of both.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::host::Attributes;
use crate::spec::Position;

/// A truth value in Kleene's three-valued logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// Holds.
    True,
    /// Does not hold.
    False,
    /// Cannot be evaluated.
    Undecided,
}

impl Truth {
    /// Kleene's AND: false wins over undecided, undecided over true.
    #[must_use]
    pub const fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::Undecided, _) | (_, Truth::Undecided) => Truth::Undecided,
            (Truth::True, Truth::True) => Truth::True,
        }
    }

    /// Kleene's OR: true wins over undecided, undecided over false.
    #[must_use]
    pub const fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::True, _) | (_, Truth::True) => Truth::True,
            (Truth::Undecided, _) | (_, Truth::Undecided) => Truth::Undecided,
            (Truth::False, Truth::False) => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Truth::True } else { Truth::False }
    }
}

/// The result for one specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The verdict over all sets.
    pub verdict: SetVerdict,
    /// Index (from 0, among all sets of the document) of the compatible set with the highest weight; the first of equals.
    pub set: Option<usize>,
    /// One report for each set that was selected, in document order.
    pub sets: Vec<SetReport>,
}

/// The verdict of a set, a rule, or one alternative of `matchAny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetVerdict {
    /// Holds.
    Compatible,
    /// Does not hold.
    Incompatible,
    /// Cannot be evaluated.
    Undecided,
}

impl From<Truth> for SetVerdict {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => SetVerdict::Compatible,
            Truth::False => SetVerdict::Incompatible,
            Truth::Undecided => SetVerdict::Undecided,
        }
    }
}

/// The verdict of one expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpressionVerdict {
    /// Holds.
    Match,
    /// Does not hold.
    NoMatch,
    /// Cannot be evaluated.
    Error,
}

impl From<Truth> for ExpressionVerdict {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => ExpressionVerdict::Match,
            Truth::False => ExpressionVerdict::NoMatch,
            Truth::Undecided => ExpressionVerdict::Error,
        }
    }
}

/// One compatibility set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetReport {
    /// Index in the document, from 0.
    #[serde(default)]
    pub index: usize,
    /// The author's description.
    pub description: String,
    /// The set's tag.
    pub tag: String,
    /// The set's weight.
    pub weight: i64,
    /// The AND of its rules.
    pub verdict: SetVerdict,
    /// The rules in document order.
    pub rules: Vec<RuleReport>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The rule's name.
    pub name: String,
    /// The rule's verdict.
    pub verdict: SetVerdict,
    /// Why it is undecided, or could not deliver its variables.
    pub error: Option<String>,
    /// Why it holds though it has no expressions ("has no conditions"), or other remarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Rows of `matchFeatures`.
    pub expressions: Vec<ExpressionReport>,
    /// Rows of each alternative of `matchAny`.
    #[serde(rename = "matchAny")]
    pub match_any: Vec<MatchAnyReport>,
}

/// One alternative of `matchAny`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchAnyReport {
    /// The alternative's verdict.
    pub verdict: SetVerdict,
    /// Its rows.
    pub expressions: Vec<ExpressionReport>,
}

/// How an expression was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Matcher {
    /// To the value of a named element.
    MatchExpressions,
    /// To the names of the elements.
    MatchName,
    /// A term without expressions: the feature itself.
    Feature,
}

/// One row: what was asked, and what the host has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpressionReport {
    /// The feature as written in the specification; cut if it is longer than any feature's name.
    pub feature: String,
    /// The element's name; empty for `matchName` and for bare terms.
    pub element: String,
    /// How the expression was applied.
    pub matcher: Matcher,
    /// The operator as written.
    pub op: String,
    /// The wanted values.
    pub value: Vec<String>,
    /// The expression's `type` as written.
    #[serde(rename = "type")]
    pub value_type: String,
    /// The row's verdict.
    pub verdict: ExpressionVerdict,
    /// What the host has; null where it has nothing of that name.
    pub host: Option<HostValue>,
    /// Why the row could not be evaluated; present exactly when the verdict is [`ExpressionVerdict::Error`].
    pub error: Option<String>,
    /// A remark for people: why the feature is absent, or that a list of names was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the expression stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// For features with instances: the whole instance that came closest to satisfying the term; all rows of a
    /// term share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Arc<Attributes>>,
}

/// What the host has for one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HostValue {
    /// A flag that is set (always true), or a bare feature that is there.
    Present(bool),
    /// An attribute's value, of the feature or of the closest instance.
    Value(String),
    /// Names of the feature's elements (for `matchName`): those that match, or all where none does; cut to a
    /// bounded number.
    Names(Vec<String>),
}
