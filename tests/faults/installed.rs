//! Rows 26 and 28: a hook that is not there or cannot run, and a hook that may write nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::attached::{FAILS, attached, specification};
use crate::node::Node;
use crate::{MODES, is_root, with_mounts};

const HOOK: &str = "usr/libexec/imgcompat/imgcompat-hook";
const HOOK_FILE: &str = "usr/share/containers/oci/hooks.d/imgcompat.json";

/// A node below a prefix with podman and an installed hook.
fn installed() -> tempfile::TempDir {
    let node = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str, mode: u32| {
        let path = node.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put("usr/bin/podman", "\x7fELF", 0o755);
    put(HOOK_FILE, include_str!("../../hooks.d/imgcompat.json"), 0o644);
    let version = env!("CARGO_PKG_VERSION");
    put(HOOK, &format!("#!/bin/sh\necho imgcompat-hook {version}\n"), 0o755);
    node
}

fn tool(command: &str, root: &Path) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_imgcompat");
    let output = Command::new(program).arg(command).arg("--root").arg(root).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn row_26_a_hook_that_is_missing_or_cannot_run_is_found_by_doctor_and_by_the_metric() {
    type Fault = (&'static str, fn(&Path), &'static str);
    let table: [Fault; 3] = [
        ("missing", |root| fs::remove_file(root.join(HOOK)).unwrap(), HOOK),
        (
            "not executable",
            |root| {
                let plain = fs::Permissions::from_mode(0o644);
                fs::set_permissions(root.join(HOOK), plain).unwrap();
            },
            HOOK,
        ),
        ("no hook file", |root| fs::remove_file(root.join(HOOK_FILE)).unwrap(), "podman"),
    ];
    let metric = |root: &Path| {
        let (code, text) = tool("metrics", root);
        assert_eq!(code, Some(0), "{text}");
        let line = text
            .lines()
            .find(|line| line.starts_with("imgcompat_hook_installed{engine=\"podman\"}"));
        line.unwrap().to_owned()
    };
    let whole = installed();
    assert!(metric(whole.path()).ends_with(" 1"));
    assert!(!tool("doctor", whole.path()).1.contains("does not run"));
    for (fault, make, names) in table {
        let node = installed();
        make(node.path());
        let (code, text) = tool("doctor", node.path());
        let metric = metric(node.path());
        println!("{fault}: doctor ends with {code:?}; {metric}");
        assert_eq!(code, Some(1), "{fault}: {text}");
        assert!(text.contains(names), "{fault}: {text}");
        assert!(metric.ends_with(" 0"), "{fault}: {metric}");
    }
}

/// What `ProtectSystem=strict`, `ReadOnlyPaths=/` and an image-based system do to an engine's children.
const READ_ONLY: &str = "mount --make-rprivate /
    for place in / /tmp /usr /etc /var /run \"$TMPDIR\"; do
      if [ -n \"$place\" ] && mountpoint -q \"$place\"; then mount -o remount,bind,ro \"$place\"; fi
    done
    ! touch \"$NODE/written\" 2>/dev/null";

/// What `ProtectKernelTunables=`, `ProtectControlGroups=`, `PrivateDevices=` and `InaccessiblePaths=` do.
const HIDDEN: &str = "mount --make-rprivate /
    mount -t tmpfs -o mode=755 none /dev
    mount -t tmpfs -o mode=0,ro none /sys/fs/cgroup
    mount -o bind,ro /proc/sys /proc/sys
    mount -o remount,bind,ro /proc/sys";

#[test]
fn row_28_a_hook_that_may_write_nowhere_comes_to_the_same_decision() {
    if !is_root() {
        return;
    }
    for (fault, setup) in [("all read-only", READ_ONLY), ("kernel and devices hidden", HIDDEN)] {
        for warm in [true, false] {
            let (node, _registry, _server) = attached(&specification(FAILS));
            if warm {
                assert_eq!(node.start().code, 1);
            }
            for (mode, code) in MODES {
                node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
                let setup = format!("NODE={}\n{setup}", node.root().display());
                let ended = with_mounts(&node, &setup);
                println!(
                    "{fault}, warm {warm}, {mode}: exit code {}: {}",
                    ended.code,
                    ended.stderr.trim()
                );
                assert_eq!(ended.code, code, "{fault}, warm {warm}, {mode}: {}", ended.stderr);
            }
        }
    }
}

/// The same without a registry to ask: what cannot be known is the policy's matter, never a way past it.
#[test]
fn row_28_a_hook_that_may_write_nowhere_and_knows_nothing_leaves_the_policy() {
    if !is_root() {
        return;
    }
    for (mode, code) in MODES {
        let node = Node::with_image("127.0.0.1:1/ml:2");
        node.write("etc/imgcompat/config.toml", &crate::strict(mode, ""));
        let ended = with_mounts(&node, &format!("NODE={}\n{READ_ONLY}", node.root().display()));
        println!(
            "all read-only, no registry, {mode}: exit code {}: {}",
            ended.code,
            ended.stderr.trim()
        );
        assert_eq!(ended.code, code, "{mode}: {}", ended.stderr);
    }
}
