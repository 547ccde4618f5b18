//! A second evaluator, as simple as can be, against the real one.
//!
//! It is written from the rules (NFD's rule engine in Kleene's logic, and the differences of
//! docs/nfd-differences.md), not from `src/rules`: no report, no sharing, no bounds, everything by searching lists.
//! Both must have the same verdict for every rule of thousands of random specifications.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod generator;

use std::collections::{BTreeMap, BTreeSet};

use generator::Random;
use imgcompat::host::{Attributes, Feature, FeatureSet, Features};
use imgcompat::rules::{Options, Pattern, SetVerdict, evaluate};
use imgcompat::spec::{Expression, Rule, Specification, Term};

/// True, false, or undecided.
type Kleene = Option<bool>;

fn and(values: impl IntoIterator<Item = Kleene>) -> Kleene {
    let values: Vec<Kleene> = values.into_iter().collect();
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn or(values: impl IntoIterator<Item = Kleene>) -> Kleene {
    and(values.into_iter().map(|value| value.map(|value| !value))).map(|value| !value)
}

/// `value` is None for a missing element, Some(None) for a flag.
fn expression(e: &Expression, value: Option<Option<&str>>) -> Kleene {
    let values: Vec<&str> = e.value.iter().map(String::as_str).collect();
    let ops = "In NotIn InRegexp Exists DoesNotExist Gt Ge Lt Le GtLt GeLe IsTrue IsFalse";
    if !e.op.is_empty() && !ops.split(' ').any(|op| op == e.op) {
        return None;
    }
    if ["", "Exists", "DoesNotExist"].contains(&e.op.as_str()) {
        return match (values.is_empty(), e.op.as_str()) {
            (false, _) => None,
            (true, "") => Some(true),
            (true, "Exists") => Some(value.is_some()),
            _ => Some(value.is_none()),
        };
    }
    let Some(Some(value)) = value else { return Some(false) };
    match (e.op.as_str(), values.len()) {
        ("In" | "NotIn" | "InRegexp", 0) => None,
        ("In", _) => Some(values.contains(&value)),
        ("NotIn", _) => Some(!values.contains(&value)),
        ("InRegexp", _) => {
            let patterns: Result<Vec<Pattern>, _> =
                values.iter().map(|v| Pattern::new(v)).collect();
            Some(patterns.ok()?.iter().any(|pattern| pattern.is_match(value)))
        }
        ("IsTrue", 0) => Some(value == "true"),
        ("IsFalse", 0) => Some(value == "false"),
        ("Gt" | "Ge" | "Lt" | "Le", 1) | ("GtLt" | "GeLe", 2) => compare(e, value, &values),
        _ => None,
    }
}

fn compare(e: &Expression, value: &str, values: &[&str]) -> Kleene {
    let is_version = match e.value_type.as_str() {
        "" => false,
        "version" => true,
        _ => return None,
    };
    let read = |text: &str, host: bool| -> Option<Vec<i128>> {
        if is_version { version(text, host) } else { Some(vec![text.parse::<i64>().ok()?.into()]) }
    };
    let value = read(value, true)?;
    let low = read(values[0], false)?;
    let high = read(values[values.len() - 1], false)?;
    if values.len() == 2 && !is_version && low >= high {
        return None;
    }
    Some(match e.op.as_str() {
        "Gt" => value > low,
        "Ge" => value >= low,
        "Lt" => value < low,
        "Le" => value <= low,
        "GtLt" => value > low && value < high,
        _ => value >= low && value <= high,
    })
}

const SEMVER: &str = concat!(
    r"^v?[0-9]+(\.[0-9]+)?(\.[0-9]+)?(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
);

thread_local! {
    static STRICT: Pattern = Pattern::new(SEMVER).unwrap();
    static LEADING_ZERO: Pattern = Pattern::new("^0[0-9]+$").unwrap();
    static LENIENT: Pattern = Pattern::new(r"^v?[0-9]+\.[0-9]").unwrap();
}

/// `v?D(.D)?(.D)?(-PRE)?(+META)?`; a host's may also be anything that begins with two numbers.
fn version(text: &str, host: bool) -> Option<Vec<i128>> {
    let pre = text.split('+').next().unwrap().split_once('-').map_or("", |(_, pre)| pre);
    let accepted = STRICT.with(|strict| strict.is_match(text))
        && !pre.split('.').any(|part| LEADING_ZERO.with(|zero| zero.is_match(part)));
    if !(accepted || host && LENIENT.with(|lenient| lenient.is_match(text))) {
        return None;
    }
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut numbers = Vec::new();
    for part in text.trim_start_matches('v').split('.').take(3) {
        let number = digits(part);
        if number.is_empty() {
            break;
        }
        numbers.push(number.parse().ok()?);
        if number.len() != part.len() {
            break;
        }
    }
    numbers.resize(3, 0);
    Some(numbers)
}

/// `rule.matched`, and the variables that undecided rules would have set.
#[derive(Default)]
struct State {
    matched: Option<Attributes>,
    uncertain: BTreeSet<String>,
}

fn is_module_feature(name: &str) -> bool {
    ["kernel.loadedmodule", "kernel.enabledmodule"].contains(&name)
}

fn feature(features: &FeatureSet, state: &State, name: &str) -> Option<Feature> {
    if name == "rule.matched" {
        return state.matched.clone().map(Feature::attributes);
    }
    features.discover(name).feature().cloned()
}

fn term(t: &Term, features: &FeatureSet, state: &State) -> Kleene {
    let name = t.feature.to_lowercase();
    let Some(feature) = feature(features, state, &name) else { return Some(false) };
    let expressions = match &t.match_expressions {
        None => Some(true),
        Some(all) => or([pool(all, &feature, &name, state), instances(all, &feature)]),
    };
    let names = match &t.match_name {
        None => Some(true),
        Some(e) => match_name(e, &feature, &name, state),
    };
    and([expressions, names])
}

fn pool(
    all: &BTreeMap<String, Expression>,
    feature: &Feature,
    name: &str,
    state: &State,
) -> Kleene {
    if feature.flags.is_none() && feature.attributes.is_none() {
        return Some(false);
    }
    and(all.iter().map(|(element, e)| {
        if name == "rule.matched" && state.uncertain.contains(element) {
            return None;
        }
        let same = |flag: &String| {
            flag == element
                || is_module_feature(name) && flag.replace('-', "_") == element.replace('-', "_")
        };
        let mut answers = Vec::new();
        if let Some(flags) = &feature.flags {
            answers.push(expression(e, flags.iter().any(same).then_some(None)));
        }
        if let Some(attributes) = &feature.attributes {
            answers.push(expression(e, attributes.get(element).map(|value| Some(value.as_str()))));
        }
        if e.op == "DoesNotExist" { and(answers) } else { or(answers) }
    }))
}

fn instances(all: &BTreeMap<String, Expression>, feature: &Feature) -> Kleene {
    or(feature.instances.iter().flatten().map(|instance| {
        and(all.iter().map(|(element, e)| {
            expression(e, instance.get(element).map(|value| Some(value.as_str())))
        }))
    }))
}

fn match_name(e: &Expression, feature: &Feature, name: &str, state: &State) -> Kleene {
    let flags = feature.flags.iter().flatten();
    let attributes = feature.attributes.iter().flatten().map(|(name, _)| name);
    let instances = feature.instances.iter().flatten().flatten().map(|(name, _)| name);
    let mut answers: Vec<Kleene> = flags
        .chain(attributes)
        .chain(instances)
        .map(|element| {
            if !is_module_feature(name) {
                return expression(e, Some(Some(element)));
            }
            let underscored = element.replace('-', "_");
            match e.op.as_str() {
                "InRegexp" => or([element.clone(), underscored, element.replace('_', "-")]
                    .iter()
                    .map(|spelling| expression(e, Some(Some(spelling))))),
                _ => {
                    let value = e.value.iter().map(|value| value.replace('-', "_")).collect();
                    expression(&Expression { value, ..e.clone() }, Some(Some(&underscored)))
                }
            }
        })
        .collect();
    if name == "rule.matched" {
        for variable in &state.uncertain {
            let would_match = expression(e, Some(Some(variable)));
            answers.push(if would_match == Some(false) { Some(false) } else { None });
        }
    }
    or(answers)
}

fn rule(r: &Rule, features: &FeatureSet, state: &mut State) -> Kleene {
    let every = |terms: &[Term]| and(terms.iter().map(|t| term(t, features, state)));
    let any = match r.match_any.as_slice() {
        [] => Some(true),
        all => or(all.iter().map(|alternative| every(&alternative.match_features))),
    };
    let verdict = and([any, every(&r.match_features)]);
    let matched = state.matched.get_or_insert_default();
    match verdict {
        Some(true) => {
            matched.extend(r.vars.clone());
            state.uncertain.retain(|name| !r.vars.contains_key(name));
        }
        Some(false) => {}
        None => state.uncertain.extend(r.vars.keys().cloned()),
    }
    verdict
}

fn naive(specification: &Specification, features: &FeatureSet) -> Vec<Vec<Kleene>> {
    let mut state = State::default();
    let sets = specification.compatibilities.iter();
    sets.map(|set| set.rules.iter().map(|r| rule(r, features, &mut state)).collect()).collect()
}

fn kleene(verdict: SetVerdict) -> Kleene {
    match verdict {
        SetVerdict::Compatible => Some(true),
        SetVerdict::Incompatible => Some(false),
        SetVerdict::Undecided => None,
    }
}

#[test]
fn both_evaluators_have_the_same_verdicts() {
    let mut count = BTreeMap::new();
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let features = generator::features(&mut random);
        let specification = generator::specification(&mut random, &features);
        let evaluation = evaluate(&specification, &features, &Options::default());
        let ours: Vec<Vec<Kleene>> = evaluation
            .sets
            .iter()
            .map(|set| set.rules.iter().map(|rule| kleene(rule.verdict)).collect())
            .collect();
        let theirs = naive(&specification, &features);
        let document = serde_json::to_string(&specification).unwrap();
        assert_eq!(ours, theirs, "seed {seed}: {document}\n{features:?}");
        let sets: Vec<Kleene> = evaluation.sets.iter().map(|set| kleene(set.verdict)).collect();
        let rules_and: Vec<Kleene> = theirs.iter().map(|set| and(set.iter().copied())).collect();
        assert_eq!(sets, rules_and, "seed {seed}: {document}");
        assert_eq!(kleene(evaluation.verdict), or(rules_and), "seed {seed}: {document}");
        for verdict in ours.into_iter().flatten() {
            *count.entry(verdict).or_insert(0) += 1;
        }
    }
    let all = [Some(true), Some(false), None];
    assert!(all.iter().all(|verdict| count.get(verdict) > Some(&500)), "{count:?}");
}
