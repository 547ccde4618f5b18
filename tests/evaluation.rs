//! What an evaluation reports, and what it costs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use imgcompat::host::{Attributes, Discovery, Feature, FeatureSet, Features};
use imgcompat::rules::{
    Evaluation, ExpressionReport, ExpressionVerdict, HostValue, Matcher, Options, RuleReport,
    SetVerdict, evaluate,
};
use imgcompat::spec::{CompatibilitySet, Expression, MatchAny, Rule, Specification, Term, decode};
use proptest::prelude::*;

fn specification(text: &str) -> Specification {
    decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}")).specification
}

fn instance(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A host with a feature of every kind.
fn host() -> FeatureSet {
    let mut host = FeatureSet::default();
    host.insert(
        "cpu.cpuid",
        &Feature {
            attributes: Some(instance(&[("AVX10_VERSION", "2")])),
            ..Feature::flags(["AVX", "AVX2", "SSE4"])
        },
    );
    host.insert("cpu.model", &Feature::attributes([("vendor_id", "Intel"), ("family", "6")]));
    host.insert("kernel.version", &Feature::attributes([("full", "5.14.0-427.el9.x86_64")]));
    host.insert("kernel.loadedmodule", &Feature::flags(["vfio_pci", "overlay", "snd-usb"]));
    host.insert("usb.device", &Feature::instances(vec![]));
    host.insert(
        "pci.device",
        &Feature::instances(vec![
            instance(&[("class", "0600"), ("vendor", "8086")]),
            instance(&[("class", "0200"), ("vendor", "8086"), ("device", "1572")]),
            instance(&[("class", "0302"), ("vendor", "10de")]),
        ]),
    );
    host
}

fn evaluated(rules: &str) -> Evaluation {
    let indented = rules.replace('\n', "\n    ");
    let text = format!("version: v1alpha1\ncompatibilities:\n- rules:\n    {indented}\n");
    evaluate(&specification(&text), &host(), &Options::default())
}

fn only_rule(terms: &str) -> RuleReport {
    let indented = terms.replace('\n', "\n  ");
    let mut evaluation = evaluated(&format!("- name: r\n  matchFeatures:\n  {indented}"));
    evaluation.sets.remove(0).rules.remove(0)
}

fn value(text: &str) -> Option<HostValue> {
    Some(HostValue::Value(text.to_owned()))
}

fn names(names: &[&str]) -> Option<HostValue> {
    Some(HostValue::Names(names.iter().map(|name| (*name).to_owned()).collect()))
}

fn short(row: &ExpressionReport) -> (&str, ExpressionVerdict, Option<HostValue>) {
    (&row.element, row.verdict, row.host.clone())
}

use ExpressionVerdict::{Error, Match, NoMatch};

#[test]
fn a_row_shows_what_the_host_has() {
    let report = only_rule(
        "- feature: CPU.cpuid\n  matchExpressions:\n    AVX2: {op: Exists}\n    AVX512F: {op: Exists}\n    AVX10_VERSION: {op: Gt, value: ['2']}",
    );
    assert_eq!(report.verdict, SetVerdict::Incompatible);
    let rows: Vec<_> = report.expressions.iter().map(short).collect();
    let expected = [
        ("AVX10_VERSION", NoMatch, value("2")),
        ("AVX2", Match, Some(HostValue::Present(true))),
        ("AVX512F", NoMatch, None),
    ];
    assert_eq!(rows, expected);
    let first = &report.expressions[0];
    assert_eq!((first.feature.as_str(), first.matcher), ("CPU.cpuid", Matcher::MatchExpressions));
    assert_eq!((first.op.as_str(), first.value.as_slice()), ("Gt", ["2".to_owned()].as_slice()));
    assert!(first.position.is_some());
}

#[test]
fn an_instance_rule_shows_the_instance_that_came_closest() {
    let table = [
        // Two of three hold for the second device only.
        ("0200", "8086", "1573", [Match, NoMatch, Match], "0200"),
        // The first of equals.
        ("0100", "8086", "1573", [NoMatch, NoMatch, Match], "0600"),
        // Nothing holds anywhere.
        ("0100", "1000", "1573", [NoMatch, NoMatch, NoMatch], "0600"),
        ("0200", "8086", "1572", [Match, Match, Match], "0200"),
    ];
    for (class, vendor, device, verdicts, closest) in table {
        let report = only_rule(&format!(
            "- feature: pci.device\n  matchExpressions:\n    class: {{op: In, value: ['{class}']}}\n    vendor: {{op: In, value: ['{vendor}']}}\n    device: {{op: In, value: ['{device}']}}"
        ));
        let rows: Vec<_> = report.expressions.iter().map(|row| row.verdict).collect();
        assert_eq!(rows, verdicts, "{class} {vendor} {device}");
        for row in &report.expressions {
            let instance = row.instance.as_ref().unwrap();
            assert_eq!(instance["class"], closest);
            let expected = instance.get(&row.element).and_then(|text| value(text));
            assert_eq!(row.host, expected);
        }
    }
}

#[test]
fn an_undecided_instance_rule_shows_why() {
    let report = only_rule(
        "- feature: pci.device\n  matchExpressions:\n    class: {op: In, value: ['0302']}\n    vendor: {op: Gt, value: ['1']}",
    );
    assert_eq!(report.verdict, SetVerdict::Undecided);
    let rows: Vec<_> = report.expressions.iter().map(short).collect();
    assert_eq!(rows, [("class", Match, value("0302")), ("vendor", Error, value("10de"))]);
    let why = "the host's value \"10de\" is not an integer of 64 bits, which operator Gt compares";
    assert_eq!(report.error, Some(format!("pci.device vendor: {why} (line 9, column 11)")));
}

#[test]
fn match_name_shows_names() {
    let table = [
        ("{op: InRegexp, value: ['^AVX']}", Match, names(&["AVX", "AVX10_VERSION", "AVX2"])),
        ("{op: In, value: [AVX512F]}", NoMatch, names(&["AVX", "AVX10_VERSION", "AVX2", "SSE4"])),
        ("{op: InRegexp, value: ['(']}", Error, names(&["AVX", "AVX10_VERSION", "AVX2", "SSE4"])),
    ];
    for (expression, verdict, host) in table {
        let report = only_rule(&format!("- feature: cpu.cpuid\n  matchName: {expression}"));
        let row = &report.expressions[0];
        assert_eq!((row.verdict, row.host.clone()), (verdict, host), "{expression}");
        assert_eq!((row.matcher, row.element.as_str()), (Matcher::MatchName, ""));
        assert_eq!(row.error.is_some(), verdict == Error);
    }
}

#[test]
fn terms_without_expressions_have_a_row_too() {
    let table = [
        ("pci.device", "", Match, Some(HostValue::Present(true)), None),
        ("usb.device", "", Match, Some(HostValue::Present(true)), None),
        ("usb.device", "\n  matchExpressions: {}", NoMatch, Some(HostValue::Present(true)), None),
        (
            "no.such",
            "",
            NoMatch,
            None,
            Some("the host does not have this feature: not in the features file"),
        ),
    ];
    for (feature, more, verdict, host, note) in table {
        let report = only_rule(&format!("- feature: {feature}{more}"));
        assert_eq!(report.expressions.len(), 1);
        let row = &report.expressions[0];
        assert_eq!(row.matcher, Matcher::Feature);
        assert_eq!((row.verdict, row.host.clone(), row.note.as_deref()), (verdict, host, note));
    }
}

#[test]
fn an_absent_feature_is_false_for_every_expression_and_validates_none() {
    let report = only_rule(
        "- feature: no.such\n  matchExpressions:\n    a: {op: DoesNotExist}\n    b: {op: Bogus}\n  matchName: {op: InRegexp, value: ['(']}",
    );
    assert_eq!(report.verdict, SetVerdict::Incompatible);
    let rows: Vec<_> = report.expressions.iter().map(|row| row.verdict).collect();
    assert_eq!(rows, [NoMatch, NoMatch, NoMatch]);
    assert!(report.expressions.iter().all(|row| row.note.is_some() && row.error.is_none()));
}

#[test]
fn a_feature_without_instances_says_so() {
    let report =
        only_rule("- feature: usb.device\n  matchExpressions:\n    class: {op: DoesNotExist}");
    let row = &report.expressions[0];
    assert_eq!((row.verdict, row.error.as_deref()), (NoMatch, None));
    assert_eq!(row.note.as_deref(), Some("the feature has no instances on this host"));
}

#[test]
fn rules_that_ask_for_nothing_say_why_they_hold() {
    let evaluation = evaluated(
        "- name: nothing\n- name: alternative\n  matchAny:\n  - matchFeatures: []\n- name: something\n  matchFeatures:\n  - feature: cpu.cpuid",
    );
    let notes: Vec<_> = evaluation.sets[0].rules.iter().map(|rule| rule.note.as_deref()).collect();
    let expected = [
        Some("has no conditions, so it always holds"),
        Some("an alternative of matchAny has no conditions, so it always holds"),
        None,
    ];
    assert_eq!(notes, expected);
    assert_eq!(evaluation.verdict, SetVerdict::Compatible);
}

#[test]
fn one_bad_expression_taints_only_what_depends_on_it() {
    let bad = "matchExpressions: {family: {op: Bogus}}";
    let good = "matchExpressions: {family: {op: Exists}}";
    let fails = "matchExpressions: {family: {op: DoesNotExist}}";
    let all = |terms: &[&str]| {
        let terms: Vec<String> =
            terms.iter().map(|term| format!("{{feature: cpu.model, {term}}}")).collect();
        format!("matchFeatures: [{}]", terms.join(", "))
    };
    let any = |terms: &[&str]| {
        let alternatives: Vec<String> =
            terms.iter().map(|term| format!("{{{}}}", all(&[term]))).collect();
        format!("matchAny: [{}]", alternatives.join(", "))
    };
    let table = [
        (all(&[bad]), SetVerdict::Undecided),
        (all(&[bad, good]), SetVerdict::Undecided),
        (all(&[bad, fails]), SetVerdict::Incompatible),
        (any(&[bad]), SetVerdict::Undecided),
        (any(&[bad, good]), SetVerdict::Compatible),
        (any(&[bad, fails]), SetVerdict::Undecided),
        (format!("{}, {}", any(&[good]), all(&[bad])), SetVerdict::Undecided),
        (format!("{}, {}", any(&[fails]), all(&[bad])), SetVerdict::Incompatible),
    ];
    for (matchers, verdict) in table {
        let report = &evaluated(&format!("- {{name: r, {matchers}}}")).sets[0].rules[0];
        assert_eq!(report.verdict, verdict, "{matchers}");
        assert_eq!(report.error.is_some(), verdict == SetVerdict::Undecided, "{matchers}");
    }
}

fn sets(text: &str, tags: Option<&[&str]>) -> Evaluation {
    let tags = tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
    evaluate(&specification(text), &host(), &Options { tags })
}

#[test]
fn an_image_is_the_or_of_its_sets_and_the_highest_weight_is_reported() {
    let holds = "[{name: r}]";
    let fails = "[{name: r, matchFeatures: [{feature: no.such}]}]";
    let bad = "[{name: r, matchFeatures: [{feature: cpu.model, matchName: {op: Bogus}}]}]";
    let table = [
        (vec![(holds, 0)], SetVerdict::Compatible, Some(0)),
        (vec![(fails, 9), (holds, 1), (holds, 5), (holds, 5)], SetVerdict::Compatible, Some(2)),
        (vec![(holds, -2), (holds, -1)], SetVerdict::Compatible, Some(1)),
        (vec![(bad, 9), (holds, 1)], SetVerdict::Compatible, Some(1)),
        (vec![(bad, 9), (fails, 1)], SetVerdict::Undecided, None),
        (vec![(fails, 9), (fails, 1)], SetVerdict::Incompatible, None),
    ];
    for (rows, verdict, set) in table {
        let mut text = "version: v1alpha1\ncompatibilities:\n".to_owned();
        for (rules, weight) in &rows {
            writeln!(text, "- {{weight: {weight}, rules: {rules}}}").unwrap();
        }
        let evaluation = sets(&text, None);
        assert_eq!((evaluation.verdict, evaluation.set), (verdict, set), "{rows:?}");
        assert_eq!(evaluation.sets.len(), rows.len());
    }
}

#[test]
fn tags_select_sets_and_no_set_is_undecided() {
    let text = "version: v1alpha1\ncompatibilities:\n- {rules: [{name: plain}]}\n- {tag: a, rules: [{name: a, vars: {x: '1'}}]}\n- {tag: b, rules: [{name: b, matchFeatures: [{feature: rule.matched, matchExpressions: {x: {op: Exists}}}]}]}\n";
    type Row<'t> = (Option<&'t [&'t str]>, &'t [usize], SetVerdict);
    let table: [Row<'_>; 6] = [
        (None, &[0, 1, 2], SetVerdict::Compatible),
        (Some(&[]), &[0, 1, 2], SetVerdict::Compatible),
        (Some(&["a"]), &[1], SetVerdict::Compatible),
        (Some(&[""]), &[0], SetVerdict::Compatible),
        // Without set a there is nothing in rule.matched.
        (Some(&["b"]), &[2], SetVerdict::Incompatible),
        (Some(&["A", "c"]), &[], SetVerdict::Undecided),
    ];
    for (tags, selected, verdict) in table {
        let evaluation = sets(text, tags);
        let indices: Vec<usize> = evaluation.sets.iter().map(|set| set.index).collect();
        assert_eq!((indices.as_slice(), evaluation.verdict), (selected, verdict), "{tags:?}");
    }
}

#[test]
fn variables_of_an_undecided_rule_make_what_asks_for_them_undecided() {
    let evaluation = evaluated(
        "- {name: bad, vars: {x: '1'}, matchFeatures: [{feature: cpu.model, matchName: {op: Bogus}}]}
- {name: asks, matchFeatures: [{feature: rule.matched, matchExpressions: {x: {op: Exists}}}]}
- {name: other, matchFeatures: [{feature: rule.matched, matchExpressions: {y: {op: DoesNotExist}}}]}
- {name: names, matchFeatures: [{feature: rule.matched, matchName: {op: In, value: [x]}}]}
- {name: no names, matchFeatures: [{feature: rule.matched, matchName: {op: In, value: [y]}}]}
- {name: sets, vars: {x: '2'}}
- {name: again, matchFeatures: [{feature: rule.matched, matchExpressions: {x: {op: In, value: ['2']}}}]}",
    );
    let verdicts: Vec<_> =
        evaluation.sets[0].rules.iter().map(|rule| (rule.name.as_str(), rule.verdict)).collect();
    let expected = [
        ("bad", SetVerdict::Undecided),
        ("asks", SetVerdict::Undecided),
        ("other", SetVerdict::Compatible),
        ("names", SetVerdict::Undecided),
        ("no names", SetVerdict::Incompatible),
        ("sets", SetVerdict::Compatible),
        ("again", SetVerdict::Compatible),
    ];
    assert_eq!(verdicts, expected);
    let error = evaluation.sets[0].rules[1].error.as_deref().unwrap();
    assert!(error.contains("depends on the variables of rule \"bad\""), "{error}");
}

#[test]
fn module_names_compare_as_the_kernels_tools_do() {
    let table = [
        ("matchExpressions: {vfio-pci: {op: Exists}}", SetVerdict::Compatible),
        ("matchExpressions: {vfio_pci: {op: Exists}}", SetVerdict::Compatible),
        ("matchExpressions: {snd_usb: {op: Exists}}", SetVerdict::Compatible),
        ("matchExpressions: {vfio-pci: {op: DoesNotExist}}", SetVerdict::Incompatible),
        ("matchExpressions: {vfio: {op: Exists}}", SetVerdict::Incompatible),
        ("matchName: {op: In, value: [vfio-pci]}", SetVerdict::Compatible),
        ("matchName: {op: In, value: [snd_usb]}", SetVerdict::Compatible),
        ("matchName: {op: NotIn, value: [vfio-pci, overlay, snd_usb]}", SetVerdict::Incompatible),
        ("matchName: {op: InRegexp, value: ['^vfio-pci$']}", SetVerdict::Compatible),
        ("matchName: {op: InRegexp, value: ['^snd_usb$']}", SetVerdict::Compatible),
        ("matchName: {op: InRegexp, value: ['^vfio.pci_core$']}", SetVerdict::Incompatible),
    ];
    for (matcher, verdict) in table {
        let report = only_rule(&format!("- feature: kernel.loadedmodule\n  {matcher}"));
        assert_eq!(report.verdict, verdict, "{matcher}");
    }
    let elsewhere =
        only_rule("- feature: cpu.model\n  matchExpressions: {vendor-id: {op: Exists}}");
    assert_eq!(elsewhere.verdict, SetVerdict::Incompatible);
}

#[test]
fn errors_say_what_is_wrong_and_what_to_write() {
    let table = [
        ("{op: in, value: [a]}", "unknown operator \"in\"; did you mean In?"),
        ("{op: NotExists}", "unknown operator \"NotExists\"; did you mean DoesNotExist?"),
        ("{op: Exist}", "unknown operator \"Exist\"; did you mean Exists?"),
        ("{op: '=', value: ['6']}", "unknown operator \"=\"; did you mean In?"),
        ("{op: Frobnicate}", "unknown operator \"Frobnicate\""),
        ("{value: ['6']}", "operator \"\" takes no values, but 1 are given; is \"op\" missing?"),
        ("{op: Exists, value: ['6']}", "operator \"Exists\" takes no values, but 1 are given"),
        ("{op: In}", "operator In needs at least one value, but 0 are given"),
        ("{op: GtLt, value: ['6']}", "operator GtLt needs exactly two values, but 1 are given"),
        (
            "{op: GeLe, value: ['6', '6']}",
            "operator GeLe needs a first value below the second, but 6 is not below 6",
        ),
        (
            "{op: Gt, value: ['six']}",
            "the value \"six\" is not an integer of 64 bits, which operator Gt compares",
        ),
        (
            "{op: Gt, value: ['6.1']}",
            "the value \"6.1\" is not an integer of 64 bits, which operator Gt compares; \"type: version\" compares versions",
        ),
        (
            "{op: Gt, value: ['x'], type: version}",
            "the value \"x\" is not a version, which operator Gt compares",
        ),
        (
            "{op: Gt, value: ['1'], type: Version}",
            "unknown type \"Version\" for operator Gt; it can be \"version\" or be left out",
        ),
        (
            "{op: InRegexp, value: ['(?=a)']}",
            "pattern \"(?=a)\" is not valid: invalid or unsupported Perl syntax: `(?=` (byte 0); patterns are RE2 syntax, as in Go",
        ),
    ];
    for (expression, message) in table {
        let report = only_rule(&format!(
            "- feature: cpu.model\n  matchExpressions: {{family: {expression}}}"
        ));
        let error = report.expressions[0].error.as_deref().unwrap_or("none");
        assert_eq!(error, format!("{message} (line 7, column 28)"), "{expression}");
    }
}

// What an evaluation costs.

/// A host whose features are counted when they are asked for.
struct Counting {
    features: FeatureSet,
    asked: std::cell::RefCell<BTreeMap<String, usize>>,
}

impl Features for Counting {
    fn discover(&self, name: &str) -> Discovery {
        *self.asked.borrow_mut().entry(name.to_owned()).or_default() += 1;
        self.features.discover(name)
    }
}

#[test]
fn only_named_features_are_asked_for_and_each_once() {
    let host = Counting { features: host(), asked: std::cell::RefCell::default() };
    let text = "compatibilities:\n- rules:\n  - {name: r, matchFeatures: [{feature: cpu.model}, {feature: CPU.Model}]}\n  - {name: r, matchAny: [{matchFeatures: [{feature: cpu.model}, {feature: no.such}]}]}\n";
    evaluate(&specification(text), &host, &Options::default());
    let asked: Vec<(String, usize)> = host.asked.into_inner().into_iter().collect();
    let expected = [("cpu.model", 1), ("no.such", 1), ("rule.matched", 1)];
    assert_eq!(asked, expected.map(|(name, count)| (name.to_owned(), count)));
}

fn term(feature: &str, expressions: Vec<(String, Expression)>) -> Term {
    Term {
        feature: feature.to_owned(),
        match_expressions: Some(expressions.into_iter().collect()),
        ..Term::default()
    }
}

fn op(op: &str, value: &[&str]) -> Expression {
    Expression {
        op: op.to_owned(),
        value: value.iter().map(|value| (*value).to_owned()).collect(),
        ..Expression::default()
    }
}

fn one_rule(terms: Vec<Term>) -> Specification {
    let rule = Rule { match_features: terms, ..Rule::default() };
    let set = CompatibilitySet { rules: vec![rule], ..CompatibilitySet::default() };
    Specification { version: "v1alpha1".to_owned(), compatibilities: vec![set] }
}

/// A large host: a kernel configuration of 10,000 options and 200 devices.
fn large_host() -> FeatureSet {
    let mut host = host();
    let options = (0..10_000).map(|index| (format!("OPTION_{index}"), "y"));
    host.insert("kernel.config", &Feature::attributes(options));
    let device = |index: usize| {
        let id = format!("{index:04x}");
        instance(&[("class", "0200"), ("vendor", "8086"), ("device", id.as_str())])
    };
    host.insert("pci.device", &Feature::instances((0..200).map(device).collect()));
    host
}

#[test]
fn fifty_thousand_expressions_are_evaluated_completely() {
    let flags = (0..20_000).map(|index| (format!("F{index}"), op("DoesNotExist", &[]))).collect();
    let options =
        (0..20_000).map(|_| term("kernel.config", vec![("OPTION_7".to_owned(), op("In", &["y"]))]));
    let devices =
        (0..10_000).map(|_| term("pci.device", vec![("vendor".to_owned(), op("In", &["8086"]))]));
    let mut terms = vec![term("cpu.cpuid", flags)];
    terms.extend(options);
    terms.extend(devices);
    let started = Instant::now();
    let evaluation = evaluate(&one_rule(terms), &large_host(), &Options::default());
    assert_eq!(evaluation.verdict, SetVerdict::Compatible);
    assert_eq!(evaluation.sets[0].rules[0].expressions.len(), 50_000);
    // Some tens of milliseconds in a release build; a quadratic step would take minutes.
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn bombs_end_as_undecided() {
    let name = |expression: Expression| Term {
        feature: "kernel.config".to_owned(),
        match_name: Some(expression),
        ..Term::default()
    };
    let patterns: Vec<String> = (0..200).map(|index| format!("\\pL{{100}}{index}")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let bombs = [
        ("names", vec![name(op("In", &["nothing"])); 20_000]),
        ("patterns on names", vec![name(op("InRegexp", &["(a|b|_|.|x){50}$"])); 2_000]),
        ("large patterns", vec![name(op("InRegexp", &patterns))]),
    ];
    for (bomb, terms) in bombs {
        let started = Instant::now();
        let evaluation = evaluate(&one_rule(terms), &large_host(), &Options::default());
        let report = &evaluation.sets[0].rules[0];
        let late = report.expressions.iter().rev().find_map(|row| row.error.as_deref());
        assert_eq!(late, Some("the specification takes too much work to evaluate"), "{bomb}");
        // About a second in a release build.
        assert!(started.elapsed().as_secs() < 60, "{bomb}: {:?}", started.elapsed());
    }
}

#[test]
fn a_report_stays_small_where_the_host_is_large() {
    let mut host = large_host();
    host.insert("d.long", &Feature::attributes([("long", "é".repeat(100_000))]));
    let any_name = |feature: &str| Term {
        feature: feature.to_owned(),
        match_name: Some(op("Exists", &[])),
        ..Term::default()
    };
    let terms = vec![
        any_name("kernel.config"),
        term("d.long", vec![("long".to_owned(), op("Exists", &[]))]),
        term(
            "pci.device",
            vec![("vendor".to_owned(), op("Exists", &[])), ("a".to_owned(), op("", &[]))],
        ),
    ];
    let evaluation = evaluate(&one_rule(terms), &host, &Options::default());
    let rows = &evaluation.sets[0].rules[0].expressions;
    assert!(matches!(&rows[0].host, Some(HostValue::Names(names)) if names.len() == 20));
    assert_eq!(rows[0].note.as_deref(), Some("at most 20 names are shown"));
    assert!(
        matches!(&rows[1].host, Some(HostValue::Value(text)) if text.len() < 1100 && text.ends_with('…'))
    );
    assert!(std::sync::Arc::ptr_eq(
        rows[2].instance.as_ref().unwrap(),
        rows[3].instance.as_ref().unwrap()
    ));
}

#[test]
fn a_long_name_is_not_kept_once_for_every_row() {
    let expressions = (0..2_000).map(|index| (format!("a{index}"), op("Bogus", &[]))).collect();
    let vars = (0..2_000).map(|index| (format!("v{index}"), String::new())).collect();
    let mut specification = one_rule(vec![term(&"f".repeat(500_000), expressions)]);
    let rule = &mut specification.compatibilities[0].rules[0];
    (rule.name, rule.vars) = ("n".repeat(500_000), vars);
    let evaluation = evaluate(&specification, &host(), &Options::default());
    let rows = &evaluation.sets[0].rules[0].expressions;
    assert_eq!(rows.len(), 2_000);
    assert!(rows.iter().all(|row| row.feature.len() < 250));
}

// Nothing that a specification says makes the evaluation fail.

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("cpu.model".to_owned()),
        Just("cpu.cpuid".to_owned()),
        Just("pci.device".to_owned()),
        Just("rule.matched".to_owned()),
        Just("vendor_id".to_owned()),
        Just("family".to_owned()),
        "[a-zA-Z0-9.=<>]{0,6}",
        "\\PC{0,12}",
        "[(\\[{}\\])*+?|\\\\^$.a-z0-9-]{0,12}",
    ]
}

fn expressions() -> impl Strategy<Value = Expression> {
    let op = prop_oneof![
        proptest::sample::select(vec![
            "",
            "In",
            "NotIn",
            "InRegexp",
            "Exists",
            "DoesNotExist",
            "Gt",
            "Ge",
            "Lt",
            "Le",
            "GtLt",
            "GeLe",
            "IsTrue",
            "IsFalse",
        ])
        .prop_map(str::to_owned),
        texts(),
    ];
    let value_type = prop_oneof![Just(String::new()), Just("version".to_owned()), texts()];
    (op, proptest::collection::vec(texts(), 0..4), value_type)
        .prop_map(|(op, value, value_type)| Expression { op, value, value_type, position: None })
}

fn terms() -> impl Strategy<Value = Term> {
    let expressions_by_name = proptest::collection::btree_map(texts(), expressions(), 0..4);
    let parts =
        (texts(), proptest::option::of(expressions_by_name), proptest::option::of(expressions()));
    parts.prop_map(|(feature, match_expressions, match_name)| Term {
        feature,
        match_expressions,
        match_name,
        position: None,
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let terms = || proptest::collection::vec(terms(), 0..3);
    let vars = proptest::collection::btree_map(texts(), texts(), 0..3);
    (texts(), vars, texts(), terms(), proptest::collection::vec(terms(), 0..3)).prop_map(
        |(name, vars, vars_template, match_features, alternatives)| Rule {
            name,
            vars,
            vars_template,
            match_features,
            match_any: alternatives
                .into_iter()
                .map(|match_features| MatchAny { match_features })
                .collect(),
            position: None,
        },
    )
}

proptest! {
    #[test]
    fn every_specification_has_a_complete_report(rules in proptest::collection::vec(any_rule(), 0..4)) {
        let set = CompatibilitySet { rules, ..CompatibilitySet::default() };
        let specification = Specification { version: "v1alpha1".to_owned(), compatibilities: vec![set] };
        let evaluation = evaluate(&specification, &host(), &Options::default());
        for (rule, report) in specification.compatibilities[0].rules.iter().zip(&evaluation.sets[0].rules) {
            prop_assert_eq!(report.match_any.len(), rule.match_any.len());
            prop_assert_eq!(report.error.is_some(), report.verdict == SetVerdict::Undecided);
            let alternatives = report.match_any.iter().zip(&rule.match_any);
            let parts = alternatives
                .map(|(report, part)| (&report.expressions, &part.match_features))
                .chain([(&report.expressions, &rule.match_features)]);
            for (rows, terms) in parts {
                let count = |term: &Term| {
                    let named = term.match_expressions.as_ref().map_or(0, BTreeMap::len);
                    (named + usize::from(term.match_name.is_some())).max(1)
                };
                prop_assert!(rows.len() >= terms.iter().map(count).sum::<usize>());
                for row in rows {
                    prop_assert_eq!(row.error.is_some(), row.verdict == ExpressionVerdict::Error);
                }
            }
        }
        // The report is the JSON of decisions, and comes back as it was.
        let json = serde_json::to_string(&evaluation).unwrap();
        prop_assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), evaluation);
    }
}
