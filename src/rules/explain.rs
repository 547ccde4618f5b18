//! What decided, and in which words: from a report to the one row that a person has to look at.
//!
//! The words are those of the refusal, the decision log and the tool's table. What a specification's author or the
//! host wrote stands in them as it is: bound and clean it before it reaches a terminal.

use super::report::{
    Evaluation, ExpressionReport, ExpressionVerdict, HostValue, Matcher, RuleReport, SetReport,
    SetVerdict,
};

/// What decided against an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deciding<'a> {
    /// The first compatibility set that does not hold.
    pub set: &'a SetReport,
    /// Its first rule that does not hold: one that fails before one that cannot be evaluated.
    pub rule: &'a RuleReport,
    /// The rule's first such row; none where the rule itself is at fault.
    pub row: Option<&'a ExpressionReport>,
}

/// What decided, among the reports of all sets; none where nothing failed.
pub fn deciding(sets: &[SetReport]) -> Option<Deciding<'_>> {
    let set = sets.iter().find(|set| set.verdict != SetVerdict::Compatible)?;
    let with = |verdict| set.rules.iter().find(|rule| rule.verdict == verdict);
    let rule = with(SetVerdict::Incompatible).or_else(|| with(SetVerdict::Undecided))?;
    let wanted = match rule.verdict {
        SetVerdict::Undecided => ExpressionVerdict::Error,
        _ => ExpressionVerdict::NoMatch,
    };
    let rows = rule.match_any.iter().flat_map(|alternative| &alternative.expressions);
    let row = rule.expressions.iter().chain(rows).find(|row| row.verdict == wanted);
    Some(Deciding { set, rule, row })
}

impl Evaluation {
    /// What decided against the image; none for one that is compatible.
    pub fn deciding(&self) -> Option<Deciding<'_>> {
        if self.verdict == SetVerdict::Compatible { None } else { deciding(&self.sets) }
    }
}

impl ExpressionReport {
    /// What the row asks for: feature, element, operator, values. `cpu.cpuid AVX512F (Exists)`
    pub fn needed(&self) -> String {
        let subject = match self.matcher {
            Matcher::MatchExpressions => format!("{} {}", self.feature, self.element),
            Matcher::MatchName => format!("{} with a name", self.feature),
            Matcher::Feature => format!("{} to be there", self.feature),
        };
        let operator = match (self.op.as_str(), self.value.as_slice()) {
            ("", _) if self.matcher == Matcher::Feature => return subject,
            ("", []) => "any".to_owned(),
            (op, []) => op.to_owned(),
            (op, values) => format!("{op} {}", values.join(", ")),
        };
        let kind = if self.value_type.is_empty() { "" } else { " as version" };
        format!("{subject} ({operator}{kind})")
    }

    /// What the host has for the row. `this host has 5`
    pub fn found(&self) -> String {
        match &self.host {
            Some(HostValue::Value(value)) if self.instance.is_some() => {
                format!("the closest device of this host has {value}")
            }
            Some(HostValue::Value(value)) if value.is_empty() => {
                "this host has an empty value".to_owned()
            }
            Some(HostValue::Value(value)) => format!("this host has {value}"),
            Some(HostValue::Present(true)) => "this host has it".to_owned(),
            Some(HostValue::Names(names)) => format!("this host has {}", names.join(", ")),
            Some(HostValue::Present(false)) | None => "this host does not have it".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::host::FeatureSet;
    use crate::rules::{Evaluation, Options, evaluate};

    fn evaluated(rules: &str) -> Evaluation {
        let text = format!("version: v1alpha1\ncompatibilities:\n- rules: {rules}\n");
        let specification = crate::spec::decode(text.as_bytes()).unwrap().specification;
        let features = r#"{"attributes": {"kernel.version": {"elements": {"major": "5"}}}}"#;
        let features: FeatureSet = serde_json::from_str(features).unwrap();
        evaluate(&specification, &features, &Options::default())
    }

    fn expression(op: &str, value: &str) -> String {
        let expressions = format!("{{major: {{op: {op}, value: [\"{value}\"]}}}}");
        format!("matchFeatures: [{{feature: kernel.version, matchExpressions: {expressions}}}]")
    }

    #[test]
    fn a_rule_that_fails_decides_before_one_that_cannot_be_evaluated() {
        let [holds, odd, fails] =
            [("Gt", "4"), ("GT", "4"), ("In", "6")].map(|(op, value)| expression(op, value));
        let rules = format!("[{{name: a, {holds}}}, {{name: b, {odd}}}, {{name: c, {fails}}}]");
        let evaluation = evaluated(&rules);
        let deciding = evaluation.deciding().unwrap();
        assert_eq!(deciding.rule.name, "c");
        let row = deciding.row.unwrap();
        assert_eq!(row.needed(), "kernel.version major (In 6)");
        assert_eq!(row.found(), "this host has 5");
        let evaluation = evaluated(&format!("[{{name: a, {holds}}}, {{name: b, {odd}}}]"));
        assert_eq!(evaluation.deciding().unwrap().rule.name, "b");
    }

    #[test]
    fn nothing_decides_against_what_is_compatible() {
        assert_eq!(
            evaluated(&format!("[{{name: a, {}}}]", expression("Gt", "4"))).deciding(),
            None
        );
    }
}
