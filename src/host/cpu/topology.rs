//! `cpu.topology`: sockets and hardware threads. NFD: `source/cpu/cpu.go`, discoverTopology.

use std::collections::BTreeSet;

use crate::host::{Absence, Attributes, Feature, Host, HostRoot, ReadError};

/// `cpu.topology`: `hardware_multithreading` and `socket_count`, from all processors that are online. Present and
/// empty if the kernel says nothing about it.
pub(in crate::host) fn topology(host: &Host) -> Result<Feature, Absence> {
    Ok(Feature::attributes(read(host.root()).unwrap_or_default()))
}

fn read(root: &HostRoot) -> Result<Attributes, ReadError> {
    const DEVICES: &str = "/sys/bus/cpu/devices";
    let mut threads = false;
    let mut sockets = BTreeSet::new();
    for cpu in root.list(DEVICES)? {
        let path = format!("{DEVICES}/{cpu}/topology");
        // A processor that is offline has no such directory.
        if !root.exists(&path)? {
            continue;
        }
        let siblings = root.read_text(&format!("{path}/thread_siblings_list"))?;
        threads |= siblings.contains([',', '-']);
        sockets.insert(root.read_trimmed(&format!("{path}/physical_package_id"))?);
    }
    Ok(match sockets.is_empty() {
        true => Attributes::new(),
        false => Attributes::from([
            ("hardware_multithreading".to_owned(), threads.to_string()),
            ("socket_count".to_owned(), sockets.len().to_string()),
        ]),
    })
}
