//! `network.device` and `network.virtual`. NFD: `source/network/network.go`.

use super::{Absence, Attributes, Feature, Host};

const INTERFACES: &str = "/sys/class/net";

/// `network.device`: interfaces that have a device behind them.
pub(super) fn device(host: &Host) -> Result<Feature, Absence> {
    const FILES: [&str; 5] =
        ["operstate", "speed", "device/sriov_numvfs", "device/sriov_totalvfs", "mtu"];
    interfaces(host, true, &FILES)
}

/// `network.virtual`: all other interfaces.
pub(super) fn r#virtual(host: &Host) -> Result<Feature, Absence> {
    interfaces(host, false, &["operstate", "speed", "mtu"])
}

fn interfaces(host: &Host, physical: bool, files: &[&str]) -> Result<Feature, Absence> {
    let root = host.root();
    let mut instances: Vec<Attributes> = Vec::new();
    for name in root.list(INTERFACES)? {
        let path = format!("{INTERFACES}/{name}");
        let has_device = root.exists(&format!("{path}/device")).unwrap_or(false);
        // A file of the bonding driver among the interfaces.
        if name == "bonding_masters" || has_device != physical {
            continue;
        }
        let mut interface = root.attribute_files(&path, files);
        interface.insert("name".to_owned(), name);
        instances.push(interface);
    }
    Ok(Feature::instances(instances))
}
