//! Where imgcompat keeps its own files. One prefix moves all of them, for tests and for judging from a container.

use std::path::{Path, PathBuf};

use crate::files;

/// The places of imgcompat's files: configuration, local specifications, cache, decision log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    prefix: PathBuf,
    /// Where cache and log are, if not below the prefix.
    own: Option<PathBuf>,
}

impl Default for Paths {
    fn default() -> Self {
        Paths::below(Path::new("/"))
    }
}

impl Paths {
    /// All places below `prefix` instead of `/`.
    pub fn below(prefix: &Path) -> Self {
        Paths { prefix: prefix.to_owned(), own: None }
    }

    /// The node's policy and specifications, with cache and log of whoever runs this: under rootless podman a hook runs
    /// in a user namespace, where root's are out of reach, and keeps its own in the user's
    /// `~/.local/share/imgcompat`, laid out as below any other prefix.
    pub fn of_this_user() -> Self {
        let user = files::outer_user().map(nix::unistd::Uid::from_raw);
        let user = user.and_then(|uid| nix::unistd::User::from_uid(uid).ok().flatten());
        let own = user.map(|user| user.dir.join(".local/share/imgcompat"));
        let paths = Paths { own, ..Paths::default() };
        if paths.own.is_some() {
            for directory in [paths.cache(), paths.log_dir()] {
                let parent = directory.parent().map(Path::to_owned).unwrap_or_default();
                // Without them there is no cache and no log, and each says so by itself.
                let _ = std::fs::create_dir_all(parent);
            }
        }
        paths
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
        self.own.as_ref().unwrap_or(&self.prefix).join("var/cache/imgcompat")
    }

    /// The directory of the decision log.
    pub fn log_dir(&self) -> PathBuf {
        self.own.as_ref().unwrap_or(&self.prefix).join("var/log/imgcompat")
    }
}
