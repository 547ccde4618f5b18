//! Reading and writing files as root's code must: bounded, never through a link in the last place, never
//! blocking on something that is not a file, and replaced as a whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

/// Flags for opening what should be a regular file: a FIFO or device in its place must not block or act.
fn careful() -> i32 {
    (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits()
}

/// Opens a regular file for reading; the last component may not be a link.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_with_metadata(path).map(|(file, _)| file)
}

/// The same, with what the kernel says about the file.
pub fn open_with_metadata(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlag::from_bits_truncate(careful()) | OFlag::O_RDONLY;
    let file = open_with(path, flags, Mode::empty())?;
    let metadata = must_be_regular(&file)?;
    Ok((file, metadata))
}

/// Opens by `openat` and not by the standard library's `open`: musl follows that one with a system call for kernels
/// older than close-on-exec.
pub(crate) fn open_with(path: &Path, flags: OFlag, mode: Mode) -> io::Result<File> {
    Ok(File::from(openat(AT_FDCWD, path, flags | OFlag::O_CLOEXEC, mode)?))
}

fn must_be_regular(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// Reads a whole regular file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open_with_metadata(path)?;
    read_sized(file, metadata.len(), limit)
}

/// Reads an open file to its end, at most `limit` bytes; more is an error, not a cut.
pub fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let expected = file.metadata().map(|m| m.len()).unwrap_or(0);
    read_sized(file, expected, limit)
}

/// The same for a file of known size, which is read in one piece as long as it still has that size.
pub fn read_sized(mut file: File, expected: u64, limit: u64) -> io::Result<Vec<u8>> {
    let room = usize::try_from(expected.min(limit)).unwrap_or(0).saturating_add(1);
    let mut bytes = vec![0; room];
    let first = file.read(&mut bytes)?;
    bytes.truncate(first);
    if first as u64 != expected {
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        let message = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Opens `name` below `directory` with no link anywhere in `name` and no way out of `directory`.
///
/// `openat2` (Linux 5.6) does it in one step. Where the kernel or a system call filter lacks it, the same is done folder
/// by folder.
pub fn open_beneath(directory: &Path, name: &str) -> io::Result<(File, Metadata)> {
    let dir_flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = openat(AT_FDCWD, directory, dir_flags, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::from_bits_truncate(careful()) | OFlag::O_RDONLY)
        .mode(Mode::empty())
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
    let file = match openat2(&dir, name, how) {
        Ok(fd) => File::from(fd),
        Err(nix::Error::ENOSYS | nix::Error::EPERM) => descend(dir, name)?,
        Err(error) => return Err(error.into()),
    };
    let metadata = must_be_regular(&file)?;
    Ok((file, metadata))
}

/// Opens `name` folder by folder, each from the one before, none through a link and none upwards.
fn descend(directory: OwnedFd, name: &str) -> io::Result<File> {
    let mut here = directory;
    let mut parts = name.split('/').peekable();
    let folder = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    while let Some(part) = parts.next() {
        if matches!(part, "" | "." | "..") {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it leads elsewhere"));
        }
        if parts.peek().is_none() {
            let flags = OFlag::from_bits_truncate(careful()) | OFlag::O_RDONLY;
            return Ok(File::from(openat(&here, part, flags, Mode::empty())?));
        }
        here = openat(&here, part, folder, Mode::empty())?;
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))
}

/// Reads a file below a directory that others can write: see [`open_beneath`].
pub fn read_beneath(directory: &Path, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open_beneath(directory, name)?;
    read_sized(file, metadata.len(), limit)
}

/// Replaces `directory/name` by `bytes` as a whole: readers see the old content or the new, never a part.
///
/// The data is not forced to the disk: what is written this way can be lost in a power cut, but not torn in a way
/// that a reader would believe, since every reader checks what it reads.
pub fn replace(directory: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_after(directory, name, bytes, mode, |_| Ok(()))
}

/// The same for a file that others read: mode 0644 whatever the umask, and on the disk before it is renamed.
pub fn publish(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    replace_after(directory, name, bytes, 0o644, |file| {
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()
    })
}

/// Replaces a file that is not ours alone: it keeps its owner, its group and its permissions, and is on the disk before
/// it is renamed. A new one gets `mode`, whatever the umask.
pub fn rewrite(place: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, fchown};
    let (Some(directory), Some(name)) =
        (place.parent(), place.file_name().and_then(|n| n.to_str()))
    else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not the name of a file"));
    };
    let there = fs::metadata(place).ok();
    let mode = there.as_ref().map_or(mode, |there| there.mode() & 0o7777);
    replace_after(directory, name, bytes, 0o600, |file| {
        let now = file.metadata()?;
        if let Some(there) = there.filter(|t| (t.uid(), t.gid()) != (now.uid(), now.gid())) {
            fchown(file, Some(there.uid()), Some(there.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    })?;
    File::open(directory)?.sync_all()
}

fn replace_after(
    directory: &Path,
    name: &str,
    bytes: &[u8],
    mode: u32,
    finish: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = directory.join(temporary_name());
    let result = write_new(&temporary, bytes, mode)
        .and_then(|file| finish(&file))
        .and_then(|()| fs::rename(&temporary, directory.join(name)));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Start of the names of files that are being written; leftovers of a killed process are recognised by it.
pub const TEMPORARY_PREFIX: &str = ".new-";

fn temporary_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.subsec_nanos());
    format!("{TEMPORARY_PREFIX}{}-{count}-{nanos}", std::process::id())
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(careful())
        .open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// A directory of our own: made with mode 0700 if missing; refused if it is a link, belongs to somebody else, or
/// others may write to it.
pub fn own_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => check_own_directory(&metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make_directory(path);
            if let Err(error) = made
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
            check_own_directory(&fs::symlink_metadata(path)?)
        }
        Err(error) => Err(error),
    }
}

/// True if there is a directory of our own, false if there is nothing; refused as [`own_directory`] refuses.
pub fn has_own_directory(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => check_own_directory(&metadata).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}

fn check_own_directory(metadata: &fs::Metadata) -> io::Result<()> {
    let problem = if !metadata.is_dir() {
        "it is not a directory"
    } else if metadata.uid() != nix::unistd::geteuid().as_raw() {
        "it belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "others may write to it"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// True if only root (or the user this runs as) can change the file.
///
/// In a user namespace the host's root is not mapped, and its files seem to be nobody's. There they are trusted: whoever
/// made the namespace could leave the whole check out.
pub fn is_trusted(metadata: &fs::Metadata) -> bool {
    let owner = metadata.uid();
    let own = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    let of_host = || owner == UNMAPPED && outer_user().is_some();
    metadata.mode() & 0o022 == 0 && (own || of_host())
}

/// What an error says to whoever is not root, to be put behind it; nothing where root would fare no better.
pub fn advice(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run as root" } else { "" }
}

/// The user that files of unmapped users seem to belong to.
const UNMAPPED: u32 = 65_534;

/// The user outside, where this runs in a user namespace whose root is an ordinary user, as rootless podman's is.
pub fn outer_user() -> Option<u32> {
    outer_root(&fs::read_to_string("/proc/self/uid_map").ok()?)
}

/// Who root is outside. Where root is the first of many that are mapped at once (a system container), that number is
/// nobody's outside, and in here it may be a user who has no business with root's files.
fn outer_root(uid_map: &str) -> Option<u32> {
    let first: Vec<u32> =
        uid_map.lines().next()?.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match first.as_slice() {
        [0, outer, 1] if *outer != 0 => Some(*outer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert_eq!(read(&file, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&link, 5).is_err());
        assert!(read(dir.path(), 5).is_err());
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(read(&fifo, 5).is_err(), "a FIFO must not block");
    }

    #[test]
    fn nothing_outside_the_directory_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        fs::create_dir(&bundle).unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(bundle.join("config.json"), "{}").unwrap();
        std::os::unix::fs::symlink("../secret", bundle.join("link")).unwrap();
        assert_eq!(read_beneath(&bundle, "config.json", 9).unwrap(), b"{}");
        for name in ["link", "../secret", "/etc/passwd", "."] {
            assert!(read_beneath(&bundle, name, 9).is_err(), "{name}");
        }
    }

    #[test]
    fn without_openat2_the_way_down_is_as_careful() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("layout/blobs/sha256")).unwrap();
        fs::write(dir.path().join("layout/blobs/sha256/a"), "{}").unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("blobs", dir.path().join("layout/linked")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("layout/blobs/sha256/link")).unwrap();
        let root = dir.path().join("layout");
        let open = |name: &str| {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            descend(openat(AT_FDCWD, &root, flags, Mode::empty()).unwrap(), name)
        };
        assert_eq!(read_open(open("blobs/sha256/a").unwrap(), 9).unwrap(), b"{}");
        for name in [
            "linked/sha256/a",
            "blobs/sha256/link",
            "../secret",
            "blobs/../../secret",
            "/etc/passwd",
            "blobs/./sha256/a",
            "blobs//sha256/a",
            "blobs/sha256/a/",
            "blobs/sha256/missing",
            "",
        ] {
            assert!(open(name).is_err(), "{name}");
            assert!(
                open_beneath(&root, name).is_err() || name.contains("/.") || name.contains("//"),
                "{name}"
            );
        }
    }

    #[test]
    fn only_a_root_that_is_one_user_outside_is_taken_for_that_user() {
        for (map, user) in [
            ("         0       1000          1\n         1     100000      65536\n", Some(1000)),
            ("         0          0 4294967295\n", None),
            ("         0     100000      65536\n", None),
            ("", None),
        ] {
            assert_eq!(outer_root(map), user, "{map}");
        }
    }

    #[test]
    fn replacing_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        replace(dir.path(), "a", b"1", 0o600).unwrap();
        replace(dir.path(), "a", b"2", 0o600).unwrap();
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(replace(&dir.path().join("missing"), "a", b"1", 0o600).is_err());
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        own_directory(&own).unwrap();
        own_directory(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(own_directory(&own).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(own_directory(&link).is_err());
    }
}
