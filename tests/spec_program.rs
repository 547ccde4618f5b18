//! `imgcompat validate-spec` and `imgcompat schema` as programs: exit codes, and what goes where.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/tool.rs"]
mod tool;

const GOOD: &str = include_str!("../examples/mongodb.yaml");
const SUSPICIOUS: &str = "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: r\n    matchFeatures:\n    - feature: cpu.cpuid\n      matchExpressions:\n        fma: {op: Exists}\n";
const BAD: &str = "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: r\n    matchFeature: []\n";

fn code(arguments: &[&str], input: &str) -> i32 {
    tool::run(arguments, input).status.code().unwrap()
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let table: &[(&[&str], &str, i32)] = &[
        (&["validate-spec", "-"], GOOD, 0),
        (&["validate-spec", "--strict", "-"], GOOD, 0),
        (&["validate-spec", "-"], SUSPICIOUS, 0),
        (&["validate-spec", "--strict", "-"], SUSPICIOUS, 1),
        (&["validate-spec", "-"], BAD, 1),
        (&["validate-spec", "-"], "", 1),
        (&["validate-spec", "--output", "json", "-"], BAD, 1),
        (&["validate-spec", "--local", "-"], GOOD, 1),
        (&["validate-spec"], "", 2),
        (&["validate-spec", "/nonexistent/spec.yaml"], "", 2),
        (&["validate-spec", "/"], "", 2),
        (&["validate-spec", "--output", "xml", "-"], "", 2),
        (&["validate-spec", "--image", "not a reference"], "", 2),
        (&["schema"], "", 0),
    ];
    for (arguments, input, expected) in table {
        assert_eq!(code(arguments, input), *expected, "{arguments:?}");
    }
}

#[test]
fn an_error_is_shown_with_its_line() {
    let output = tool::run(&["validate-spec", "-"], BAD);
    let expected = "\
error[unknown-field]: a rule has no field \"matchFeature\"
 --> <stdin>:6:5
6 |     matchFeature: []
  |     ^^^^^^^^^^^^
  = rule: r
  = help: did you mean `matchFeatures`?

1 error
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(output.stderr.is_empty());
}

#[test]
fn json_has_stable_keys() {
    let output = tool::run(&["validate-spec", "--output", "json", "-"], SUSPICIOUS);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({
        "file": "<stdin>", "valid": true, "errors": 0, "warnings": 1,
        "needs": {"version": "v0.17", "because": []},
        "findings": [{
            "severity": "warning", "code": "unknown-element", "line": 9, "column": 9, "rule": "r",
            "message": "NFD reports no \"fma\" in cpu.cpuid", "help": "did you mean `FMA3`?",
        }],
    });
    assert_eq!(report, expected);
}

#[test]
fn sarif_names_the_rule_the_level_and_the_place() {
    let output = tool::run(&["validate-spec", "--output", "sarif", "-"], BAD);
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "unknown-field");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "unknown-field");
    assert_eq!(result["level"], "error");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["region"], serde_json::json!({"startLine": 6, "startColumn": 5}));
    assert!(!place["artifactLocation"]["uri"].as_str().unwrap().contains('<'));
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let document = "version: v1alpha1\ncompatibilities:\n- rules:\n  - name: \"\\e]0;x\\a\\u202e\"\n    \"\\e[2J\": x\n";
    for format in ["text", "json", "sarif"] {
        let output = tool::run(&["validate-spec", "--output", format, "-"], document);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{format}: {text:?}");
        assert!(format != "text" || !text.contains('\u{202e}'), "{text:?}");
    }
}

#[test]
fn the_schema_is_printed_as_it_lies_in_the_repository() {
    let output = tool::run(&["schema"], "");
    assert_eq!(output.stdout, include_bytes!("../schema/specification.schema.json"));
}
