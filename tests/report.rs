//! `imgcompat report` as an administrator runs it, over a log of 10,000 decisions with everything in it that a year of
//! operation leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const DECISIONS: usize = 10_000;

/// Every 50th start would be refused, every 100th is refused and stands for 3, every 1,000th has no answer.
fn decision(number: usize) -> Value {
    let minute = number % 60;
    let hour = number / 60 % 24;
    let day = 1 + number / 1440;
    let mut record = json!({
        "time": format!("2026-11-{day:02}T{hour:02}:{minute:02}:00.000Z"),
        "container": format!("{number:064x}"), "engine": if number.is_multiple_of(2) { "podman" } else { "crio" },
        "image": format!("r.example/team{}/app{}:1", number % 3, number % 7), "mode": "audit",
        "verdict": "compatible", "cause": null, "decision": "allow", "under_enforce": "allow",
        "reason": "it is compatible", "duration_us": 900, "version": "0.1.0",
    });
    if number.is_multiple_of(1000) {
        record["verdict"] = "undecided".into();
        record["cause"] = "registry-unavailable".into();
    } else if number.is_multiple_of(100) {
        fail(&mut record, "r.example/refused:2");
        record["mode"] = "enforce".into();
        record["decision"] = "deny".into();
        record["repeated"] = 2.into();
    } else if number.is_multiple_of(50) {
        fail(&mut record, "r.example/ml:2");
    }
    record
}

fn fail(record: &mut Value, image: &str) {
    record["image"] = image.into();
    record["verdict"] = "incompatible".into();
    record["under_enforce"] = "deny".into();
    record["reason"] = format!("{image} needs cpu.cpuid AVX512F (Exists)\u{1b}[2J").into();
    record["judgements"] = json!([{
        "artifact": {"digest": null, "source": "registry"}, "verdict": "incompatible", "set": null,
        "sets": [{"index": 0, "description": "", "tag": "", "weight": 0, "verdict": "incompatible", "rules": [{
            "name": "cpu", "verdict": "incompatible", "error": null, "matchAny": [], "expressions": [{
                "feature": "cpu.cpuid", "element": "AVX512F", "matcher": "matchExpressions", "op": "Exists",
                "value": [], "type": "", "verdict": "no-match", "host": null, "error": null}]}]}]}]);
}

fn node() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("var/log/imgcompat");
    fs::create_dir_all(&log).unwrap();
    let lines: Vec<String> = (0..DECISIONS).map(|n| decision(n).to_string()).collect();
    let (old, new) = lines.split_at(DECISIONS / 2);
    fs::write(log.join("decisions.jsonl.1"), old.join("\n") + "\n").unwrap();
    let sandbox = r#"{"time":"2026-11-07T00:00:00.000Z","container":"aa","engine":null,"image":null,"mode":"audit","verdict":"not-judged","cause":null,"not_judged":"sandbox","decision":"allow","under_enforce":"allow","reason":"x","duration_us":1,"version":"0.1.0"}"#;
    let text = format!("{}\n{sandbox}\n{{\"time\":\"2026\n", new.join("\n"));
    fs::write(log.join("decisions.jsonl"), text).unwrap();
    dir
}

fn report(root: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_imgcompat");
    Command::new(program).arg("report").arg("--root").arg(root).args(arguments).output().unwrap()
}

fn report_json(root: &Path, arguments: &[&str]) -> Value {
    let output = report(root, &[arguments, &["--output", "json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_decision_is_counted_once_and_refusals_with_their_repeats() {
    let node = node();
    let report = report_json(node.path(), &[]);
    let total = &report["total"];
    // 90 refusals in the log, each with two more that were left out of it.
    assert_eq!(total["decisions"], 10_000 + 2 * 90);
    assert_eq!(total["refused"], 3 * 90);
    assert_eq!(total["would_be_refused"], 100);
    assert_eq!(total["undecided"], 10);
    assert_eq!(total["started"], 10_000 - 90);
    assert_eq!((&report["not_judged"], &report["unreadable_lines"]), (&1.into(), &1.into()));
    assert_eq!(report["images_at_risk"], 1);
    let expression = "cpu.cpuid AVX512F (Exists) [rule cpu]";
    assert_eq!(report["by_expression"][expression]["would_be_refused"], 100);
    assert_eq!(report["by_expression"][expression]["refused"], 270);
    assert_eq!(report["by_outcome"]["registry-unavailable"]["undecided"], 10);
    assert_eq!(report["by_image"]["r.example/ml:2"]["would_be_refused"], 100);
    for groups in ["by_engine", "by_image", "by_outcome", "by_mode"] {
        let groups = report[groups].as_object().unwrap().values();
        let sum: u64 = groups.map(|group| group["decisions"].as_u64().unwrap()).sum();
        assert_eq!(sum, 10_180);
    }
}

#[test]
fn the_answer_is_in_the_first_line_and_the_reason_in_the_first_ten_or_so() {
    let node = node();
    let output = report(node.path(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap();
    let expected = "Not safe to enforce: 100 starts would have been refused (images: 1). Seen: 10180 decisions (";
    assert!(first.starts_with(expected), "{text}");
    let head: Vec<&str> = text.lines().take(15).collect();
    assert!(
        head.iter().any(|line| line.contains("r.example/ml:2 needs cpu.cpuid AVX512F")),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "nothing of a stranger's text moves the cursor");
    assert!(text.contains("\nThe last of them: imgcompat why 0000"), "{text}");
}

#[test]
fn a_log_without_anything_to_refuse_says_that_enforcing_is_safe() {
    let node = node();
    let output = report(node.path(), &["--image", "r.example/team0/**"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("Safe to enforce, by what was seen: no start"), "{text}");
}

#[test]
fn since_and_image_choose() {
    let node = node();
    let all = report_json(node.path(), &["--image", "r.example/ml"]);
    assert_eq!(all["total"]["decisions"], 100);
    let some = report_json(node.path(), &["--image", "r.example/ml:*", "--since", "2026-11-04"]);
    // The 4th begins with number 4320; what counts are 4350, 4450, … 9950.
    assert_eq!(some["total"]["decisions"], 57);
    assert_eq!(some["total"]["first"], "2026-11-04T00:30:00.000Z");
}

#[test]
fn where_there_is_nothing_the_exit_code_is_3_and_a_bad_pattern_is_usage() {
    let node = node();
    let output = report(node.path(), &["--image", "r.example/none"]);
    assert_eq!(output.status.code(), Some(3));
    let empty = tempfile::tempdir().unwrap();
    let output = report(empty.path(), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no decision log"));
    assert_eq!(report(node.path(), &["--image", "a b"]).status.code(), Some(2));
    assert_eq!(report(node.path(), &["--since", "yesterday"]).status.code(), Some(2));
}

/// Every start tag, end tag and text of a page that is well-formed XML, checked to be balanced.
fn tags(page: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("no end: <{piece}"));
        assert!(!text.contains('>'), "a stray > after <{tag}>: {text}");
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap();
        match tag.strip_prefix('/') {
            Some(end) => assert_eq!(open.pop(), Some(end.to_owned()), "</{end}>"),
            None if tag.ends_with('/') => {}
            None => open.push(name.to_owned()),
        }
        all.push(tag.to_owned());
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    all
}

fn page(root: &Path) -> String {
    let output = report(root, &["--output", "html"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    let node = node();
    let page = page(node.path());
    let tags = tags(&page);
    for element in ["script", "link", "img", "iframe", "object", "embed", "base", "form", "a"] {
        let found = tags.iter().any(|tag| tag.split(' ').next() == Some(element));
        assert!(!found, "<{element}>");
    }
    for tag in &tags {
        for attribute in [" src=", " href=", " on", "url("] {
            assert!(!tag.contains(attribute), "<{tag}>");
        }
    }
    for way_out in ["url(", "@import", "http://", "https://"] {
        assert!(!page.contains(way_out), "{way_out}");
    }
    let policy = r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';"#;
    assert!(page.contains(policy), "{page}");
}

#[test]
fn the_page_answers_and_shows_what_the_text_does() {
    let node = node();
    let page = page(node.path());
    for expected in [
        "Not safe to enforce: 100 starts would have been refused (images: 1).",
        "<b>r.example/ml:2</b><small>needs cpu.cpuid AVX512F (Exists)",
        "cpu.cpuid AVX512F (Exists) [rule cpu]",
        "registry-unavailable",
        "imgcompat validate-node --image r.example/ml:2\n".trim_end(),
        "match = &quot;r.example/ml:2&quot;",
        "Half of them at most 1 ms",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert_eq!(page.matches("<svg ").count(), 2);
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn markup_in_an_images_name_or_a_reason_stays_text() {
    let node = node();
    let image = "r.example/<script>alert(1)</script>\"><img src=x onerror='x'>&amp;:1";
    let mut record = decision(50);
    fail(&mut record, image);
    record["engine"] = "<b>".into();
    record["overridden"] = "</table><script>".into();
    let log = node.path().join("var/log/imgcompat/decisions.jsonl");
    fs::write(log, format!("{record}\n")).unwrap();
    fs::create_dir_all(node.path().join("etc")).unwrap();
    fs::write(node.path().join("etc/hostname"), "<i>\u{202e}node</i>\n").unwrap();
    let page = page(node.path());
    let tags = tags(&page);
    assert!(!tags.iter().any(|tag| tag.starts_with("script") || tag.starts_with("img")), "{page}");
    assert!(
        page.contains("r.example/&lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img src=x")
    );
    assert!(page.contains("imgcompat on &lt;i&gt;\u{fffd}node&lt;/i&gt;"), "{page}");
    let commands: String =
        page.split("<pre>").skip(1).map(|at| &at[..at.find("</pre>").unwrap()]).collect();
    assert!(!commands.contains("script"), "nothing of it is to be pasted into a shell: {commands}");
}

#[test]
fn a_hundred_thousand_decisions_make_a_page_of_bounded_size() {
    let node = tempfile::tempdir().unwrap();
    let log = node.path().join("var/log/imgcompat");
    fs::create_dir_all(&log).unwrap();
    let mut record = decision(50);
    fail(&mut record, &format!("r.example/{}NUMBER:1", "long/".repeat(40)));
    record["judgements"][0]["sets"][0]["rules"][0]["name"] = "NUMBER".into();
    let whole = record.to_string();
    let brief = decision(0).to_string().replace("r.example/", "r.example/NUMBER/");
    let line = |number: usize| if number < 3_000 { &whole } else { &brief };
    let lines: Vec<String> =
        (0..100_000).map(|number| line(number).replace("NUMBER", &number.to_string())).collect();
    let lines = lines.join("\n") + "\n";
    fs::write(log.join("decisions.jsonl"), lines).unwrap();
    let page = page(node.path());
    tags(&page);
    assert!(page.len() < 200_000, "{}", page.len());
    assert!(page.contains("And 951 more: "), "{page}");
}

#[test]
fn a_report_goes_into_a_file_as_a_whole() {
    let node = node();
    let file = node.path().join("report.html");
    for _ in 0..2 {
        let output = report(node.path(), &["--output", "html", "--out", file.to_str().unwrap()]);
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    assert!(fs::read_to_string(&file).unwrap().ends_with("</html>\n"));
    let output = report(node.path(), &["--out", "/nowhere/report"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/report cannot be written"));
}

#[test]
fn what_the_report_names_why_finds_in_compressed_logs_too() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("var/log/imgcompat");
    fs::create_dir_all(&logs).unwrap();
    let record = |container: &str, name: &str| {
        let mut record = decision(0);
        fail(&mut record, "r.example/old:1");
        record["container"] = container.into();
        record["name"] = name.into();
        format!("{record}\n")
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, record(&"db".repeat(32), "old").as_bytes()).unwrap();
    fs::write(logs.join("decisions.jsonl.2.gz"), packed.finish().unwrap()).unwrap();
    let newer = record(&format!("ca{}", "0".repeat(62)), "web");
    let newest = record(&format!("cb{}", "0".repeat(62)), "ca");
    let last = record(&format!("ca{}", "1".repeat(62)), "api");
    fs::write(logs.join("decisions.jsonl"), newer + &newest + &last).unwrap();
    let why = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgcompat"));
        let output = command
            .args(["why", what, "--output", "json", "--root"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{what}: {output:?}");
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        (record["name"].as_str().unwrap().to_owned(), String::from_utf8(output.stderr).unwrap())
    };
    for what in ["dbdb", "old", "r.example/old"] {
        let expected = if what == "r.example/old" { "api" } else { "old" };
        assert_eq!(why(what), (expected.to_owned(), String::new()), "{what}");
    }
    assert_eq!(
        why("ca"),
        ("ca".to_owned(), String::new()),
        "a name comes before the beginning of an id"
    );
    let (name, warning) = why("ca0");
    assert_eq!((name.as_str(), warning.as_str()), ("web", ""));
    // Of several that begin so, it is said that there are others.
    fs::write(logs.join("decisions.jsonl.1"), record("cb1", "x")).unwrap();
    let (name, warning) = why("cb");
    assert!(name == "x" && warning.contains("another is cb0000"), "{name}: {warning}");
}
