//! The decision log: `/var/log/imgcompat/decisions.jsonl`, one JSON object a line.
//!
//! Lines are appended by one write each, so that parallel starts do not mix theirs. The file is bounded: above
//! [`MAX_LOG_BYTES`] it is renamed and a new one begun, so that a node without logrotate does not fill its disk.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
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
    let (mut file, mut length) = open(directory)?;
    if length >= MAX_LOG_BYTES {
        rotate(directory, &file)?;
        (file, length) = open(directory)?;
    }
    let mut bytes = Vec::with_capacity(line.len() + 2);
    if is_torn(&file, length) {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    file.write_all(&bytes)
}

/// Renames the log, which is `file`. Of many starts that find it full at once one does so: the others must not put the
/// new log in the place of the old one.
fn rotate(directory: &Path, file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let path = directory.join(FILE_NAME);
    let current = fs::symlink_metadata(&path).map(|metadata| metadata.ino());
    if current.is_ok_and(|inode| file.metadata().is_ok_and(|metadata| metadata.ino() == inode)) {
        fs::rename(path, directory.join(ROTATED_NAME))?;
    }
    Ok(())
}

/// True if the last line has no end: its writer was killed, or the disk was full. The next one must not be part of it.
fn is_torn(file: &File, length: u64) -> bool {
    let mut last = [b'\n'];
    let read = length.checked_sub(1).map(|place| file.read_at(&mut last, place));
    matches!(read, Some(Ok(1))) && last != [b'\n']
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
    let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT;
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
    fn a_full_log_is_renamed_once_by_whoever_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let full = File::create(dir.path().join(FILE_NAME)).unwrap();
        full.set_len(MAX_LOG_BYTES).unwrap();
        let second = open(dir.path()).unwrap().0;
        append(dir.path(), "{}").unwrap();
        rotate(dir.path(), &second).unwrap();
        assert_eq!(fs::metadata(dir.path().join(ROTATED_NAME)).unwrap().len(), MAX_LOG_BYTES);
        assert_eq!(fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), "{}\n");
    }

    #[test]
    fn a_torn_line_does_not_take_the_next_one_with_it() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "{\"a\":1}").unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, "{\"a\":1}\n{\"a\"").unwrap();
        append(dir.path(), "{\"a\":3}").unwrap();
        append(dir.path(), "{\"a\":4}").unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"a\"\n{\"a\":3}\n{\"a\":4}\n");
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
