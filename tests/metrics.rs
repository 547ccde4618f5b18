//! `imgcompat metrics` as a timer runs it, read by a checker of Prometheus' text format and, where it is installed, by
//! Prometheus' own Python client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use imgcompat::audit::log;

fn node() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let hooks = dir.path().join("usr/share/containers/oci/hooks.d");
    let libexec = dir.path().join("usr/libexec/imgcompat");
    for directory in [&hooks, &libexec, &dir.path().join("textfile")] {
        fs::create_dir_all(directory).unwrap();
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks.d/imgcompat.json");
    fs::copy(shipped, hooks.join("imgcompat.json")).unwrap();
    fs::write(libexec.join("imgcompat-hook"), "").unwrap();
    chmod(&libexec.join("imgcompat-hook"), 0o755);
    append(dir.path(), 100);
    dir
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Adds decisions: one in ten refused and standing for three, the others compatible.
fn append(root: &Path, count: u64) {
    for number in 0..count {
        let (verdict, action, repeated) = if number.is_multiple_of(10) {
            ("incompatible", "deny", 2)
        } else {
            ("compatible", "allow", 0)
        };
        let record = serde_json::json!({
            "time": "2026-11-24T12:00:00.250Z", "container": number.to_string(), "engine": "podman",
            "image": "r.example/secret:1", "mode": "enforce", "verdict": verdict, "cause": null, "decision": action,
            "under_enforce": action, "reason": "x", "repeated": repeated, "duration_us": 900 * number, "version": "0.1.0",
            "judgements": [{"artifact": {"digest": null, "source": "cache"}, "verdict": verdict, "set": null, "sets": []}],
        });
        log::append(&root.join("var/log/imgcompat"), &record.to_string()).unwrap();
    }
}

fn metrics(root: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_imgcompat");
    Command::new(program).arg("metrics").arg("--root").arg(root).args(arguments).output().unwrap()
}

fn text(root: &Path) -> String {
    let output = metrics(root, &[]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks the text format 0.0.4 as far as node_exporter does, and gives the samples.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    let mut helped = BTreeSet::new();
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name), "{line}: HELP comes first");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}: twice");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            check_name(name, &families);
            check_labels(&series[name.len()..]);
            let value: f64 = value.parse().unwrap();
            assert!(samples.insert(series.to_owned(), value).is_none(), "{line}: twice");
        }
    }
    samples
}

fn check_name(name: &str, families: &BTreeMap<String, String>) {
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    assert!(name.starts_with("imgcompat_") && name.bytes().all(plain), "{name}");
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let kind = families.get(name).or_else(|| families.get(base?)).unwrap();
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
}

fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inner = labels.strip_prefix('{').unwrap().strip_suffix("\"}").unwrap();
    for label in inner.split("\",") {
        let (name, value) = label.split_once("=\"").unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase()), "{labels}");
        assert!(!value.contains(['"', '\\']), "{labels}: none of ours needs an escape");
    }
}

fn refused(samples: &BTreeMap<String, f64>) -> f64 {
    samples[r#"imgcompat_decisions_total{verdict="incompatible",cause="",mode="enforce",engine="podman",decision="deny"}"#]
}

#[test]
fn the_text_is_well_formed_and_counts_what_is_in_the_log() {
    let node = node();
    let text = text(node.path());
    let samples = samples(&text);
    assert_eq!(refused(&samples), 30.0);
    assert_eq!(samples[r#"imgcompat_specifications_total{source="cache"}"#], 100.0);
    assert_eq!(samples["imgcompat_last_decision_timestamp_seconds"], 1_795_521_600.0);
    assert_eq!(samples[r#"imgcompat_decision_duration_seconds_bucket{le="0.001"}"#], 2.0);
    assert_eq!(samples[r#"imgcompat_decision_duration_seconds_bucket{le="+Inf"}"#], 100.0);
    assert_eq!(samples["imgcompat_decision_duration_seconds_count"], 100.0);
    assert_eq!(samples["imgcompat_decision_duration_seconds_sum"], 4.455);
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("imgcompat_decision_duration_seconds_bucket"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.len() == 14);
    assert!(!text.contains("secret"), "no label names an image");
}

#[test]
fn prometheus_own_parser_reads_it() {
    let node = node();
    let file = node.path().join("text");
    fs::write(&file, text(node.path())).unwrap();
    let script = "import sys
try:
    from prometheus_client.parser import text_string_to_metric_families as parse
except ImportError:
    sys.exit(77)
families = list(parse(open(sys.argv[1]).read()))
print(sum(len(family.samples) for family in families))";
    // The distribution's module is the distribution's Python's, whatever else comes first in PATH.
    let parse = |python: &str| Command::new(python).arg("-c").arg(script).arg(&file).output().ok();
    let parsed = ["/usr/bin/python3", "python3"].into_iter().filter_map(parse);
    match parsed.into_iter().find(|output| output.status.code() != Some(77)) {
        Some(output) => {
            assert!(output.status.success(), "{output:?}");
            let count: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
            assert_eq!(count, samples(&fs::read_to_string(&file).unwrap()).len());
        }
        None => println!("skipped: Python's prometheus_client is not installed"),
    }
}

#[test]
fn counters_go_on_when_the_log_is_rotated() {
    let node = node();
    let log = node.path().join("var/log/imgcompat/decisions.jsonl");
    assert_eq!(refused(&samples(&text(node.path()))), 30.0);
    append(node.path(), 10);
    fs::rename(&log, log.with_extension("jsonl.1")).unwrap();
    append(node.path(), 20);
    for _ in 0..2 {
        assert_eq!(refused(&samples(&text(node.path()))), 39.0);
    }
    fs::remove_file(log.with_extension("jsonl.1")).unwrap();
    fs::remove_file(&log).unwrap();
    assert_eq!(refused(&samples(&text(node.path()))), 39.0);
}

#[test]
fn the_file_is_replaced_as_a_whole_and_everybody_may_read_it() {
    let node = node();
    let directory = node.path().join("textfile");
    for _ in 0..2 {
        let output = metrics(node.path(), &["--textfile", directory.to_str().unwrap()]);
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["imgcompat.prom"]);
    let file = directory.join("imgcompat.prom");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(refused(&samples(&fs::read_to_string(&file).unwrap())), 30.0);
    let output = metrics(node.path(), &["--textfile", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn a_hook_that_would_be_skipped_and_a_policy_that_cannot_be_read_are_seen() {
    let node = node();
    let installed = r#"imgcompat_hook_installed{engine="podman"}"#;
    let program = node.path().join("usr/libexec/imgcompat/imgcompat-hook");
    let seen = samples(&text(node.path()));
    assert_eq!((seen[installed], seen["imgcompat_policy_valid"]), (1.0, 1.0));
    assert_eq!(seen[r#"imgcompat_policy_mode{mode="enforce"}"#], 1.0);
    chmod(&program, 0o644);
    assert_eq!(samples(&text(node.path()))[installed], 0.0);
    fs::remove_file(&program).unwrap();
    assert_eq!(samples(&text(node.path()))[installed], 0.0);
    let config = node.path().join("etc/imgcompat/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "no-such-key = 1\n").unwrap();
    assert_eq!(samples(&text(node.path()))["imgcompat_policy_valid"], 0.0);
}

/// The metrics that an expression names: every word with a metric's prefix.
fn named_in(expression: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !word(c));
    words
        .filter(|w| w.starts_with("imgcompat_") || w.starts_with("node_"))
        .map(str::to_owned)
        .collect()
}

/// The metrics that the program writes, and the one that node_exporter adds for the file.
fn written() -> BTreeSet<String> {
    let text = text(node().path());
    let names = samples(&text)
        .keys()
        .map(|series| series.split('{').next().unwrap().to_owned())
        .collect::<BTreeSet<_>>();
    names.into_iter().chain(["node_textfile_mtime_seconds".to_owned()]).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let dashboard: serde_json::Value = serde_json::from_str(
        &fs::read_to_string(directory.join("grafana/imgcompat.json")).unwrap(),
    )
    .unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut expressions: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    expressions
        .push(dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap().to_owned());
    let alerts = fs::read_to_string(directory.join("prometheus/alerts.yaml")).unwrap();
    expressions.extend(
        alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned),
    );
    assert!(expressions.len() >= 25, "{expressions:#?}");
    let written = written();
    let mut asked = BTreeSet::new();
    for expression in &expressions {
        let names = named_in(expression);
        assert!(!names.is_empty() && names.is_subset(&written), "{expression}: {names:?}");
        asked.extend(names);
    }
    // And the other way round: what is counted is looked at.
    let parts = |name: &&String| !name.ends_with("_sum") && !name.ends_with("_count");
    let unseen: Vec<_> = written.difference(&asked).filter(parts).collect();
    assert!(unseen.is_empty(), "in no panel and no alert: {unseen:?}");
}

#[test]
fn panels_have_places_of_their_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana/imgcompat.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{} overlaps", panel["title"]);
            }
        }
    }
}
