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
        doctor::examine(&node, &Paths::below(self.dir.path()), true)
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
fn a_directory_of_the_policy_that_others_can_write_is_a_problem() {
    for (directory, subject) in
        [("config.d", "policy"), ("specs.d", "specifications"), ("", "policy")]
    {
        let tree = Tree::new();
        let path = tree.at("/etc/imgcompat").join(directory);
        fs::create_dir_all(&path).unwrap();
        assert!(!tree.findings().iter().any(|f| f.finding.contains("can put files")));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        tree.expect(Level::Problem, subject, "others than root can put files into");
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
fn a_program_that_cannot_be_executed_stops_every_start() {
    let tree = Tree::new();
    fs::set_permissions(tree.at(HOOK), fs::Permissions::from_mode(0o644)).unwrap();
    tree.expect(Level::Problem, "programs", "does not run");
    tree.expect(Level::Problem, "podman", "is not executable: nothing starts");
}

#[test]
fn containerd_with_a_base_specification_starts_nothing_without_the_hook() {
    let tree = Tree::new();
    tree.write("/usr/bin/containerd", "\x7fELF");
    let table = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc";
    tree.write(
        "/etc/containerd/config.toml",
        &format!("version = 2\n[{table}]\nbase_runtime_spec = \"/etc/base.json\"\n"),
    );
    tree.write(
        "/etc/base.json",
        &format!(r#"{{"hooks":{{"createRuntime":[{{"path":"{HOOK}"}}]}}}}"#),
    );
    tree.expect(Level::Ok, "containerd", "runc: judged by the hook");
    fs::remove_file(tree.at(HOOK)).unwrap();
    tree.expect(Level::Problem, "containerd", "is missing: nothing starts");
}

#[test]
fn a_containerd_without_cri_has_nothing_to_judge() {
    let tree = Tree::new();
    tree.write("/usr/bin/containerd", "\x7fELF");
    tree.write("/etc/containerd/config.toml", "disabled_plugins = [\"cri\"]\n");
    tree.expect(Level::Ok, "containerd", "has no handlers");
}

#[test]
fn the_configuration_that_k3s_makes_is_looked_at() {
    let tree = Tree::new();
    tree.write("/usr/bin/containerd", "\x7fELF");
    let table = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";
    tree.write(
        "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        &format!("version = 3\n[{table}.runc]\nruntime_type = \"io.containerd.runc.v2\"\n[{table}.imgcompat]\nruntime_type = \"io.containerd.runc.v2\"\n[{table}.imgcompat.options]\nBinaryName = \"/usr/libexec/imgcompat/imgcompat-runtime\"\n"),
    );
    tree.write("/usr/libexec/imgcompat/imgcompat-runtime", "");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(tree.at("/usr/libexec/imgcompat/imgcompat-runtime"), mode).unwrap();
    tree.expect(Level::Ok, "containerd", "imgcompat: judged by the wrapper runtime");
    tree.expect(Level::Problem, "containerd", "runc: its containers are not judged");
}

#[test]
fn registries_are_those_of_images_that_started_and_of_the_configuration() {
    let tree = Tree::new();
    let record = |image: &str| {
        serde_json::json!({
            "time": "2026-11-24T12:00:00.250Z", "container": "c", "engine": "podman", "image": image, "mode": "enforce",
            "verdict": "compatible", "cause": null, "decision": "allow", "under_enforce": "allow", "reason": "x",
            "duration_us": 1, "version": "0.1.0",
        })
        .to_string()
    };
    let log = [record("r.example/a:1"), record("localhost/b:1"), record("r.example/c:1")];
    tree.write("/var/log/imgcompat/decisions.jsonl", &(log.join("\n") + "\n"));
    tree.write(
        "/etc/containers/registries.conf",
        "[[registry]]\nprefix = \"*.wild.example\"\n[[registry]]\nlocation = \"quay.example/team\"\n[[registry]]\nlocation = \"b.example\"\nblocked = true\n",
    );
    tree.write(
        "/root/.docker/config.json",
        r#"{"auths":{"r.example":{"auth":"dTpodW50ZXIy"}},"credHelpers":{"quay.example":"gone"}}"#,
    );
    tree.expect(Level::Ok, "registries", "r.example (not asked); asked with those of");
    tree.expect(
        Level::Problem,
        "credentials",
        "names the credential helper gone, which is not run",
    );
    tree.expect(Level::Warning, "credentials", "can be read by others than root");
    let all = format!("{:?}", tree.findings());
    assert!(!all.contains("wild") && !all.contains("b.example") && !all.contains("hunter2"));
    assert!(!all.contains("dTpodW50ZXIy"), "{all}");
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
