//! What the hook costs where people feel it: runtimes and an engine with the hook, with a hook that does nothing, and
//! without one; and NFD's own client for the same question.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{Candidate, table};
use crate::store::{SMALL, Store};
use crate::{Wanted, local, registry};

fn is_there(program: &str) -> bool {
    let tried =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Set for the run inside.
const INSIDE: &str = "IMGCOMPAT_BENCH_INSIDE";

/// `runc run`, `crun run` and `podman run`, in a mount namespace: beside the cgroup2 mount of a hybrid machine crun refuses
/// to work.
pub fn engines(wanted: &Wanted) {
    if !nix::unistd::geteuid().is_root() {
        return println!("\nEngines are not measured: not root.");
    }
    if std::env::var_os(INSIDE).is_none() {
        return inside(wanted);
    }
    for runtime in ["crun", "runc"] {
        if is_there(runtime) {
            with_runtime(wanted, runtime);
        } else {
            println!("\n{runtime} is not measured: it is not here.");
        }
    }
    if is_there("podman") {
        podman(wanted);
    } else {
        println!("\npodman is not measured: it is not here.");
    }
}

/// Runs this part again where engines work. A root that may not raise limits gets podman's by a file.
fn inside(wanted: &Wanted) {
    const SETUP: &str = "mount --make-rprivate /
        if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
        exec \"$0\" \"$@\"";
    let limits = wanted.path("containers.conf");
    let text = "[containers]\ndefault_ulimits = ['nofile=20000:20000', 'nproc=20000:20000']\npids_limit = 0\n";
    fs::write(&limits, text).expect("a file");
    let ended = Command::new("unshare")
        .args(["--mount", "sh", "-ec", SETUP])
        .arg(std::env::current_exe().expect("this program"))
        .arg("--hook")
        .arg(&wanted.hook)
        .args(["--runs", &wanted.runs.to_string(), "engines"])
        .env(INSIDE, "yes")
        .env("CONTAINERS_CONF", limits)
        .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
        .status();
    assert!(ended.is_ok_and(|status| status.success()), "the run inside a mount namespace");
}

/// A bundle in a store, with a root file system that holds the empty program.
fn with_runtime(wanted: &Wanted, runtime: &str) {
    let store = wanted.local_store(&format!("{runtime}-store"), SMALL, 10);
    let root = store.root().display().to_string();
    let hook = wanted.hook.display().to_string();
    let kinds: [(&str, Option<Vec<&str>>); 3] = [
        ("without a hook", None),
        ("hook /bin/true", Some(vec!["/bin/true"])),
        ("imgcompat-hook", Some(vec![&hook, "--root", &root])),
    ];
    let state = wanted.path(&format!("{runtime}-state"));
    let mut candidates = Vec::new();
    for (number, (name, arguments)) in kinds.into_iter().enumerate() {
        let bundle = store.bundle(number);
        let rootfs = store.rootfs(number);
        fs::create_dir_all(&rootfs).expect("a root file system");
        fs::copy(crate::empty_program(wanted.scratch.path()), rootfs.join("empty"))
            .expect("a program");
        fs::write(bundle.join("config.json"), config(&rootfs, arguments)).expect("config.json");
        let id = Store::container_id(number);
        let (state, bundle) = (state.display().to_string(), bundle.display().to_string());
        let words = ["--root", state.as_str(), "run", "-b", bundle.as_str(), id.as_str()];
        candidates.push(Candidate::new(
            &format!("{runtime} run, {name}"),
            runtime,
            &words,
            "/dev/null".into(),
        ));
    }
    let failed = candidates
        .iter()
        .find(|candidate| !candidate.spawn().wait().is_ok_and(|status| status.success()));
    match failed {
        Some(candidate) => {
            println!("\n{} fails here, so {runtime} is not measured.", candidate.name)
        }
        None => drop(table(&format!("### {runtime}"), &candidates, wanted.runs / 2)),
    }
}

fn config(rootfs: &Path, hook: Option<Vec<&str>>) -> String {
    let hooks = hook.map(|arguments| {
        serde_json::json!({"createRuntime": [{"path": arguments[0], "args": arguments, "env": ["PATH=/usr/bin"], "timeout": 10}]})
    });
    serde_json::json!({
        "ociVersion": "1.0.2", "root": {"path": rootfs, "readonly": true}, "hostname": "bench",
        "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["/empty"], "cwd": "/", "env": ["PATH=/"],
            "noNewPrivileges": true},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
        "hooks": hooks.unwrap_or(serde_json::json!({})),
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}],
            "cgroupsPath": "imgcompat-bench"},
    })
    .to_string()
}

fn podman(wanted: &Wanted) {
    let storage = wanted.path("podman");
    let base: Vec<String> = ["--root", "--runroot", "--tmpdir"]
        .iter()
        .zip(["root", "run", "tmp"])
        .flat_map(|(option, name)| [(*option).to_owned(), storage.join(name).display().to_string()])
        .chain(["--cgroup-manager", "cgroupfs", "--events-backend", "none"].map(str::to_owned))
        .collect();
    let archive = wanted.path("image.tar");
    let program = crate::empty_program(wanted.scratch.path());
    let packed = Command::new("tar")
        .arg("-C")
        .arg(program.parent().unwrap())
        .arg("-cf")
        .arg(&archive)
        .arg("empty")
        .status();
    assert!(packed.is_ok_and(|status| status.success()), "tar");
    let import = Command::new("podman")
        .args(&base)
        .arg("import")
        .arg(&archive)
        .arg("localhost/bench:1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !import.is_ok_and(|status| status.success()) {
        return println!("\npodman cannot import an image here, so it is not measured.");
    }
    let node = wanted.path("podman-node");
    fs::create_dir_all(node.join("etc/imgcompat/specs.d")).expect("a directory");
    fs::create_dir_all(node.join("var/cache")).expect("a directory");
    fs::write(node.join("etc/imgcompat/specs.d/bench.yaml"), local(10)).expect("a specification");
    let (hook, root) = (wanted.hook.display().to_string(), node.display().to_string());
    let hooks = [
        hooks_dir(wanted, "none", None),
        hooks_dir(wanted, "true", Some(&["/bin/true"])),
        hooks_dir(wanted, "hook", Some(&[&hook, "--root", &root])),
    ];
    let names = ["podman run, no hook", "podman run, hook /bin/true", "podman run, imgcompat-hook"];
    let candidates: Vec<Candidate> = names
        .iter()
        .zip(&hooks)
        .map(|(name, directory)| {
            let mut words: Vec<&str> = base.iter().map(String::as_str).collect();
            let directory = directory.display().to_string();
            words.extend([
                "--hooks-dir",
                &directory,
                "run",
                "--rm",
                "--network",
                "none",
                "localhost/bench:1",
                "/empty",
            ]);
            Candidate::new(name, "podman", &words, "/dev/null".into())
        })
        .collect();
    match candidates.iter().find(|c| !c.spawn().wait().is_ok_and(|status| status.success())) {
        Some(candidate) => println!("\n{} fails here, so podman is not measured.", candidate.name),
        None => {
            table("### podman", &candidates, (wanted.runs / 2).max(20));
            let log = fs::read_to_string(node.join("var/log/imgcompat/decisions.jsonl"))
                .unwrap_or_default();
            println!(
                "\nThe hook judged {} starts as compatible.",
                log.matches(r#""verdict":"compatible","cause":null"#).count()
            );
        }
    }
    let _ = Command::new("podman")
        .args(&base)
        .args(["rmi", "-af"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = Command::new("umount").arg(storage.join("root/overlay")).stderr(Stdio::null()).status();
}

fn hooks_dir(wanted: &Wanted, name: &str, arguments: Option<&[&str]>) -> PathBuf {
    let directory = wanted.path(&format!("hooks-{name}"));
    fs::create_dir_all(&directory).expect("a directory");
    if let Some(arguments) = arguments {
        let json = serde_json::json!({"version": "1.0.0", "when": {"always": true}, "stages": ["createRuntime"],
            "hook": {"path": arguments[0], "args": arguments, "env": ["PATH=/usr/bin"], "timeout": 10}});
        fs::write(directory.join("bench.json"), json.to_string()).expect("a hook file");
    }
    directory
}

/// NFD's client asks a registry each time; the hook has the answer of the first time.
pub fn nfd(wanted: &Wanted) {
    let Some(client) = std::env::var_os("NFD").filter(|path| Path::new(path).exists()) else {
        return println!("\nNFD's client is not measured: NFD=PATH names none.");
    };
    let server = registry(10);
    let store = Store::make(&wanted.path("nfd"), &server.authority, SMALL);
    store.forget();
    let image = format!("{}/image0@{}", server.authority, Store::manifest(0));
    let words = ["compat", "validate-node", "--image", image.as_str(), "--plain-http"];
    let candidates = [
        wanted.warm("hook, warm", &wanted.hook, &store, 0),
        Candidate::new("nfd compat validate-node", client, &words, "/dev/null".into()),
    ];
    let works = candidates[1].spawn().wait().is_ok_and(|status| status.success());
    if !works {
        println!(
            "\nNFD's client fails against the benchmark's registry; its time below is that of a failure."
        );
    }
    table("### NFD's client", &candidates, (wanted.runs / 8).max(20));
}
