//! What is slow to ask of the machine and cannot change before its next boot, kept in the cache directory: so far what
//! the CPUID instruction said. Each file is bound to the boot id and to this program's version.

use std::path::{Path, PathBuf};

use crate::clock;
use crate::kept::Folder;

/// Directory within the cache.
const DIRECTORY: &str = "host";
/// Largest file.
const FILE_BYTES: u64 = 64 << 10;

/// The files' directory.
#[derive(Debug)]
pub(super) struct BootMemory {
    cache_root: PathBuf,
}

impl BootMemory {
    /// Keeps it below `cache_root`.
    pub(super) fn below(cache_root: &Path) -> Self {
        BootMemory { cache_root: cache_root.to_owned() }
    }

    /// What is kept under `name`, if it was in this boot.
    pub(super) fn recall(&self, name: &str) -> Option<String> {
        let content = Folder::open(&self.cache_root, DIRECTORY).ok()?.load(name, FILE_BYTES)?;
        let text = String::from_utf8(content).ok()?;
        Some(text.strip_prefix(&this_boot()?)?.to_owned())
    }

    /// Keeps `text` under `name`. Without it the next start asks again; that is slow, not wrong.
    pub(super) fn keep(&self, name: &str, text: &str) {
        if let (Some(boot), Ok(folder)) = (this_boot(), Folder::open(&self.cache_root, DIRECTORY)) {
            let _ = folder.store(name, (boot + text).as_bytes());
        }
    }
}

/// The first line of each file; `None` where the kernel has no boot id.
fn this_boot() -> Option<String> {
    let boot_id = clock::boot_id();
    let version = env!("CARGO_PKG_VERSION");
    (!boot_id.is_empty()).then(|| format!("boot {boot_id} version {version}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_in_another_boot_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let memory = BootMemory::below(dir.path());
        assert_eq!(memory.recall("a"), None);
        memory.keep("a", "text");
        assert_eq!(memory.recall("a").as_deref(), Some("text"));
        let folder = Folder::open(dir.path(), DIRECTORY).unwrap();
        let content = String::from_utf8(folder.load("a", FILE_BYTES).unwrap()).unwrap();
        let other = content.replace(&clock::boot_id(), "00000000-0000-0000-0000-000000000000");
        folder.store("a", other.as_bytes()).unwrap();
        assert_eq!(memory.recall("a"), None);
    }
}
