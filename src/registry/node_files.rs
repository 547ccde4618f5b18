//! Where a node keeps what it knows about registries, and how those files are read.
//!
//! The hook's worker looks where root's engines look and nowhere else: its environment came through an engine and
//! proves nothing. The tool is run by a person and honours the person's environment, as podman and skopeo do. A
//! prefix moves everything, for tests and for judging from a container.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::files;
use crate::limits;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::failure;

/// The roots of all searches.
#[derive(Debug, Clone)]
pub struct NodeFiles {
    prefix: PathBuf,
    /// The user whose files count.
    pub uid: u32,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, else `.config` in the home.
    pub config_home: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of Docker's config.json.
    pub docker_config: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`.
    pub registries_conf: Option<PathBuf>,
    /// `SSL_CERT_FILE`.
    pub certificate_file: Option<PathBuf>,
}

impl Default for NodeFiles {
    /// Root's; under rootless podman those of the user, who is root in there.
    fn default() -> Self {
        let root = NodeFiles::of_root(Path::new("/"));
        let user = files::outer_user().map(nix::unistd::Uid::from_raw);
        match user.and_then(|uid| nix::unistd::User::from_uid(uid).ok().flatten()) {
            Some(user) => NodeFiles {
                runtime: Some(PathBuf::from(format!("/run/user/{}", user.uid))),
                config_home: Some(user.dir.join(".config")),
                home: Some(user.dir),
                uid: user.uid.as_raw(),
                ..root
            },
            None => root,
        }
    }
}

impl NodeFiles {
    /// Root's own files below a prefix, without any environment.
    pub fn of_root(prefix: &Path) -> Self {
        NodeFiles {
            prefix: prefix.to_owned(),
            uid: 0,
            home: Some(prefix.join("root")),
            runtime: None,
            config_home: Some(prefix.join("root/.config")),
            auth_file: None,
            docker_config: None,
            registries_conf: None,
            certificate_file: None,
        }
    }

    /// What the person's environment says.
    pub fn of_user() -> Self {
        let variable =
            |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        let config_home =
            variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        NodeFiles {
            prefix: PathBuf::from("/"),
            uid: nix::unistd::geteuid().as_raw(),
            home,
            runtime: variable("XDG_RUNTIME_DIR"),
            config_home,
            auth_file: variable("REGISTRY_AUTH_FILE"),
            docker_config: variable("DOCKER_CONFIG"),
            registries_conf: variable("CONTAINERS_REGISTRIES_CONF"),
            certificate_file: variable("SSL_CERT_FILE"),
        }
    }

    /// A system file, for example `etc/containers/registries.conf`.
    pub fn system(&self, path: &str) -> PathBuf {
        self.prefix.join(path)
    }
}

/// A configuration file with its bytes.
pub struct Read {
    /// Where it was found, for messages.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// True if only root (or whoever runs this) can change it.
    pub trusted: bool,
    /// True if every user can read it, as far as the folders above let them.
    pub everyone_can_read: bool,
}

impl Read {
    #[cfg(test)]
    pub(super) fn for_test(path: &str, bytes: Vec<u8>, trusted: bool) -> Self {
        Read { path: path.into(), bytes, trusted, everyone_can_read: false }
    }
}

/// Reads a configuration file; `None` if there is none. Links are followed: distributions make `/etc` of them.
pub fn read(path: &Path, limit: u64) -> Result<Option<Read>, Unavailable> {
    match open(path).and_then(|file| {
        let metadata = file.metadata()?;
        let trusted = files::is_trusted(&metadata);
        let everyone_can_read = metadata.mode() & 0o004 != 0;
        let bytes = files::read_open(file, limit)?;
        Ok(Read { path: path.to_owned(), bytes, trusted, everyone_can_read })
    }) {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(unusable(path, error)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The files of a folder whose names end as `ending` says, sorted by name; none if there is no folder.
pub fn list(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Unavailable> {
    let mut found = list_all(folder)?;
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    Ok(found)
}

/// All files of a folder, sorted by name; none if there is no folder.
pub fn list_all(folder: &Path) -> Result<Vec<PathBuf>, Unavailable> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unusable(folder, error)),
    };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).take(limits::FOLDER_FILES + 1).collect();
    if found.len() > limits::FOLDER_FILES {
        let problem = format!("it holds more than {} files", limits::FOLDER_FILES);
        return Err(unusable(folder, problem));
    }
    found.sort();
    Ok(found)
}

/// A configuration file that is there and cannot be used.
pub fn unusable(path: &Path, problem: impl std::fmt::Display) -> Unavailable {
    let problem = failure::printable(&problem.to_string());
    let detail = format!("{} cannot be used: {problem}", path.display());
    failure::unavailable(UnavailableKind::Configuration, detail)
}
