//! What `doctor` finds on trees that stand for nodes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgcompat::doctor::{self, Finding, Level};
use imgcompat::engine::Node;
use imgcompat::paths::Paths;

const HOOK: &str = "/usr/libexec/imgcompat/imgcompat-hook";
const HOOK_FILE: &str = "/usr/share/containers/oci/hooks.d/imgcompat.json";

/// A node with podman, our hook installed and enabled.
struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Tree { dir: tempfile::tempdir().unwrap() };
        tree.write("/usr/bin/podman", "\x7fELF");
        tree.write(
            HOOK,
            &format!("#!/bin/sh\necho imgcompat-hook {}\n", env!("CARGO_PKG_VERSION")),
        );
        fs::set_permissions(tree.at(HOOK), fs::Permissions::from_mode(0o755)).unwrap();
        tree.write(HOOK_FILE, include_str!("../hooks.d/imgcompat.json"));
        tree
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn findings(&self) -> Vec<Finding> {
        let node = Node::new(self.dir.path(), Path::new("/usr/bin/imgcompat"));
        doctor::examine(&node, &Paths::below(self.dir.path()))
    }

    /// Expects a finding of this level about this subject with these words, and a remedy where something is wrong.
    fn expect(&self, level: Level, subject: &str, words: &str) {
        let findings = self.findings();
        let found = findings
            .iter()
            .find(|f| f.level == level && f.subject == subject && f.finding.contains(words));
        let found = found.unwrap_or_else(|| {
            panic!("no {level:?} about {subject} with {words:?}: {findings:#?}")
        });
        assert_eq!(found.remedy.is_some(), level != Level::Ok, "{found:?}");
    }
}

#[test]
fn a_node_in_order_has_no_problem() {
    let tree = Tree::new();
    let worst = tree.findings().iter().map(|finding| finding.level).max();
    assert_ne!(worst, Some(Level::Problem), "{:#?}", tree.findings());
    tree.expect(Level::Ok, "podman", "judged by the hook");
    tree.expect(Level::Ok, "programs", "is version");
}

#[test]
fn a_missing_hook_means_that_everything_starts_unjudged() {
    let tree = Tree::new();
    fs::remove_file(tree.at(HOOK)).unwrap();
    tree.expect(Level::Problem, "programs", "is missing");
    tree.expect(Level::Problem, "podman", "everything starts unjudged");
}

#[test]
fn an_old_hook_and_one_that_others_can_change_are_seen() {
    let tree = Tree::new();
    tree.write(HOOK, "#!/bin/sh\necho imgcompat-hook 0.0.1\n");
    tree.expect(Level::Warning, "programs", "version 0.0.1");
    fs::set_permissions(tree.at(HOOK), fs::Permissions::from_mode(0o777)).unwrap();
    tree.expect(Level::Problem, "programs", "can be changed by others");
}

#[test]
fn an_engine_that_does_not_call_us_is_a_problem() {
    let tree = Tree::new();
    fs::remove_file(tree.at(HOOK_FILE)).unwrap();
    tree.expect(Level::Problem, "podman", "its containers are not judged");
    tree.write("/usr/sbin/dockerd", "\x7fELF");
    tree.expect(Level::Problem, "docker", "its containers are not judged");
    tree.write("/usr/bin/containerd", "\x7fELF");
    tree.expect(Level::Problem, "containerd", "there is no /etc/containerd/config.toml");
}

#[test]
fn a_broken_neighbour_stops_every_start() {
    let tree = Tree::new();
    tree.write("/usr/share/containers/oci/hooks.d/other.json", "{");
    tree.expect(Level::Problem, "podman", "refuses every start");
}

#[test]
fn a_hook_directory_that_is_not_read_is_seen() {
    let tree = Tree::new();
    tree.write("/etc/containers/containers.conf", "[engine]\nhooks_dir = [\"/etc/hooks\"]\n");
    tree.expect(Level::Problem, "podman", "no imgcompat.json in /etc/hooks");
    tree.expect(Level::Warning, "podman", "reads /etc/hooks only");
}

#[test]
fn policy_exceptions_and_local_specifications_are_looked_at() {
    let tree = Tree::new();
    tree.write(
        "/etc/imgcompat/config.toml",
        "[[override]]\nimage = \"a.example/**\"\naction = \"allow\"\nreason = \"old nodes\"\nuntil = \"2020-01-01\"\n",
    );
    tree.expect(Level::Warning, "policy", "it has ended");
    tree.write("/etc/imgcompat/config.toml", "mod = \"audit\"\n");
    tree.expect(Level::Problem, "policy", "config.toml:1:1");
    tree.write("/etc/imgcompat/specs.d/a.yaml", "images: [\n");
    tree.expect(Level::Problem, "specifications", "a.yaml is not used");
}

#[test]
fn the_command_ends_with_1_if_there_is_a_problem() {
    let tree = Tree::new();
    let run = |output: &str| {
        let tool = Path::new(env!("CARGO_BIN_EXE_imgcompat"));
        let root = tree.dir.path();
        Command::new(tool)
            .args(["doctor", "--output", output, "--root"])
            .arg(root)
            .output()
            .unwrap()
    };
    assert_eq!(run("text").status.code(), Some(0), "{:?}", run("text"));
    fs::remove_file(tree.at(HOOK)).unwrap();
    let json = run("json");
    assert_eq!(json.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let problems = findings.as_array().unwrap().iter().filter(|f| f["level"] == "problem");
    assert!(problems.count() >= 2);
}
