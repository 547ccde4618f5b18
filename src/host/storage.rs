//! `storage.block`: block devices. NFD: `source/storage/storage.go`.

use super::{Absence, Feature, Host};

/// `storage.block`: one instance for each block device, loop and RAM devices included.
pub(super) fn block(host: &Host) -> Result<Feature, Absence> {
    const FILES: [&str; 4] = ["dax", "rotational", "nr_zones", "zoned"];
    let instance = |name: String| {
        let mut device = host.root().attribute_files(&format!("/sys/block/{name}/queue"), &FILES);
        device.insert("name".to_owned(), name);
        device
    };
    let names = host.root().list("/sys/block")?;
    Ok(Feature::instances(names.into_iter().map(instance).collect()))
}
