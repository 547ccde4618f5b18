//! Recorded hosts: what is discovered of each, and why the rest is absent, as whole text.
//!
//! tests/hosts/NAME/tree.txt is the host (tests/support/host_tree.rs has the format), features.json what
//! `imgcompat export features` says of it, absent.txt the reasons for every feature that is not there.
//! `UPDATE_HOSTS=1 cargo test --test host_trees` writes both anew; read the difference before committing it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may"
)]

mod support {
    pub mod host_tree;
}

use std::fs;
use std::path::Path;

use clap::Parser;
use imgcompat::cli::export::{Export, json, run};
use imgcompat::host::{Discovery, FeatureSet, Features, Host, HostRoot, SOURCES, labels};
use imgcompat::rules::{Options, SetVerdict, evaluate};
use imgcompat::spec::decode;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use support::host_tree::{expand, expand_host, hosts};

fn tree(name: &str) -> tempfile::TempDir {
    let tree = expand_host(name);
    if name == "odd-files" {
        for pipe in ["sys/class/net/odd/operstate", "proc/swaps"] {
            mkfifo(&tree.path().join(pipe), Mode::S_IRWXU).unwrap();
        }
    }
    tree
}

fn host(tree: &tempfile::TempDir) -> Host {
    Host::new(HostRoot::tree(tree.path()).unwrap())
}

/// Compares with a file of the host, or writes it.
fn is_golden(name: &str, file: &str, found: &str) {
    let path = hosts().join(name).join(file);
    if std::env::var_os("UPDATE_HOSTS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{name}/{file} differs; see the top of this test");
}

fn every_host() -> Vec<String> {
    let entries = fs::read_dir(hosts()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    names
}

#[test]
fn each_recorded_host_has_exactly_these_features() {
    for name in every_host() {
        let tree = tree(&name);
        let host = host(&tree);
        is_golden(&name, "features.json", &(json(&host.export()).unwrap() + "\n"));
        let top = tree.path().to_str().unwrap();
        let reasons = host.absences().into_iter();
        let reasons =
            reasons.map(|(feature, why)| format!("{feature}: {}\n", why.replace(top, "")));
        is_golden(&name, "absent.txt", &reasons.collect::<String>());
    }
}

#[test]
fn labels_of_a_host_with_everything_are_nfds() {
    for name in ["intel-two-sockets", "amd-sev-snp"] {
        let labels = labels::labels(&host(&tree(name)));
        is_golden(name, "labels.json", &(json(&labels).unwrap() + "\n"));
    }
}

#[test]
fn an_absent_feature_says_why_and_missing_is_not_unreadable() {
    let empty = expand("[]\n");
    let odd = tree("odd-files");
    let reason = |tree: &tempfile::TempDir, feature| match host(tree).discover(feature) {
        Discovery::Absent(reason) => reason.replace(tree.path().to_str().unwrap(), ""),
        Discovery::Present(found) => panic!("{feature}: {found:?}"),
    };
    assert_eq!(reason(&empty, "pci.device"), "/sys/bus/pci/devices: does not exist");
    assert_eq!(reason(&empty, "memory.swap"), "/proc/swaps: does not exist");
    assert_eq!(reason(&odd, "memory.swap"), "/proc/swaps: is not a regular file");
    assert_eq!(reason(&odd, "kernel.selinux"), "/sys/fs/selinux/enforce: is empty");
}

#[test]
fn one_missing_directory_takes_only_its_own_feature_away() {
    let tree = tree("micro-vm");
    let host = host(&tree);
    assert!(matches!(host.discover("pci.device"), Discovery::Absent(_)));
    for feature in ["cpu.cpuid", "network.device", "storage.block", "kernel.version"] {
        assert!(matches!(host.discover(feature), Discovery::Present(_)), "{feature}");
    }
}

/// Every file that any source opens, filled with rubbish: the host has less, and nothing else happens.
#[test]
fn rubbish_in_every_file_does_no_harm() {
    let long = [b' '; 70_000];
    let rubbish: [&[u8]; 6] = [b"\0", b"\xff\xfe\n=\n:", b"-1\n", b"0x", &long, b""];
    for name in every_host() {
        let tree = tree(&name);
        for content in rubbish {
            fill(tree.path(), content);
            let host = host(&tree);
            for (feature, _) in SOURCES {
                host.discover(feature);
            }
            labels::labels(&host);
        }
    }
}

fn fill(directory: &Path, content: &[u8]) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fill(&entry.path(), content);
        } else if kind.is_file() && entry.file_name() != "arch" {
            fs::write(entry.path(), content).unwrap();
        }
    }
}

#[test]
fn the_example_of_nfds_documentation_tells_two_hosts_apart() {
    let text = fs::read(hosts().join("nfd-example-ok/specification.yaml")).unwrap();
    let specification = decode(&text).unwrap().specification;
    let verdict = |name| evaluate(&specification, &host(&tree(name)), &Options::default()).verdict;
    assert_eq!(verdict("nfd-example-ok"), SetVerdict::Compatible);
    assert_eq!(verdict("nfd-example-not"), SetVerdict::Incompatible);
}

/// What `main` makes of the subcommand.
#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    export: Export,
}

#[test]
fn export_writes_a_file_that_can_stand_for_the_host() {
    let tree = tree("intel-two-sockets");
    let file = tempfile::NamedTempFile::new().unwrap();
    let root = tree.path().to_str().unwrap();
    let path = file.path().to_str().unwrap();
    let command = Command::parse_from(["export", "features", "--path", path, "--host-root", root]);
    run(&command.export).unwrap();
    let written = fs::read_to_string(file.path()).unwrap();
    let golden = fs::read_to_string(hosts().join("intel-two-sockets/features.json")).unwrap();
    assert_eq!(written + "\n", golden);
    let set: FeatureSet = serde_json::from_str(&golden).unwrap();
    for (name, _) in SOURCES {
        let (read, seen) = (set.discover(name), host(&tree).discover(name));
        assert_eq!(read.feature(), seen.feature(), "{name}");
    }
}

#[test]
fn export_of_a_host_that_is_not_there_is_a_mistake_of_the_caller() {
    let command = Command::parse_from(["export", "labels", "--host-root", "/nowhere/host-"]);
    let failure = run(&command.export).unwrap_err();
    assert_eq!(failure.code, 2);
    assert!(failure.message.contains("/nowhere/host-sys"), "{failure}");
}
