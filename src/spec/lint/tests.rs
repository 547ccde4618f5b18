//! One line of the table for each finding: a rule's terms, and the codes that they get.

use super::*;

/// A specification around one rule's fields.
fn document(rule: &str) -> String {
    let rule = rule.replace('\n', "\n    ");
    format!(
        "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: r\n    {rule}\n"
    )
}

fn term(feature: &str, expressions: &str) -> String {
    format!("matchFeatures:\n- feature: {feature}\n  matchExpressions: {{{expressions}}}")
}

fn codes(document: &str) -> Vec<String> {
    check(document.as_bytes()).findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn each_trap_is_found() {
    let table: &[(&str, &str, &[&str])] = &[
        // Names.
        ("cpu.cpuid", "sse4_2: {op: Exists}", &["unknown-element"]),
        ("cpu.cpuid", "AVX2: {op: Exists}, ASIMD: {op: Exists}, VXE: {op: Exists}", &[]),
        ("cpu.cpid", "AVX2: {op: Exists}", &["unknown-feature"]),
        ("CPU.CPUID", "AVX2: {op: Exists}", &[]),
        ("cpu.pstate", "scaling: {op: Exists}", &["unknown-element"]),
        ("kernel.config", "CONFIG_BPF: {op: Exists}", &["config-prefix"]),
        ("rule.matched", "x: {op: Exists}", &["unknown-variable"]),
        // Modules.
        (
            "kernel.enabledmodule",
            "vfio-pci: {op: DoesNotExist}",
            &["module-name", "absent-feature"],
        ),
        ("kernel.enabledmodule", "overlay: {op: Exists}", &["module-on-demand"]),
        ("kernel.loadedmodule", "overlay: {op: Exists}", &["built-in-module", "module-on-demand"]),
        ("kernel.enabledmodule", "nvidia: {op: Exists}", &[]),
        // Values.
        ("pci.device", "vendor: {op: In, value: ['10DE']}", &["never-holds", "upper-case-id"]),
        ("pci.device", "vendor: {op: In, value: ['10DE', '8086']}", &["upper-case-id"]),
        ("pci.device", "vendor: {op: In, value: ['0x10de', '8086']}", &["device-id"]),
        ("pci.device", "class: {op: In, value: ['020000', '0200']}", &["device-id"]),
        (
            "pci.device",
            "class: {op: In, value: [0200]}",
            &["never-holds", "device-id", "unquoted-scalar"],
        ),
        ("usb.device", "class: {op: In, value: ['0e']}", &[]),
        ("cpu.model", "vendor_id: {op: In, value: [Amd]}", &["never-holds", "unknown-vendor"]),
        ("cpu.model", "vendor_id: {op: In, value: [Intel, AMD]}", &[]),
        (
            "kernel.config",
            "X86: {op: In, value: [y]}",
            &["never-holds", "config-value", "unquoted-scalar"],
        ),
        ("kernel.config", "X86: {op: IsTrue}", &["never-holds", "config-value"]),
        ("kernel.config", "X86: {op: In, value: ['n']}", &["never-holds", "config-value"]),
        ("kernel.config", "X86: {op: In, value: ['y', 'm']}", &[]),
        ("kernel.version", "major: {op: Gt, value: [x]}", &["not-an-integer"]),
        ("kernel.version", "full: {op: Ge, type: version, value: ['5.x']}", &["not-a-version"]),
        ("kernel.version", "full: {op: Ge, type: version, value: ['5.15']}", &[]),
        ("kernel.version", "full: {op: Ge, type: semver, value: ['5.15']}", &["unknown-type"]),
        ("kernel.version", "full: {op: In, type: version, value: ['5.15']}", &["type-ignored"]),
        ("kernel.version", "full: {op: InRegexp, value: ['a(']}", &["bad-pattern"]),
        ("kernel.version", "full: {op: InRegexp, value: ['^5(?!x)']}", &["bad-pattern"]),
        // Bounds.
        ("kernel.version", "major: {op: GeLe, value: ['6', '5']}", &["reversed-bounds"]),
        ("kernel.version", "major: {op: GeLe, value: ['6', '6']}", &["reversed-bounds"]),
        ("kernel.version", "major: {op: GtLt, value: ['5', '6']}", &["never-holds", "empty-range"]),
        (
            "kernel.version",
            "full: {op: GeLe, type: version, value: ['6', '5']}",
            &["never-holds", "empty-range"],
        ),
        // Operators.
        ("kernel.version", "full: {op: Equals, value: ['6']}", &["unknown-operator"]),
        ("kernel.version", "full: {op: exists}", &["unknown-operator"]),
        ("kernel.version", "full: {value: ['6']}", &["missing-operator"]),
        ("kernel.version", "full: {op: Exists, value: ['6']}", &["wrong-count"]),
        ("kernel.version", "full: {op: In}", &["wrong-count"]),
        ("kernel.version", "full: {op: Gt, value: ['5', '6']}", &["wrong-count"]),
        ("kernel.version", "full: {}", &["empty-expression"]),
        ("cpu.cpuid", "AVX: {op: IsTrue}", &["never-holds", "flag-operator"]),
        ("cpu.cpuid", "AVX: {op: In, value: ['true']}", &["never-holds", "flag-operator"]),
        ("cpu.cpuid", "AVX10_VERSION: {op: Gt, value: ['1']}", &[]),
        // Absence.
        ("kernel.config", "X: {op: NotIn, value: ['y']}", &["absent-is-false"]),
        ("cpu.security", "sgx.enabled: {op: IsFalse}", &["absent-is-false"]),
        ("kernel.selinux", "enabled: {op: IsFalse}", &[]),
        ("kernel.config", "X: {op: DoesNotExist}", &["absent-feature"]),
        ("cpu.cpuid", "AVX: {op: DoesNotExist}", &[]),
        ("pci.device", "vendor: {op: NotIn, value: ['10de']}", &["negation-of-devices"]),
    ];
    for (feature, expressions, expected) in table {
        let document = document(&term(feature, expressions));
        assert_eq!(codes(&document), *expected, "{feature} {expressions}");
    }
}

#[test]
fn traps_of_terms_and_rules_are_found() {
    let table: &[(&str, &[&str])] = &[
        ("vars: {a: b}", &["always-holds", "empty-rule"]),
        ("matchFeatures: [{feature: pci.device}]", &["bare-term"]),
        ("matchFeatures: [{feature: cpu.model}]", &["always-holds", "bare-term"]),
        ("matchFeatures: [{matchExpressions: {a: {op: Exists}}}]", &["never-holds", "no-feature"]),
        (
            "matchAny: [{}, {matchFeatures: [{feature: cpu.cpuid, matchExpressions: {AVX: {op: Exists}}}]}]",
            &["always-holds", "empty-alternative"],
        ),
        (
            "matchFeatures: [{feature: pci.device, matchExpressions: {vendor: {op: Exists}}}, {feature: pci.device, matchExpressions: {class: {op: Exists}}}]",
            &["split-device"],
        ),
        (
            "matchFeatures: [{feature: pci.device, matchExpressions: {vendor: {op: Exists}}}, {feature: pci.device, matchExpressions: {vendor: {op: Exists}}}]",
            &[],
        ),
        (
            "matchFeatures: [{feature: kernel.version, matchExpressions: {major: {op: In, value: ['5']}}}, {feature: kernel.version, matchExpressions: {major: {op: In, value: ['6']}}}]",
            &["never-holds", "contradiction"],
        ),
        (
            "matchFeatures: [{feature: cpu.cpuid, matchName: {op: DoesNotExist}}]",
            &["never-holds", "match-name-operator"],
        ),
        (
            "matchFeatures: [{feature: cpu.cpuid, matchName: {op: NotIn, value: [AVX]}}]",
            &["match-name-operator"],
        ),
        (
            "matchFeatures: [{feature: cpu.cpuid, matchName: {op: In, value: [avx]}}]",
            &["unknown-element"],
        ),
        (
            "matchFeatures: [{feature: cpu.cpuid, matchName: {op: InRegexp, value: ['^AVX512']}}]",
            &[],
        ),
        (
            "matchAny: [{matchFeatures: [{feature: kernel.config, matchExpressions: {X: {op: NotIn, value: ['y']}}}]}, {matchFeatures: [{feature: kernel.config, matchExpressions: {X: {op: DoesNotExist}}}]}]",
            &["absent-feature"],
        ),
        (
            "matchAny: [{matchFeatures: [{feature: kernel.enabledmodule, matchExpressions: {tun: {op: Exists}}}]}, {matchFeatures: [{feature: kernel.config, matchExpressions: {TUN: {op: In, value: ['y', 'm']}}}]}]",
            &[],
        ),
    ];
    for (rule, expected) in table {
        assert_eq!(codes(&document(rule)), *expected, "{rule}");
    }
}

#[test]
fn names_and_descriptions_are_asked_for() {
    let avx = "matchFeatures: [{feature: cpu.cpuid, matchExpressions: {AVX: {op: Exists}}}]";
    let head = "version: v1alpha1\ncompatibilities:\n";
    let table: &[(String, &[&str])] = &[
        (format!("{head}- rules: [{{name: a, {avx}}}]\n"), &["no-description"]),
        (format!("{head}- description: d\n  rules: [{{{avx}}}]\n"), &["unnamed-rule"]),
        (
            format!(
                "{head}- description: d\n  rules:\n  - {{name: a, {avx}}}\n  - {{name: a, {avx}}}\n"
            ),
            &["duplicate-rule-name"],
        ),
        (
            format!("{head}- description: d\n  rules: [{{name: a, {avx}}}]\n- {{}}\n"),
            &["set-without-rules"],
        ),
    ];
    for (document, expected) in table {
        assert_eq!(codes(document), *expected, "{document}");
    }
}

#[test]
fn variables_of_rules_before_are_known() {
    let head = "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n";
    let avx = "matchFeatures: [{feature: cpu.cpuid, matchExpressions: {AVX: {op: Exists}}}]";
    let uses =
        "{name: b, matchFeatures: [{feature: rule.matched, matchExpressions: {x: {op: Exists}}}]}";
    let set = format!("{head}  - {{name: a, vars: {{x: '1'}}, {avx}}}\n  - {uses}\n");
    let template = format!("{head}  - {{name: a, varsTemplate: 'y=1', {avx}}}\n  - {uses}\n");
    assert!(codes(&set).is_empty() && codes(&template).is_empty());
}

#[test]
fn findings_say_where_and_in_which_rule() {
    let document = document(&term("cpu.cpuid", "sse4_2: {op: Exists}"));
    let finding = check(document.as_bytes()).findings.remove(0);
    assert_eq!(finding.position, Position { line: 8, column: 26 });
    assert_eq!(finding.rule.as_deref(), Some("r"));
    assert_eq!(finding.help.as_deref(), Some("did you mean `SSE42`?"));
}

#[test]
fn the_lowest_nfd_is_told() {
    let table = [
        ("cpu.cpuid", "AVX2: {op: Exists}", "v0.17", ""),
        ("cpu.cpuid", "X86_64_V3: {op: Exists}", "v0.19", "cpu.cpuid X86_64_V3"),
        ("kernel.kvm", "enabled: {op: IsTrue}", "v0.19", "kernel.kvm"),
        ("memory.hugepages", "enabled: {op: IsTrue}", "v0.18", "memory.hugepages"),
        ("kernel.version", "major: {op: Ge, value: ['5']}", "v0.18", "operator Ge"),
        (
            "kernel.version",
            "full: {op: Gt, type: version, value: ['5.4']}",
            "v0.18",
            "type: version",
        ),
        ("network.device", "mtu: {op: Gt, value: ['1500']}", "v0.18", "network.device mtu"),
        ("system.dmiid", "product_name: {op: Exists}", "v0.17", ""),
        ("system.dmiid", "bios_vendor: {op: Exists}", "v0.19", "system.dmiid bios_vendor"),
    ];
    for (feature, expressions, version, because) in table {
        let needs = check(document(&term(feature, expressions)).as_bytes()).needs.unwrap();
        assert_eq!((needs.version.as_str(), needs.because.join(", ").as_str()), (version, because));
    }
}

#[test]
fn a_large_document_is_linted_to_the_cap() {
    let rule = "  - {name: r, matchFeatures: [{feature: cpu.cpuid, matchExpressions: {avx9: {op: Exists}}}]}\n";
    let document = format!(
        "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n{}",
        rule.repeat(8_000)
    );
    assert_eq!(lint(&crate::spec::decode(document.as_bytes()).unwrap().specification).len(), MOST);
}

#[test]
fn templates_are_looked_at_before_a_node_runs_them() {
    let rule = |template: &str, terms: &str| {
        let terms = if terms.is_empty() { String::new() } else { format!("\n{terms}") };
        codes(&document(&format!("varsTemplate: '{template}'{terms}")))
    };
    let terms = term("kernel.version", "major: {op: Gt, value: ['4']}");
    assert_eq!(rule("{{range .kernel.version}}x={{.Value}}{{end}}", &terms), Vec::<String>::new());
    assert_eq!(rule("{{range}}", &terms), ["bad-template"]);
    assert_eq!(rule("x={{nosuchfunction 1}}", &terms), ["bad-template"]);
    assert_eq!(rule("x={{genCA 1 2}}", &terms), ["refused-function"]);
    assert_eq!(rule("x=1", ""), ["always-holds", "empty-rule", "idle-template"]);
}
