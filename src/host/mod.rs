//! Room `host`: what this machine has, as NFD would see it. It knows nothing of rules or images.
//!
//! [`Host`] discovers lazily: asking for `pci.device` reads PCI's files and nothing else, and what was discovered
//! once is kept for the life of the value, which is one start. [`SOURCES`] is the list of all features. Names and
//! formats are those of NFD v0.19 (`source/*`); docs/nfd-differences.md lists where the values differ and why.
//!
//! | file | what, or which features |
//! |---|---|
//! | `feature.rs` | what a feature is: flags, attributes or instances, as NFD has them |
//! | `root.rs` | where the host's files are, and reading them safely |
//! | `boot_memory.rs` | what is kept until the next boot |
//! | `cpu/` | `cpu.*` |
//! | `kernel.rs`, `kconfig.rs`, `modules.rs` | `kernel.*` |
//! | `memory.rs`, `network.rs`, `pci.rs`, `storage.rs`, `system.rs`, `usb.rs` | the features of that name |
//! | `labels.rs` | the node labels that NFD makes of features |
//! | `local.rs` | `local.*`: the administrator's own, from features.d |
//!
//! # Recorded hosts
//! A directory that holds the host's `proc`, `sys`, `etc` … can stand for the host (`--host-root DIRECTORY`). What is
//! not in files is recorded beside them:
//! - `.imgcompat/arch`: the architecture, as `uname -m` says it. Without it, the one this program is compiled for.
//! - `.imgcompat/cpuid`: for x86-64, what the CPUID instruction said; `cpu/cpuid.rs` has the format. Without
//!   it, the features that come from the instruction are absent.
//! - `proc/self/auxv`: for the other architectures, the auxiliary vector of any process of that host.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

mod boot_memory;
mod cpu;
pub mod feature;
mod kconfig;
mod kernel;
pub mod labels;
mod local;
mod memory;
mod modules;
mod network;
mod pci;
mod root;
mod storage;
mod system;
mod usb;

pub use feature::{Attributes, Discovery, Feature, FeatureSet, Features};
pub use root::{HostRoot, ReadError};

use boot_memory::BootMemory;
use cpu::Processor;

/// What the CPUID instruction said, among what is kept for a boot.
const CPUID: &str = "cpuid";

/// Why the host lacks a feature. The text is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    /// A file or directory that the feature comes from.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file that is there and readable, but does not say anything useful.
    #[error("{path}: {why}")]
    Senseless {
        /// The file, by its name on the host.
        path: String,
        /// What is wrong with its content.
        why: String,
    },
    /// Something else.
    #[error("{0}")]
    Because(String),
}

/// Discovers one feature.
type Source = fn(&Host) -> Result<Feature, Absence>;

/// Every feature by name. NFD: `source/*`, `source.GetAllFeatures`.
pub const SOURCES: [(&str, Source); 29] = [
    ("cpu.coprocessor", cpu::coprocessor::coprocessor),
    ("cpu.cpuid", cpu::cpuid_feature),
    ("cpu.cstate", cpu::power::cstate),
    ("cpu.model", cpu::model_feature),
    ("cpu.pstate", cpu::power::pstate),
    ("cpu.rdt", cpu::rdt::rdt),
    ("cpu.security", cpu::security::security),
    ("cpu.sst", cpu::power::sst),
    ("cpu.topology", cpu::topology::topology),
    ("kernel.config", kconfig::config),
    ("kernel.enabledmodule", modules::enabled),
    ("kernel.kvm", kernel::kvm),
    ("kernel.loadedmodule", modules::loaded),
    ("kernel.selinux", kernel::selinux),
    ("kernel.version", kernel::version),
    ("local.feature", local::feature),
    ("local.label", local::label),
    ("memory.hugepages", memory::hugepages),
    ("memory.numa", memory::numa),
    ("memory.nv", memory::nv),
    ("memory.swap", memory::swap),
    ("network.device", network::device),
    ("network.virtual", network::r#virtual),
    ("pci.device", pci::device),
    ("storage.block", storage::block),
    ("system.dmiid", system::dmiid),
    ("system.name", system::name),
    ("system.osrelease", system::osrelease),
    ("usb.device", usb::device),
];

/// A host whose features are discovered when they are asked for.
pub struct Host {
    root: HostRoot,
    processor: OnceCell<Processor>,
    memory: Option<BootMemory>,
    discovered: RefCell<BTreeMap<&'static str, Discovery>>,
}

impl Host {
    /// The host at `root`. Reads nothing yet.
    pub fn new(root: HostRoot) -> Self {
        Host { root, processor: OnceCell::new(), memory: None, discovered: RefCell::default() }
    }

    /// The same, with a place to keep what is slow to ask and cannot change before the next boot.
    #[must_use]
    pub fn remembering(self, cache_root: &Path) -> Self {
        let memory = (!self.root.is_recorded()).then(|| BootMemory::below(cache_root));
        Host { memory, ..self }
    }

    /// Keeps what had to be asked for the first time in this boot.
    pub fn remember(&self) {
        let cpuid = self.processor.get().and_then(|processor| processor.cpuid().ok());
        if let (Some(memory), Some(news)) = (&self.memory, cpuid.and_then(|cpuid| cpuid.news())) {
            memory.keep(CPUID, &news);
        }
    }

    /// This machine.
    pub fn local() -> Self {
        Host::new(HostRoot::local())
    }

    /// Discovers every feature, as `export features` shows them.
    pub fn export(&self) -> FeatureSet {
        let mut set = FeatureSet::default();
        for (name, _) in SOURCES {
            if let Discovery::Present(feature) = self.discover(name) {
                set.insert(name, &feature);
            }
        }
        set
    }

    /// Why each absent feature is absent, in the order of [`SOURCES`]; for `doctor` and `export`.
    pub fn absences(&self) -> Vec<(&'static str, String)> {
        let reason = |name| match self.discover(name) {
            Discovery::Absent(reason) => Some((name, reason)),
            Discovery::Present(_) => None,
        };
        SOURCES.iter().filter_map(|(name, _)| reason(*name)).collect()
    }

    pub(crate) fn root(&self) -> &HostRoot {
        &self.root
    }

    pub(crate) fn processor(&self) -> &Processor {
        self.processor.get_or_init(|| {
            let kept = self.memory.as_ref().and_then(|memory| memory.recall(CPUID));
            Processor::of(&self.root, kept.as_deref())
        })
    }
}

impl Features for Host {
    fn discover(&self, name: &str) -> Discovery {
        let Some((name, source)) = SOURCES.iter().find(|(known, _)| *known == name) else {
            return Discovery::Absent("no source knows a feature of this name".to_owned());
        };
        if let Some(known) = self.discovered.borrow().get(name) {
            return known.clone();
        }
        let discovery = match source(self) {
            Ok(feature) => Discovery::Present(Rc::new(feature)),
            Err(absence) => Discovery::Absent(absence.to_string()),
        };
        self.discovered.borrow_mut().insert(name, discovery.clone());
        discovery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_absent_with_a_reason() {
        let answer = Host::local().discover("cpu.nonsense");
        assert_eq!(answer, Discovery::Absent("no source knows a feature of this name".to_owned()));
    }

    #[test]
    fn the_table_is_sorted_and_each_name_is_there_once() {
        assert!(SOURCES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn only_what_is_asked_for_is_discovered_and_only_once() {
        let host = Host::local();
        host.discover("kernel.version");
        host.discover("kernel.version");
        assert_eq!(host.discovered.borrow().keys().collect::<Vec<_>>(), [&"kernel.version"]);
        assert!(host.processor.get().is_none());
    }
}
