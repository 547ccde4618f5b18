//! The examples: each decodes, is linted clean, fits the JSON Schema, is shown in the documentation, and holds on hosts
//! that have what it asks for and on no others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support {
    pub mod host_tree;
}

use std::path::PathBuf;

use imgcompat::cli::schema::SCHEMA;
use imgcompat::host::{Host, HostRoot};
use imgcompat::rules::{Options, SetVerdict, evaluate};
use imgcompat::spec::Specification;
use imgcompat::spec::lint;
use serde_json::{Value, json};
use support::host_tree::{expand, expand_host, hosts};

fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(directory("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            examples.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    assert!(examples.len() >= 10);
    examples
}

fn specification(document: &str) -> Specification {
    lint::check(document.as_bytes()).specification.unwrap()
}

#[test]
fn examples_are_clean_even_with_strict() {
    for (name, document) in examples() {
        let checked = lint::check(document.as_bytes());
        assert!(checked.findings.is_empty(), "{name}: {:#?}", checked.findings);
    }
}

#[test]
fn examples_say_which_nfd_they_need_if_it_is_not_the_first() {
    for (name, document) in examples() {
        let needs = lint::check(document.as_bytes()).needs.unwrap();
        let told = needs.version == "v0.17" || document.contains(&needs.version);
        assert!(told, "{name} needs {needs}");
    }
}

#[test]
fn every_example_is_in_the_documentation() {
    let page = std::fs::read_to_string(directory("docs/writing-specifications.md")).unwrap();
    for (name, document) in examples() {
        assert!(page.contains(&format!("examples/{name}")), "{name}");
        let body = document.split_once("version: v1alpha1").unwrap().1;
        assert!(page.contains(body.trim_end()), "{name} is not shown as it is");
    }
}

/// A host that has what every example asks for that no recorded host satisfies, in parts that a case can leave out.
const BASE: &str = "[proc]\nsys/kernel/osrelease = 6.8.12-3-pve\nmodules <<\n|overlay 1 0 - Live 0x0\n[sys/fs]\n[sys/bus/pci/devices]\n";
const CONFIG: &str = "[boot]\nconfig-6.8.12-3-pve <<\n";
const GPU: &str = "[sys/bus/pci/devices/0000:41:00.0]\nclass = 0x030200\nvendor = 0x10de\ndevice = 0x20b0\nsubsystem_vendor = 0x10de\nsubsystem_device = 0x1463\n";
const NVIDIA: &str = "[proc]\nmodules <<\n|nvidia 1 0 - Live 0x0\n";
const ENFORCING: &str = "[sys/fs/selinux]\nenforce = 1\n";
const PERMISSIVE: &str = "[sys/fs/selinux]\nenforce = 0\n";
const OPTIONS: &str =
    "|CONFIG_USER_NS=y\n|CONFIG_SECCOMP_FILTER=y\n|CONFIG_CGROUP_BPF=y\n|CONFIG_OVERLAY_FS=m\n";

fn on_host(name: &str, tree: &tempfile::TempDir) -> bool {
    let document = std::fs::read_to_string(directory("examples").join(name)).unwrap();
    let host = Host::new(HostRoot::tree(tree.path()).unwrap());
    let evaluation = evaluate(&specification(&document), &host, &Options::default());
    evaluation.verdict == SetVerdict::Compatible
}

/// Which of the recorded hosts (tests/hosts) each example holds on.
#[test]
fn examples_hold_on_the_recorded_hosts_that_have_what_they_ask_for() {
    let modern: &[&str] = &["amd-sev-snp", "intel-two-sockets", "micro-vm", "wsl2"];
    let table: [(&str, &[&str]); 10] = [
        ("confidential-host.yaml", &["amd-sev-snp"]),
        ("cuda.yaml", &[]),
        ("dpdk.yaml", &["intel-two-sockets"]),
        ("hardened-builder.yaml", &[]),
        ("io-uring.yaml", &[]),
        ("mongodb.yaml", modern),
        ("sriov.yaml", &["intel-two-sockets"]),
        ("vllm-cpu.yaml", modern),
        ("wireguard.yaml", &[]),
        ("x86-64-v3.yaml", modern),
    ];
    let mut examples: Vec<String> = examples().into_iter().map(|(name, _)| name).collect();
    examples.sort();
    assert_eq!(examples, table.map(|(name, _)| name), "every example has a row");
    for entry in std::fs::read_dir(hosts()).unwrap() {
        let host = entry.unwrap().file_name().into_string().unwrap();
        let tree = expand_host(&host);
        for (example, expected) in table {
            assert_eq!(on_host(example, &tree), expected.contains(&&*host), "{example} on {host}");
        }
    }
}

/// Those that no recorded host satisfies, each on a host that does and on ones that lack one thing.
#[test]
fn examples_hold_on_hosts_made_for_them_and_fail_without_any_part() {
    let config = |lines: &str| format!("{BASE}{CONFIG}{lines}");
    let old = BASE.replace("6.8.12-3-pve", "5.14.0-427.el9.x86_64");
    let old_config = CONFIG.replace("6.8.12-3-pve", "5.14.0-427.el9.x86_64");
    let lacking = OPTIONS.replace("|CONFIG_USER_NS=y\n", "");
    let wireguard = "|CONFIG_WIREGUARD=m\n";
    let cases: [(&str, bool, String); 14] = [
        ("cuda.yaml", true, format!("{BASE}{GPU}{NVIDIA}")),
        ("cuda.yaml", false, format!("{BASE}{GPU}")),
        ("cuda.yaml", false, format!("{BASE}{NVIDIA}")),
        ("cuda.yaml", false, format!("{BASE}{}{NVIDIA}", GPU.replace("0x030200", "0x040300"))),
        ("hardened-builder.yaml", true, config(OPTIONS) + ENFORCING),
        ("hardened-builder.yaml", false, config(OPTIONS) + PERMISSIVE),
        ("hardened-builder.yaml", false, config(&lacking) + ENFORCING),
        ("io-uring.yaml", true, config("|CONFIG_IO_URING=y\n")),
        ("io-uring.yaml", false, config("|# CONFIG_IO_URING is not set\n")),
        ("io-uring.yaml", false, format!("{old}{old_config}|CONFIG_IO_URING=y\n")),
        ("wireguard.yaml", true, config(&format!("{wireguard}|CONFIG_NF_TABLES=m\n"))),
        ("wireguard.yaml", true, config(&format!("{wireguard}|CONFIG_IP_NF_IPTABLES=y\n"))),
        ("wireguard.yaml", false, config("|CONFIG_NF_TABLES=m\n")),
        ("wireguard.yaml", false, config(wireguard)),
    ];
    for (number, (example, expected, host)) in cases.iter().enumerate() {
        assert_eq!(on_host(example, &expand(host)), *expected, "case {number}: {example}\n{host}");
    }
}

#[test]
fn examples_fit_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (name, document) in examples() {
        let instance = without_positions(serde_json::to_value(specification(&document)).unwrap());
        let fault = mismatch(&schema, &schema, &instance, "");
        assert_eq!(fault, None, "{name}");
    }
}

#[test]
fn the_schema_refuses_what_decoding_refuses() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let rule = |rule: Value| json!({"version": "v1alpha1", "compatibilities": [{"rules": [rule]}]});
    let term = |term: Value| rule(json!({"matchFeatures": [term]}));
    let refused = [
        json!({"version": "v2", "compatibilities": [{"rules": [{}]}]}),
        json!({"version": "v1alpha1", "compatibilities": []}),
        json!({"version": "v1alpha1"}),
        rule(json!({"matchFeature": []})),
        rule(json!({"matchFeatures": {}})),
        term(json!({"pci.device": {}})),
        term(json!({"feature": "f", "matchExpressions": {"e": ["v"]}})),
        term(json!({"feature": "f", "matchExpressions": {"e": null}})),
        term(json!({"feature": "f", "matchExpressions": {"e": {"op": "In", "value": "v"}}})),
        term(json!({"feature": "f", "matchExpressions": {"e": {"op": "In", "value": [5]}}})),
        term(json!({"feature": "f", "matchExpressions": {"e": {"op": "Equals"}}})),
    ];
    for document in refused {
        assert!(mismatch(&schema, &schema, &document, "").is_some(), "{document}");
    }
}

/// The fields of every type of the model, by a document that uses all of them.
#[test]
fn the_schema_knows_exactly_the_fields_of_the_model() {
    let document = r#"{"version": "v1alpha1", "compatibilities": [{"description": "d", "tag": "t", "weight": 1,
        "rules": [{"name": "n", "vars": {"a": "b"}, "varsTemplate": "t",
          "matchFeatures": [{"feature": "f", "matchName": {"op": "In"},
            "matchExpressions": {"e": {"op": "In", "value": ["v"], "type": "version"}}}],
          "matchAny": [{"matchFeatures": []}]}]}]}"#;
    let model = without_positions(serde_json::to_value(specification(document)).unwrap());
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let set = &model["compatibilities"][0];
    let rule = &set["rules"][0];
    let term = &rule["matchFeatures"][0];
    let defs = &schema["$defs"];
    let pairs = [
        (&schema, &model),
        (&defs["compatibilitySet"], set),
        (&defs["rule"], rule),
        (&defs["matchAny"], &rule["matchAny"][0]),
        (&defs["term"], term),
        (&defs["expression"], &term["matchExpressions"]["e"]),
    ];
    for (schema, model) in pairs {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&schema["properties"]), names(model));
    }
    for operator in imgcompat::rules::Operator::ALL.iter().filter(|(name, _)| !name.is_empty()) {
        let known = defs["expression"]["properties"]["op"]["enum"].as_array().unwrap();
        assert!(known.contains(&json!(operator.0)), "{}", operator.0);
    }
}

fn without_positions(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| name != "position");
            fields.map(|(name, value)| (name, without_positions(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_positions).collect(),
        other => other,
    }
}

/// As much of JSON Schema as the schema uses; any other keyword fails the test. Returns the first place that does
/// not fit.
fn mismatch(root: &Value, schema: &Value, instance: &Value, at: &str) -> Option<String> {
    if let Value::Bool(allowed) = schema {
        return (!allowed).then(|| at.to_owned());
    }
    let keywords = schema.as_object().unwrap();
    keywords.iter().find_map(|(keyword, expected)| match keyword.as_str() {
        "$ref" => {
            let pointer = expected.as_str().unwrap().strip_prefix('#').unwrap();
            mismatch(root, root.pointer(pointer).unwrap(), instance, at)
        }
        "items" => {
            let mut items = instance.as_array().into_iter().flatten().enumerate();
            items.find_map(|(index, item)| mismatch(root, expected, item, &format!("{at}/{index}")))
        }
        "properties" | "additionalProperties" => {
            let listed = |name: &str| schema.get("properties").and_then(|known| known.get(name));
            let mut fields = instance.as_object().into_iter().flatten();
            fields.find_map(|(name, value)| {
                let schema = match (keyword.as_str(), listed(name)) {
                    ("properties", Some(schema)) => schema,
                    ("additionalProperties", None) => expected,
                    _ => return None,
                };
                mismatch(root, schema, value, &format!("{at}/{name}"))
            })
        }
        "oneOf" => {
            let fitting = expected.as_array().unwrap().iter();
            let fitting = fitting.filter(|schema| mismatch(root, schema, instance, at).is_none());
            (fitting.count() != 1).then(|| format!("{at}: {keyword}"))
        }
        _ => (!fits(keyword, expected, instance)).then(|| format!("{at}: {keyword}")),
    })
}

/// The keywords that look at one value and not into it.
fn fits(keyword: &str, expected: &Value, instance: &Value) -> bool {
    match keyword {
        "$schema" | "title" | "description" | "examples" | "$defs" => true,
        "type" => match expected {
            Value::Array(types) => types.iter().any(|expected| is_type(instance, expected)),
            one => is_type(instance, one),
        },
        "const" => instance == expected,
        "enum" => expected.as_array().unwrap().contains(instance),
        "minItems" => {
            let least = expected.as_u64().unwrap();
            instance.as_array().is_none_or(|items| items.len() as u64 >= least)
        }
        "minimum" | "maximum" => instance.is_i64(),
        "required" => {
            let names = expected.as_array().unwrap();
            names.iter().all(|name| instance.get(name.as_str().unwrap()).is_some())
        }
        other => panic!("the test knows no keyword {other}"),
    }
}

fn is_type(instance: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => instance.is_object(),
        "array" => instance.is_array(),
        "string" => instance.is_string(),
        "integer" => instance.is_i64(),
        "null" => instance.is_null(),
        other => panic!("the test knows no type {other}"),
    }
}
