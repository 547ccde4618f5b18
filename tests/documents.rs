//! What the documents show is true: every block is of a kind that is checked, policies and specifications are read by the
//! program, JSON is JSON, and every command of ours is one that the program takes, with its options.
//!
//! The quick start is typed as it stands by the lanes `packages-*`; links are followed by the lane `docs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::error::ErrorKind;
use imgcompat::paths::Paths;
use imgcompat::policy::Policy;
use imgcompat::spec::lint;

/// One fenced block.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| repository().join(name)).into();
    files.extend(
        fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path()),
    );
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    let name = |file: &Path| file.strip_prefix(repository()).unwrap().display().to_string();
    files.iter().map(|file| (name(file), fs::read_to_string(file).unwrap())).collect()
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (page, text) in pages() {
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(language)) => {
                    let place = format!("{page}:{}", number + 1);
                    let language = language.trim().to_owned();
                    let indent = line.len() - line.trim_start().len();
                    open = Some((indent, Block { place, language, text: String::new() }));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((indent, block)), None) => {
                    block.text.push_str(line.get(*indent..).unwrap_or(line.trim_start()));
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{page}: a block has no end");
    }
    blocks
}

fn of_language(language: &str) -> Vec<Block> {
    blocks().into_iter().filter(|block| block.language == language).collect()
}

#[test]
fn every_block_is_of_a_kind_that_is_checked_or_that_only_shows() {
    for block in blocks() {
        let known = ["toml", "yaml", "json", "sh", "console", "rust", "text"];
        assert!(known.contains(&block.language.as_str()), "{}: `{}`", block.place, block.language);
    }
}

#[test]
fn every_policy_can_be_read() {
    let policies = of_language("toml");
    assert!(policies.len() >= 10);
    for block in policies {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("etc/imgcompat");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.toml"), &block.text).unwrap();
        let policy = Policy::load(&Paths::below(dir.path()));
        assert!(policy.is_ok(), "{}: {}", block.place, policy.unwrap_err());
    }
}

#[test]
fn every_specification_is_one() {
    let specifications = of_language("yaml");
    assert!(specifications.len() >= 11);
    for block in specifications {
        let own: String = if block.text.starts_with("images:") {
            // A local specification has its patterns before it.
            block
                .text
                .split_inclusive('\n')
                .filter(|line| !line.starts_with("images:") && !line.starts_with("combine:"))
                .collect()
        } else {
            block.text.clone()
        };
        let checked = lint::check(own.as_bytes());
        assert!(checked.specification.is_some(), "{}: {:#?}", block.place, checked.findings);
    }
}

#[test]
fn every_json_is_json() {
    for block in of_language("json") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
        assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
    }
}

/// The words of a command line up to what ends a command; enough of a shell for what documents show.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, '|' | ';' | '&' | '>' | '<' | ')') => break,
            (None, '#') if word.is_empty() => break,
            (None, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The commands of ours in a block for a shell, as words; what stands in a here-document is no command.
fn commands(block: &Block) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut until: Option<String> = None;
    for line in block.text.replace("\\\n", " ").lines() {
        if let Some(end) = &until {
            if line.trim() == end {
                until = None;
            }
            continue;
        }
        if let Some((_, end)) = line.split_once("<<") {
            let end = end.trim_start_matches('-').trim_start_matches(['\'', '"']);
            until = Some(end.chars().take_while(|c| c.is_ascii_alphanumeric()).collect());
        }
        let line = match block.language.as_str() {
            "console" => match line.strip_prefix("$ ") {
                Some(command) => command,
                None => continue,
            },
            _ => line,
        };
        let typed = line.trim_start().trim_start_matches("sudo ");
        if typed.starts_with("imgcompat ") {
            commands.push(words(typed));
        }
    }
    commands
}

/// What the program's own parser says to a command line.
fn taken(command: &[String]) -> Result<(), String> {
    match imgcompat::cli::command::tree().try_get_matches_from(command) {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_command_is_one_that_the_program_takes() {
    let mut count = 0;
    for block in
        blocks().iter().filter(|block| ["sh", "console"].contains(&block.language.as_str()))
    {
        for command in commands(block) {
            // `$(date …)` and the like stand for a value that only a shell knows.
            let command: Vec<String> = command
                .into_iter()
                .map(|word| if word.contains("$(") { "2999-12-31".to_owned() } else { word })
                .collect();
            let taken = taken(&command);
            assert!(taken.is_ok(), "{}: {command:?}: {}", block.place, taken.unwrap_err());
            count += 1;
        }
    }
    assert!(count >= 30, "{count}");
}

/// Commands in the running text: the subcommand is known, and so is every option.
#[test]
fn commands_in_the_text_name_options_that_there_are() {
    let tree = imgcompat::cli::command::tree();
    let mut count = 0;
    for (page, text) in pages() {
        for code in text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n')) {
            let words = words(code.trim_start_matches("sudo "));
            let Some(("imgcompat", [subcommand, rest @ ..])) =
                words.split_first().map(|(first, rest)| (first.as_str(), rest))
            else {
                continue;
            };
            if subcommand.starts_with('-') || subcommand == "worker" || subcommand == "…" {
                continue;
            }
            let known = tree.find_subcommand(subcommand);
            let known = known.unwrap_or_else(|| panic!("{page}: `{code}`: no such subcommand"));
            let nested = rest.first().and_then(|word| known.find_subcommand(word)).unwrap_or(known);
            for option in rest.iter().filter_map(|word| word.strip_prefix("--")) {
                let name = option.split(['=', '[', ',']).next().unwrap();
                let mut arguments = nested.get_arguments().chain(tree.get_arguments());
                let found = ["help", "version"].contains(&name)
                    || arguments.any(|a| a.get_long() == Some(name));
                assert!(found, "{page}: `{code}`: no option --{name}");
            }
            count += 1;
        }
    }
    assert!(count >= 30, "{count}");
}

/// The examples that `--help` ends with are commands too.
#[test]
fn the_examples_of_the_help_are_taken() {
    let tree = imgcompat::cli::command::tree();
    let mut count = 0;
    for subcommand in tree.get_subcommands() {
        let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.lines().map(str::trim).filter(|line| line.starts_with("imgcompat "));
        for example in examples {
            // What follows two blanks explains.
            let typed = words(example.split("   ").next().unwrap());
            assert!(taken(&typed).is_ok(), "{example}: {}", taken(&typed).unwrap_err());
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
}

/// Our scripts' options, and make's targets.
#[test]
fn scripts_and_targets_are_there() {
    let installer = fs::read_to_string(repository().join("install.sh")).unwrap();
    let makefile = fs::read_to_string(repository().join("Makefile")).unwrap();
    let has_target =
        |target: &str| makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
    let blocks = blocks().into_iter();
    for block in blocks.filter(|block| ["sh", "console"].contains(&block.language.as_str())) {
        for line in block.text.lines() {
            let words = words(line.trim_start().trim_start_matches("sudo "));
            let Some((program, arguments)) = words.split_first() else { continue };
            for word in arguments {
                let there = match program.as_str() {
                    "./install.sh" => !word.starts_with("--") || installer.contains(word),
                    "make" => word.contains('=') || word.starts_with('-') || has_target(word),
                    _ => true,
                };
                assert!(there, "{}: {program} has no {word}", block.place);
            }
        }
    }
}

fn tool(directory: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_imgcompat");
    Command::new(program).current_dir(directory).args(arguments).output().unwrap()
}

/// The output that writing-specifications.md shows for a mistake is the program's.
#[test]
fn the_shown_diagnosis_is_the_programs() {
    let shown = of_language("console")
        .into_iter()
        .find(|b| b.text.contains("validate-spec spec.yaml"))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let document = "version: v1alpha1\ncompatibilities:\n- description: \"x\"\n  rules:\n  - name: cpu\n    matchFeature:\n    - feature: cpu.cpuid\n      matchExpressions:\n        AVX: {op: Exists}\n";
    fs::write(dir.path().join("spec.yaml"), document).unwrap();
    let output = tool(dir.path(), &["validate-spec", "spec.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let (_, expected) = shown.text.split_once('\n').unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// An alert, a file, a panel: what is named in the text as a path of this repository is there.
#[test]
fn files_that_the_text_names_are_there() {
    for (page, text) in pages() {
        for code in text.split('`').skip(1).step_by(2) {
            let ours = ["packaging/", "examples/", "deploy/", "config/", "schema/", "docs/"];
            let plain = |c: char| c.is_ascii_alphanumeric() || "./-_".contains(c);
            if ours.iter().any(|start| code.starts_with(start)) && code.chars().all(plain) {
                assert!(repository().join(code).exists(), "{page}: {code}");
            }
        }
    }
}
