//! What the host has instead, and what would help: a small table keyed by feature, for the one sentence and `why`.
//!
//! The image's author can only say "the node is too old"; whoever runs the node can often mend it in a minute, once
//! told what is missing. Advice is advice: it is one clause, and it never changes a verdict.

use crate::host::{Discovery, Features};
use crate::rules::{ExpressionReport, ExpressionVerdict, SetReport, SetVerdict};

/// What the host has in place of a missing element, where that says more than "it does not have it".
pub fn instead(row: &ExpressionReport, features: &dyn Features) -> Option<String> {
    if row.feature.eq_ignore_ascii_case("cpu.cpuid") && row.host.is_none() {
        let level = x86_64_level(features)?;
        return Some(format!("this host has {level} without it"));
    }
    None
}

/// The highest x86-64 level whose flags the host has, in the words that compilers and images use.
fn x86_64_level(features: &dyn Features) -> Option<&'static str> {
    const LEVELS: [(&str, &str); 4] = [
        ("X86_64_V4", "x86-64-v4"),
        ("X86_64_V3", "x86-64-v3"),
        ("X86_64_V2", "x86-64-v2"),
        ("X86_64_V1", "x86-64-v1"),
    ];
    let discovery = features.discover("cpu.cpuid");
    let flags = discovery.feature()?.flags.as_ref()?;
    LEVELS.iter().find(|(flag, _)| flags.contains(*flag)).map(|(_, level)| *level)
}

/// What would help, if anything is known to. One clause: it stands in the one sentence too.
pub fn remedy(row: &ExpressionReport, features: &dyn Features) -> Option<String> {
    let element = row.element.as_str();
    let feature = row.feature.to_ascii_lowercase();
    if feature == "memory.swap" {
        return Some("swapon or swapoff".to_owned());
    }
    if !asks_for_more(&row.op) {
        return None;
    }
    match feature.as_str() {
        "cpu.cpuid" => virtual_cpu(features),
        "kernel.loadedmodule" | "kernel.enabledmodule" => module(element),
        "memory.hugepages" => Some(huge_pages(row)),
        "network.device" | "pci.device" if element.starts_with("sriov") => {
            Some("enable SR-IOV in firmware, then write sriov_numvfs".to_owned())
        }
        name => STANDING.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).into()),
    }
}

/// What helps whatever the element is.
const STANDING: [(&str, &str); 8] = [
    ("cpu.security", "switch it on in firmware and on the kernel's command line"),
    ("kernel.config", "another kernel: this was chosen when it was built"),
    ("kernel.kvm", "enable virtualisation in firmware, or nested virtualisation"),
    ("kernel.selinux", "setenforce 1, and SELINUX=enforcing in /etc/selinux/config"),
    ("local.feature", "put it into /etc/kubernetes/node-feature-discovery/features.d"),
    ("memory.nv", "NVDIMMs, or memmap= on the kernel's command line"),
    ("pci.device", "give the node such a device, or pass one through"),
    ("usb.device", "plug such a device in, or pass one through"),
];

/// True for operators that fail where something is missing or too small; advice to take something away is not ours.
fn asks_for_more(operator: &str) -> bool {
    matches!(operator, "Exists" | "In" | "InRegexp" | "Gt" | "Ge" | "IsTrue" | "")
}

fn module(name: &str) -> Option<String> {
    if !is_plain(name) {
        return None;
    }
    let name = name.replace('-', "_");
    if name.starts_with("nvidia") {
        return Some("install the driver of NVIDIA; nvidia-smi says whether it works".to_owned());
    }
    Some(format!("modprobe {name}, and its name in a file in /etc/modules-load.d"))
}

/// The line to type, where the number of pages is known.
fn huge_pages(row: &ExpressionReport) -> String {
    let wanted = row.value.first().and_then(|value| value.parse::<u32>().ok());
    let wanted = match row.op.as_str() {
        "Gt" => wanted.and_then(|count| count.checked_add(1)),
        "Ge" => wanted,
        _ => None,
    };
    match (row.element.as_str(), wanted) {
        ("hugepages-2Mi", Some(count)) => format!("sysctl vm.nr_hugepages={count}"),
        ("hugepages-1Gi", Some(count)) => {
            format!("hugepagesz=1G hugepages={count} on the kernel's command line")
        }
        _ => "reserve huge pages: sysctl vm.nr_hugepages, or hugepages= at boot".to_owned(),
    }
}

/// What would have to change for a specification to hold: each piece of advice with the expressions that it is for. Of
/// several compatibility sets or alternatives one is enough.
pub fn remedies(sets: &[SetReport], features: &dyn Features) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let open = |verdict: SetVerdict| verdict != SetVerdict::Compatible;
    let rules = sets.iter().filter(|set| open(set.verdict)).flat_map(|set| &set.rules);
    for rule in rules.filter(|rule| open(rule.verdict)) {
        let alternatives = rule.match_any.iter().flat_map(|any| &any.expressions);
        for row in rule.expressions.iter().chain(alternatives) {
            let failed = row.verdict == ExpressionVerdict::NoMatch;
            let Some(advice) = failed.then(|| remedy(row, features)).flatten() else { continue };
            let needed = row.needed();
            match found.iter_mut().find(|(known, _)| *known == advice) {
                Some((_, rows)) if rows.contains(&needed) => {}
                Some((_, rows)) => rows.push(needed),
                None => found.push((advice, vec![needed])),
            }
        }
    }
    found
}

/// A missing flag on a virtual machine is mostly the machine's CPU type, not the processor.
fn virtual_cpu(features: &dyn Features) -> Option<String> {
    let Discovery::Present(model) = features.discover("cpu.model") else { return None };
    let hypervisor = model.attributes.as_ref()?.get("hypervisor")?;
    let name = match hypervisor.as_str() {
        "none" | "" => return None,
        "kvm" => "KVM",
        "vmware" => "VMware",
        "msvm" => "Hyper-V",
        "xenhvm" => "Xen",
        "qemu" => "QEMU",
        _ => "virtual",
    };
    Some(format!("{name} guest: check its CPU type"))
}

/// A name that may stand in a command.
fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Feature, FeatureSet};
    use crate::rules::{Matcher, RuleReport};

    fn row(feature: &str, element: &str) -> ExpressionReport {
        ExpressionReport {
            feature: feature.to_owned(),
            element: element.to_owned(),
            matcher: Matcher::MatchExpressions,
            op: "Exists".to_owned(),
            value: vec![],
            value_type: String::new(),
            verdict: ExpressionVerdict::NoMatch,
            host: None,
            error: None,
            note: None,
            position: None,
            instance: None,
        }
    }

    fn guest(hypervisor: &str) -> FeatureSet {
        let mut set = FeatureSet::default();
        set.insert("cpu.cpuid", &Feature::flags(["X86_64_V1", "X86_64_V2", "SSE42"]));
        set.insert("cpu.model", &Feature::attributes([("hypervisor", hypervisor)]));
        set
    }

    #[test]
    fn a_missing_flag_names_the_level_and_the_virtual_machine() {
        let row = row("cpu.cpuid", "AVX512F");
        let instead = instead(&row, &guest("kvm"));
        assert_eq!(instead.as_deref(), Some("this host has x86-64-v2 without it"));
        assert_eq!(remedy(&row, &guest("kvm")).as_deref(), Some("KVM guest: check its CPU type"));
        assert_eq!(remedy(&row, &guest("none")), None);
    }

    #[test]
    fn only_plain_names_stand_in_commands() {
        let remedy_for =
            |element| remedy(&row("kernel.loadedmodule", element), &FeatureSet::default());
        let load = "modprobe vfio_pci, and its name in a file in /etc/modules-load.d";
        assert_eq!(remedy_for("vfio-pci").as_deref(), Some(load));
        assert_eq!(remedy_for("x; rm -rf /"), None);
    }

    #[test]
    fn advice_fits_the_feature_and_the_operator() {
        let advice = |feature: &str, element: &str, op: &str, value: &[&str]| {
            let mut row = row(feature, element);
            row.op = op.to_owned();
            row.value = value.iter().map(|value| (*value).to_owned()).collect();
            remedy(&row, &FeatureSet::default()).unwrap_or_default()
        };
        let table: [(&str, &str, &str, &[&str], &str); 8] = [
            ("memory.hugepages", "hugepages-2Mi", "Gt", &["7"], "sysctl vm.nr_hugepages=8"),
            ("memory.hugepages", "hugepages-1Gi", "Ge", &["4"], "hugepages=4 on the kernel"),
            ("memory.hugepages", "hugepages-2Mi", "Gt", &["x"], "reserve huge pages"),
            ("kernel.loadedmodule", "nvidia", "Exists", &[], "install the driver"),
            ("kernel.selinux", "enabled", "IsTrue", &[], "setenforce 1"),
            ("pci.device", "sriov_totalvfs", "Gt", &["0"], "enable SR-IOV"),
            ("Kernel.Config", "IO_URING", "In", &["y"], "another kernel"),
            ("network.device", "operstate", "In", &["up"], ""),
        ];
        for (feature, element, op, value, expected) in table {
            let advice = advice(feature, element, op, value);
            assert!(advice.contains(expected), "{feature} {element}: {advice}");
        }
        assert_eq!(advice("kernel.loadedmodule", "nouveau", "DoesNotExist", &[]), "");
        assert_eq!(advice("memory.hugepages", "hugepages-2Mi", "Lt", &["1"]), "");
    }

    #[test]
    fn rows_with_the_same_remedy_are_named_together_and_those_that_hold_are_not() {
        let mut held = row("kernel.loadedmodule", "overlay");
        held.verdict = ExpressionVerdict::Match;
        let rule = RuleReport {
            name: String::new(),
            verdict: SetVerdict::Incompatible,
            error: None,
            note: None,
            expressions: vec![row("cpu.cpuid", "AVX"), row("cpu.cpuid", "AVX2"), held],
            match_any: vec![],
        };
        let set = SetReport {
            index: 0,
            description: String::new(),
            tag: String::new(),
            weight: 0,
            verdict: SetVerdict::Incompatible,
            rules: vec![rule],
        };
        let remedies = remedies(&[set], &guest("kvm"));
        let rows = vec!["cpu.cpuid AVX (Exists)".to_owned(), "cpu.cpuid AVX2 (Exists)".to_owned()];
        assert_eq!(remedies, [("KVM guest: check its CPU type".to_owned(), rows)]);
    }
}
