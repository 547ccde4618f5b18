//! Host facts as NFD writes them: the section `norm` of `tests/data/nfd/vectors.yaml`, each case as a host of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may"
)]

mod vectors;

use std::fs;

use imgcompat::host::{Feature, Features, Host, HostRoot};
use serde_json::{Value as Json, json};
use vectors::{load, section, text};

/// A host with one file.
fn with_file(path: &str, content: &str) -> (tempfile::TempDir, Host) {
    let tree = tempfile::tempdir().unwrap();
    let path = tree.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    let host = Host::new(HostRoot::tree(tree.path()).unwrap());
    (tree, host)
}

fn feature(host: &Host, name: &str) -> Feature {
    host.discover(name).feature().expect(name).clone()
}

fn discovered(case: &Json) -> Json {
    let input = text(case, "in");
    let (path, name) = match text(case, "kind") {
        "kernel-version" => ("proc/sys/kernel/osrelease", "kernel.version"),
        "os-version-split" => ("etc/os-release", "system.osrelease"),
        "kconfig" => ("usr/src/linux/.config", "kernel.config"),
        "features.d" => ("etc/kubernetes/node-feature-discovery/features.d/x", "local.feature"),
        "hugepages-key" => return json!(hugepages_key(input)),
        "pci-id" => return json!(pci("vendor", input)),
        "pci-class" => return json!(pci("class", input)),
        kind => panic!("no way to try {kind}"),
    };
    let content = match name {
        "system.osrelease" => format!("VERSION_ID=\"{input}\"\n"),
        _ => input.to_owned(),
    };
    let (_tree, host) = with_file(path, &content);
    let mut found = feature(&host, name).attributes.unwrap();
    found.remove("VERSION_ID");
    if let Some(labels) = case.get("labels") {
        assert_eq!(json!(feature(&host, "local.label").attributes), *labels, "{case}");
    }
    json!(found)
}

fn hugepages_key(directory: &str) -> String {
    let path = format!("sys/kernel/mm/hugepages/{directory}/nr_hugepages");
    let (_tree, host) = with_file(&path, "1\n");
    let found = feature(&host, "memory.hugepages").attributes.unwrap();
    found.into_keys().find(|name| name != "enabled").unwrap()
}

fn pci(name: &str, content: &str) -> String {
    let device = "sys/bus/pci/devices/0000:00:00.0";
    let (tree, host) = with_file(&format!("{device}/class"), "0x020000\n");
    for name in ["vendor", "device", "subsystem_vendor", "subsystem_device"] {
        fs::write(tree.path().join(device).join(name), "0x0001\n").unwrap();
    }
    fs::write(tree.path().join(device).join(name), content).unwrap();
    feature(&host, "pci.device").instances.unwrap()[0][name].clone()
}

#[test]
fn host_facts_are_written_as_nfd_writes_them() {
    let vectors = load();
    let cases = section(&vectors, "norm");
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases {
        assert_eq!(discovered(case), case["out"], "{case}");
    }
}
