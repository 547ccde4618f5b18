//! Random features and specifications from a seed, for the tests that compare two evaluators.
//!
//! Names and values are mostly taken from the features, so that expressions are about something; the rest is wrong
//! on purpose (missing names, unknown operators, values that are no numbers).

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use imgcompat::host::{Feature, FeatureSet, Features};
use imgcompat::spec::{CompatibilitySet, Expression, MatchAny, Rule, Specification, Term};

/// A small pseudo-random generator (xorshift), so that a failure can be repeated from its seed.
pub struct Random(u64);

impl Random {
    /// Different seeds give different sequences.
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.below(2);
        random
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn list<T>(&mut self, most: usize, mut make: impl FnMut(&mut Random) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "x_y", "x-y", "N"];
const VALUES: [&str; 14] = [
    "1",
    "2",
    "10",
    "-3",
    "true",
    "false",
    "",
    "foo",
    "fool",
    "1.2",
    "v2.0.1",
    "5.14.0-4.el9.x86_64",
    "1_0",
    "010",
];

/// Features with short names, of every kind and of several kinds at once.
pub fn features(random: &mut Random) -> FeatureSet {
    let mut set = FeatureSet::default();
    for name in ["d.flag", "d.attr", "d.inst", "d.multi", "d.all", "kernel.loadedmodule"] {
        if random.percent(15) {
            continue;
        }
        let mut feature = Feature::default();
        if matches!(name, "d.flag" | "d.multi" | "d.all" | "kernel.loadedmodule") {
            feature.flags =
                Some(random.list(4, |r| r.pick(&NAMES).to_owned()).into_iter().collect());
        }
        if matches!(name, "d.attr" | "d.multi" | "d.all") {
            feature.attributes = Some(attributes(random));
        }
        if matches!(name, "d.inst" | "d.all") {
            feature.instances = Some(random.list(3, attributes));
        }
        set.insert(name, &feature);
    }
    set
}

fn attributes(random: &mut Random) -> BTreeMap<String, String> {
    let pair = |r: &mut Random| (r.pick(&NAMES).to_owned(), r.pick(&VALUES).to_owned());
    random.list(5, pair).into_iter().collect()
}

/// The names of all features in the set.
fn feature_names(features: &FeatureSet) -> Vec<&String> {
    let names = features.flags.keys().chain(features.attributes.keys());
    names.chain(features.instances.keys()).collect()
}

/// A specification that is mostly about these features.
pub fn specification(random: &mut Random, features: &FeatureSet) -> Specification {
    let sets = 1 + random.below(2);
    let compatibilities = (0..sets)
        .map(|_| CompatibilitySet {
            rules: random.list(3, |random| rule(random, features)),
            ..CompatibilitySet::default()
        })
        .collect();
    Specification { version: "v1alpha1".to_owned(), compatibilities }
}

fn rule(random: &mut Random, features: &FeatureSet) -> Rule {
    let mut vars = BTreeMap::new();
    if random.percent(30) {
        vars.insert(random.pick(&NAMES).to_owned(), random.pick(&VALUES).to_owned());
    }
    let alternatives = if random.percent(30) { 3 } else { 0 };
    Rule {
        name: random.pick(&["r", "q"]).to_owned(),
        vars,
        match_features: random.list(2, |random| term(random, features)),
        match_any: random.list(alternatives, |random| MatchAny {
            match_features: random.list(2, |random| term(random, features)),
        }),
        ..Rule::default()
    }
}

fn term(random: &mut Random, features: &FeatureSet) -> Term {
    let names = feature_names(features);
    let feature = match random.below(20) {
        0 => "no.such".to_owned(),
        1 | 2 => "rule.matched".to_owned(),
        3 if !names.is_empty() => names[random.below(names.len())].to_uppercase(),
        _ if names.is_empty() => "d.attr".to_owned(),
        _ => names[random.below(names.len())].clone(),
    };
    let present = features.discover(&feature.to_lowercase());
    let elements = elements(present.feature());
    let expressions = random.list(2, |random| {
        let (name, value) = element(random, &elements);
        (name, expression(random, &value))
    });
    Term {
        feature,
        match_expressions: (!random.percent(25)).then(|| expressions.into_iter().collect()),
        match_name: random.percent(30).then(|| {
            let (name, _) = element(random, &elements);
            expression(random, &name)
        }),
        position: None,
    }
}

/// Names with their values, empty for flags.
fn elements(feature: Option<&Feature>) -> Vec<(String, String)> {
    let Some(feature) = feature else { return Vec::new() };
    let pair = |(name, value): (&String, &String)| (name.clone(), value.clone());
    let flags = feature.flags.iter().flatten().map(|name| (name.clone(), String::new()));
    let attributes = feature.attributes.iter().flatten().map(pair);
    let instances = feature.instances.iter().flatten().flatten().map(pair);
    flags.chain(attributes).chain(instances).collect()
}

fn element(random: &mut Random, elements: &[(String, String)]) -> (String, String) {
    if elements.is_empty() || random.percent(25) {
        return (random.pick(&NAMES).to_owned(), random.pick(&VALUES).to_owned());
    }
    elements[random.below(elements.len())].clone()
}

fn expression(random: &mut Random, value: &str) -> Expression {
    let number = value.parse::<i64>().is_ok();
    let version = value.starts_with(|c: char| c.is_ascii_digit()) && value.contains('.');
    let ops: &[&str] = match random.below(10) {
        0 => &["", "Exists", "DoesNotExist"],
        1 => &["IsTrue", "IsFalse", "Bogus", "in", "Exists"],
        2..=5 if number || version => &["Gt", "Ge", "Lt", "Le", "GtLt", "GeLe"],
        6 => &["Gt", "Le", "GtLt", "GeLe", "InRegexp"],
        7 => &["InRegexp"],
        _ => &["In", "NotIn", "Exists", "DoesNotExist"],
    };
    let op = random.pick(ops).to_owned();
    let count = match op.as_str() {
        _ if random.percent(4) => random.below(4),
        "" | "Exists" | "DoesNotExist" | "IsTrue" | "IsFalse" => 0,
        "GtLt" | "GeLe" => 2,
        "Gt" | "Ge" | "Lt" | "Le" => 1,
        _ => 1 + random.below(2),
    };
    let pattern = op == "InRegexp";
    let value_type = match random.below(10) {
        0 => "version",
        1 if random.percent(20) => "Version",
        _ if version => "version",
        _ => "",
    };
    Expression {
        value: (0..count).map(|_| wanted(random, value, pattern)).collect(),
        op,
        value_type: value_type.to_owned(),
        position: None,
    }
}

/// A value to compare with, near the real one.
fn wanted(random: &mut Random, value: &str, pattern: bool) -> String {
    if pattern {
        let start: String = value.chars().take(1 + random.below(4)).collect();
        let start = start.replace(|c: char| !c.is_ascii_alphanumeric(), ".");
        let shape = random.pick(&["^", "", "(?i)", "^[^", "("]);
        return match (shape, random.percent(90)) {
            ("^[^", _) => format!("^[^{}]", start.chars().next().unwrap_or('a')),
            ("(", true) => format!("({start}|x)$"),
            (shape, _) => format!("{shape}{start}"),
        };
    }
    match (value.parse::<i64>(), random.below(4)) {
        (Ok(number), 0) => number.saturating_add(1).to_string(),
        (Ok(number), 1) => number.saturating_sub(1).to_string(),
        (_, 3) => random.pick(&VALUES).to_owned(),
        _ => value.to_owned(),
    }
}
