//! `cpu.*`: the processor, and what the kernel makes of it.
//!
//! | file | what |
//! |---|---|
//! | `cpuid.rs`, `native.rs` | the CPUID instruction: executed, or recorded |
//! | `x86_bits.rs`, `x86_flags.rs`, `x86_model.rs` | x86-64: flags of `cpu.cpuid`, and its model |
//! | `hwcap.rs`, `arm.rs`, `ppc.rs`, `s390.rs` | other architectures: flags from the auxiliary vector, and models |
//! | `model.rs` | the words of `cpu.model` |
//! | `power.rs` | `cpu.cstate`, `cpu.pstate`, `cpu.sst` |
//! | `rdt.rs`, `security.rs`, `topology.rs`, `coprocessor.rs` | the features of that name |
//!
//! All architectures are compiled everywhere and chosen at run time, so that a recorded host of another one can be judged.

mod arm;
pub(super) mod coprocessor;
pub mod cpuid;
mod hwcap;
mod model;
mod native;
pub(super) mod power;
mod ppc;
pub(super) mod rdt;
mod s390;
pub(super) mod security;
pub(super) mod topology;
mod x86_bits;
pub mod x86_flags;
mod x86_model;

use super::{Absence, Feature, Host, HostRoot};
use cpuid::Cpuid;

/// The architectures that NFD knows, and "anything else".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// 64 bit x86.
    X86_64,
    /// 64 bit Arm.
    Arm64,
    /// 32 bit Arm.
    Arm,
    /// 64 bit POWER, little endian.
    Ppc64le,
    /// IBM Z.
    S390x,
    /// An architecture without flags of its own, by its name.
    Other(String),
}

impl Architecture {
    /// By the name that `uname -m` or Rust's target gives it.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "x86_64" | "amd64" => Architecture::X86_64,
            "aarch64" | "arm64" => Architecture::Arm64,
            "ppc64le" | "powerpc64" => Architecture::Ppc64le,
            "s390x" => Architecture::S390x,
            arm if arm == "arm" || arm.starts_with("armv") => Architecture::Arm,
            other => Architecture::Other(other.to_owned()),
        }
    }
}

/// Which processor this is, and how it can be asked.
pub(crate) struct Processor {
    architecture: Architecture,
    cpuid: Result<Cpuid, Absence>,
}

impl Processor {
    /// The processor of the host at `root`; `kept` is what CPUID said before in this boot.
    pub(crate) fn of(root: &HostRoot, kept: Option<&str>) -> Self {
        let recorded =
            if root.is_recorded() { root.read_trimmed("/.imgcompat/arch").ok() } else { None };
        let name = recorded.as_deref().unwrap_or(std::env::consts::ARCH);
        let architecture = Architecture::named(name);
        let cpuid = Cpuid::of(root, &architecture, kept);
        Processor { architecture, cpuid }
    }

    pub(crate) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The CPUID instruction, or why there is none.
    pub(crate) fn cpuid(&self) -> Result<&Cpuid, Absence> {
        self.cpuid.as_ref().map_err(Clone::clone)
    }
}

/// `cpu.cpuid`: flags by the names of NFD; on x86-64 also attributes.
pub(super) fn cpuid_feature(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    match host.processor().architecture() {
        Architecture::X86_64 => Ok(x86_flags::feature(host.processor().cpuid()?)),
        Architecture::Arm64 => {
            Ok(Feature::flags(arm::flags_64(&hwcap::read(root, hwcap::LITTLE_64)?)))
        }
        Architecture::Arm => {
            Ok(Feature::flags(arm::flags_32(&hwcap::read(root, hwcap::LITTLE_32)?)))
        }
        Architecture::Ppc64le => {
            Ok(Feature::flags(ppc::flags(&hwcap::read(root, hwcap::LITTLE_64)?)))
        }
        Architecture::S390x => Ok(Feature::flags(s390::flags(&hwcap::read(root, hwcap::BIG_64)?))),
        Architecture::Other(name) => Err(Absence::Because(format!(
            "no processor flags are defined for the architecture {name}"
        ))),
    }
}

/// `cpu.model`: vendor, family, model number, and the hypervisor underneath.
pub(super) fn model_feature(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    let model = match host.processor().architecture() {
        Architecture::X86_64 => x86_model::model(host.processor().cpuid()?),
        Architecture::Arm64 => arm::model(root)?,
        Architecture::S390x => s390::model(root),
        Architecture::Arm | Architecture::Ppc64le => model::unknown(),
        Architecture::Other(name) => {
            let why = format!("no processor model is defined for the architecture {name}");
            return Err(Absence::Because(why));
        }
    };
    Ok(Feature::attributes(model))
}
