//! Rows 23, 29 and 30: hosts that hide things, hooks without root, and containers that carry no image.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::attached::{attached, specification};
use crate::node::Node;
use crate::{MODES, is_root};

#[test]
fn row_23_what_the_host_hides_is_absent_with_a_reason_and_harms_only_who_asks() {
    let hidden = specification(r#"{memory.numa: {is_numa: {op: In, value: ["true"]}}}"#);
    let there = specification(r#"{kernel.version: {major: {op: Gt, value: ["1"]}}}"#);
    for (mode, code) in MODES {
        for (text, expected) in [(&hidden, ("incompatible", code)), (&there, ("compatible", 0))] {
            let (node, _registry, _server) = attached(text);
            node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
            let host = node.root().join("host");
            fs::create_dir_all(host.join("proc/sys/kernel")).unwrap();
            fs::create_dir_all(host.join("sys")).unwrap();
            fs::write(host.join("proc/sys/kernel/osrelease"), "6.1.0-odd\0\n").unwrap();
            let host = host.display().to_string();
            let ended = node.run(&["--host-root", &host], node.state().as_bytes());
            let record = node.record();
            println!("a host without /sys, {mode}: {}: {}", record.verdict, record.reason);
            assert_eq!((record.verdict.as_str(), ended.code), expected, "{}", record.reason);
        }
    }
}

#[test]
fn row_29_without_root_a_start_never_fails_for_lack_of_permission() {
    if !is_root() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(crate::attached::FITS));
    assert_eq!(node.start().code, 0);
    let mut path = node.bundle();
    while path.starts_with(std::env::temp_dir()) && path != std::env::temp_dir() {
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
        path.pop();
    }
    for (mode, _) in MODES {
        node.write("etc/imgcompat/config.toml", &format!("mode = '{mode}'\n"));
        let command =
            node.command(&["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]);
        let ended = Node::finish(command, node.state().as_bytes());
        println!("uid 1000, {mode}: exit code {}: {}", ended.code, ended.stderr);
        assert_eq!(ended.code, 0, "{mode}: {}", ended.stderr);
    }
}

#[test]
fn row_30_containers_without_an_image_are_not_judged() {
    for (mode, _) in MODES {
        let node = Node::with_image("localhost/bb:1");
        node.write("etc/imgcompat/config.toml", &crate::strict(mode, ""));
        let records = node.storage().join("overlay-containers/containers.json");
        let text = fs::read_to_string(&records).unwrap();
        let sandbox = text.replace(r#"{\"image-id\""#, r#"{\"pod\":true,\"image-id\""#);
        assert_ne!(sandbox, text);
        fs::write(&records, sandbox).unwrap();
        assert_eq!(node.start().code, 0, "{mode}");
        assert_eq!(node.record().verdict, "not-judged", "{mode}");
    }
}
