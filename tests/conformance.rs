//! Evaluation against the reference: the sections `expr`, `name`, `rules` and `specs` of
//! `tests/data/nfd/vectors.yaml`.
//!
//! For everything NFD evaluates, our verdict is NFD's. What we answer otherwise is in [`DIFFERENCES`], which is
//! exactly the list of `docs/nfd-differences.md`, section "Evaluation".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod vectors;

use std::collections::BTreeSet;

use imgcompat::rules::{
    Evaluation, ExpressionReport, ExpressionVerdict, Matcher, Options, RuleReport, SetVerdict,
    evaluate,
};
use imgcompat::spec::decode;
use serde_json::{Value as Json, json};
use vectors::{features, one_expression, section, specification, text};

/// What we answer where NFD answers something else. `rows: …` and `vars: …` are about the report and the variables
/// only; the verdict is NFD's.
const DIFFERENCES: &[(&str, &str)] = &[
    ("E153", "match"),
    ("E163", "match"),
    ("E165", "match"),
    ("E251", "match"),
    ("R019", "rows: [\"match\"]"),
    ("R034", "rows: [\"match\",\"nomatch\"]"),
    ("R037", "[\"nomatch\"]"),
    ("R040", "[\"nomatch\"]"),
    ("R046", "[\"nomatch\"]"),
    ("R048", "invalid"),
    ("R059", "rows: [\"nomatch\",\"match\"]"),
    ("R064", "rows: [\"match\",\"nomatch\"]"),
    ("R065", "rows: [\"nomatch\"]"),
    ("R071", "[\"nomatch\",\"nomatch\"]"),
    ("R071", "vars: others"),
    ("R072", "[\"nomatch\",\"nomatch\"]"),
    ("R072", "vars: others"),
];

fn verdict(verdict: SetVerdict) -> &'static str {
    match verdict {
        SetVerdict::Compatible => "match",
        SetVerdict::Incompatible => "nomatch",
        SetVerdict::Undecided => "error",
    }
}

fn verdicts(rules: &[RuleReport]) -> Json {
    rules.iter().map(|rule| verdict(rule.verdict)).collect()
}

/// What NFD prints for a set: a verdict for each rule, or one error for all.
fn as_nfd(rules: &[RuleReport]) -> Json {
    let undecided = rules.iter().any(|rule| rule.verdict == SetVerdict::Undecided);
    if undecided { json!("error") } else { verdicts(rules) }
}

fn rows(rule: &RuleReport) -> Json {
    let mut rows: Vec<&ExpressionReport> =
        rule.expressions.iter().filter(|row| row.matcher != Matcher::Feature).collect();
    rows.sort_by_key(|row| (&row.feature, &row.element));
    let word = |row: &&ExpressionReport| match row.verdict {
        ExpressionVerdict::Match => "match",
        ExpressionVerdict::NoMatch => "nomatch",
        ExpressionVerdict::Error => "error",
    };
    rows.iter().map(word).collect()
}

/// Collects what we answer differently, to be compared with the list in one go.
#[derive(Default)]
struct Differences(Vec<(String, String)>);

impl Differences {
    fn compare(&mut self, case: &Json, kind: &str, ours: &Json, want: &Json) {
        if ours == want {
            return;
        }
        let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.0.push((text(case, "id").to_owned(), format!("{kind}{}", plain(ours))));
    }

    fn assert_listed(&self, prefixes: &[char]) {
        let listed = DIFFERENCES.iter().filter(|(id, _)| id.starts_with(prefixes));
        let listed: BTreeSet<(String, String)> =
            listed.map(|(id, ours)| ((*id).to_owned(), (*ours).to_owned())).collect();
        let found: BTreeSet<_> = self.0.iter().cloned().collect();
        let missing: Vec<_> = found.difference(&listed).collect();
        let stale: Vec<_> = listed.difference(&found).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "not listed: {missing:#?}\nnot so: {stale:#?}"
        );
    }
}

fn evaluate_rules(vectors: &Json, case: &Json, rules: &Json) -> Result<Evaluation, String> {
    let specification = specification(rules)?;
    Ok(evaluate(&specification, &features(vectors, case), &Options::default()))
}

#[test]
fn single_expressions_have_the_verdict_of_the_reference() {
    let vectors = vectors::load();
    let mut differences = Differences::default();
    let mut count = 0;
    for case in section(&vectors, "expr").iter().chain(section(&vectors, "name")) {
        let evaluation = evaluate_rules(&vectors, case, &one_expression(case)).unwrap();
        let ours = json!(verdict(evaluation.sets[0].rules[0].verdict));
        differences.compare(case, "", &ours, &case["want"]);
        count += 1;
    }
    assert!(count > 200, "only {count} cases were read");
    differences.assert_listed(&['E', 'N']);
}

#[test]
fn rules_have_the_verdicts_rows_and_variables_of_the_reference() {
    let vectors = vectors::load();
    let mut differences = Differences::default();
    let mut count = 0;
    for case in section(&vectors, "rules") {
        count += 1;
        let evaluation = match evaluate_rules(&vectors, case, &case["rules"]) {
            Ok(evaluation) => evaluation,
            Err(_) => {
                differences.compare(case, "", &json!("invalid"), &case["want"]);
                continue;
            }
        };
        let reports = &evaluation.sets[0].rules;
        if as_nfd(reports) != case["want"] {
            differences.compare(case, "", &verdicts(reports), &case["want"]);
        }
        if let Some(want) = case.get("rows") {
            differences.compare(case, "rows: ", &rows(&reports[0]), want);
        }
        if let Some(want) = case.get("vars") {
            let stored = if has_variables(&vectors, case, want) { want } else { &json!("others") };
            differences.compare(case, "vars: ", stored, want);
        }
    }
    assert!(count > 70, "only {count} cases were read");
    differences.assert_listed(&['R']);
}

/// Whether `rule.matched` has these variables and no others once the case's rules are done: one more rule asks.
fn has_variables(vectors: &Json, case: &Json, variables: &Json) -> bool {
    let mut specification = specification(&case["rules"]).unwrap();
    let asking = vectors::asks_for_variables(variables.as_object().unwrap());
    specification.compatibilities.push(asking);
    let evaluation = evaluate(&specification, &features(vectors, case), &Options::default());
    let verdicts = evaluation.sets[1].rules.iter().map(|rule| rule.verdict);
    verdicts.eq([SetVerdict::Compatible, SetVerdict::Incompatible])
}

#[test]
fn documents_have_the_verdicts_of_the_reference() {
    let vectors = vectors::load();
    let mut differences = Differences::default();
    let mut count = 0;
    for case in section(&vectors, "specs") {
        // What is not decoded is the matter of tests/spec_conformance.rs.
        let Ok(decoded) = decode(text(case, "doc").as_bytes()) else { continue };
        count += 1;
        let tags = case.get("tags").and_then(Json::as_array);
        let tags =
            tags.map(|tags| tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect());
        let features = features(&vectors, case);
        let evaluation = evaluate(&decoded.specification, &features, &Options { tags });
        let sets: Vec<Json> = evaluation.sets.iter().map(|set| as_nfd(&set.rules)).collect();
        let ours = if sets.contains(&json!("error")) { json!("error") } else { json!(sets) };
        differences.compare(case, "", &ours, &case["want"]);
    }
    assert!(count > 30, "only {count} cases were read");
    differences.assert_listed(&['S']);
}

#[test]
fn the_documentation_lists_exactly_these_differences() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nfd-differences.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, section) = page.split_once("\n## Evaluation\n").expect("there is a section Evaluation");
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let words = cells.flat_map(|cell| cell.split(|c: char| !c.is_ascii_alphanumeric()));
    let is_id = |word: &&str| {
        word.starts_with(['E', 'N', 'R', 'S'])
            && word.len() >= 3
            && word[1..].bytes().all(|b| b.is_ascii_digit())
    };
    let documented: BTreeSet<&str> = words.filter(is_id).collect();
    let listed: BTreeSet<&str> = DIFFERENCES.iter().map(|(id, _)| *id).collect();
    assert_eq!(documented, listed);
}
