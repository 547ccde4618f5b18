//! What decoding says about mistakes: the code, the place, and the way out. One row a mistake.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use imgcompat::spec::{Diagnostic, Position, decode};

/// A document whose one rule has these lines, from line 5 on, indented by four.
fn rule(lines: &str) -> String {
    let lines = lines.replace('\n', "\n    ");
    format!("version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - {lines}\n")
}

/// A document with these expressions, from line 8 on, indented by eight.
fn expressions(lines: &str) -> String {
    rule(&format!(
        "name: r\nmatchFeatures:\n- feature: f\n  matchExpressions:\n    {}",
        lines.replace('\n', "\n    ")
    ))
}

fn place(finding: &Diagnostic) -> (u32, u32) {
    (finding.position.line, finding.position.column)
}

#[test]
fn errors_have_a_code_a_place_and_a_way_out() {
    let table: Vec<(String, &str, (u32, u32), &str)> = vec![
        (
            rule("name: r\nmatchFeature: []"),
            "unknown-field",
            (6, 5),
            "did you mean `matchFeatures`?",
        ),
        (
            "version: v1alpha1\ncompatibilities:\n- description: d\nrules: []\n".into(),
            "unknown-field",
            (4, 1),
            "`rules` is a field of a compatibility set; look at the indentation",
        ),
        ("kind: NodeFeatureRule\n".into(), "unknown-field", (1, 1), "a Kubernetes object"),
        ("images: [a]\n".into(), "unknown-field", (1, 1), "`validate-spec --local`"),
        ("# nothing\n".into(), "no-sets", (1, 1), "is empty"),
        (rule("matchAll: []"), "unknown-field", (5, 5), "`matchAny`"),
        (rule("name: r\nmatchFeatures: {}"), "wrong-type", (6, 20), "start each item with `- `"),
        (rule("name: [r]"), "wrong-type", (5, 11), "must be a string, but this is a list"),
        (rule("name: r\nmatchFeatures: [f]"), "wrong-type", (6, 21), "`feature`"),
        (rule("vars: {a: [b]}"), "wrong-type", (5, 15), "a variable must be a string"),
        (
            rule("name: r\nmatchFeatures:\n- pci.device: {vendor: {op: Exists}}"),
            "unknown-field",
            (7, 7),
            "write `feature: pci.device`",
        ),
        (expressions("e:"), "null-expression", (9, 9), "write `e: {op: Exists}`"),
        (
            expressions("e: [\"0fff\"]"),
            "legacy-shorthand",
            (9, 12),
            "write `e: {op: In, value: [\"0fff\"]}`",
        ),
        (expressions("e: x"), "legacy-shorthand", (9, 12), "write `e: {op: In, value: [\"x\"]}`"),
        (expressions("e: Exists"), "legacy-shorthand", (9, 12), "write `e: {op: Exists}`"),
        (expressions("e: {op: In, value: 10}"), "wrong-type", (9, 28), "write `value: [\"10\"]`"),
        (
            expressions("e: {op: In, value: [[10]]}"),
            "wrong-type",
            (9, 29),
            "must be a string, but this is a list",
        ),
        (
            expressions("e: {op: In, values: [a]}"),
            "unknown-field",
            (9, 21),
            "did you mean `value`?",
        ),
        (expressions("~: {op: Exists}"), "bad-key", (9, 9), "quotes"),
        (expressions("e: {op: In, value: [!!int x]}"), "bad-tag", (9, 29), "remove the tag"),
        (
            "version: v2\ncompatibilities: [{}]\n".into(),
            "version-unknown",
            (1, 10),
            "`version: v1alpha1`",
        ),
        (
            "version: 1\ncompatibilities: [{}]\n".into(),
            "version-unknown",
            (1, 10),
            "the version \"1\" is unknown",
        ),
        ("version: v1alpha1\n".into(), "no-sets", (1, 1), "`compatibilities`"),
        ("version: v1alpha1\ncompatibilities: []\n".into(), "no-sets", (2, 18), "at least one set"),
        (
            "version: v1alpha1\ncompatibilities: {}\n".into(),
            "wrong-type",
            (2, 18),
            "a list of sets",
        ),
        ("compatibilities: [{weight: \"5\"}]".into(), "wrong-type", (1, 28), "`weight: 10`"),
        ("compatibilities: [{weight: 5.5}]".into(), "wrong-type", (1, 28), "the number 5.5"),
        (
            "compatibilities: [{weight: 99999999999999999999}]".into(),
            "wrong-type",
            (1, 28),
            "64 bits",
        ),
        (
            "compatibilities: [{tag: a, Tag: b}]".into(),
            "duplicate-field",
            (1, 28),
            "write it `tag`",
        ),
        ("hello\n".into(), "wrong-type", (1, 1), "must be a map, but this is the string \"hello\""),
        ("[]\n".into(), "wrong-type", (1, 1), "must be a map, but this is a list"),
        ("a: 1\n---\nb: 2\n".into(), "second-document", (2, 1), "one document"),
        ("a:\n\tb: 1\n".into(), "yaml-syntax", (2, 2), "indent with spaces"),
        ("a: [\n".into(), "yaml-syntax", (2, 1), "not YAML"),
        ("a: 'é\u{1}'\n".into(), "not-text", (1, 6), "U+0001"),
        ("a: *b\n".into(), "yaml-syntax", (1, 4), "unknown anchor"),
    ];
    for (document, code, at, says) in table {
        let invalid = decode(document.as_bytes()).expect_err(&document);
        let error = &invalid.errors[0];
        assert_eq!((error.code.as_str(), place(error)), (code, at), "{document}\n{error}");
        assert!(error.to_string().contains(says), "{document}\n{error}");
    }
}

#[test]
fn warnings_have_a_code_and_a_place() {
    let table: Vec<(String, &str, (u32, u32))> = vec![
        ("compatibilities: [{rules: [{}]}]".into(), "version-missing", (1, 1)),
        (rule("name: r\nlabels: {a: b}"), "ignored-field", (6, 5)),
        (rule("name: r\nlabelsTemplate: a"), "ignored-field", (6, 5)),
        (rule("name: r\nannotations: {}"), "ignored-field", (6, 5)),
        (rule("name: r\ntaints: []"), "ignored-field", (6, 5)),
        (rule("name: r\nextendedResources: {}"), "ignored-field", (6, 5)),
        (rule("name: r\nMatchFeatures: []"), "field-case", (6, 5)),
        (rule("name: r\nname: q"), "duplicate-key", (6, 5)),
        (rule("name: r\n<<: {name: q}"), "duplicate-key", (6, 10)),
        (expressions("e: {op: In, value: [0200]}"), "unquoted-scalar", (9, 29)),
        (expressions("yes: {op: Exists}"), "unquoted-scalar", (9, 9)),
        (expressions("e: {op: In, value: [null]}"), "unquoted-scalar", (9, 29)),
        ("version: v1alpha1\ncompatibilities:\n- {}\n".into(), "set-without-rules", (3, 3)),
    ];
    for (document, code, at) in table {
        let decoded =
            decode(document.as_bytes()).unwrap_or_else(|error| panic!("{document}\n{error}"));
        let found = decoded.warnings.iter().find(|warning| warning.code == code);
        let warning = found.unwrap_or_else(|| panic!("{document}\n{:?}", decoded.warnings));
        assert_eq!(place(warning), at, "{document}\n{warning}");
    }
}

#[test]
fn what_means_the_same_in_yaml_needs_no_warning() {
    let document = expressions(
        "e: {op: In, value: [a, \"0200\", 'y', 10, true, -5, 5.5, 2001-12-14, 1:30, 10de]}",
    );
    let decoded = decode(document.as_bytes()).unwrap();
    assert!(decoded.warnings.is_empty(), "{:?}", decoded.warnings);
}

#[test]
fn all_errors_are_collected_in_document_order() {
    let document = "version: v2\ncompatibilities:\n- weight: x\n  rule: []\n- rules: [{nam: r}]\n";
    let errors = decode(document.as_bytes()).unwrap_err().errors;
    let lines: Vec<u32> = errors.iter().map(|error| error.position.line).collect();
    assert_eq!(lines, [1, 3, 4, 5]);
}

#[test]
fn the_model_knows_its_places() {
    let document = expressions("a: {op: Exists}\nb: {op: Exists}");
    let specification = decode(document.as_bytes()).unwrap().specification;
    let set = &specification.compatibilities[0];
    let rule = &set.rules[0];
    let term = &rule.match_features[0];
    let b = &term.match_expressions.as_ref().unwrap()["b"];
    let places = [set.position, rule.position, term.position, b.position].map(Option::unwrap);
    let at = |line, column| Position { line, column };
    assert_eq!(places, [at(3, 3), at(5, 5), at(7, 7), at(10, 9)]);
}

#[test]
fn merge_keys_work_as_in_nfd() {
    let table = [
        ("{name: a, <<: {name: b}}", "b"),
        ("{<<: {name: b}, name: a}", "a"),
        ("{<<: [{name: b}, {name: c}]}", "b"),
        ("{<<: {<<: {name: c}}}", "c"),
    ];
    for (rule, name) in table {
        let document = format!("compatibilities: [{{rules: [{rule}]}}]");
        let decoded = decode(document.as_bytes()).unwrap().specification;
        assert_eq!(decoded.compatibilities[0].rules[0].name, name, "{rule}");
    }
    for rule in ["{<<: 5}", "{<<: [[a]]}", "{<<: null}", "{'<<': {name: a}}"] {
        assert!(
            decode(format!("compatibilities: [{{rules: [{rule}]}}]").as_bytes()).is_err(),
            "{rule}"
        );
    }
}

#[test]
fn a_field_that_only_keeps_an_anchor_is_accepted() {
    let shelf = "common: &c {name: r}\ncompatibilities: [{rules: [*c, *c]}]\n";
    assert_eq!(decode(shelf.as_bytes()).unwrap().specification.compatibilities[0].rules.len(), 2);
    let unused = "common: &c {name: r}\ncompatibilities: [{rules: [{}]}]\n";
    assert!(decode(unused.as_bytes()).is_err());
    let misspelt = "compatibilites: &c [{rules: [{}]}]\ncompatibilities: *c\n";
    assert!(decode(misspelt.as_bytes()).is_err());
}

#[test]
fn text_may_be_utf8_or_utf16_with_a_mark() {
    let document =
        "version: v1alpha1\ncompatibilities:\n- description: \"é😀\"\n  rules: [{name: r}]\n";
    let utf16 = |mark: u16, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(mark).chain(document.encode_utf16()).flat_map(unit).collect()
    };
    let forms = [
        document.as_bytes().to_vec(),
        format!("\u{feff}{document}").into_bytes(),
        utf16(0xfeff, u16::to_le_bytes),
        utf16(0xfeff, u16::to_be_bytes),
        document.replace('\n', "\r\n").into_bytes(),
    ];
    for bytes in forms {
        let decoded = decode(&bytes).unwrap().specification;
        assert_eq!(decoded.compatibilities[0].description, "é😀");
    }
    for bytes in [&b"a: \xff"[..], b"\xff\xfea", b"\xfe\xff\xd8\x00"] {
        assert_eq!(decode(bytes).unwrap_err().errors[0].code, "not-text");
    }
}
