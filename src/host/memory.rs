//! `memory.numa`, `memory.swap`, `memory.nv`, `memory.hugepages`. NFD: `source/memory/memory.go`.

use super::{Absence, Attributes, Feature, Host};

/// `memory.numa`: `node_count`, and `is_numa` if there is more than one node.
pub(super) fn numa(host: &Host) -> Result<Feature, Absence> {
    let nodes = host.root().list("/sys/bus/node/devices")?.len();
    Ok(Feature::attributes([
        ("is_numa", (nodes > 1).to_string()),
        ("node_count", nodes.to_string()),
    ]))
}

/// `memory.swap`: `enabled` if /proc/swaps has more than its heading.
pub(super) fn swap(host: &Host) -> Result<Feature, Absence> {
    let swaps = host.root().read_text("/proc/swaps")?;
    let lines = swaps.lines().filter(|line| !line.trim().is_empty()).count();
    Ok(Feature::attributes([("enabled", (lines > 1).to_string())]))
}

/// `memory.nv`: one instance for each device of the NVDIMM bus. A host without the bus has none.
pub(super) fn nv(host: &Host) -> Result<Feature, Absence> {
    const DEVICES: &str = "/sys/bus/nd/devices";
    let names = match host.root().list(DEVICES) {
        Err(error) if error.is_missing() => Vec::new(),
        names => names?,
    };
    let instance = |name: String| {
        let mut device =
            host.root().attribute_files(&format!("{DEVICES}/{name}"), &["devtype", "mode"]);
        device.insert("name".to_owned(), name);
        device
    };
    Ok(Feature::instances(names.into_iter().map(instance).collect()))
}

/// `memory.hugepages`: number of pages in the global pool for each page size, and `enabled` if there are any.
pub(super) fn hugepages(host: &Host) -> Result<Feature, Absence> {
    const SIZES: &str = "/sys/kernel/mm/hugepages";
    let names = match host.root().list_directories(SIZES) {
        Err(error) if error.is_missing() => Vec::new(),
        names => names?,
    };
    let mut pages = Attributes::new();
    for name in names {
        let Some(key) = hugepages_key(&name) else { continue };
        let count = host.root().read_trimmed(&format!("{SIZES}/{name}/nr_hugepages"));
        pages.insert(key, count.unwrap_or_default());
    }
    let enabled = pages.values().any(|count| count.parse::<i64>().is_ok_and(|count| count > 0));
    pages.insert("enabled".to_owned(), enabled.to_string());
    Ok(Feature::attributes(pages))
}

/// `hugepages-2048kB`, as the kernel says it, is `hugepages-2Mi` in Kubernetes.
fn hugepages_key(directory: &str) -> Option<String> {
    let size = directory.strip_prefix("hugepages-").unwrap_or(directory);
    let mut size: u64 = size.trim_end_matches(['k', 'B']).parse().ok()?;
    let mut units = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter();
    let mut unit = units.next()?;
    while size > 0 && size.is_multiple_of(1024) {
        let Some(larger) = units.next() else { break };
        size /= 1024;
        unit = larger;
    }
    Some(if size == 0 { "hugepages-0".to_owned() } else { format!("hugepages-{size}{unit}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_size_is_named_as_in_kubernetes() {
        let table = [
            ("hugepages-64kB", Some("hugepages-64Ki")),
            ("hugepages-2048kB", Some("hugepages-2Mi")),
            ("hugepages-16384kB", Some("hugepages-16Mi")),
            ("hugepages-32768kB", Some("hugepages-32Mi")),
            ("hugepages-524288kB", Some("hugepages-512Mi")),
            ("hugepages-1048576kB", Some("hugepages-1Gi")),
            ("hugepages-16777216kB", Some("hugepages-16Gi")),
            ("hugepages-1000kB", Some("hugepages-1000Ki")),
            ("hugepages-", None),
            ("rubbish", None),
        ];
        for (directory, key) in table {
            assert_eq!(hugepages_key(directory).as_deref(), key, "{directory}");
        }
    }

    proptest! {
        #[test]
        fn any_directory_name_gives_a_key_or_none(name in "(hugepages-)?[0-9]{0,22}(kB)?|.*") {
            hugepages_key(&name);
        }
    }
}
