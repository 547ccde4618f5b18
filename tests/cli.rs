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

/// A directory with files in it, by name and text.
fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn runs_in(dir: &Path, arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_imgcompat"));
    Command::new(program).args(arguments).current_dir(dir).output().unwrap()
}

#[test]
fn mistakes_with_images_are_named() {
    let dir = files(&[("spec.yaml", "")]);
    for (image, words) in [
        ("app", "for example docker.io/library/app"),
        ("team/app:1", "for example docker.io/team/app:1"),
        ("https://registry.example/app:1", "leave `https://` out"),
        ("docker://registry.example/app:1", "leave `docker://` out"),
        ("spec.yaml", "spec.yaml is a file; the image comes first, then the specification"),
    ] {
        let output = runs_in(dir.path(), &["attach-spec", image, "spec.yaml"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{image}: {message}");
        assert!(message.contains(words), "{image}: {message}");
    }
}

#[test]
fn a_list_of_images_is_read_with_its_line_numbers() {
    let dir = files(&[("images.txt", "# ours\nregistry.example/app:1\n\napp # no registry\n")]);
    let output = runs_in(dir.path(), &["mirror", "--from-list", "images.txt", "--to", "layout"]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("images.txt, line 4: `app` names no registry"), "{message}");
}

#[test]
fn a_folder_of_certificates_that_is_none_is_a_mistake() {
    let dir = files(&[("ca.crt", "")]);
    for folder in ["nothing", "ca.crt"] {
        let output =
            runs_in(dir.path(), &["list-specs", "localhost:1/app:1", "--cert-dir", folder]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(&format!("--cert-dir: {folder}")), "{message}");
    }
}

#[test]
fn an_empty_secret_is_a_mistake() {
    for secret in [
        &["--registry-username", "u", "--registry-password-stdin"][..],
        &["--registry-token-stdin"],
    ] {
        let arguments = [&["list-specs", "localhost:1/app:1"][..], secret].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("standard input has no secret"), "{message}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["--help"][..], &["export", "features"], &["completion", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
            .args(arguments)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_far_too_large_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::File::create(dir.path().join("huge.yaml")).unwrap().set_len(2 << 30).unwrap();
    let output = runs_in(dir.path(), &["validate-spec", "huge.yaml"]);
    let found = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(found.contains("the document has more than 1048576 bytes"), "{found}");
    assert!(found.len() < 200, "{found}");
}

#[test]
fn no_decision_is_not_a_number_of_decisions_to_list() {
    assert_eq!(run(&["why", "--last", "0"]).status.code(), Some(2));
}

#[test]
fn the_cache_says_if_nothing_is_remembered_about_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    assert_eq!(run(&["cache", "list", "--root", root]).status.code(), Some(0));
    let named = run(&["cache", "list", "registry.example/app", "--root", root]);
    assert_eq!(named.status.code(), Some(3));
    assert!(text(&named.stdout).contains("0 answers"));
}

#[test]
fn the_policy_is_shown_with_the_actions_that_nobody_set() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    let shown = text(&run(&["config", "show", "--root", root]).stdout);
    assert!(shown.contains("\nincompatible = \"deny\"\n"), "{shown}");
    assert!(shown.contains("\nno-artifact = \"allow\"\n"), "{shown}");
}
