//! The one sentence a person reads when a start is refused: what was needed, what was found, what would help.

use super::record::{Judgement, Record};
use super::remedy;
use crate::host::Features;
use crate::limits;
use crate::rules::{self, Deciding, ExpressionReport, ExpressionVerdict, RuleReport, SetVerdict};
use crate::sanitize;

/// Longest image name in a message; names are cut in the middle of nothing else.
const NAME_BYTES: usize = 160;
/// Longest part of the sentence for one row.
const ROW_BYTES: usize = 320;

/// The line for a refused start, at most [`limits::REFUSAL_BYTES`] bytes and safe for every engine. `recorded` is the
/// container whose record explains it: this one, or an earlier one of the same image with the same verdict.
pub fn refusal(record: &Record, recorded: &str) -> String {
    let id = recorded.get(..12).unwrap_or(recorded);
    let end = if id.is_empty() {
        ". See: imgcompat why".to_owned()
    } else {
        format!(". See: imgcompat why {id}")
    };
    let text = format!("imgcompat: refused: {}", record.reason.trim_end_matches('.'));
    let room = limits::REFUSAL_BYTES - end.len();
    sanitize::for_engine(&format!("{}{end}", sanitize::bounded_line(&text, room)))
}

/// The reason for an incompatible or undecided evaluation: the first row that decides, and what the host has.
pub fn reason(image: &str, judgement: &Judgement, features: &dyn Features) -> String {
    let image = sanitize::bounded_line(image, NAME_BYTES);
    let Some(Deciding { set, rule, row }) = rules::deciding(&judgement.sets) else {
        return format!("{image} is {}", word(judgement.verdict));
    };
    let more = match judgement.sets.len() {
        0 | 1 => String::new(),
        sets => format!(" (the first of {sets} compatibility sets, none of which holds)"),
    };
    let author = match set.description.trim() {
        "" => String::new(),
        text => format!(" [{}]", sanitize::bounded_line(text, 120)),
    };
    let row = row.map_or_else(|| rule_sentence(rule), |row| row_sentence(row, features));
    format!("{image} needs {row}{more}{author}")
}

/// What decided against an image, without the host's value: the rule and the expression. `None` where nothing failed.
pub fn deciding(judgement: &Judgement) -> Option<String> {
    let Deciding { rule, row, .. } = rules::deciding(&judgement.sets)?;
    let name = sanitize::bounded_line(&rule.name, 64);
    Some(match row {
        Some(row) => format!("{} [rule {name}]", sanitize::bounded_line(&row.needed(), ROW_BYTES)),
        None => format!("rule {name}"),
    })
}

fn word(verdict: SetVerdict) -> &'static str {
    match verdict {
        SetVerdict::Compatible => "compatible",
        SetVerdict::Incompatible => "incompatible with this host",
        SetVerdict::Undecided => "not to be judged on this host",
    }
}

fn rule_sentence(rule: &RuleReport) -> String {
    let name = sanitize::bounded_line(&rule.name, 64);
    match &rule.error {
        Some(error) => {
            format!(
                "rule `{name}`, which cannot be evaluated: {}",
                sanitize::bounded_line(error, 300)
            )
        }
        None => format!("rule `{name}`, which does not hold"),
    }
}

/// `cpu.cpuid AVX512F (Exists); this host has no such element`
fn row_sentence(row: &ExpressionReport, features: &dyn Features) -> String {
    let needed = row.needed();
    let found = match (&row.error, row.verdict) {
        (Some(error), ExpressionVerdict::Error) => format!("it cannot be evaluated: {error}"),
        _ => remedy::instead(row, features).unwrap_or_else(|| row.found()),
    };
    let advice = match remedy::remedy(row, features) {
        Some(advice) if row.verdict == ExpressionVerdict::NoMatch => format!(" ({advice})"),
        _ => String::new(),
    };
    sanitize::bounded_line(&format!("{needed}; {found}{advice}"), ROW_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FeatureSet;
    use crate::rules::{HostValue, Matcher, SetReport};

    fn row(verdict: ExpressionVerdict, host: Option<HostValue>) -> ExpressionReport {
        ExpressionReport {
            feature: "cpu.model".to_owned(),
            element: "vendor_id".to_owned(),
            matcher: Matcher::MatchExpressions,
            op: "In".to_owned(),
            value: vec!["Intel".to_owned(), "AMD".to_owned()],
            value_type: String::new(),
            verdict,
            host,
            error: None,
            note: None,
            position: None,
            instance: None,
        }
    }

    fn judgement(row: ExpressionReport) -> Judgement {
        let rule = RuleReport {
            name: "cpu".to_owned(),
            verdict: SetVerdict::Incompatible,
            error: None,
            note: None,
            expressions: vec![row],
            match_any: vec![],
        };
        let set = SetReport {
            index: 0,
            description: "AVX build\x1b[2J".to_owned(),
            tag: String::new(),
            weight: 0,
            verdict: SetVerdict::Incompatible,
            rules: vec![rule],
        };
        let artifact = super::super::ArtifactNote {
            digest: None,
            source: "registry".to_owned(),
            location: None,
            subject: None,
            created: None,
            age_seconds: None,
        };
        Judgement { artifact, verdict: SetVerdict::Incompatible, set: None, sets: vec![set] }
    }

    #[test]
    fn the_reason_names_image_feature_operator_wanted_and_found() {
        let value = Some(HostValue::Value("VendorUnknown".to_owned()));
        let text = reason(
            "r.example/ml:2",
            &judgement(row(ExpressionVerdict::NoMatch, value)),
            &FeatureSet::default(),
        );
        assert_eq!(
            text,
            "r.example/ml:2 needs cpu.model vendor_id (In Intel, AMD); this host has VendorUnknown [AVX build\u{fffd}[2J]"
        );
    }

    #[test]
    fn an_absent_element_is_said_to_be_absent() {
        let text = reason(
            "a/b",
            &judgement(row(ExpressionVerdict::NoMatch, None)),
            &FeatureSet::default(),
        );
        assert!(text.contains("; this host does not have it"), "{text}");
    }
}
