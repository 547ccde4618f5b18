//! The decision log: `/var/log/imgcompat/decisions.jsonl`, one JSON object a line.
//!
//! Lines are appended by one write each, so that parallel starts do not mix theirs. The file is bounded: above
//! [`MAX_LOG_BYTES`] it is renamed and a new one begun, so that a node without logrotate does not fill its disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::files;

/// Where the log is within its directory.
pub const FILE_NAME: &str = "decisions.jsonl";
/// The former log.
pub const ROTATED_NAME: &str = "decisions.jsonl.1";
/// Size at which the log is renamed.
pub const MAX_LOG_BYTES: u64 = 64 << 20;

/// Appends one line.
pub fn append(directory: &Path, line: &str) -> io::Result<()> {
    let (mut file, length) = open(directory)?;
    if length >= MAX_LOG_BYTES {
        fs::rename(directory.join(FILE_NAME), directory.join(ROTATED_NAME))?;
        (file, _) = open(directory)?;
    }
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    file.write_all(&bytes)
}

/// The log and its length.
fn open(directory: &Path) -> io::Result<(File, u64)> {
    let path = directory.join(FILE_NAME);
    match open_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
            open_file(&path)
        }
        other => other,
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
    let careful = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = files::open_with(path, flags | careful, Mode::from_bits_truncate(0o640))?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the decision log is not a regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_the_directory_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("var/log/imgcompat");
        append(&log, "{\"a\":1}").unwrap();
        append(&log, "{\"a\":2}").unwrap();
        let text = fs::read_to_string(log.join(FILE_NAME)).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"a\":2}\n");
    }

    #[test]
    fn a_log_at_its_limit_is_renamed() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join(FILE_NAME)).unwrap().set_len(MAX_LOG_BYTES).unwrap();
        append(dir.path(), "{}").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), "{}\n");
        assert_eq!(fs::metadata(dir.path().join(ROTATED_NAME)).unwrap().len(), MAX_LOG_BYTES);
    }

    #[test]
    fn a_link_in_place_of_the_log_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join(FILE_NAME)).unwrap();
        assert!(append(dir.path(), "{}").is_err());
        assert_eq!(fs::read_to_string(target).unwrap(), "");
    }
}
