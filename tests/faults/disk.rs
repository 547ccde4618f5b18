//! Rows 9 to 11, 14, 18, 19: disks that are full, read-only or broken, files that are not what they were, and logs that
//! nobody takes.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::attached::{FAILS, attached, specification};
use crate::node::{Ended, Node};
use crate::{changes_nothing, is_root, with_mounts};

/// Runs the hook alone (not its worker) under strace with an injection.
pub fn injected(node: &Node, injection: &str) -> Ended {
    let inject = format!("inject={injection}");
    let command = node.command(&["strace", "-qq", "-o", "/dev/null", "-e", &inject]);
    Node::finish(command, node.state().as_bytes())
}

pub fn has_strace() -> bool {
    let there =
        std::process::Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: no strace here, so this fault is not injected");
    }
    there
}

fn cache(node: &Node) -> PathBuf {
    node.root().join("var/cache/imgcompat")
}

/// The node's one answer of a registry.
pub fn artifact_file(node: &Node) -> PathBuf {
    let mut files = fs::read_dir(cache(node).join("artifacts")).unwrap().map(|e| e.unwrap().path());
    files.find(|path| path.extension().is_none()).unwrap()
}

#[test]
fn row_9_a_disk_that_is_full_at_any_write_changes_no_verdict() {
    if !has_strace() {
        return;
    }
    // The first write is that of the question to the worker, which is on no disk.
    for (call, first) in [("write", 2), ("rename", 1), ("mkdir", 1)] {
        for nth in first..=6 {
            for error in ["ENOSPC", "EIO"] {
                let (node, _registry, _server) = attached(&specification(FAILS));
                let injection = format!("{call}:error={error}:when={nth}");
                changes_nothing(&injection, &node, &|node| injected(node, &injection));
            }
        }
    }
}

#[test]
fn row_10_a_cache_that_cannot_be_read_changes_no_verdict() {
    if !has_strace() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    changes_nothing("EIO on the cached answer", &node, &|node| {
        node.start();
        let path = artifact_file(node).display().to_string();
        let command = node.command(&[
            "strace",
            "-qq",
            "-o",
            "/dev/null",
            "-P",
            &path,
            "-e",
            "inject=open,openat,read:error=EIO",
        ]);
        Node::finish(command, node.state().as_bytes())
    });
}

#[test]
fn row_9_a_cache_of_64_kib_fills_and_changes_no_verdict() {
    if !is_root() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    fs::create_dir_all(cache(&node)).unwrap();
    let cache = cache(&node);
    let full = format!(
        "mount -t tmpfs -o size=64k,mode=0700 none {0} && (dd if=/dev/zero of={0}/fill bs=1k 2>/dev/null || true)",
        cache.display()
    );
    changes_nothing("64 KiB tmpfs, full", &node, &|node| with_mounts(node, &full));
    assert!(node.records().iter().all(|record| record.verdict == "incompatible"));
    let notes = node.records()[0].notes.join(" ");
    assert!(notes.contains("cannot be kept") || notes.contains("cannot be"), "{notes}");
}

#[test]
fn row_10_a_cache_that_is_read_only_or_not_there_changes_no_verdict() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    changes_nothing("no directory", &node, &|node| {
        let _ = fs::remove_dir_all(node.root().join("var"));
        node.start()
    });
    if !is_root() {
        return;
    }
    let read_only =
        format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", cache(&node).display());
    changes_nothing("read-only, warm", &node, &|node| with_mounts(node, &read_only));
    fs::remove_dir_all(cache(&node)).unwrap();
    fs::create_dir(cache(&node)).unwrap();
    changes_nothing("read-only, empty", &node, &|node| with_mounts(node, &read_only));
}

#[test]
fn row_11_a_cache_file_that_is_not_what_it_was_is_replaced() {
    let (node, _registry, server) = attached(&specification(FAILS));
    assert_eq!(node.start().code, 1);
    let path = artifact_file(&node);
    let good = fs::read(&path).unwrap();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 4;
        bytes
    };
    let mut contents: Vec<(String, Vec<u8>)> = (0..good.len())
        .step_by(good.len() / 12)
        .flat_map(|place| {
            [
                (format!("cut at {place}"), good[..place].to_vec()),
                (format!("flipped at {place}"), flipped(place)),
            ]
        })
        .collect();
    let other_version = String::from_utf8(good.clone()).unwrap().replacen("kept-1", "kept-0", 1);
    contents.push(("another version".to_owned(), other_version.into_bytes()));
    for (fault, content) in contents {
        fs::write(&path, content).unwrap();
        replaced(&node, &server, &path, &fault);
    }
    for fault in ["a link", "a FIFO", "a directory", "1 GiB", "another owner"] {
        if fault == "another owner" && !is_root() {
            continue;
        }
        fs::remove_file(&path).unwrap();
        match fault {
            "a link" => symlink("/etc/passwd", &path).unwrap(),
            "a FIFO" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "a directory" => fs::create_dir(&path).unwrap(),
            "1 GiB" => fs::File::create(&path).unwrap().set_len(1 << 30).unwrap(),
            _ => {
                fs::write(&path, &good).unwrap();
                std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
            }
        }
        if fault == "a directory" {
            changes_nothing(fault, &node, &Node::start);
            fs::remove_dir(&path).unwrap();
            node.start();
        } else {
            replaced(&node, &server, &path, fault);
        }
    }
}

fn replaced(node: &Node, server: &crate::faulty_server::Server, path: &Path, fault: &str) {
    let asked = server.asked().len();
    changes_nothing(fault, node, &Node::start);
    assert!(server.asked().len() > asked, "{fault}: it was believed");
    let lists = server.asked()[asked..].iter().filter(|a| a.target.contains("/referrers/")).count();
    assert_eq!(lists, 1, "{fault}: it was not replaced");
    assert!(fs::symlink_metadata(path).unwrap().is_file(), "{fault}");
}

#[test]
fn row_11_directories_of_others_are_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (node, _registry, server) = attached(&specification(FAILS));
    let cache = cache(&node);
    fs::create_dir_all(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    changes_nothing("a cache that all can write", &node, &Node::start);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    assert!(
        node.records()[0].notes.join(" ").contains("others may write"),
        "{:?}",
        node.records()[0].notes
    );
    drop(server);
}

/// Names that readers open get their content by a rename and in no other way.
#[test]
fn row_14_no_file_is_written_under_the_name_it_is_read_by() {
    if !has_strace() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    let trace = node.root().join("trace");
    fs::create_dir_all(node.root()).unwrap();
    let trace_text = trace.display().to_string();
    let calls = "trace=open,openat,openat2,creat,rename,renameat,renameat2";
    let command = node.command(&["strace", "-qq", "-o", &trace_text, "-e", calls]);
    assert_eq!(Node::finish(command, node.state().as_bytes()).code, 1);
    let text = fs::read_to_string(trace).unwrap();
    let written = text.lines().filter(|line| line.contains("O_CREAT"));
    for line in written {
        let known = [".new-", ".lock", "decisions.jsonl"];
        println!("written: {line}");
        assert!(known.iter().any(|name| line.contains(name)), "{line}");
    }
    assert!(text.lines().filter(|line| line.starts_with("rename")).count() >= 2, "{text}");
}

#[test]
fn row_18_nobody_who_listens_changes_no_verdict() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    for closed in ["2>&-", ">&-", ">&- 2>&-", ">/dev/full 2>/dev/full"] {
        changes_nothing(closed, &node, &|node| {
            let script = format!("exec \"$0\" \"$@\" {closed}");
            Node::finish(node.command(&["sh", "-c", &script]), node.state().as_bytes())
        });
    }
    changes_nothing("a reader that is gone", &node, &|node| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = node.command(&[]);
        command.stderr(Stdio::from(std::os::fd::OwnedFd::from(writer)));
        Node::finish(command, node.state().as_bytes())
    });
}

#[test]
fn row_19_a_log_that_cannot_be_written_changes_no_verdict() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let log = node.root().join("var/log/imgcompat");
    type Fault = (&'static str, fn(&Path));
    let table: [Fault; 4] = [
        ("no directory", |_| {}),
        ("a file for a directory", |log| fs::write(log, "").unwrap()),
        ("a link for the log", |log| {
            fs::create_dir(log).unwrap();
            symlink("/dev/full", log.join("decisions.jsonl")).unwrap();
        }),
        ("a directory for the log", |log| fs::create_dir_all(log.join("decisions.jsonl")).unwrap()),
    ];
    for (fault, make) in table {
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        let _ = fs::remove_dir_all(&log).or_else(|_| fs::remove_file(&log));
        let _ = fs::remove_dir_all(cache(&node).join("refusals"));
        make(&log);
        changes_nothing(fault, &node, &Node::start);
    }
}

#[test]
fn row_19_a_log_daemon_that_is_stopped_costs_its_record_and_no_time() {
    if !is_root() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("log");
    let daemon = UnixDatagram::bind(&socket).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", &socket).is_ok() {}
    let setup = format!(
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s {} /dev/log",
        socket.display()
    );
    let began = std::time::Instant::now();
    changes_nothing("a full queue", &node, &|node| with_mounts(node, &setup));
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    drop(daemon);
    changes_nothing("a socket without a daemon", &node, &|node| with_mounts(node, &setup));
    assert!(node.records().iter().any(|record| record.verdict == "incompatible"));
}
