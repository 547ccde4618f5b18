//! `kernel.loadedmodule` and `kernel.enabledmodule`. NFD: `source/kernel/modules.go`.
//!
//! Names are the kernel's: /proc/modules spells them with `_`, modules.builtin with `-` or `_` as the files are called.
//! That the two spellings are one name is for whoever compares them to know.

use std::collections::BTreeSet;

use super::{Absence, Feature, Host, HostRoot, kernel};

/// `kernel.loadedmodule`: modules that are loaded now.
pub(super) fn loaded(host: &Host) -> Result<Feature, Absence> {
    Ok(Feature::flags(loaded_modules(host.root())?))
}

/// `kernel.enabledmodule`: modules that are loaded or built into the kernel. Kernels without loadable modules have no
/// /proc/modules, and hosts that were built around a kernel image often no modules.builtin; in the second case the
/// modules that sysfs knows are taken, which are all loaded ones and those built-in ones that have parameters.
pub(super) fn enabled(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    let loaded = loaded_modules(root);
    let builtin =
        builtin_modules(root).or_else(|_| root.list("/sys/module").map(BTreeSet::from_iter));
    match (loaded, builtin) {
        (Err(absence), Err(_)) => Err(absence),
        (loaded, builtin) => {
            let names = loaded.unwrap_or_default().into_iter();
            Ok(Feature::flags(names.chain(builtin.unwrap_or_default())))
        }
    }
}

fn loaded_modules(root: &HostRoot) -> Result<BTreeSet<String>, Absence> {
    Ok(first_fields(&root.read_text("/proc/modules")?))
}

fn first_fields(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn builtin_modules(root: &HostRoot) -> Result<BTreeSet<String>, Absence> {
    let release = kernel::release(root)?;
    let in_lib = root.read_text(&format!("/lib/modules/{release}/modules.builtin"));
    // In a container the host's /lib is often a link to a /usr/lib that is mounted elsewhere.
    let text = match in_lib {
        Err(_) => root.read_text(&format!("/usr/lib/modules/{release}/modules.builtin"))?,
        Ok(text) => text,
    };
    Ok(file_names(&text))
}

fn file_names(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let path = line.trim().strip_suffix(".ko")?;
        Some(path.rsplit('/').next().unwrap_or(path).to_owned())
    };
    text.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_loaded_module_is_the_first_field_of_its_line() {
        let text =
            "vfio_pci 16384 0 - Live 0x0000000000000000\n\n   \nip_tables 36864 0 - Live 0x0\n";
        assert_eq!(Vec::from_iter(first_fields(text)), ["ip_tables", "vfio_pci"]);
    }

    #[test]
    fn a_built_in_module_is_its_file_name() {
        let text = "kernel/crypto/sha256-generic.ko\nkernel/fs/ext4/ext4.ko \nkernel/fs/x.ko.xz\nplain.ko\n\n";
        assert_eq!(Vec::from_iter(file_names(text)), ["ext4", "plain", "sha256-generic"]);
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in any::<String>()) {
            first_fields(&text);
            file_names(&text);
        }
    }
}
