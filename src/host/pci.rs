//! `pci.device`: devices of the PCI bus. NFD: `source/pci/utils.go`.

use super::{Absence, Attributes, Feature, Host, HostRoot, ReadError};

const MANDATORY: [&str; 5] = ["class", "vendor", "device", "subsystem_vendor", "subsystem_device"];
const OPTIONAL: [&str; 3] = ["sriov_totalvfs", "iommu_group/type", "iommu/intel-iommu/version"];

/// `pci.device`: one instance for each device whose identity can be read.
pub(super) fn device(host: &Host) -> Result<Feature, Absence> {
    const DEVICES: &str = "/sys/bus/pci/devices";
    let root = host.root();
    let names = root.list(DEVICES)?.into_iter();
    let devices = names.filter_map(|name| read_device(root, &format!("{DEVICES}/{name}")).ok());
    Ok(Feature::instances(devices.collect()))
}

fn read_device(root: &HostRoot, path: &str) -> Result<Attributes, ReadError> {
    let directory = root.directory(path);
    let read =
        |name: &str| directory.read_text(name).map(|raw| (name.to_owned(), value(name, &raw)));
    let mut device = MANDATORY.into_iter().map(read).collect::<Result<Attributes, _>>()?;
    device.extend(OPTIONAL.into_iter().filter_map(|name| read(name).ok()));
    Ok(device)
}

/// Without `0x`; a class without its last byte, the programming interface.
fn value(name: &str, raw: &str) -> String {
    let value = raw.strip_prefix("0x").unwrap_or(raw).trim();
    match name {
        "class" => value.chars().take(4).collect(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_prefix_and_classes_their_last_byte() {
        let table = [
            ("class", "0x030000\n", "0300"),
            ("class", "0x12\n", "12"),
            ("vendor", "0x10de\n", "10de"),
            ("vendor", "0x10DE\n", "10DE"),
            ("vendor", "0x0x10\n", "0x10"),
            ("vendor", "", ""),
            ("iommu_group/type", "DMA-FQ\n", "DMA-FQ"),
        ];
        for (name, raw, wanted) in table {
            assert_eq!(value(name, raw), wanted, "{name} {raw}");
        }
    }
}
