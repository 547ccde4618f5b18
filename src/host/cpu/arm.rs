//! Arm, 64 and 32 bit: flags and model. NFD: `source/cpu/cpuid_linux_arm{,64}.go`; klauspost/cpuid `detect_arm64.go`.

use super::hwcap::{self, Hwcap, named_bits};
use super::model;
use crate::host::{Absence, Attributes, HostRoot};

/// arm64, AT_HWCAP from bit 0.
const HWCAP_64: [&str; 32] = [
    "FP", "ASIMD", "EVTSTRM", "AES", "PMULL", "SHA1", "SHA2", "CRC32", "ATOMICS", "FPHP",
    "ASIMDHP", "CPUID", "ASIMDRDM", "JSCVT", "FCMA", "LRCPC", "DCPOP", "SHA3", "SM3", "SM4",
    "ASIMDDP", "SHA512", "SVE", "ASIMDFHM", "DIT", "USCAT", "ILRCPC", "FLAGM", "SSBS", "SB",
    "PACA", "PACG",
];

/// arm64, AT_HWCAP2 from bit 0. NFD knows no later bits.
const HWCAP2_64: [&str; 34] = [
    "DCPODP",
    "SVE2",
    "SVEAES",
    "SVEPMULL",
    "SVEBITPERM",
    "SVESHA3",
    "SVESM4",
    "FLAGM2",
    "FRINT",
    "SVEI8MM",
    "SVEF32MM",
    "SVEF64MM",
    "SVEBF16",
    "I8MM",
    "BF16",
    "DGH",
    "RNG",
    "BTI",
    "MTE",
    "ECV",
    "AFP",
    "RPRES",
    "MTE3",
    "SME",
    "SMEI16I64",
    "SMEF64F64",
    "SMEI8I32",
    "SMEF16F32",
    "SMEB16F32",
    "SMEF32F32",
    "SMEFA64",
    "WFXT",
    "EBF16",
    "SVEEBF16",
];

/// arm, AT_HWCAP from bit 0.
const HWCAP_32: [&str; 22] = [
    "SWP", "HALF", "THUMB", "26BIT", "FASTMUL", "FPA", "VFP", "EDSP", "JAVA", "IWMMXT", "CRUNCH",
    "THUMBEE", "NEON", "VFPv3", "VFPv3D16", "TLS", "VFPv4", "IDIVA", "IDIVT", "VFPD32", "LPAE",
    "EVTSTRM",
];

/// arm, AT_HWCAP2 from bit 0.
const HWCAP2_32: [&str; 5] = ["AES", "PMULL", "SHA1", "SHA2", "CRC32"];

/// Flags of a 64 bit processor.
pub(super) fn flags_64(hwcap: &Hwcap) -> impl Iterator<Item = &'static str> {
    named_bits(hwcap.first, &HWCAP_64).chain(named_bits(hwcap.second, &HWCAP2_64))
}

/// Flags of a 32 bit processor.
pub(super) fn flags_32(hwcap: &Hwcap) -> impl Iterator<Item = &'static str> {
    named_bits(hwcap.first, &HWCAP_32).chain(named_bits(hwcap.second, &HWCAP2_32))
}

/// The implementer byte of MIDR_EL1. NFD's spelling of the names.
const IMPLEMENTERS: [(u64, &str); 13] = [
    (0x41, "ARM"),
    (0x42, "Broadcom"),
    (0x43, "Cavium"),
    (0x44, "DEC"),
    (0x46, "Fujitsu"),
    (0x49, "Infineon"),
    (0x4d, "Motorola"),
    (0x4e, "NVIDIA"),
    (0x50, "AMCC"),
    (0x51, "Qualcomm"),
    (0x56, "Marvell"),
    (0x69, "Intel"),
    (0xc0, "Ampere"),
];

const CPUINFO: &str = "/proc/cpuinfo";
const MIDR: &str = "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1";

/// Model of a 64 bit processor, from its main identification register as the kernel shows it. Like NFD, nothing is
/// known of a processor whose kernel does not offer the identification registers to processes.
pub(super) fn model(root: &HostRoot) -> Result<Attributes, Absence> {
    const CPUID: u64 = 1 << 11;
    let hwcap = hwcap::read(root, hwcap::LITTLE_64)?;
    if hwcap.first & CPUID == 0 {
        return Ok(model::unknown());
    }
    let midr = match root.read_trimmed(MIDR) {
        Ok(text) => hexadecimal(&text),
        Err(error) => Some(midr_of_cpuinfo(&root.read_text(CPUINFO)?).ok_or(error)?),
    };
    let midr = midr.ok_or_else(|| Absence::Senseless {
        path: MIDR.to_owned(),
        why: "is not a hexadecimal number".to_owned(),
    })?;
    let implementer = IMPLEMENTERS.iter().find(|(code, _)| *code == midr >> 24 & 0xff);
    let vendor = implementer.map_or(model::UNKNOWN, |(_, name)| name);
    let (family, id) = (midr >> 16 & 0xff, midr & 0xffff);
    Ok(model::attributes(vendor, &family.to_string(), &id.to_string(), "none"))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The register put together from its parts, as the kernel prints them for the first processor.
fn midr_of_cpuinfo(cpuinfo: &str) -> Option<u64> {
    const ARCHITECTURE_BY_FEATURES: u64 = 0xf;
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        let value = line.split_once(':')?.1.trim();
        hexadecimal(value).or_else(|| value.parse().ok())
    };
    let (implementer, variant) = (field("CPU implementer")?, field("CPU variant")?);
    let (part, revision) = (field("CPU part")?, field("CPU revision")?);
    let fits = implementer <= 0xff && variant <= 0xf && part <= 0xfff && revision <= 0xf;
    fits.then_some(
        implementer << 24 | variant << 20 | ARCHITECTURE_BY_FEATURES << 16 | part << 4 | revision,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_names_of_nfd() {
        let hwcap = Hwcap { first: 1 << 11 | 1 << 22 | 1 << 40, second: 1 << 33 | 1 << 34 };
        assert_eq!(flags_64(&hwcap).collect::<Vec<_>>(), ["CPUID", "SVE", "SVEEBF16"]);
        let hwcap = Hwcap { first: 1 << 12 | 1 << 31, second: 1 };
        assert_eq!(flags_32(&hwcap).collect::<Vec<_>>(), ["NEON", "AES"]);
    }

    #[test]
    fn the_identification_register_is_read_from_either_file() {
        assert_eq!(hexadecimal("0x00000000413fd0c1"), Some(0x413f_d0c1));
        assert_eq!(hexadecimal("413fd0c1"), None);
        let cpuinfo = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
                       CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n";
        assert_eq!(midr_of_cpuinfo(cpuinfo), Some(0x413f_d0c1));
        assert_eq!(midr_of_cpuinfo(&cpuinfo.replace("0xd0c", "0xffffffff")), None);
        assert_eq!(midr_of_cpuinfo("CPU part\n"), None);
    }
}
