//! `cpu.cpuid` on x86-64: the tables of `x86_bits.rs` applied, and the flags that are not a single bit.
//!
//! NFD: klauspost/cpuid `support()`, `threadsPerCore()`, `parseLeaf0AH()`; `source/cpu/cpuid_amd64.go` for the levels.

use std::collections::BTreeSet;

use super::cpuid::{Cpuid, Registers};
use super::x86_bits::{BASIC, EXTENDED, Gate, Group, LEVELS};
use super::x86_model::{X86Model, has_hypervisor, vendor};
use crate::host::{Attributes, Feature};

const fn bit(value: u32, bit: u32) -> bool {
    value >> bit & 1 == 1
}

/// The feature: all flags, and `AVX10_VERSION` where there is one.
pub fn feature(cpuid: &Cpuid) -> Feature {
    let flags = flags(cpuid);
    let mut attributes = Attributes::new();
    if let version @ 1.. = cpuid.leaf(0x24, 0).ebx & 0xff
        && flags.contains("AVX10")
    {
        attributes.insert("AVX10_VERSION".to_owned(), version.to_string());
    }
    let flags = flags.into_iter().map(str::to_owned).collect();
    Feature { flags: Some(flags), attributes: Some(attributes), instances: None }
}

/// All flags.
pub fn flags(cpuid: &Cpuid) -> BTreeSet<&'static str> {
    if cpuid.leaf(0, 0).eax < 1 {
        return BTreeSet::new();
    }
    let mut set =
        Set { cpuid, vendor: vendor(cpuid), model: X86Model::of(cpuid), flags: BTreeSet::new() };
    set.apply(&BASIC);
    set.avx_and_fma();
    set.apply(&EXTENDED);
    set.hyper_threading();
    set.key_locker();
    set.tsa();
    set.set_if(is_tdx_guest(cpuid), "TDX_GUEST");
    set.fixed_counters();
    set.levels();
    set.flags
}

struct Set<'a> {
    cpuid: &'a Cpuid,
    vendor: &'static str,
    model: X86Model,
    flags: BTreeSet<&'static str>,
}

impl Set<'_> {
    fn apply(&mut self, groups: &[Group]) {
        for group in groups {
            if !self.is_open(group.gate) {
                continue;
            }
            let register = (group.register)(&self.leaf(group.leaf, group.subleaf));
            let set = group.bits.iter().filter(|(number, _)| bit(register, u32::from(*number)));
            self.flags.extend(set.map(|(_, name)| *name));
        }
    }

    /// Leaf 7 says itself how many subleaves it has; the others are asked for without.
    fn leaf(&self, leaf: u32, subleaf: u32) -> Registers {
        if leaf == 0x7 && subleaf > self.cpuid.leaf(0x7, 0).eax {
            Registers::default()
        } else {
            self.cpuid.leaf(leaf, subleaf)
        }
    }

    fn is_open(&self, gate: Gate) -> bool {
        const AVX512_STATES: u32 = 0b1110_0110;
        match gate {
            Gate::Always => true,
            Gate::Flag(name) => self.has(name),
            Gate::Amd => self.vendor == "AMD",
            Gate::Avx512State => self.kernel_saves(AVX512_STATES),
        }
    }

    /// True if the processor has XSAVE, and the kernel uses it for all these register states.
    fn kernel_saves(&self, states: u32) -> bool {
        let ecx = self.cpuid.leaf(0x1, 0).ecx;
        bit(ecx, 26) && bit(ecx, 27) && self.cpuid.xcr0() & states == states
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    fn set_if(&mut self, condition: bool, flag: &'static str) {
        if condition {
            self.flags.insert(flag);
        }
    }

    /// AVX needs the kernel's help; FMA3 could do without, but counts only with XSAVE enabled. AVXSLOW: before
    /// Haswell and Zen 2.
    fn avx_and_fma(&mut self) {
        const AVX_STATES: u32 = 0b110;
        let ecx = self.cpuid.leaf(0x1, 0).ecx;
        if bit(ecx, 28) && self.kernel_saves(AVX_STATES) {
            self.flags.insert("AVX");
            let slow = match (self.vendor, self.model.family, self.model.id) {
                ("Intel", 6, model) => model < 60,
                ("AMD", 23, model) => model < 49,
                ("AMD", family, _) => family < 23,
                _ => false,
            };
            self.set_if(slow, "AVXSLOW");
        }
        self.set_if(bit(ecx, 12) && bit(ecx, 27), "FMA3");
    }

    fn hyper_threading(&mut self) {
        let possible = matches!(self.vendor, "Intel" | "AMD")
            && bit(self.cpuid.leaf(0x1, 0).edx, 28)
            && self.cpuid.leaf(0, 0).eax >= 0x4;
        self.set_if(possible && self.threads_per_core() > 1, "HTT");
    }

    /// For a processor with leaf 1, EDX bit 28.
    fn threads_per_core(&self) -> u32 {
        if self.cpuid.leaf(0, 0).eax < 0xb {
            if self.vendor != "Intel" {
                return 1;
            }
            let logical = self.cpuid.leaf(0x1, 0).ebx >> 16 & 0xff;
            let cores = (self.cpuid.leaf(0x4, 0).eax >> 26) + 1;
            return if logical > 1 { logical / cores } else { 1 };
        }
        match self.cpuid.leaf(0xb, 0).ebx & 0xffff {
            0 if self.vendor == "AMD" && self.model.family >= 23 => {
                if self.cpuid.leaf(0x8000_0000, 0).eax >= 0x8000_001e {
                    (self.cpuid.leaf(0x8000_001e, 0).ebx >> 8 & 0xff) + 1
                } else {
                    2
                }
            }
            0 => 1,
            threads => threads,
        }
    }

    fn key_locker(&mut self) {
        let wide = self.has("KEYLOCKER") && self.cpuid.leaf(0x19, 0).ebx & 5 == 5;
        self.set_if(wide, "KEYLOCKERW");
    }

    /// AMD processors that are not affected by TSA but do not say so. AMD: "Technical Guidance for Mitigating
    /// Transient Scheduler Attacks".
    fn tsa(&mut self) {
        let unaffected = match (self.vendor, self.model.family, self.model.id) {
            ("AMD", 0x1a, model) => model <= 0x4f || (0x60..=0x7f).contains(&model),
            ("AMD", family, _) => family < 0x19,
            _ => false,
        };
        self.set_if(unaffected, "TSA_L1_NO");
        self.set_if(unaffected, "TSA_SQ_NO");
    }

    /// The fixed counters of the performance monitoring unit. EBX has a set bit for each event that is missing.
    fn fixed_counters(&mut self) {
        const COUNTERS: [&str; 4] = [
            "PMU_FIXEDCOUNTER_INSTRUCTIONS",
            "PMU_FIXEDCOUNTER_CYCLES",
            "PMU_FIXEDCOUNTER_REFCYCLES",
            "PMU_FIXEDCOUNTER_TOPDOWN_SLOTS",
        ];
        let Registers { eax, ebx, edx, .. } = self.cpuid.leaf(0xa, 0);
        let version = eax & 0xff;
        let number = if version > 1 { edx & 0x1f } else { 0 };
        for (counter, name) in (0..).zip(COUNTERS) {
            let there = match ebx {
                0 => (number == 3 || number == 4) && counter < number,
                missing => !bit(missing, counter),
            };
            self.set_if(version > 0 && there, name);
        }
    }

    fn levels(&mut self) {
        if !self.has("SYSEE") && !self.has("SYSCALL") {
            return;
        }
        for (level, demands) in LEVELS {
            if !demands.iter().all(|flag| self.has(flag)) {
                return;
            }
            self.flags.insert(level);
        }
    }
}

/// True if the processor has SGX.
pub(super) fn has_sgx(cpuid: &Cpuid) -> bool {
    bit(cpuid.leaf(0x7, 0).ebx, 2)
}

/// True in a trust domain. Intel's says so in leaf 0x21; Hyper-V hides that leaf and says it in its own.
pub(super) fn is_tdx_guest(cpuid: &Cpuid) -> bool {
    const HYPERV_ISOLATION_TDX: u32 = 0xbe3;
    let Registers { ebx, ecx, edx, .. } = cpuid.leaf(0x21, 0);
    let said = [ebx, edx, ecx].map(u32::to_le_bytes).concat() == b"IntelTDX    ";
    let hyperv = || {
        cpuid.leaf(0, 0).eax >= 0x20
            && has_hypervisor(cpuid)
            && cpuid.leaf(0x4000_000c, 0).ebx == HYPERV_ISOLATION_TDX
    };
    said || hyperv()
}
