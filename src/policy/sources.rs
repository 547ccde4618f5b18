//! The files of a policy: which there are, whether they may be believed, and what is wrong with one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::paths::Paths;
use crate::{files, limits};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than root can change a file.
    #[error("{} can be changed by others than root; run `chmod go-w` and `chown root` on it", .0.display())]
    Untrusted(PathBuf),
    /// A key or value is wrong.
    #[error("{}:{line}:{column}: {message}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

impl ConfigError {
    /// What is wrong at a byte of a file's text.
    pub(super) fn at(file: &Path, text: &str, offset: usize, message: String) -> Self {
        let (line, column) = place(text, offset);
        ConfigError::Invalid { file: file.to_owned(), line, column, message }
    }
}

/// The files in reading order, whether they exist or not; of the drop-in directory those that do.
pub(super) fn config_files(paths: &Paths) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = vec![paths.vendor_config(), paths.config()];
    let dir = paths.config_dir();
    let unreadable = |source| ConfigError::Unreadable { file: dir.clone(), source };
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(unreadable(error)),
    };
    let mut drop_ins = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            drop_ins.push(path);
        }
    }
    drop_ins.sort();
    files.append(&mut drop_ins);
    Ok(files)
}

/// Configuration management may put links here, so they are followed; what is at their end must be root's.
pub(super) fn read_trusted(path: &Path) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: path.to_owned(), source };
    let file = match files::open_with(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )));
    }
    if !files::is_trusted(&metadata) {
        return Err(ConfigError::Untrusted(path.to_owned()));
    }
    let bytes =
        files::read_sized(file, metadata.len(), limits::CONFIG_BYTES).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    })?;
    Ok(Some(text))
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}
