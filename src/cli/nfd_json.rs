//! The report in the shape of NFD's client: `validate-node --output-json`.
//!
//! Source: NFD `pkg/client-nfd/compat/node-validator` (CompatibilityStatus and below): the same keys in the same
//! order, an array on one line. We add `verdict` to sets, and `host` and `error` to rows and rules, which readers of
//! NFD's array skip. Unlike NFD's, a row's `isMatch` is what was evaluated.

use serde::Serialize;

use crate::rules::{
    ExpressionReport, ExpressionVerdict, HostValue, MatchAnyReport, Matcher, RuleReport, SetReport,
    SetVerdict,
};

/// One compatibility set.
#[derive(Debug, Serialize)]
pub struct Set<'a> {
    rules: Option<Vec<Rule<'a>>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    weight: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    tag: &'a str,
    verdict: SetVerdict,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    name: &'a str,
    is_match: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matched_expressions: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matched_any: Vec<Alternative<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alternative<'a> {
    matched_expressions: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    feature: &'a str,
    name: &'a str,
    expression: Expression<'a>,
    matcher_type: &'static str,
    is_match: bool,
    host: Option<&'a HostValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Expression<'a> {
    op: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    value: &'a [String],
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    value_type: &'a str,
}

fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

/// The array that NFD prints.
pub fn array(sets: &[SetReport]) -> Vec<Set<'_>> {
    sets.iter()
        .map(|set| Set {
            rules: (!set.rules.is_empty()).then(|| set.rules.iter().map(rule).collect()),
            description: &set.description,
            weight: set.weight,
            tag: &set.tag,
            verdict: set.verdict,
        })
        .collect()
}

fn rule(rule: &RuleReport) -> Rule<'_> {
    Rule {
        name: &rule.name,
        is_match: rule.verdict == SetVerdict::Compatible,
        matched_expressions: rows(&rule.expressions),
        matched_any: rule.match_any.iter().map(alternative).collect(),
        error: rule.error.as_deref(),
    }
}

fn alternative(alternative: &MatchAnyReport) -> Alternative<'_> {
    Alternative { matched_expressions: rows(&alternative.expressions) }
}

/// NFD has no rows for bare terms, and sorts by feature, name and expression.
fn rows(reports: &[ExpressionReport]) -> Vec<Row<'_>> {
    let mut sorted: Vec<&ExpressionReport> =
        reports.iter().filter(|row| row.matcher != Matcher::Feature).collect();
    sorted.sort_by(|a, b| {
        (&a.feature, &a.element, &a.op, &a.value).cmp(&(&b.feature, &b.element, &b.op, &b.value))
    });
    sorted.into_iter().map(row).collect()
}

fn row(row: &ExpressionReport) -> Row<'_> {
    Row {
        feature: &row.feature,
        name: &row.element,
        expression: Expression { op: &row.op, value: &row.value, value_type: &row.value_type },
        matcher_type: match row.matcher {
            Matcher::MatchName => "matchName",
            Matcher::MatchExpressions | Matcher::Feature => "matchExpression",
        },
        is_match: row.verdict == ExpressionVerdict::Match,
        host: row.host.as_ref(),
        error: row.error.as_deref(),
    }
}
