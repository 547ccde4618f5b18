//! IBM Z: flags and model. NFD: `source/cpu/cpuid_linux_s390x.go`, and `cpu.go` for /proc/cpuinfo and /proc/sysinfo.

use super::hwcap::{Hwcap, named_bits};
use super::model::{UNKNOWN, as_label};
use crate::host::{Attributes, HostRoot};

/// AT_HWCAP from bit 0.
const HWCAP: [&str; 23] = [
    "ESAN3", "ZARCH", "STFLE", "MSA", "LDISP", "EIMM", "DFP", "EDAT", "ETF3EH", "HIGHGPRS", "TE",
    "VX", "VXD", "VXE", "GS", "VXE2", "VXP", "SORT", "DFLT", "VXP2", "NNPA", "PCIMIO", "SIE",
];

/// Flags of the processor.
pub(super) fn flags(hwcap: &Hwcap) -> impl Iterator<Item = &'static str> {
    named_bits(hwcap.first, &HWCAP)
}

/// Model of the processor: vendor, the first processor's identification, and the last one's machine type.
pub(super) fn model(root: &HostRoot) -> Attributes {
    let cpuinfo = root.read_text("/proc/cpuinfo").unwrap_or_default();
    let fields = || cpuinfo.split('\n').filter_map(field);
    let last = |name: &str| fields().rfind(|(n, _)| *n == name).map(|(_, value)| value);
    let vendor = last("vendor_id").filter(|vendor| !vendor.is_empty());
    let mut families = fields().filter(|(n, value)| *n == "identification" && *value != "0");
    let family = families.next().map(|(_, value)| value).filter(|family| !family.is_empty());
    let id = last("machine").filter(|machine| !machine.is_empty());
    let mut model = Attributes::new();
    model.insert("vendor_id".to_owned(), vendor.map_or(UNKNOWN.to_owned(), as_label));
    model.insert("family".to_owned(), family.unwrap_or("0").to_owned());
    model.insert("id".to_owned(), id.unwrap_or("0").to_owned());
    if let Ok(sysinfo) = root.read_text("/proc/sysinfo") {
        model.insert("hypervisor".to_owned(), control_program(&sysinfo));
    }
    model
}

fn field(line: &str) -> Option<(&str, &str)> {
    line.split_once(':').map(|(name, value)| (name.trim(), value.trim()))
}

/// The hypervisor's name; a logical partition without one has no such line.
fn control_program(sysinfo: &str) -> String {
    let line = sysinfo.split('\n').find(|line| line.contains("Control Program:"));
    match line.and_then(field) {
        Some((_, program)) if !program.is_empty() => as_label(program),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_control_program_is_the_hypervisor() {
        let table = [
            ("VM00 Name: X\nVM00 Control Program: KVM/Linux     \n", "KVM_Linux"),
            ("VM00 Control Program: z/VM    7.2.0\n", "z_VM_7.2.0"),
            ("Manufacturer: IBM\n", "none"),
            ("VM00 Control Program:\n", "none"),
        ];
        for (sysinfo, wanted) in table {
            assert_eq!(control_program(sysinfo), wanted);
        }
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in any::<String>()) {
            control_program(&text);
            text.split('\n').filter_map(field).count();
        }
    }
}
