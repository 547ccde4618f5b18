//! What the host has instead, and what would help: a small table keyed by feature, for the one sentence and `why`.
//!
//! The image's author can only say "the node is too old"; whoever runs the node can often mend it in a minute, once
//! told what is missing. Advice is advice: it is one clause, and it never changes a verdict.

use crate::host::{Discovery, Features};
use crate::rules::ExpressionReport;

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

/// What would help, if anything is known to.
pub fn remedy(row: &ExpressionReport, features: &dyn Features) -> Option<String> {
    let element = row.element.as_str();
    match row.feature.to_ascii_lowercase().as_str() {
        "cpu.cpuid" => virtual_cpu(features),
        "kernel.loadedmodule" | "kernel.enabledmodule" if is_plain(element) => {
            Some(format!("modprobe {}", element.replace('-', "_")))
        }
        "kernel.selinux" => Some("setenforce 1".to_owned()),
        "kernel.kvm" => {
            Some("enable virtualisation in firmware, or nested virtualisation".to_owned())
        }
        "memory.hugepages" => {
            Some("reserve huge pages: sysctl vm.nr_hugepages, or hugepages= at boot".to_owned())
        }
        "memory.swap" => Some("swapon or swapoff".to_owned()),
        "network.device" if element.starts_with("sriov") => {
            Some("enable SR-IOV in firmware, then write sriov_numvfs".to_owned())
        }
        _ => None,
    }
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
    use crate::rules::{ExpressionVerdict, Matcher};

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
        assert_eq!(remedy_for("vfio-pci").as_deref(), Some("modprobe vfio_pci"));
        assert_eq!(remedy_for("x; rm -rf /"), None);
    }
}
