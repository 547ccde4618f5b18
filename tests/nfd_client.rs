//! The reference lane: NFD's own rule engine (`tests/reference`, Go) answers the same questions as ours.
//!
//! First the vectors, to prove that they say what NFD does; then random specifications over the features of this
//! machine, where both must agree on every rule that NFD evaluates. Without Go on this machine, or without the module
//! proxy, the tests say that they were skipped.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod generator;
#[path = "support/go_program.rs"]
mod go_program;
mod vectors;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use generator::Random;
use imgcompat::host::{Discovery, FeatureSet, Features, Host};
use imgcompat::rules::{Options, SetReport, SetVerdict, evaluate};
use imgcompat::spec::Specification;
use serde_json::{Value as Json, json};
use vectors::{features, one_expression, section, text};

/// Specifications that both evaluate side by side.
const SPECIFICATIONS: u64 = 4_000;

/// Builds the reference once; the reason if that is not possible here.
fn reference() -> Result<&'static PathBuf, &'static String> {
    static REFERENCE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    REFERENCE.get_or_init(|| go_program::build("reference", "nfd-reference")).as_ref()
}

fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// One question to the reference; without features it is about those of the question before.
fn job(features: Option<&FeatureSet>, document: &str, tags: Option<&Json>) -> Json {
    json!({"features": features, "document": document, "tags": tags})
}

fn ask(reference: &PathBuf, jobs: &[Json]) -> Vec<Json> {
    let mut child = Command::new(reference)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Json> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), jobs.len());
    answers
}

/// The answer in the vectors' words.
fn in_words(answer: &Json) -> Json {
    for (key, word) in [("error", "error"), ("decode", "decode-error"), ("panic", "panic")] {
        if answer.get(key).is_some() {
            return json!(word);
        }
    }
    let word = |rule: &Json| if rule == &json!(true) { "match" } else { "nomatch" };
    let sets = answer.get("sets").and_then(Json::as_array).cloned().unwrap_or_default();
    sets.iter().map(|set| set.as_array().unwrap().iter().map(word).collect::<Json>()).collect()
}

fn as_document(rules: &Json) -> String {
    json!({"compatibilities": [{"rules": rules}]}).to_string()
}

#[test]
fn the_vectors_say_what_nfd_does() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return skipped(why),
    };
    let vectors = vectors::load();
    let mut cases: Vec<(&Json, Json, Json)> = Vec::new();
    for case in section(&vectors, "expr").iter().chain(section(&vectors, "name")) {
        let want = if case["want"] == "error" { json!("error") } else { json!([[case["want"]]]) };
        cases.push((
            case,
            job(Some(&features(&vectors, case)), &as_document(&one_expression(case)), None),
            want,
        ));
    }
    for case in section(&vectors, "rules") {
        let want =
            if case["want"].is_array() { json!([case["want"]]) } else { case["want"].clone() };
        cases.push((
            case,
            job(Some(&features(&vectors, case)), &as_document(&case["rules"]), None),
            want,
        ));
    }
    for case in section(&vectors, "specs") {
        let job = job(Some(&features(&vectors, case)), text(case, "doc"), case.get("tags"));
        cases.push((case, job, case["want"].clone()));
    }
    let jobs: Vec<Json> = cases.iter().map(|(_, job, _)| job.clone()).collect();
    let answers = ask(reference, &jobs);
    let mut wrong = Vec::new();
    for ((case, _, want), answer) in cases.iter().zip(&answers) {
        if in_words(answer) != *want {
            wrong.push(format!("{}: {answer}", text(case, "id")));
        }
        let empty = json!({});
        if let Some(vars) = case.get("vars")
            && answer.get("vars").unwrap_or(&empty) != vars
        {
            wrong.push(format!("{}: vars {answer}", text(case, "id")));
        }
    }
    assert!(cases.len() > 350);
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} vectors are what NFD answers", cases.len());
}

#[test]
fn random_specifications_have_the_verdicts_of_nfd_on_this_machine() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return skipped(why),
    };
    let features = Host::local().export();
    let specifications: Vec<Specification> =
        (0..SPECIFICATIONS).map(|seed| specification(seed, &features)).collect();
    compare(reference, &specifications, std::slice::from_ref(&features));
}

#[test]
fn random_specifications_have_the_verdicts_of_nfd_on_random_features() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return skipped(why),
    };
    let mut features: Vec<FeatureSet> =
        (0..SPECIFICATIONS).map(|seed| generator::features(&mut Random::new(seed))).collect();
    for features in &mut features {
        // These names differ in `-` and `_` only, which NFD takes for a difference.
        features.flags.remove("kernel.loadedmodule");
    }
    let specifications: Vec<Specification> =
        (0..).zip(&features).map(|(seed, features)| specification(seed, features)).collect();
    compare(reference, &specifications, &features);
}

/// Writes out everything a template gets to see.
const DUMP: &str = "{{range $d, $features := .}}{{range $f, $elements := $features}}\
    {{range $i, $element := $elements}}{{range $key, $value := $element}}\
    {{$d}}.{{$f}} {{$i}} {{$key}}={{$value}}\n{{end}}{{end}}{{end}}{{end}}";

#[test]
fn templates_get_the_matched_elements_that_nfd_gives_them() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return skipped(why),
    };
    let mut cases = Vec::new();
    for seed in 0..SPECIFICATIONS {
        let mut features = generator::features(&mut Random::new(seed));
        features.flags.remove("kernel.loadedmodule");
        let mut specification = specification(seed, &features);
        let rules = specification.compatibilities.iter_mut().flat_map(|set| &mut set.rules);
        // Where alternatives fail, NFD stores variables all the same.
        rules
            .filter(|rule| rule.match_any.is_empty())
            .for_each(|rule| rule.vars_template = DUMP.to_owned());
        cases.push((features, specification));
    }
    let jobs: Vec<Json> = cases
        .iter()
        .map(|(features, document)| {
            job(Some(features), &serde_json::to_string(document).unwrap(), None)
        })
        .collect();
    let mut variables = 0;
    for ((features, mut document), answer) in cases.into_iter().zip(ask(reference, &jobs)) {
        let Some(expected) = answer.get("vars").and_then(Json::as_object) else { continue };
        variables += expected.len();
        let before = document.clone();
        document.compatibilities.push(vectors::asks_for_variables(expected));
        let evaluation = evaluate(&document, &features, &Options::default());
        let asked: Vec<SetVerdict> =
            evaluation.sets.last().unwrap().rules.iter().map(|rule| rule.verdict).collect();
        let (before, features) = (json!(before), json!(features));
        let wanted = [SetVerdict::Compatible, SetVerdict::Incompatible];
        assert_eq!(asked, wanted, "{before}\n{features}\n{answer}");
    }
    println!("NFD's templates set {variables} variables");
    assert!(variables > 1_000);
}

/// A random specification, without the variables that NFD stores although the rule does not match.
fn specification(seed: u64, features: &FeatureSet) -> Specification {
    let mut specification = generator::specification(&mut Random::new(seed), features);
    for rule in specification.compatibilities.iter_mut().flat_map(|set| &mut set.rules) {
        if !rule.match_any.is_empty() {
            rule.vars.clear();
        }
    }
    specification
}

/// Features that are looked up once each: a set of them copies what it gives away.
struct Once<'f>(&'f FeatureSet, RefCell<BTreeMap<String, Discovery>>);

impl Features for Once<'_> {
    fn discover(&self, name: &str) -> Discovery {
        let mut known = self.1.borrow_mut();
        known.entry(name.to_owned()).or_insert_with(|| self.0.discover(name)).clone()
    }
}

fn nfds_word(verdict: SetVerdict) -> &'static str {
    match verdict {
        SetVerdict::Compatible => "match",
        SetVerdict::Incompatible => "nomatch",
        SetVerdict::Undecided => "undecided",
    }
}

/// Where NFD evaluates a document, every rule has the same verdict here. `features` are one set for each
/// specification, or one for all.
fn compare(reference: &PathBuf, specifications: &[Specification], features: &[FeatureSet]) {
    let sets: Vec<Once<'_>> =
        features.iter().map(|features| Once(features, RefCell::default())).collect();
    let jobs: Vec<Json> = specifications
        .iter()
        .enumerate()
        .map(|(index, specification)| {
            job(features.get(index), &serde_json::to_string(specification).unwrap(), None)
        })
        .collect();
    let answers = ask(reference, &jobs);
    let (mut evaluated, mut rules, mut matching) = (0, 0, 0);
    for ((index, specification), answer) in specifications.iter().enumerate().zip(&answers) {
        assert!(answer.get("panic").is_none() && answer.get("decode").is_none(), "{answer}");
        if answer.get("error").is_some() {
            continue;
        }
        evaluated += 1;
        let set = &sets[index.min(sets.len() - 1)];
        let ours = evaluate(specification, set, &Options::default());
        let verdicts = || ours.sets.iter().flat_map(|set| &set.rules).map(|rule| rule.verdict);
        rules += verdicts().count();
        matching += verdicts().filter(|verdict| *verdict == SetVerdict::Compatible).count();
        let words =
            |set: &SetReport| set.rules.iter().map(|rule| nfds_word(rule.verdict)).collect();
        let ours: Json = ours.sets.iter().map(words).collect::<Vec<Json>>().into();
        let document = serde_json::to_string(specification).unwrap();
        assert_eq!(ours, in_words(answer), "seed {index}: {document}");
    }
    println!("NFD evaluated {evaluated} of {}: {rules} rules, {matching} match", jobs.len());
    assert!(evaluated * 2 > jobs.len() && matching * 10 > rules && matching * 10 < rules * 9);
}
