//! The conformance vectors of `tests/data/nfd/vectors.yaml` as data: fixtures as features, documents as
//! specifications. Used by the conformance test and by the lane that runs NFD itself.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use imgcompat::host::{Feature, FeatureSet};
use imgcompat::spec::yaml::{Document, NodeId, Value};
use imgcompat::spec::{CompatibilitySet, Specification, decode, scalar};
use serde_json::{Value as Json, json};

/// The whole file.
pub fn load() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nfd/vectors.yaml");
    let document = Document::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    to_json(&document, document.root().unwrap())
}

fn to_json(document: &Document, node: NodeId) -> Json {
    match document.value(node) {
        Value::Sequence(items) => items.iter().map(|item| to_json(document, *item)).collect(),
        Value::Mapping(pairs) => {
            let entries = pairs.chunks_exact(2).map(|pair| {
                let key = to_json(document, pair[0]);
                (key.as_str().unwrap_or_default().to_owned(), to_json(document, pair[1]))
            });
            Json::Object(entries.collect())
        }
        Value::Scalar(scalar) => match scalar::resolve(scalar).unwrap() {
            scalar::Scalar::Null => Json::Null,
            scalar::Scalar::Bool(value) => json!(value),
            scalar::Scalar::Int(value) => json!(value),
            other => json!(other.into_text()),
        },
    }
}

/// The cases of one section.
pub fn section<'v>(vectors: &'v Json, name: &str) -> &'v [Json] {
    vectors[name].as_array().unwrap()
}

/// A text field of a case, empty if it is missing.
pub fn text<'c>(case: &'c Json, key: &str) -> &'c str {
    case.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// The features that a case is about.
pub fn features(vectors: &Json, case: &Json) -> FeatureSet {
    let name = case.get("use").and_then(Json::as_str).unwrap_or("base");
    let fixture = &vectors["fixtures"][name];
    let mut features: BTreeMap<String, Feature> = BTreeMap::new();
    for (name, flags) in object(&fixture["flags"]) {
        let flags = flags.as_array().unwrap().iter().map(|flag| flag.as_str().unwrap().to_owned());
        features.entry(name.clone()).or_default().flags = Some(flags.collect());
    }
    for (name, attributes) in object(&fixture["attrs"]) {
        features.entry(name.clone()).or_default().attributes = Some(strings(attributes));
    }
    for (name, instances) in object(&fixture["inst"]) {
        let instances = instances.as_array().unwrap().iter().map(strings).collect();
        features.entry(name.clone()).or_default().instances = Some(instances);
    }
    let mut set = FeatureSet::default();
    for (name, feature) in features {
        set.insert(&name, &feature);
    }
    set
}

fn object(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

fn strings(value: &Json) -> BTreeMap<String, String> {
    object(value).map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// A specification of one set with these rules, given as in the document.
pub fn specification(rules: &Json) -> Result<Specification, String> {
    let document = json!({"version": "v1alpha1", "compatibilities": [{"rules": rules}]});
    let decoded = decode(document.to_string().as_bytes()).map_err(|error| error.to_string())?;
    Ok(decoded.specification)
}

/// The rules that an `expr` or `name` case stands for.
pub fn one_expression(case: &Json) -> Json {
    let mut expression = json!({"op": text(case, "op"), "type": text(case, "type")});
    if let Some(values) = case.get("val") {
        expression["value"] = values.clone();
    }
    let term = match case.get("el") {
        Some(element) => {
            json!({"feature": case["feature"], "matchExpressions": {element.as_str().unwrap(): expression}})
        }
        None => json!({"feature": case["feature"], "matchName": expression}),
    };
    json!([{"name": "r", "matchFeatures": [term]}])
}

/// A set that asks whether `rule.matched` has exactly these variables: its first rule holds if it has them, its second
/// if it has others.
pub fn asks_for_variables(variables: &serde_json::Map<String, Json>) -> CompatibilitySet {
    let value =
        |(name, value): (&String, &Json)| (name.clone(), json!({"op": "In", "value": [value]}));
    let values: serde_json::Map<String, Json> = variables.iter().map(value).collect();
    let names: Vec<&String> = variables.keys().collect();
    let another = match names.as_slice() {
        [] => json!({}),
        names => json!({"op": "NotIn", "value": names}),
    };
    let rules = json!([
        {"matchFeatures": [{"feature": "rule.matched", "matchExpressions": values}]},
        {"matchFeatures": [{"feature": "rule.matched", "matchName": another}]},
    ]);
    specification(&rules).unwrap().compatibilities.remove(0)
}
