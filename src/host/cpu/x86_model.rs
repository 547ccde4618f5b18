//! x86-64: vendor, family, model number, and the hypervisor underneath. NFD: `source/cpu/cpu.go`, and the tables of
//! klauspost/cpuid.

use super::cpuid::{Cpuid, Registers};
use super::model::{UNKNOWN, as_label, attributes};
use crate::host::Attributes;

/// Model of the processor.
pub(super) fn model(cpuid: &Cpuid) -> Attributes {
    let X86Model { family, id } = X86Model::of(cpuid);
    attributes(vendor(cpuid), &family.to_string(), &id.to_string(), &hypervisor(cpuid))
}

/// Family and model number, from leaf 1.
pub(super) struct X86Model {
    pub(super) family: u32,
    pub(super) id: u32,
}

impl X86Model {
    /// Intel's rule: the extended family counts for family 15 only, the extended model for 6 and 15.
    pub(super) fn of(cpuid: &Cpuid) -> Self {
        let eax = cpuid.leaf(0x1, 0).eax;
        let base = eax >> 8 & 0xf;
        let family = if base == 0xf { base + (eax >> 20 & 0xff) } else { base };
        let model = eax >> 4 & 0xf;
        let extended = eax >> 12 & 0xf0;
        X86Model { family, id: if base == 0x6 || base == 0xf { model + extended } else { model } }
    }
}

/// Vendor strings of processors and hypervisors, which NFD looks up in one table.
const VENDORS: [(&str, &str); 24] = [
    ("AMDisbetter!", "AMD"),
    ("AuthenticAMD", "AMD"),
    ("CentaurHauls", "VIA"),
    ("GenuineIntel", "Intel"),
    ("TransmetaCPU", "Transmeta"),
    ("GenuineTMx86", "Transmeta"),
    ("Geode by NSC", "NSC"),
    ("VIA VIA VIA ", "VIA"),
    ("KVMKVMKVM", "KVM"),
    ("Linux KVM Hv", "KVM"),
    ("TCGTCGTCGTCG", "QEMU"),
    ("Microsoft Hv", "MSVM"),
    ("VMwareVMware", "VMware"),
    ("XenVMMXenVMM", "XenHVM"),
    ("bhyve bhyve ", "Bhyve"),
    ("HygonGenuine", "Hygon"),
    ("Vortex86 SoC", "SiS"),
    ("SiS SiS SiS ", "SiS"),
    ("RiseRiseRise", "SiS"),
    ("Genuine  RDC", "RDC"),
    ("QNXQVMBSQG", "QNX"),
    ("ACRNACRNACRN", "ACRN"),
    ("SRESRESRESRE", "SRE"),
    ("Apple VZ", "Apple"),
];

/// The processor's vendor.
pub(super) fn vendor(cpuid: &Cpuid) -> &'static str {
    let Registers { ebx, ecx, edx, .. } = cpuid.leaf(0, 0);
    known_vendor(&text([ebx, edx, ecx])).unwrap_or(UNKNOWN)
}

fn known_vendor(said: &[u8]) -> Option<&'static str> {
    VENDORS.iter().find(|(string, _)| string.as_bytes() == said).map(|(_, vendor)| *vendor)
}

/// The hypervisor's name in lower case if it is known, else its own words; "none" on bare metal.
fn hypervisor(cpuid: &Cpuid) -> String {
    if !has_hypervisor(cpuid) {
        return "none".to_owned();
    }
    let Registers { ebx, ecx, edx, .. } = cpuid.leaf(0x4000_0000, 0);
    let said = text([ebx, ecx, edx]);
    match known_vendor(&said) {
        Some(vendor) => vendor.to_lowercase(),
        None if said.is_empty() => "unknown".to_owned(),
        None => as_label(&String::from_utf8_lossy(&said)),
    }
}

/// Twelve bytes of text in three registers, up to the first NUL.
fn text(registers: [u32; 3]) -> Vec<u8> {
    let bytes = registers.into_iter().flat_map(u32::to_le_bytes);
    bytes.take_while(|byte| *byte != 0).collect()
}

/// True in a virtual machine whose hypervisor says so.
pub(super) fn has_hypervisor(cpuid: &Cpuid) -> bool {
    cpuid.leaf(0x1, 0).ecx >> 31 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(vendor: [u8; 12], leaf_1_eax: u32, hypervisor: Option<[u8; 12]>) -> Cpuid {
        let word =
            |text: &[u8; 12], at: usize| u32::from_le_bytes(text[at..at + 4].try_into().unwrap());
        let hv = hypervisor.map_or(String::new(), |text| {
            let (b, c, d) = (word(&text, 0), word(&text, 4), word(&text, 8));
            format!("0x40000000 0x0: eax=0x0 ebx={b:#x} ecx={c:#x} edx={d:#x}\n")
        });
        let (b, d, c) = (word(&vendor, 0), word(&vendor, 4), word(&vendor, 8));
        let ecx = u32::from(hypervisor.is_some()) << 31;
        Cpuid::from_record(&format!(
            "0x0 0x0: eax=0x1 ebx={b:#x} ecx={c:#x} edx={d:#x}\n\
             0x1 0x0: eax={leaf_1_eax:#x} ebx=0x0 ecx={ecx:#x} edx=0x0\n{hv}"
        ))
    }

    #[test]
    fn vendor_family_and_model_are_nfds() {
        let table = [
            (b"GenuineIntel", 0x806f8, ["Intel", "6", "143"]),
            (b"AuthenticAMD", 0xa10f11, ["AMD", "25", "17"]),
            (b"HygonGenuine", 0x900f02, ["Hygon", "24", "0"]),
            (b"  Shanghai  ", 0x10706b1, ["VendorUnknown", "6", "123"]),
            (b"CentaurHauls", 0x5a9, ["VIA", "5", "10"]),
            (b"VIA VIA VIA ", 0x6fe, ["VIA", "6", "15"]),
        ];
        for (string, eax, wanted) in table {
            let model = model(&record(*string, eax, None));
            let found = ["vendor_id", "family", "id"].map(|name| model[name].as_str());
            assert_eq!(found, wanted);
            assert_eq!(model["hypervisor"], "none");
        }
    }

    #[test]
    fn a_hypervisor_is_known_by_its_vendor_string() {
        let table = [
            (b"KVMKVMKVM\0\0\0", "kvm"),
            (b"Microsoft Hv", "msvm"),
            (b"TCGTCGTCGTCG", "qemu"),
            (b"GenuineIntel", "intel"),
            (b"My own, hv!\0", "My_own_hv_"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", "unknown"),
        ];
        for (string, wanted) in table {
            let cpuid = record(*b"GenuineIntel", 0x806f8, Some(*string));
            assert_eq!(model(&cpuid)["hypervisor"], wanted);
        }
    }
}
