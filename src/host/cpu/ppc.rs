//! 64 bit POWER: flags. NFD: `source/cpu/cpuid_linux_ppc64le.go`.

use super::hwcap::{Hwcap, named_bits};

/// AT_HWCAP from bit 0.
const HWCAP: [&str; 32] = [
    "PPCLE",
    "TRUE_LE",
    "",
    "",
    "",
    "",
    "ARCHPMU",
    "VSX",
    "ARCH_2_06",
    "POWER6X",
    "DFP",
    "PA6T",
    "ARCH_2_05",
    "IC_SNOOP",
    "SMT",
    "BOOKE",
    "CELLBE",
    "POWER5+",
    "POWER5",
    "POWER4",
    "NOTB",
    "EFPDOUBLE",
    "EFPFLOAT",
    "SPE",
    "UCACHE",
    "4xxMAC",
    "MMU",
    "FPU",
    "ALTIVEC",
    "PPC601",
    "PPC64",
    "PPC32",
];

/// AT_HWCAP2 from bit 0.
const HWCAP2: [&str; 32] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "MMA",
    "ARCH_3_1",
    "HTM-NO-SUSPEND",
    "SCV",
    "DARN",
    "IEEE128",
    "ARCH_3_00",
    "HTM-NOSC",
    "VCRYPTO",
    "TAR",
    "ISEL",
    "EBB",
    "DSCR",
    "HTM",
    "ARCH_2_07",
];

/// Flags of the processor.
pub(super) fn flags(hwcap: &Hwcap) -> impl Iterator<Item = &'static str> {
    named_bits(hwcap.first, &HWCAP).chain(named_bits(hwcap.second, &HWCAP2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_the_kernel() {
        let table = [
            (0x8000_0000, 0, "PPC32"),
            (0x0002_0000, 0, "POWER5+"),
            (0x0000_0040, 0, "ARCHPMU"),
            (0x0000_0001, 0, "PPCLE"),
            (0, 0x8000_0000, "ARCH_2_07"),
            (0, 0x0080_0000, "ARCH_3_00"),
            (0, 0x0008_0000, "HTM-NO-SUSPEND"),
            (0, 0x0002_0000, "MMA"),
        ];
        for (first, second, name) in table {
            assert_eq!(flags(&Hwcap { first, second }).collect::<Vec<_>>(), [name]);
        }
    }
}
