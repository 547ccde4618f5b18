//! The node labels that NFD makes of features, with its built-in settings, as `nfd export labels` prints them.
//! NFD: `GetLabels` of each `source/*`, `source/custom/static_features.go`, `pkg/nfd-worker` GetFeatureLabels.
//!
//! `nfd export` never applies its list of hidden processor flags (`attributeBlacklist`), so every flag is a label here
//! too. Called by `cli/export.rs`.

use super::{Attributes, Discovery, Features, Host, kconfig};

const NAMESPACE: &str = "feature.node.kubernetes.io";

/// All labels of the host. Names and values that Kubernetes does not allow are left out.
pub fn labels(host: &Host) -> Attributes {
    let mut labels = Labels::default();
    cpu(host, &mut labels);
    kernel(host, &mut labels);
    memory(host, &mut labels);
    network(host, &mut labels);
    pci(host, &mut labels);
    usb(host, &mut labels);
    for device in instances(host, "storage.block") {
        labels.set_if(is(&device, "rotational", "0"), "storage-nonrotationaldisk");
    }
    let release = attributes(host, "system.osrelease");
    for name in ["ID", "VERSION_ID", "VERSION_ID.major", "VERSION_ID.minor"] {
        labels.copy(&release, name, &format!("system-os_release.{name}"));
    }
    static_rules(host, &mut labels);
    for (name, value) in attributes(host, "local.label") {
        labels.add(name, value);
    }
    labels.0
}

#[derive(Default)]
struct Labels(Attributes);

impl Labels {
    fn set(&mut self, name: &str, value: &str) {
        self.add(format!("{NAMESPACE}/{name}"), value.to_owned());
    }

    fn set_if(&mut self, condition: bool, name: &str) {
        if condition {
            self.set(name, "true");
        }
    }

    fn copy(&mut self, from: &Attributes, element: &str, name: &str) {
        if let Some(value) = from.get(element) {
            self.set(name, value);
        }
    }

    fn add(&mut self, name: String, value: String) {
        if is_label_name(&name) && is_label_value(&value) {
            self.0.insert(name, value);
        }
    }
}

fn cpu(host: &Host, labels: &mut Labels) {
    for flag in flags(host, "cpu.cpuid") {
        labels.set(&format!("cpu-cpuid.{flag}"), "true");
    }
    let features = [
        ("cpu.cpuid", "cpuid."),
        ("cpu.model", "model."),
        ("cpu.cstate", "cstate."),
        ("cpu.pstate", "pstate."),
        ("cpu.security", "security."),
        ("cpu.sst", "power.sst_"),
    ];
    /// Amounts, which NFD keeps for extended resources.
    const NO_LABELS: [&str; 4] =
        ["tdx.total_keys", "sgx.epc", "sev.encrypted_state_ids", "sev.asids"];
    for (feature, prefix) in features {
        for (name, value) in attributes(host, feature) {
            if !NO_LABELS.contains(&name.as_str()) {
                labels.set(&format!("cpu-{prefix}{name}"), &value);
            }
        }
    }
    let topology = attributes(host, "cpu.topology");
    labels.copy(&topology, "hardware_multithreading", "cpu-hardware_multithreading");
    let coprocessor = attributes(host, "cpu.coprocessor");
    labels.copy(&coprocessor, "nx_gzip", "cpu-coprocessor.nx_gzip");
}

fn kernel(host: &Host, labels: &mut Labels) {
    for (name, value) in attributes(host, "kernel.version") {
        labels.set(&format!("kernel-version.{name}"), &value);
    }
    let config = kconfig::for_labels(host);
    for option in ["NO_HZ", "NO_HZ_IDLE", "NO_HZ_FULL", "PREEMPT"] {
        labels.copy(&config, option, &format!("kernel-config.{option}"));
    }
    let selinux = attributes(host, "kernel.selinux");
    labels.set_if(is(&selinux, "enabled", "true"), "kernel-selinux.enabled");
}

fn memory(host: &Host, labels: &mut Labels) {
    labels.set_if(is(&attributes(host, "memory.numa"), "is_numa", "true"), "memory-numa");
    labels.set_if(is(&attributes(host, "memory.swap"), "enabled", "true"), "memory-swap");
    for device in instances(host, "memory.nv") {
        labels.set("memory-nv.present", "true");
        labels.set_if(is(&device, "devtype", "nd_dax"), "memory-nv.dax");
    }
}

fn network(host: &Host, labels: &mut Labels) {
    for device in instances(host, "network.device") {
        let positive = |name: &str| {
            device.get(name).and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| n > 0)
        };
        labels.set_if(positive("sriov_totalvfs"), "network-sriov.capable");
        labels.set_if(positive("sriov_numvfs"), "network-sriov.configured");
    }
}

/// Display, co-processor and processing accelerator classes.
fn pci(host: &Host, labels: &mut Labels) {
    for device in instances(host, "pci.device") {
        let class = element(&device, "class");
        if ["03", "0b40", "12"].iter().any(|listed| class.starts_with(listed)) {
            let name = format!("pci-{class}_{}", element(&device, "vendor"));
            labels.set(&format!("{name}.present"), "true");
            labels.set_if(device.contains_key("sriov_totalvfs"), &format!("{name}.sriov.capable"));
        }
    }
}

/// Video, miscellaneous, application specific and vendor specific classes.
fn usb(host: &Host, labels: &mut Labels) {
    for device in instances(host, "usb.device") {
        let class = element(&device, "class");
        if ["0e", "ef", "fe", "ff"].iter().any(|listed| class.starts_with(listed)) {
            let (vendor, product) = (element(&device, "vendor"), element(&device, "device"));
            labels.set(&format!("usb-{class}_{vendor}_{product}.present"), "true");
        }
    }
}

/// NFD's two built-in rules.
fn static_rules(host: &Host, labels: &mut Labels) {
    let mellanox = instances(host, "pci.device").iter().any(|d| is(d, "vendor", "15b3"));
    labels.set_if(mellanox, "rdma.capable");
    let loaded = flags(host, "kernel.loadedmodule");
    let has = |module: &str| loaded.iter().any(|name| name == module);
    labels.set_if(has("ib_uverbs") && has("rdma_ucm"), "rdma.available");
}

fn flags(host: &Host, feature: &str) -> Vec<String> {
    match host.discover(feature) {
        Discovery::Present(feature) => feature.flags.iter().flatten().cloned().collect(),
        Discovery::Absent(_) => Vec::new(),
    }
}

fn attributes(host: &Host, feature: &str) -> Attributes {
    match host.discover(feature) {
        Discovery::Present(feature) => feature.attributes.clone().unwrap_or_default(),
        Discovery::Absent(_) => Attributes::new(),
    }
}

fn instances(host: &Host, feature: &str) -> Vec<Attributes> {
    match host.discover(feature) {
        Discovery::Present(feature) => feature.instances.clone().unwrap_or_default(),
        Discovery::Absent(_) => Vec::new(),
    }
}

fn is(attributes: &Attributes, name: &str, value: &str) -> bool {
    attributes.get(name).is_some_and(|found| found == value)
}

fn element<'a>(attributes: &'a Attributes, name: &str) -> &'a str {
    attributes.get(name).map_or("", String::as_str)
}

/// Kubernetes: `[prefix/]name`, the name at most 63 characters, the prefix a DNS subdomain.
fn is_label_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, name)) => {
            is_dns_subdomain(prefix) && !name.is_empty() && is_label_value(name)
        }
        None => !name.is_empty() && is_label_value(name),
    }
}

/// Kubernetes: at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends; or empty.
fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(value.chars().next())
        && ends(value.chars().next_back())
}

fn is_dns_subdomain(name: &str) -> bool {
    let is_dns_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_values_that_kubernetes_allows_become_labels() {
        let names = [
            ("feature.node.kubernetes.io/cpu-cpuid.AVX", true),
            ("plain", true),
            ("a/b/c", false),
            ("/b", false),
            ("a/", false),
            ("", false),
            ("A.b/c", false),
            ("a..b/c", false),
            ("-a", false),
            ("with space", false),
        ];
        for (name, wanted) in names {
            assert_eq!(is_label_name(name), wanted, "{name}");
        }
        let long = "x".repeat(64);
        for (value, wanted) in [("", true), ("6.1", true), ("6.1.", false), (&long, false)] {
            assert_eq!(is_label_value(value), wanted, "{value}");
        }
    }
}
