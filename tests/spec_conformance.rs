//! Decoding against the reference: the section `specs` of `tests/data/nfd/vectors.yaml`.
//!
//! A document that NFD decodes must decode here, with the same values, and one that NFD refuses must be refused.
//! The exceptions are listed below with their reason, and in `docs/nfd-differences.md`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use imgcompat::spec::yaml::{Document, NodeId, Value};
use imgcompat::spec::{decode, scalar};
use serde_json::{Value as Json, json};

/// What NFD accepts and we refuse: the case, and the code of the first error.
const REFUSED: &[(&str, &str)] = &[
    ("S08", "null-expression"),
    ("S11", "unknown-field"),
    ("S42", "unknown-field"),
    ("S43", "unknown-field"),
    ("S44", "unknown-field"),
    ("S45", "unknown-field"),
    ("S56", "no-sets"),
    ("S57", "no-sets"),
    ("S61", "no-sets"),
    ("S62", "no-sets"),
    ("S66", "version-unknown"),
    ("S67", "version-unknown"),
    ("S70", "unknown-field"),
    ("S88", "second-document"),
];

fn json(document: &Document, node: NodeId) -> Json {
    match document.value(node) {
        Value::Sequence(items) => items.iter().map(|item| json(document, *item)).collect(),
        Value::Mapping(pairs) => {
            let entries = pairs.chunks_exact(2).map(|pair| {
                let key = json(document, pair[0]);
                (key.as_str().unwrap_or_default().to_owned(), json(document, pair[1]))
            });
            Json::Object(entries.collect())
        }
        Value::Scalar(scalar) => match scalar::resolve(scalar).unwrap() {
            scalar::Scalar::Bool(value) => json!(value),
            scalar::Scalar::Int(value) => json!(value),
            other => json!(other.into_text()),
        },
    }
}

fn specs() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nfd/vectors.yaml");
    let document = Document::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = json(&document, document.root().unwrap());
    vectors["specs"].as_array().unwrap().clone()
}

fn id(case: &Json) -> &str {
    case["id"].as_str().unwrap()
}

#[test]
fn what_nfd_refuses_is_refused() {
    let refused = specs().into_iter().filter(|case| case["want"] == "decode-error");
    let mut count = 0;
    for case in refused {
        let document = case["doc"].as_str().unwrap();
        assert!(decode(document.as_bytes()).is_err(), "{} is accepted: {document}", id(&case));
        count += 1;
    }
    assert!(count >= 10);
}

#[test]
fn what_nfd_decodes_is_decoded_to_the_same_shape() {
    for case in specs() {
        let document = case["doc"].as_str().unwrap();
        let known_difference = REFUSED.iter().any(|(known, _)| *known == id(&case));
        if case["want"] == "decode-error" || known_difference {
            continue;
        }
        let decoded =
            decode(document.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", id(&case)));
        let sets = &decoded.specification.compatibilities;
        // With tags, NFD leaves sets out; that is the evaluation's business.
        if let (Some(want), None) = (case["want"].as_array(), case.get("tags")) {
            let rules: Vec<usize> = sets.iter().map(|set| set.rules.len()).collect();
            let expected: Vec<usize> =
                want.iter().map(|set| set.as_array().unwrap().len()).collect();
            assert_eq!(rules, expected, "{}", id(&case));
        }
        if let Some(values) = case.get("decoded").and_then(|decoded| decoded.get("value")) {
            let expressions =
                sets[0].rules[0].match_features[0].match_expressions.as_ref().unwrap();
            let value = &expressions.values().next().unwrap().value;
            assert_eq!(&json!(value), values, "{}", id(&case));
        }
    }
}

#[test]
fn what_we_refuse_besides_is_refused_for_the_documented_reason() {
    let specs = specs();
    for (known, code) in REFUSED {
        let case = specs.iter().find(|case| id(case) == *known).unwrap();
        let invalid = decode(case["doc"].as_str().unwrap().as_bytes()).unwrap_err();
        assert_eq!(&invalid.errors[0].code, code, "{known}: {invalid}");
    }
}

#[test]
fn every_difference_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nfd-differences.md");
    let page = std::fs::read_to_string(path).unwrap();
    for (known, _) in REFUSED {
        assert!(page.contains(known), "{known} is not in docs/nfd-differences.md");
    }
}
