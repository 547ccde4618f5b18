//! Where imgcompat keeps its own files. One prefix moves all of them, for tests and for judging from a container.

use std::path::{Path, PathBuf};

/// The places of DESIGN: configuration, local specifications, cache, decision log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    prefix: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Paths::below(Path::new("/"))
    }
}

impl Paths {
    /// All places below `prefix` instead of `/`.
    pub fn below(prefix: &Path) -> Self {
        Paths { prefix: prefix.to_owned() }
    }

    /// The vendor's configuration, read first.
    pub fn vendor_config(&self) -> PathBuf {
        self.prefix.join("usr/share/imgcompat/config.toml")
    }

    /// The administrator's configuration.
    pub fn config(&self) -> PathBuf {
        self.prefix.join("etc/imgcompat/config.toml")
    }

    /// The administrator's drop-in files, `*.toml`, read in the order of their names.
    pub fn config_dir(&self) -> PathBuf {
        self.prefix.join("etc/imgcompat/config.d")
    }

    /// The administrator's own specifications, `*.yaml`.
    pub fn specs_dir(&self) -> PathBuf {
        self.prefix.join("etc/imgcompat/specs.d")
    }

    /// The cache; may be removed at any time.
    pub fn cache(&self) -> PathBuf {
        self.prefix.join("var/cache/imgcompat")
    }

    /// The directory of the decision log.
    pub fn log_dir(&self) -> PathBuf {
        self.prefix.join("var/log/imgcompat")
    }
}
