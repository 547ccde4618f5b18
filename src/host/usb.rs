//! `usb.device`: devices of the USB bus. NFD: `source/usb/utils.go`.

use super::{Absence, Attributes, Feature, Host, HostRoot, ReadError};

const DEVICES: &str = "/sys/bus/usb/devices";
const ATTRIBUTES: [(&str, &str); 4] = [
    ("class", "bDeviceClass"),
    ("device", "idProduct"),
    ("serial", "serial"),
    ("vendor", "idVendor"),
];

/// `usb.device`: one instance for each device, or for each interface of a device that leaves its class to them.
/// A host whose bus is missing or unreadable has none, as for NFD.
pub(super) fn device(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    let names = root.list(DEVICES).unwrap_or_default();
    // The directory holds interfaces too; only devices have a product.
    let is_device = |path: &String| root.exists(&format!("{path}/idProduct")).unwrap_or(false);
    let paths = names.into_iter().map(|name| format!("{DEVICES}/{name}")).filter(is_device);
    let instances = paths.filter_map(|path| read_device(root, &path).ok()).flatten();
    Ok(Feature::instances(instances.collect()))
}

fn read_device(root: &HostRoot, path: &str) -> Result<Vec<Attributes>, ReadError> {
    let read = |(name, file): (&str, &str)| {
        let value = root.read_trimmed(&format!("{path}/{file}")).ok()?;
        (!value.is_empty()).then(|| (name.to_owned(), value))
    };
    let device: Attributes = ATTRIBUTES.into_iter().filter_map(read).collect();
    if device.get("class").is_none_or(|class| class != "00") {
        return Ok(vec![device]);
    }
    let with_class = |class: String| {
        let mut interface = device.clone();
        interface.insert("class".to_owned(), class);
        interface
    };
    Ok(interface_classes(root, path)?.into_iter().map(with_class).collect())
}

fn interface_classes(root: &HostRoot, path: &str) -> Result<Vec<String>, ReadError> {
    let mut classes = Vec::new();
    for name in root.list(path)? {
        match root.read_trimmed(&format!("{path}/{name}/bInterfaceClass")) {
            Err(error) if error.is_missing() => {}
            class => classes.push(class?),
        }
    }
    Ok(classes)
}
