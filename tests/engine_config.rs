//! `enable` and `disable` over a corpus of real configurations: what they make of each is snapshot text beside it,
//! and disabling gives back every byte.
//!
//! `IMGCOMPAT_UPDATE=yes` writes the snapshots anew; read the difference before it is committed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use imgcompat::engine::ledger::Ledger;
use imgcompat::engine::{self, Adapter, Node, Plan, Via};

/// containerd's default specification, as small as it can be and still show what is taken out.
const SPEC: &str = r#"{"ociVersion":"1.0.2-dev","process":{"user":{"uid":0,"gid":0},"cwd":"/","noNewPrivileges":true,
"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1024}],"capabilities":{"bounding":["CAP_CHOWN"]},"apparmorProfile":"x"},
"root":{"path":"rootfs"},"mounts":[],"linux":{"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"seccomp":{}}}"#;

/// A tree that stands for a node.
struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Tree { dir: tempfile::tempdir().unwrap() };
        for program in ["/usr/bin/crun", "/usr/sbin/runc"] {
            tree.write(program, "\x7fELF");
        }
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn node(&self) -> Node {
        Node::new(self.dir.path(), Path::new("/usr/bin/imgcompat")).with_default_spec(SPEC)
    }

    /// As the command does it.
    fn enable(&self, adapter: &dyn Adapter, via: Via) -> Result<(Plan, usize), String> {
        let ledger = Ledger::load(&self.node(), adapter.name())?;
        let without_us = ledger.without_us(&self.node());
        let node = self.node().without_us(without_us);
        let plan = adapter.plan(&node, via)?;
        let changes = ledger.changes(&node, &plan)?;
        ledger.apply(&node, adapter.name(), &plan, &changes)?;
        Ok((plan, changes.len()))
    }

    fn disable(&self, adapter: &dyn Adapter) -> Vec<String> {
        let ledger = Ledger::load(&self.node(), adapter.name()).unwrap();
        let undone = ledger.undo(&self.node()).unwrap();
        ledger.restore(&self.node(), adapter.name(), &undone, false).unwrap();
        undone.changed_since
    }

    /// Every file with its text and permissions; links with their target.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.dir.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                if metadata.is_dir() {
                    directories.push(path);
                    continue;
                }
                let text = match fs::read_link(&path) {
                    Ok(target) => format!("-> {}", target.display()),
                    Err(_) => fs::read_to_string(&path).unwrap(),
                };
                let mode = metadata.permissions().mode() & 0o7777;
                files.insert(path, format!("{mode:o} {text}"));
            }
        }
        files
    }
}

/// The corpus of one engine: name and text of each configuration.
fn corpus(engine: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/engines").join(engine);
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    assert!(files.len() >= 2);
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Compares everything that `enable` wrote with the snapshot beside the configuration.
fn expect_snapshot(tree: &Tree, case: &Path, plan: &Plan, via: Via) {
    let mut text = String::new();
    for file in &plan.files {
        let now = fs::read_to_string(tree.at(&file.path)).unwrap();
        text.push_str(&format!("== {} ({:o})\n{now}", file.path, file.mode));
    }
    for left in &plan.by_hand {
        text.push_str(&format!("== by hand: {}: {}\n{}", left.file, left.reason, left.lines));
    }
    for note in &plan.notes {
        text.push_str(&format!("== note: {note}\n"));
    }
    let suffix = if via == Via::Hook { "after-hook" } else { "after-wrapper" };
    let snapshot = case.with_extension(suffix);
    if std::env::var_os("IMGCOMPAT_UPDATE").is_some() {
        fs::write(&snapshot, &text).unwrap();
    }
    let expected = fs::read_to_string(&snapshot).unwrap_or_default();
    assert_eq!(text, expected, "{}", snapshot.display());
}

fn over_corpus(engine: &str, extension: &str, config: &str, ways: &[Via]) {
    let adapter = engine::find(engine).unwrap();
    for (case, text) in corpus(engine, extension) {
        for via in ways {
            let tree = Tree::new();
            tree.write(config, &text);
            fs::set_permissions(tree.at(config), fs::Permissions::from_mode(0o640)).unwrap();
            let before = tree.files();
            enable_twice(&tree, &case, adapter, *via);
            assert!(tree.disable(adapter).is_empty());
            assert_eq!(tree.files(), before, "{} after disable", case.display());
        }
    }
}

/// The second time changes nothing; a broken configuration is left as it is the first time.
fn enable_twice(tree: &Tree, case: &Path, adapter: &dyn Adapter, via: Via) {
    let before = tree.files();
    match tree.enable(adapter, via) {
        Ok((plan, _)) => {
            expect_snapshot(tree, case, &plan, via);
            let after = tree.files();
            let (_, again) = tree.enable(adapter, via).unwrap();
            assert_eq!((again, tree.files()), (0, after), "{} twice", case.display());
        }
        Err(problem) => {
            assert!(case.to_str().unwrap().contains("broken"), "{}: {problem}", case.display());
            assert_eq!(tree.files(), before);
        }
    }
}

#[test]
fn containerd_is_enabled_as_the_snapshots_show_and_disabled_without_a_trace() {
    let config = "/etc/containerd/config.toml";
    over_corpus("containerd", "toml", config, &[Via::Hook, Via::Wrapper]);
}

#[test]
fn docker_is_enabled_as_the_snapshots_show_and_disabled_without_a_trace() {
    over_corpus("docker", "json", "/etc/docker/daemon.json", &[Via::Wrapper]);
}

#[test]
fn crio_is_enabled_as_the_snapshots_show_and_disabled_without_a_trace() {
    over_corpus("crio", "conf", "/etc/crio/crio.conf", &[Via::Hook, Via::Wrapper]);
}

#[test]
fn podman_is_enabled_as_the_snapshots_show_and_disabled_without_a_trace() {
    let config = "/etc/containers/containers.conf";
    over_corpus("podman", "conf", config, &[Via::Hook, Via::Wrapper]);
}

#[test]
fn every_engine_without_any_configuration() {
    for adapter in engine::ENGINES {
        let tree = Tree::new();
        let before = tree.files();
        tree.enable(adapter, adapter.usual()).unwrap();
        let effects = adapter.effects(&tree.node());
        let judged = effects.iter().any(|effect| effect.via == Some(adapter.usual()));
        assert!(judged, "{}: {effects:?}", adapter.name());
        tree.disable(adapter);
        assert_eq!(tree.files(), before, "{}", adapter.name());
        let effects = adapter.effects(&tree.node());
        assert!(effects.iter().all(|effect| effect.via.is_none()), "{effects:?}");
    }
}

#[test]
fn from_one_way_to_the_other_and_back() {
    let adapter = engine::find("containerd").unwrap();
    let tree = Tree::new();
    tree.write("/etc/containerd/config.toml", "version = 2\n# mine\n");
    let before = tree.files();
    tree.enable(adapter, Via::Hook).unwrap();
    tree.enable(adapter, Via::Wrapper).unwrap();
    let text = fs::read_to_string(tree.at("/etc/containerd/config.toml")).unwrap();
    assert!(text.contains("BinaryName") && !text.contains("base_runtime_spec"), "{text}");
    assert!(!tree.at("/etc/imgcompat/containerd/base.json").exists());
    tree.disable(adapter);
    assert_eq!(tree.files(), before);
}

#[test]
fn a_file_that_somebody_changed_since_is_left_alone() {
    let adapter = engine::find("docker").unwrap();
    let tree = Tree::new();
    tree.write("/etc/docker/daemon.json", "{}");
    tree.enable(adapter, Via::Wrapper).unwrap();
    let path = tree.at("/etc/docker/daemon.json");
    let text = fs::read_to_string(&path).unwrap().replace("{\n", "{\n  \"debug\": true,\n");
    fs::write(&path, &text).unwrap();
    assert_eq!(tree.disable(adapter), ["/etc/docker/daemon.json"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Until it names us no more; then it is forgotten.
    fs::write(&path, "{\"debug\": true}").unwrap();
    assert_eq!(tree.disable(adapter), [""; 0]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"debug\": true}");
    assert!(!tree.at("/var/lib/imgcompat/docker.json").exists());
}

#[test]
fn a_base_specification_of_somebody_else_keeps_what_it_says() {
    let adapter = engine::find("containerd").unwrap();
    let tree = Tree::new();
    tree.write(
        "/etc/their.json",
        r#"{"hooks":{"createRuntime":[{"path":"/theirs"}]},"process":{"rlimits":[]}}"#,
    );
    let table = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc";
    tree.write(
        "/etc/containerd/config.toml",
        &format!("version = 2\n[{table}]\nruntime_type = \"io.containerd.runc.v2\"\nbase_runtime_spec = \"/etc/their.json\"\n"),
    );
    tree.enable(adapter, Via::Hook).unwrap();
    let text = fs::read_to_string(tree.at("/etc/imgcompat/containerd/runc.json")).unwrap();
    let spec: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(spec["hooks"]["createRuntime"][0]["path"], "/theirs");
    assert_eq!(spec["hooks"]["createRuntime"][1]["path"], "/usr/libexec/imgcompat/imgcompat-hook");
    assert!(spec["process"].get("rlimits").is_some());
}

#[test]
fn k3s_gets_the_lines_for_its_template_and_nothing_of_its_own_is_touched() {
    let adapter = engine::find("containerd").unwrap();
    for (version, template) in [(2, "config.toml.tmpl"), (3, "config-v3.toml.tmpl")] {
        for via in [Via::Hook, Via::Wrapper] {
            let tree = Tree::new();
            let directory = "/var/lib/rancher/k3s/agent/etc/containerd";
            tree.write(&format!("{directory}/config.toml"), &format!("version = {version}\n"));
            let before = tree.files();
            let (plan, _) = tree.enable(adapter, via).unwrap();
            let left: Vec<&str> = plan.by_hand.iter().map(|left| left.file.as_str()).collect();
            let template = format!("{directory}/{template}");
            assert_eq!(left, [template.as_str(), "/etc/rancher/k3s/config.yaml"]);
            // What its template makes of them is a configuration that counts.
            let lines = plan.by_hand[0].lines.replace("{{ template \"base\" . }}", "");
            let lines = lines.replace("{{ .SystemdCgroup }}", "true");
            tree.write(
                &format!("{directory}/config.toml"),
                &format!("version = {version}\n{lines}"),
            );
            let effects = adapter.effects(&tree.node());
            assert_eq!(effects.len(), 1, "{effects:?}");
            assert_eq!((effects[0].handler.as_str(), effects[0].via), ("imgcompat", Some(via)));
            tree.disable(adapter);
            tree.write(&format!("{directory}/config.toml"), &format!("version = {version}\n"));
            assert_eq!(tree.files(), before);
        }
    }
}

#[test]
fn programs_below_the_prefix_are_named_as_engines_will_see_them() {
    let tree = Tree::new();
    tree.write("/opt/i/libexec/imgcompat/imgcompat-hook", "");
    let node = Node::new(tree.dir.path(), &tree.at("/opt/i/bin/imgcompat"));
    assert_eq!(node.hook(), "/opt/i/libexec/imgcompat/imgcompat-hook");
    // Elsewhere than below it they are where they are.
    let node = Node::new(Path::new("/srv"), &tree.at("/opt/i/bin/imgcompat"));
    assert_eq!(Path::new(&node.hook()), tree.at("/opt/i/libexec/imgcompat/imgcompat-hook"));
}

const SEVERAL: &str = "version = 2\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n  runtime_type = \"io.containerd.runc.v2\"\n  \
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia.options]\n    BinaryName = \"/usr/bin/crun\"\n";

/// An engine, how it is enabled, its configuration, and what an administrator adds to that.
const EDITED: [(&str, Via, &str, &str, &str); 3] = [
    ("containerd", Via::Hook, "/etc/containerd/config.toml", SEVERAL, "# a remark\n"),
    ("containerd", Via::Wrapper, "/etc/containerd/config.toml", SEVERAL, "# a remark\n"),
    (
        "docker",
        Via::Wrapper,
        "/etc/docker/daemon.json",
        "{\n  \"runtimes\": {\"nvidia\": {\"path\": \"/usr/bin/crun\"}}\n}\n",
        "\n",
    ),
];

#[test]
fn enabled_again_after_an_edit_it_is_still_called_once_and_the_first_text_is_not_forgotten() {
    for (engine, via, config, text, edit) in EDITED {
        let adapter = engine::find(engine).unwrap();
        let tree = Tree::new();
        tree.write(config, text);
        let before = tree.files();
        tree.enable(adapter, via).unwrap();
        let enabled = fs::read_to_string(tree.at(config)).unwrap();
        tree.write(config, &format!("{enabled}{edit}"));
        let edited = tree.files();
        let (plan, changes) = tree.enable(adapter, via).unwrap();
        assert_eq!((plan.by_hand.len(), changes), (0, 0), "{engine} {via:?}: {plan:?}");
        assert_eq!(tree.files(), edited, "{engine} {via:?}");
        // The edit taken back, all of it can be undone.
        tree.write(config, &enabled);
        assert!(tree.disable(adapter).is_empty());
        assert_eq!(tree.files(), before, "{engine} {via:?}");
    }
}

#[test]
fn disabled_after_an_edit_what_the_configuration_names_is_still_there() {
    for (engine, via, config, text, edit) in EDITED {
        let adapter = engine::find(engine).unwrap();
        let tree = Tree::new();
        tree.write(config, text);
        tree.enable(adapter, via).unwrap();
        let enabled = fs::read_to_string(tree.at(config)).unwrap();
        tree.write(config, &format!("{enabled}{edit}"));
        let edited = tree.files();
        assert_eq!(tree.disable(adapter), [config]);
        assert_eq!(tree.files(), edited, "{engine} {via:?}");
        // Once the administrator took us out, ours goes too.
        tree.write(config, text);
        assert!(tree.disable(adapter).is_empty());
        let left = tree.files();
        let left: Vec<_> =
            left.keys().filter(|path| path.to_str().unwrap().contains("imgcompat")).collect();
        assert!(left.is_empty(), "{engine} {via:?}: {left:?}");
    }
}

#[test]
fn handlers_that_came_since_are_judged_too() {
    for (via, key) in [(Via::Hook, "base_runtime_spec"), (Via::Wrapper, "BinaryName")] {
        let adapter = engine::find("containerd").unwrap();
        let tree = Tree::new();
        tree.write("/etc/containerd/config.toml", "version = 2\n");
        tree.enable(adapter, via).unwrap();
        let path = tree.at("/etc/containerd/config.toml");
        let table = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.crun";
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n[{table}]\nruntime_type = \"io.containerd.runc.v2\"\n"))
            .unwrap();
        tree.enable(adapter, via).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(key).count(), 2, "{text}");
        let effects = adapter.effects(&tree.node());
        assert!(effects.iter().all(|effect| effect.via == Some(via)), "{effects:?}");
        assert_eq!(tree.disable(adapter), ["/etc/containerd/config.toml"]);
    }
}

#[test]
fn what_stands_in_the_way_of_the_other_way_is_named_and_nothing_is_changed() {
    for (via, other, key) in
        [(Via::Hook, Via::Wrapper, "base_runtime_spec"), (Via::Wrapper, Via::Hook, "BinaryName")]
    {
        let adapter = engine::find("containerd").unwrap();
        let tree = Tree::new();
        tree.write("/etc/containerd/config.toml", SEVERAL);
        tree.enable(adapter, via).unwrap();
        let path = tree.at("/etc/containerd/config.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}# a remark\n")).unwrap();
        let before = tree.files();
        let problem = tree.enable(adapter, other).unwrap_err();
        assert!(problem.contains(key) && problem.contains("the handler runc"), "{problem}");
        assert_eq!(tree.files(), before);
    }
}

#[test]
fn a_plan_that_is_left_to_a_person_takes_nothing_back() {
    let adapter = engine::find("containerd").unwrap();
    let tree = Tree::new();
    tree.write("/etc/containerd/config.toml", "version = 2\n");
    tree.enable(adapter, Via::Hook).unwrap();
    let enabled = tree.files();
    let ledger = Ledger::load(&tree.node(), "containerd").unwrap();
    let by_hand =
        engine::ByHand { file: "f".to_owned(), reason: "r".to_owned(), lines: String::new() };
    let plan = Plan { by_hand: vec![by_hand], ..Plan::default() };
    let changes = ledger.changes(&tree.node(), &plan).unwrap();
    assert!(changes.is_empty(), "{changes:?}");
    ledger.apply(&tree.node(), "containerd", &plan, &changes).unwrap();
    assert_eq!(tree.files(), enabled);
}

#[test]
fn a_change_from_one_way_to_the_other_that_was_cut_short_can_be_undone_and_done_again() {
    let adapter = engine::find("containerd").unwrap();
    let config = "/etc/containerd/config.toml";
    for (first, second) in [(Via::Hook, Via::Wrapper), (Via::Wrapper, Via::Hook)] {
        for again in [false, true] {
            let tree = Tree::new();
            tree.write(config, SEVERAL);
            let before = tree.files();
            tree.enable(adapter, first).unwrap();
            let ledger = Ledger::load(&tree.node(), "containerd").unwrap();
            let node = tree.node().without_us(ledger.without_us(&tree.node()));
            let plan = adapter.plan(&node, second).unwrap();
            let changes = ledger.changes(&node, &plan).unwrap();
            // Nothing can be written where the first file goes: what is on the disk is what a killed process leaves.
            let first_place = tree.at(&changes[0].path);
            fs::create_dir_all(first_place.join("x")).unwrap();
            ledger.apply(&node, "containerd", &plan, &changes).unwrap_err();
            fs::remove_dir_all(first_place).unwrap();
            if again {
                tree.enable(adapter, second).unwrap();
                let effects = adapter.effects(&tree.node());
                assert!(effects.iter().all(|effect| effect.via == Some(second)), "{effects:?}");
            }
            assert_eq!(tree.disable(adapter), [""; 0]);
            assert_eq!(tree.files(), before, "{first:?} {again}");
        }
    }
}

#[test]
fn an_edited_file_keeps_its_owner_and_links_lead_to_it() {
    use std::os::unix::fs::{MetadataExt, chown, symlink};
    let adapter = engine::find("docker").unwrap();
    let tree = Tree::new();
    tree.write("/srv/daemon.json", "{}");
    let place = tree.at("/srv/daemon.json");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    if nix::unistd::geteuid().is_root() {
        chown(&place, Some(1234), Some(5678)).unwrap();
    }
    let before = fs::metadata(&place).unwrap();
    fs::create_dir_all(tree.at("/etc/docker")).unwrap();
    // As the node itself would follow it: not out of the tree.
    symlink("/srv/daemon.json", tree.at("/etc/docker/daemon.json")).unwrap();
    for _ in 0..2 {
        tree.enable(adapter, Via::Wrapper).unwrap();
        let after = fs::metadata(&place).unwrap();
        assert_eq!(
            (after.uid(), after.gid(), after.mode()),
            (before.uid(), before.gid(), before.mode())
        );
        assert!(fs::read_to_string(&place).unwrap().contains("imgcompat"));
        tree.disable(adapter);
        assert_eq!(fs::read_to_string(&place).unwrap(), "{}");
        assert!(fs::symlink_metadata(tree.at("/etc/docker/daemon.json")).unwrap().is_symlink());
    }
}

#[test]
fn dockerd_is_not_given_twice_what_a_flag_gives_it() {
    let adapter = engine::find("docker").unwrap();
    for (file, text, expected) in [
        (
            "/etc/systemd/system/docker.service.d/nvidia.conf",
            "ExecStart=\nExecStart=/usr/bin/dockerd --add-runtime=nvidia=/usr/bin/n\n",
            1,
        ),
        ("/etc/default/docker", "DOCKER_OPTS=\"--default-runtime nvidia\"\n", 1),
        ("/etc/default/docker", "# DOCKER_OPTS=\"--default-runtime nvidia\"\n", 0),
    ] {
        let tree = Tree::new();
        tree.write(file, text);
        let (plan, _) = tree.enable(adapter, Via::Wrapper).unwrap();
        assert_eq!(plan.by_hand.len(), expected, "{text}");
        assert!(plan.by_hand.iter().all(|left| left.reason.contains(file)), "{plan:?}");
        assert_eq!(tree.at("/etc/docker/daemon.json").exists(), expected == 0);
    }
}

/// The tool itself.
fn imgcompat(tree: &Tree, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imgcompat"));
    command.args(arguments).arg("--root").arg(tree.dir.path());
    command
}

#[test]
fn of_commands_at_the_same_time_none_takes_the_work_of_another_for_what_was_before() {
    let tree = Tree::new();
    tree.write("/etc/docker/daemon.json", "{\"debug\": true}");
    let before = tree.files();
    for _ in 0..5 {
        let enabling: Vec<_> = (0..8)
            .map(|_| {
                imgcompat(&tree, &["enable", "docker"])
                    .stdout(std::process::Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut command in enabling {
            assert!(command.wait().unwrap().success());
        }
        assert!(imgcompat(&tree, &["disable", "docker"]).output().unwrap().status.success());
        assert_eq!(tree.files(), before);
    }
}

#[test]
fn an_engine_that_calls_us_without_a_record_of_what_was_before_is_not_called_disabled() {
    let tree = Tree::new();
    tree.enable(engine::find("docker").unwrap(), Via::Wrapper).unwrap();
    fs::remove_file(tree.at("/var/lib/imgcompat/docker.json")).unwrap();
    let output = imgcompat(&tree, &["disable", "docker"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not on record") && said.contains("imgcompat (default)"), "{said}");
}

#[test]
fn a_prefix_may_be_relative_or_a_link() {
    let tree = Tree::new();
    tree.write("/usr/libexec/imgcompat/imgcompat-hook", "");
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("node");
    std::os::unix::fs::symlink(tree.dir.path(), &link).unwrap();
    let program = fs::canonicalize(tree.dir.path()).unwrap().join("usr/bin/imgcompat");
    let node = Node::new(&link, &program);
    assert_eq!(node.hook(), "/usr/libexec/imgcompat/imgcompat-hook");
}

#[test]
fn scripts_wait_for_the_daemon_that_runs_them_and_are_not_forgotten() {
    let adapter = engine::find("crio").unwrap();
    let tree = Tree::new();
    tree.write(
        "/etc/crio/crio.conf",
        "[crio.runtime.runtimes.crun]\nruntime_path = \"/usr/bin/crun\"\n",
    );
    let before = tree.files();
    tree.enable(adapter, Via::Wrapper).unwrap();
    let ledger = Ledger::load(&tree.node(), "crio").unwrap();
    let mut undone = ledger.undo(&tree.node()).unwrap();
    let scripts = undone.take_scripts();
    ledger.restore(&tree.node(), "crio", &undone, true).unwrap();
    assert!(!tree.at("/etc/crio/crio.conf.d/99-imgcompat.conf").exists());
    assert!(tree.at("/etc/imgcompat/runtimes/crio-crun").exists(), "what runs still calls it");
    assert_eq!(Ledger::load(&tree.node(), "crio").unwrap(), ledger);
    ledger.restore(&tree.node(), "crio", &scripts, false).unwrap();
    assert_eq!(tree.files(), before);
}

#[test]
fn what_a_person_takes_out_and_puts_back_is_said() {
    let tree = Tree::new();
    tree.write("/etc/containerd/config.toml", SEVERAL);
    tree.enable(engine::find("containerd").unwrap(), Via::Wrapper).unwrap();
    let path = tree.at("/etc/containerd/config.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "# a remark\n").unwrap();
    let output = imgcompat(&tree, &["disable", "containerd"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for expected in [
        "Take these lines out of it:\n      BinaryName = \"/etc/imgcompat/runtimes/containerd-nvidia\"\n",
        "which may have to come back:\n    BinaryName = \"/usr/bin/crun\"\n",
        "kept       /etc/imgcompat/runtimes/containerd-nvidia",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn handlers_of_imported_files_are_seen_and_left_to_a_person() {
    let adapter = engine::find("containerd").unwrap();
    let drop_in = "/etc/containerd/conf.d/99-nvidia.toml";
    for (via, spec, binary) in [
        (Via::Hook, Some("/etc/imgcompat/containerd/base.json"), "/usr/bin/crun"),
        (Via::Wrapper, None, "/etc/imgcompat/runtimes/containerd-nvidia"),
    ] {
        let tree = Tree::new();
        tree.write("/etc/containerd/config.toml", "version = 3\nimports = [\"conf.d/*.toml\"]\n");
        let table = "plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nvidia";
        let file = |spec: Option<&str>, binary: &str| {
            let spec =
                spec.map(|spec| format!("base_runtime_spec = \"{spec}\"\n")).unwrap_or_default();
            format!(
                "version = 3\n[{table}]\nruntime_type = \"io.containerd.runc.v2\"\n{spec}[{table}.options]\nBinaryName = \"{binary}\"\n"
            )
        };
        tree.write(drop_in, &file(None, "/usr/bin/crun"));
        tree.write("/etc/containerd/conf.d/README", "no configuration");
        let (plan, _) = tree.enable(adapter, via).unwrap();
        let effects = adapter.effects(&tree.node());
        let judged: Vec<_> =
            effects.iter().map(|e| (e.handler.as_str(), e.via.is_some())).collect();
        assert_eq!(judged, [("runc", true), ("nvidia", false)]);
        assert_eq!(plan.by_hand.len(), 1, "{plan:?}");
        assert_eq!(plan.by_hand[0].file, drop_in);
        // With the lines added it is judged, and nothing is left to do; what they name is there and stays.
        assert!(plan.by_hand[0].lines.contains(spec.unwrap_or(binary)), "{plan:?}");
        tree.write(drop_in, &file(spec, binary));
        let (plan, changes) = tree.enable(adapter, via).unwrap();
        assert_eq!((plan.by_hand.len(), changes), (0, 0), "{plan:?}");
        let effects = adapter.effects(&tree.node());
        assert!(effects.iter().all(|effect| effect.via == Some(via)), "{effects:?}");
        let output = imgcompat(&tree, &["disable", "containerd"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("conf.d/99-nvidia.toml still names what imgcompat made"), "{said}");
        assert!(tree.at(spec.unwrap_or(binary)).exists(), "nothing would start without it");
        tree.write(drop_in, &file(None, "/usr/bin/crun"));
        assert!(imgcompat(&tree, &["disable", "containerd"]).output().unwrap().status.success());
        assert!(!tree.at(spec.unwrap_or(binary)).exists());
    }
}

#[test]
fn what_lines_for_a_person_name_is_there_and_stays() {
    let adapter = engine::find("containerd").unwrap();
    let base = "/etc/imgcompat/containerd/base.json";
    for (text, table) in [
        ("[plugins.cri]\nsandbox_image = \"x\"\n", "[plugins.cri.containerd.runtimes.runc]\n"),
        (
            "version = 2\nbroken",
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n",
        ),
    ] {
        let tree = Tree::new();
        tree.write("/etc/containerd/config.toml", text);
        let (plan, _) = tree.enable(adapter, Via::Hook).unwrap();
        let lines = &plan.by_hand[0].lines;
        assert!(lines.contains(base) && lines.starts_with(table), "{lines}");
        assert!(tree.at(base).exists(), "containerd starts nothing without it");
        tree.write("/etc/containerd/config.toml", &format!("{text}{lines}"));
        let output = imgcompat(&tree, &["disable", "containerd"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(tree.at(base).exists(), "the person's lines name it");
        tree.write("/etc/containerd/config.toml", text);
        assert!(imgcompat(&tree, &["disable", "containerd"]).output().unwrap().status.success());
        assert!(!tree.at(base).exists());
    }
}

#[test]
fn where_nothing_can_call_us_nothing_is_made() {
    let tree = Tree::new();
    let handler =
        "[crio.runtime.runtimes.kata]\nruntime_path = \"/usr/bin/kata\"\nruntime_type = \"vm\"\n";
    tree.write("/etc/crio/crio.conf", handler);
    let before = tree.files();
    let (plan, _) = tree.enable(engine::find("crio").unwrap(), Via::Wrapper).unwrap();
    assert!(plan.notes[0].contains("the handler kata"), "{plan:?}");
    assert_eq!(tree.files(), before);
}

#[test]
fn that_podman_and_crio_share_a_hook_directory_is_said_when_one_is_disabled() {
    let tree = Tree::new();
    tree.write("/usr/bin/podman", "");
    for engine in ["podman", "crio"] {
        tree.enable(engine::find(engine).unwrap(), Via::Hook).unwrap();
    }
    let output = imgcompat(&tree, &["disable", "crio"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("note: podman read the same file"), "{said}");
}
