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
        let cpu = format!("{DEVICES}/{cpu}");
        match place(root, &cpu) {
            Ok((siblings, socket)) => {
                threads |= siblings.contains([',', '-']);
                sockets.insert(socket);
            }
            Err(_) if is_offline(root, &cpu) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(if sockets.is_empty() {
        Attributes::new()
    } else {
        Attributes::from([
            ("hardware_multithreading".to_owned(), threads.to_string()),
            ("socket_count".to_owned(), sockets.len().to_string()),
        ])
    })
}

fn place(root: &HostRoot, cpu: &str) -> Result<(String, String), ReadError> {
    let siblings = root.read_text(&format!("{cpu}/topology/thread_siblings_list"))?;
    Ok((siblings, root.read_trimmed(&format!("{cpu}/topology/physical_package_id"))?))
}

/// A processor that is offline has no topology directory, or says so.
fn is_offline(root: &HostRoot, cpu: &str) -> bool {
    root.exists(&format!("{cpu}/topology")) == Ok(false)
        || root.read_trimmed(&format!("{cpu}/online")).is_ok_and(|online| online == "0")
}
