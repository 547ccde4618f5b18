//! The tool's words, as whole texts: what a person or a script reads must not change unnoticed. After a wanted change,
//! `IMGCOMPAT_BLESS=1 cargo test --test cli` writes the texts anew; read the difference before it is committed.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DATA: &str = "tests/data/cli";
const SPECIFICATION: &str = "tests/data/cli/specification.yaml";
const FEATURES: &str = "tests/hosts/intel-two-sockets/features.json";

fn run_as(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("NO_COLOR")
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn run(arguments: &[&str]) -> Output {
    run_as(Path::new(env!("CARGO_BIN_EXE_imgcompat")), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output is the text in a file.
fn expect(name: &str, arguments: &[&str], code: i32) {
    let output = run(arguments);
    let found = text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", text(&output.stderr));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA).join(name);
    if std::env::var_os("IMGCOMPAT_BLESS").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(file).unwrap(), "{arguments:?}");
}

#[test]
fn the_report_in_its_three_forms() {
    let base = ["validate-node", "--spec", SPECIFICATION, "--features", FEATURES];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    expect("table.txt", &with(&[]), 0);
    expect("report.json", &with(&["--output", "json"]), 0);
    expect("nfd.json", &with(&["--output-json"]), 0);
}

#[test]
fn the_help_of_everything() {
    expect("help.txt", &["--help"], 0);
    expect("help-validate-node.txt", &["validate-node", "--help"], 0);
    expect("help-attach-spec.txt", &["attach-spec", "--help"], 0);
}

#[test]
fn the_exit_code_is_the_verdicts() {
    let dir = tempfile::tempdir().unwrap();
    let rule = |expression: &str| {
        let file = dir.path().join("spec.yaml");
        let document = format!(
            "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: r\n    matchFeatures:\n    - feature: kernel.version\n      matchExpressions:\n        {expression}\n"
        );
        std::fs::write(&file, document).unwrap();
        let arguments = ["validate-node", "--features", FEATURES, "--spec", file.to_str().unwrap()];
        run(&arguments).status.code()
    };
    assert_eq!(rule("major: {op: Gt, value: ['4']}"), Some(0));
    assert_eq!(rule("major: {op: Gt, value: ['5']}"), Some(1));
    assert_eq!(rule("major: {op: Gt, value: ['x']}"), Some(4));
    assert_eq!(rule("major: [Gt]"), Some(4));
    for usage in [
        &["validate-node"][..],
        &["validate-node", "--spec", "a", "--image", "b/c:1"],
        &["validate-node", "--spec", "/nonexistent"],
        &["validate-node", "--image", "busybox:1"],
        &["validate-node", "--image", "registry.example/a"],
        &["no-such-command"],
    ] {
        assert_eq!(run(usage).status.code(), Some(2), "{usage:?}");
    }
}

#[test]
fn tags_choose_sets_and_a_tag_that_no_set_has_is_said() {
    let base = ["validate-node", "--spec", SPECIFICATION, "--features", FEATURES, "--tags"];
    let with = |tags: &'static str| run(&[&base[..], &[tags]].concat());
    assert_eq!(with("fast,other").status.code(), Some(0));
    let none = with("fsat");
    assert_eq!(none.status.code(), Some(4));
    assert!(text(&none.stdout).contains("no compatibility set has one of the tags fsat"));
}

#[test]
fn called_as_nfd_it_answers_to_nfds_command_lines() {
    let dir = tempfile::tempdir().unwrap();
    let nfd: PathBuf = dir.path().join("nfd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_imgcompat"), &nfd).unwrap();
    let arguments =
        ["compat", "validate-node", "--spec", SPECIFICATION, "--features", FEATURES, "--tags", ""];
    let undecided = run_as(&nfd, &arguments);
    assert_eq!(undecided.status.code(), Some(4));
    let as_nfd = run_as(&nfd, &[&arguments[..], &["--nfd-exit-codes", "--output-json"]].concat());
    assert_eq!(as_nfd.status.code(), Some(1), "NFD ends with an error where a rule has no answer");
    let help = text(&run_as(&nfd, &["--help"]).stdout);
    assert!(help.contains("Usage: nfd"), "{help}");
}

#[test]
fn colour_is_for_terminals_only() {
    let output = run(&["validate-node", "--spec", SPECIFICATION, "--features", FEATURES]);
    assert!(!output.stdout.contains(&0x1b));
}

#[test]
fn mistakes_in_the_policy_are_named_with_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc/imgcompat");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("config.toml"), "mode = 'enforce'\n[on]\nno-artefact = 'deny'\n")
        .unwrap();
    let root = dir.path().to_str().unwrap();
    let output = run(&["config", "check", "--root", root]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("config.toml:2:1: `no-artefact` is no outcome"), "{message}");
    std::fs::write(etc.join("config.toml"), "mode = 'audit'\n").unwrap();
    assert_eq!(run(&["config", "check", "--root", root]).status.code(), Some(0));
    let shown = text(&run(&["config", "show", "--root", root]).stdout);
    assert!(shown.contains("mode = \"audit\"") && shown.contains("artifact = \"1h\""), "{shown}");
}

#[test]
fn why_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["why", "--root", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let message = text(&output.stderr);
    assert!(message.contains("there is no decision log at"), "{message}");
}
