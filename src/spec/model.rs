//! The image compatibility specification as types, named as in NFD.
//!
//! Source of the shapes: NFD `api/image-compatibility/v1alpha1/spec.go` and `api/nfd/v1alpha1/types.go`
//! (GroupRule). A value of these types is decoded and bounded, but not evaluated: an unknown operator or a
//! bad pattern is still in here, because NFD reports those only when a rule reaches them.
//!
//! The types serialise to JSON; that form is what the cache keeps, so that a warm start parses no YAML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole document: `{version, compatibilities}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Specification {
    /// The version of the format; `v1alpha1` is the only one there is.
    pub version: String,
    /// The compatibility sets, in document order. An image is compatible if one of them holds.
    pub compatibilities: Vec<CompatibilitySet>,
}

/// One compatibility set: it holds if all its rules do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompatibilitySet {
    /// The rules, evaluated in document order (later ones see `rule.matched` of earlier ones).
    pub rules: Vec<Rule>,
    /// Preference among sets that hold: the highest is reported.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// Groups sets, so that a part of them can be asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The author's words for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where the set stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// One rule: `matchAny` (if any) and `matchFeatures` (if any) must both hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The rule's name; neither required nor unique.
    #[serde(default)]
    pub name: String,
    /// Values that a matching rule adds to `rule.matched`; they win over those of `varsTemplate`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// A Go text/template whose output lines `key=value` a matching rule adds to `rule.matched`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vars_template: String,
    /// Terms that must all hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_features: Vec<Term>,
    /// Alternatives, of which one must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_any: Vec<MatchAny>,
    /// Where the rule stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// One alternative of `matchAny`: holds if all its terms do (with no terms it holds).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchAny {
    /// Terms that must all hold.
    #[serde(default)]
    pub match_features: Vec<Term>,
}

/// One entry of `matchFeatures`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Term {
    /// The feature's name as written, for example `cpu.cpuid`.
    pub feature: String,
    /// Element name to expression; `None` is no constraint, an empty map asks for something to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<BTreeMap<String, Expression>>,
    /// An expression about the names of the feature's elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_name: Option<Expression>,
    /// Where the term stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// An operator with its values: `{op, value, type}`, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// The operator as written; empty holds for anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The operator's values, after NFD's conversions to strings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<String>,
    /// How numbers are compared: empty for integers, `version` for versions.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub value_type: String,
    /// Where the expression stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place in a document; both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

fn is_zero(weight: &i64) -> bool {
    *weight == 0
}
