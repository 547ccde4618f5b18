//! Attacks that are no faults and need the whole program: what is opened, what is inherited, who can read what is kept.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use imgcompat::deadline::Deadline;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::attached::{FAILS, FITS, attached, specification};
use crate::disk::has_strace;
use crate::is_root;
use crate::node::{Node, installed};

/// A root file system that is a trap, and a bundle full of links, while every path that is opened is watched.
#[test]
fn nothing_below_the_root_file_system_is_opened_and_no_link_of_the_bundle_followed() {
    if !has_strace() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    let root = node.storage().join("overlay/layer1/merged");
    for folder in ["etc", "proc/sys/kernel", "sys", "usr/lib"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for name in ["etc/os-release", "usr/lib/os-release", "proc/sys/kernel/osrelease"] {
        nix::unistd::mkfifo(&root.join(name), Mode::S_IRWXU).unwrap();
    }
    std::os::unix::fs::symlink("/etc/shadow", root.join("etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", node.bundle().join("state.json")).unwrap();
    let trace = node.root().join("trace");
    fs::create_dir_all(node.root()).unwrap();
    let trace_text = trace.display().to_string();
    let wrapper = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=file", "-o", &trace_text];
    let mut command = node.command(&wrapper);
    command.current_dir(&root);
    let ended = Node::finish(command, node.state().as_bytes());
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let text = fs::read_to_string(&trace).unwrap();
    let inside = text.lines().filter(|line| line.contains("/layer1/merged")).collect::<Vec<_>>();
    println!(
        "{} paths looked at, {} of them in the root file system",
        text.lines().count(),
        inside.len()
    );
    assert!(inside.is_empty(), "{inside:#?}");
    assert!(!text.contains("/etc/shadow"), "a link was followed");
    // A relative path would be the container's, since that is where the hook was started.
    let relative = |line: &&str| {
        let path = line.split('"').nth(1).unwrap_or("/");
        !path.starts_with('/') && line.contains("AT_FDCWD")
    };
    let relative: Vec<&str> = text.lines().filter(relative).collect();
    assert!(relative.is_empty(), "{relative:#?}");
}

/// A bundle's `config.json` that is a link leads nowhere.
#[test]
fn a_configuration_that_is_a_link_is_not_read() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let config = node.bundle().join("config.json");
    let elsewhere = node.root().join("elsewhere.json");
    fs::create_dir_all(node.root()).unwrap();
    fs::rename(&config, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &config).unwrap();
    node.write("etc/imgcompat/config.toml", &crate::strict("enforce", ""));
    let ended = node.start();
    println!("config.json is a link: exit code {}: {}", ended.code, node.record().reason);
    assert_eq!(ended.code, 1);
    assert!(node.record().reason.contains("config.json cannot be read"));
}

/// Whoever creates a pod can write annotations, hooks and variables that fill the state and the configuration; as long as the
/// engine takes them, the image is judged all the same.
#[test]
fn text_as_long_as_engines_take_it_leaves_no_start_unjudged() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    // One byte that six stand for in JSON. Kubernetes bounds all annotations of a pod together, and etcd the whole pod.
    let annotations = "\u{1}".repeat(256 << 10);
    let handler = "\u{1}".repeat(1 << 20);
    let handlers =
        serde_json::json!({"io.kubernetes.container.preStopHandler": handler}).to_string();
    let mut state: serde_json::Value = serde_json::from_str(&node.state()).unwrap();
    let mut config = node.bundle_config();
    for document in [&mut state, &mut config] {
        document["annotations"]["pod.example/text"] = annotations.clone().into();
        document["annotations"]["io.kubernetes.container.preStopHandler"] = handler.clone().into();
        document["annotations"]["io.kubernetes.cri-o.Annotations"] = handlers.clone().into();
    }
    // The most that a program can be started with.
    config["process"]["env"] = ["V=".to_owned() + &"\u{1}".repeat(2 << 20)].to_vec().into();
    node.write_bundle(&config);
    let ended = node.run(&[], state.to_string().as_bytes());
    println!("state of {} bytes: exit code {}", state.to_string().len(), ended.code);
    assert_eq!(ended.code, 1, "{}", node.record().reason);
    assert_eq!(node.record().verdict, "incompatible");
}

/// The environment of the engine, which may be the image's, reaches neither the hook's decisions nor its worker.
#[test]
fn the_environment_is_put_away() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let plain = node.start();
    let _ = fs::remove_dir_all(node.root().join("var"));
    let mut command = node.command(&[]);
    for (name, value) in [
        ("PATH", "/nonexistent"),
        ("HOME", "/nonexistent"),
        ("TMPDIR", "/nonexistent"),
        ("IMGCOMPAT_MODE", "off"),
        ("NODE_NAME", "lie"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("RUST_BACKTRACE", "1"),
    ] {
        command.env(name, value);
    }
    let ended = Node::finish(command, node.state().as_bytes());
    println!("a hostile environment: exit code {}: {}", ended.code, ended.stderr.trim());
    assert_eq!((plain.code, ended.code), (1, 1), "{}", ended.stderr);
    assert_eq!(node.record().verdict, "incompatible");
}

/// What the engine left open reaches no worker, not even on kernels that cannot close all of it in one call.
#[test]
fn a_worker_closes_what_it_inherited() {
    let folder = tempfile::tempdir().unwrap();
    let inherited = folder.path().join("inherited");
    nix::unistd::mkfifo(&inherited, Mode::S_IRWXU).unwrap();
    let old_kernel = "strace -qq -o /dev/null -e inject=close_range:error=ENOSYS";
    for kernel in ["", old_kernel].iter().take(1 + usize::from(has_strace())) {
        // It has a writer from the worker's start on, and as long as the worker has descriptor 9.
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&inherited)
            .unwrap();
        let script = format!("exec {kernel} sh -c 'exec \"$0\" worker check 9>\"$1\"' \"$@\"");
        let mut worker = std::process::Command::new("sh")
            .args(["-c", &script, "sh"])
            .args([&installed().join("imgcompat"), &inherited])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Its input stays open, so that it goes on.
        let closed = Deadline::after(Duration::from_secs(20)).wait_readable(&reader).unwrap();
        println!("{kernel}: closed: {closed}");
        assert_eq!(worker.try_wait().unwrap(), None, "{kernel}");
        drop(worker.stdin.take());
        worker.wait().unwrap();
        assert!(closed, "{kernel}");
    }
}

/// Names of images are other tenants' business: cache and log are root's alone.
#[test]
fn other_users_read_neither_cache_nor_log() {
    if !is_root() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FITS));
    assert_eq!(node.start().code, 0);
    let mut path = node.root();
    while path.starts_with(std::env::temp_dir()) && path != std::env::temp_dir() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.pop();
    }
    for place in ["var/cache/imgcompat", "var/log/imgcompat"] {
        let place = node.root().join(place);
        let listed = std::process::Command::new("setpriv")
            .args(["--reuid", "1000", "--regid", "1000", "--clear-groups", "find"])
            .arg(&place)
            .args(["-type", "f"])
            .output()
            .unwrap();
        println!(
            "{}: uid 1000 sees {:?}",
            place.display(),
            String::from_utf8_lossy(&listed.stdout)
        );
        assert!(listed.stdout.is_empty(), "{}", String::from_utf8_lossy(&listed.stdout));
    }
}
