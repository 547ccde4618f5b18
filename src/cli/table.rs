//! The report for people: sets, rules, and for each expression what was needed against what the host has.

use super::paint::{Colour, Paint};
use crate::rules::{
    ExpressionReport, ExpressionVerdict, Matcher, RuleReport, SetReport, SetVerdict,
};
use crate::sanitize;

/// Widest column; what is longer is cut.
const CELL: usize = 60;
/// Longest remark.
const REMARK: usize = 300;

/// The report of all sets.
pub fn sets(sets: &[SetReport], preferred: Option<usize>, paint: Paint) -> String {
    let mut text = String::new();
    for set in sets {
        text.push_str(&set_heading(set, preferred == Some(set.index), paint));
        for rule in &set.rules {
            text.push_str(&rule_block(rule, paint));
        }
        text.push('\n');
    }
    text
}

fn set_heading(set: &SetReport, preferred: bool, paint: Paint) -> String {
    let mut facts = vec![format!("weight {}", set.weight)];
    if !set.tag.is_empty() {
        facts.push(format!("tag {}", sanitize::bounded_line(&set.tag, CELL)));
    }
    if preferred {
        facts.push("this set counts".to_owned());
    }
    let heading = paint.paint(Colour::Bold, &format!("Compatibility set {}", set.index + 1));
    let mut text = format!("{heading}  {}  ({})\n", verdict(set.verdict, paint), facts.join(", "));
    if !set.description.is_empty() {
        text.push_str(&format!("  {}\n", sanitize::bounded_line(&set.description, REMARK)));
    }
    text
}

fn verdict(verdict: SetVerdict, paint: Paint) -> String {
    match verdict {
        SetVerdict::Compatible => paint.paint(Colour::Green, "compatible"),
        SetVerdict::Incompatible => paint.paint(Colour::Red, "incompatible"),
        SetVerdict::Undecided => paint.paint(Colour::Yellow, "undecided"),
    }
}

fn rule_block(rule: &RuleReport, paint: Paint) -> String {
    let name = match rule.name.as_str() {
        "" => "(without a name)".to_owned(),
        name => sanitize::bounded_line(name, CELL),
    };
    let mut text = format!("\n  Rule {name}: {}\n", verdict(rule.verdict, paint));
    for remark in rule.error.iter().chain(&rule.note) {
        text.push_str(&format!("    {}\n", sanitize::bounded_line(remark, REMARK)));
    }
    text.push_str(&rows(&rule.expressions, "    ", paint));
    for (place, alternative) in rule.match_any.iter().enumerate() {
        let count = rule.match_any.len();
        let heading = format!("alternative {} of {count}", place + 1);
        text.push_str(&format!(
            "    {}: {}\n",
            paint.paint(Colour::Dim, &heading),
            verdict(alternative.verdict, paint)
        ));
        text.push_str(&rows(&alternative.expressions, "      ", paint));
    }
    text
}

/// One line a row, in columns: mark, what is needed, what is there, and below it why not.
fn rows(rows: &[ExpressionReport], indent: &str, paint: Paint) -> String {
    let cell = |text: &str| sanitize::bounded_line(text, CELL);
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| [cell(&subject(row)), cell(&condition(row)), cell(&row.found())])
        .collect();
    let width = |column: usize| {
        cells.iter().filter_map(|c| c.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for (row, [subject, condition, found]) in rows.iter().zip(&cells) {
        text.push_str(&format!(
            "{indent}{} {subject:first$}  {condition:second$}  {found}\n",
            mark(row.verdict, paint)
        ));
        for remark in row.error.iter().chain(&row.note) {
            let remark = sanitize::bounded_line(remark, REMARK);
            text.push_str(&format!("{indent}       {}\n", paint.paint(Colour::Dim, &remark)));
        }
    }
    text
}

fn mark(verdict: ExpressionVerdict, paint: Paint) -> String {
    match verdict {
        ExpressionVerdict::Match => paint.paint(Colour::Green, "ok    "),
        ExpressionVerdict::NoMatch => paint.paint(Colour::Red, "failed"),
        ExpressionVerdict::Error => paint.paint(Colour::Yellow, "error "),
    }
}

fn subject(row: &ExpressionReport) -> String {
    match row.matcher {
        Matcher::MatchExpressions => format!("{} {}", row.feature, row.element),
        Matcher::MatchName => format!("{} (names)", row.feature),
        Matcher::Feature => row.feature.clone(),
    }
}

fn condition(row: &ExpressionReport) -> String {
    let operator = match (row.op.as_str(), row.matcher) {
        ("", Matcher::Feature) => "is there",
        ("", _) => "(anything)",
        (op, _) => op,
    };
    let kind = if row.value_type.is_empty() { "" } else { " as version" };
    format!("{operator} {}{kind}", row.value.join(", ")).trim_end().to_owned()
}
