//! Names of kernel modules: `-` and `_` are the same character in them, as for modprobe.
//!
//! The kernel reports `vfio_pci` where files and people say `vfio-pci` (NFD compares byte for byte, so that the
//! example of its own documentation can never match). Called by [`super::term`], [`super::names`] and
//! [`super::facts`].

/// Whether the elements of a feature are names of kernel modules.
pub(super) fn applies_to(feature: &str) -> bool {
    matches!(feature, "kernel.loadedmodule" | "kernel.enabledmodule")
}

/// The name as the running kernel spells it.
pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The name as most module files spell it.
pub(super) fn dashed(name: &str) -> String {
    name.replace('_', "-")
}
