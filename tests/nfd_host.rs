//! Host facts against NFD's own tool (`tests/reference-host`, Go): this machine, where the exported text must be the
//! same byte for byte, and the recorded hosts, as far as NFD can be pointed at one. Without Go on this machine, or
//! without the module proxy, the tests say that they were skipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may"
)]

#[path = "support/go_program.rs"]
mod go_program;
mod support {
    pub mod host_tree;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use imgcompat::cli::export::json;
use imgcompat::host::{Features, Host, HostRoot, labels};
use serde_json::Value as Json;
use support::host_tree::{expand_host, hosts};

/// Features that NFD reads below its prefix only; it asks the real processor and the real /proc for the others.
const BELOW_PREFIX: [&str; 13] = [
    "cpu.pstate",
    "cpu.topology",
    "kernel.kvm",
    "kernel.selinux",
    "memory.hugepages",
    "memory.numa",
    "memory.nv",
    "memory.swap",
    "network.device",
    "network.virtual",
    "pci.device",
    "storage.block",
    "usb.device",
];

/// Where we differ: docs/nfd-differences.md, section "Host facts".
const DIFFERENCES: [(&str, &str); 1] = [("offline-cpu", "cpu.topology")];

/// Without these directories, and with these files empty or odd, the reference ends or crashes.
const NEEDED: [&str; 4] = ["sys/bus/pci/devices", "sys/class/net", "sys/block", "sys/fs"];
const CRASHING: [&str; 3] = [
    "sys/fs/selinux/enforce",
    "sys/devices/system/cpu/intel_pstate/no_turbo",
    "sys/fs/cgroup/misc.capacity",
];

/// Builds the reference once; the reason if that is not possible here.
fn reference() -> Result<&'static PathBuf, &'static String> {
    static REFERENCE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    REFERENCE.get_or_init(|| go_program::build("reference-host", "nfd-reference-host")).as_ref()
}

/// What the reference prints, or the end of what it says instead.
fn export(reference: &Path, what: &str, tree: Option<&Path>) -> Result<String, String> {
    let output = Command::new(reference).arg(what).args(tree).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[test]
fn the_export_of_this_machine_is_the_text_of_nfd() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return println!("skipped: {why}"),
    };
    for what in ["features", "labels"] {
        // Other programs' devices come and go: two readings may differ though both are right.
        let tries = (0..10).map(|_| (ours(what), export(reference, what, None)));
        let mut last = None;
        for (ours, theirs) in tries {
            let Ok(theirs) = theirs else {
                return println!("skipped: NFD cannot discover this machine: {theirs:?}");
            };
            let same = is_same(&ours, &theirs);
            last = Some((ours, theirs));
            if same {
                break;
            }
        }
        let (ours, theirs) = last.unwrap();
        assert!(is_same(&ours, &theirs), "ours:\n{ours}\nNFD's:\n{theirs}");
    }
}

fn ours(what: &str) -> String {
    let host = Host::local();
    let text = match what {
        "labels" => json(&labels::labels(&host)),
        _ => json(&host.export()),
    };
    text.unwrap() + "\n"
}

/// The same text; on a machine where one of the listed differences shows, the same values without it.
fn is_same(ours: &str, theirs: &str) -> bool {
    let differs =
        |text: &str| without_differences(text) != serde_json::from_str::<Json>(text).unwrap();
    if differs(ours) || differs(theirs) {
        without_differences(ours) == without_differences(theirs)
    } else {
        ours == theirs
    }
}

/// Without AMXFP8, which the reference takes from a wrong bit, and the modules that it does not see where the list of
/// built-in ones is missing.
fn without_differences(text: &str) -> Json {
    let mut value: Json = serde_json::from_str(text).unwrap();
    let top = value.as_object_mut().unwrap();
    top.remove("feature.node.kubernetes.io/cpu-cpuid.AMXFP8");
    if let Some(flags) = top.get_mut("flags").and_then(Json::as_object_mut) {
        flags.remove("kernel.enabledmodule");
        flags["cpu.cpuid"]["elements"].as_object_mut().unwrap().remove("AMXFP8");
    }
    value
}

#[test]
fn recorded_hosts_are_seen_as_nfd_sees_them() {
    let reference = match reference() {
        Ok(reference) => reference,
        Err(why) => return println!("skipped: {why}"),
    };
    for name in fs::read_dir(hosts()).unwrap().map(|entry| entry.unwrap().file_name()) {
        let name = name.into_string().unwrap();
        let tree = expand_host(&name);
        NEEDED.iter().for_each(|path| fs::create_dir_all(tree.path().join(path)).unwrap());
        CRASHING.iter().for_each(|path| drop(fs::remove_file(tree.path().join(path))));
        let theirs = export(reference, "features", Some(tree.path())).unwrap();
        let theirs: Json = serde_json::from_str(&theirs).unwrap();
        let host = Host::new(HostRoot::tree(tree.path()).unwrap());
        let ours = serde_json::to_value(host.export()).unwrap();
        for feature in BELOW_PREFIX {
            let same = ["flags", "attributes", "instances"]
                .iter()
                .all(|kind| ours[kind].get(feature) == theirs[kind].get(feature));
            let listed = DIFFERENCES.contains(&(name.as_str(), feature));
            assert_eq!(same, !listed, "{name}: {feature}: {:?}", host.discover(feature));
        }
    }
}
