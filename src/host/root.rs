//! Where the host's files are, and how they are read: bounded, without blocking, and without leaving a recorded tree.
//!
//! Every source names files as the host itself does (`/sys/class/net`); [`HostRoot`] maps the name to where that
//! file can be read from here. Three cases, chosen by `--host-root PREFIX`:
//!
//! | PREFIX | the host's `/sys/class/net` is | who uses it |
//! |---|---|---|
//! | none, or `/` | `/sys/class/net` | the hook, the tool on a node |
//! | not a directory, as `/host-` | `/host-sys/class/net`, by concatenation as NFD does | the tool in a container, mounts as in NFD's documentation |
//! | a directory | `PREFIX/sys/class/net`, symbolic links resolved inside PREFIX | recorded hosts: tests, and judging a node from elsewhere |
//!
//! With concatenation, a part that is not mounted under the prefix is read from the process' own view only where that
//! is the same thing or where NFD does the same: `/proc`, since the kernel is shared, and the directory of local
//! features. Called by every source in this room.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::Attributes;
use crate::limits::{HOST_DIRECTORY_ENTRIES, HOST_FILE_BYTES};

/// Why a file or directory of the host could not be read. "Not there" and "there, but unreadable" are different facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{path}: does not exist")]
    Missing {
        /// The path that was opened.
        path: String,
    },
    /// It is there, but opening or reading it failed.
    #[error("{path}: cannot be read: {}", errno.desc())]
    Unreadable {
        /// The path that was opened.
        path: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// A directory, pipe or device stands where a file is expected.
    #[error("{path}: is not a regular file")]
    NotAFile {
        /// The path that was opened.
        path: String,
    },
    /// Neither a recorded host nor mounted parts of one are behind a prefix.
    #[error("there is no host at {prefix}: neither {prefix} nor {prefix}sys is a directory")]
    NoHost {
        /// The prefix.
        prefix: String,
    },
    /// More than this program is willing to hold.
    #[error("{path}: is larger than the limit of {limit}")]
    TooLarge {
        /// The path that was opened.
        path: String,
        /// Bytes of a file, or entries of a directory.
        limit: u64,
    },
}

impl ReadError {
    /// True if the reason is that there is nothing of that name.
    pub fn is_missing(&self) -> bool {
        matches!(self, ReadError::Missing { .. })
    }

    fn new(path: &Path, errno: Errno) -> Self {
        let path = path.display().to_string();
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => ReadError::Missing { path },
            errno => ReadError::Unreadable { path, errno },
        }
    }
}

/// The host whose facts are wanted, as seen from this process.
#[derive(Debug, Clone)]
pub struct HostRoot {
    view: View,
}

#[derive(Debug, Clone)]
enum View {
    Own,
    Concatenated(String),
    Tree { path: PathBuf, directory: Rc<OwnedFd> },
}

impl HostRoot {
    /// This machine, seen directly.
    pub fn local() -> Self {
        HostRoot { view: View::Own }
    }

    /// The host behind `--host-root PREFIX`. Fails if there is nothing at all behind the prefix, since every feature
    /// would then be absent for the wrong reason.
    pub fn from_prefix(prefix: &str) -> Result<Self, ReadError> {
        if prefix.is_empty() || prefix == "/" {
            return Ok(HostRoot::local());
        }
        if Path::new(prefix).is_dir() {
            return HostRoot::tree(Path::new(prefix));
        }
        let mounted = |part: &str| Path::new(&format!("{prefix}{part}")).is_dir();
        if mounted("sys") || mounted("proc") || mounted("etc") {
            return Ok(HostRoot { view: View::Concatenated(prefix.to_owned()) });
        }
        Err(ReadError::NoHost { prefix: prefix.to_owned() })
    }

    /// A recorded host: a directory that holds `proc`, `sys` and so on.
    pub fn tree(path: &Path) -> Result<Self, ReadError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(path, flags).map_err(|errno| ReadError::new(path, errno))?;
        Ok(HostRoot { view: View::Tree { path: path.to_owned(), directory: Rc::new(directory) } })
    }

    /// True for a recorded host: its processor is not the one that executes this program.
    pub fn is_recorded(&self) -> bool {
        matches!(self.view, View::Tree { .. })
    }

    /// The content of a file, at most [`HOST_FILE_BYTES`].
    pub fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.read_at_most(path, HOST_FILE_BYTES)
    }

    /// The content of a file, refused if it is larger than `limit`.
    pub fn read_at_most(&self, path: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        let (file, shown) = self.open(path, READING)?;
        content(file, &shown, limit)
    }

    /// A directory of which several files will be read: its path is walked once, and those of sysfs are long and have links.
    pub fn directory<'h>(&'h self, path: &'h str) -> Directory<'h> {
        let opened = self.open(path, OFlag::O_PATH | OFlag::O_DIRECTORY);
        Directory { root: self, path, opened: opened.ok().map(|(directory, _)| directory) }
    }

    /// The content as text; bytes that are not UTF-8 become U+FFFD.
    pub fn read_text(&self, path: &str) -> Result<String, ReadError> {
        Ok(into_text(self.read(path)?))
    }

    /// The content as text without white space around it, as most files of sysfs are meant.
    pub fn read_trimmed(&self, path: &str) -> Result<String, ReadError> {
        Ok(self.read_text(path)?.trim().to_owned())
    }

    /// The trimmed content of each readable file in `directory`, by the file's own name; others are left out.
    pub fn attribute_files(&self, directory: &str, files: &[&str]) -> Attributes {
        let read = |file: &&str| {
            let value = self.read_trimmed(&format!("{directory}/{file}")).ok()?;
            Some((file.rsplit('/').next()?.to_owned(), value))
        };
        files.iter().filter_map(read).collect()
    }

    /// The names in a directory, sorted by their bytes.
    pub fn list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        Ok(self.entries(path)?.into_iter().map(|(name, _)| name).collect())
    }

    /// The names of the directories in a directory, sorted; symbolic links do not count.
    pub fn list_directories(&self, path: &str) -> Result<Vec<String>, ReadError> {
        let entries = self.entries(path)?.into_iter();
        Ok(entries
            .filter(|(_, kind)| *kind == Some(Type::Directory))
            .map(|(name, _)| name)
            .collect())
    }

    /// Whether there is anything of that name; symbolic links are followed.
    pub fn exists(&self, path: &str) -> Result<bool, ReadError> {
        match self.open(path, OFlag::O_PATH) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn entries(&self, path: &str) -> Result<Vec<(String, Option<Type>)>, ReadError> {
        let (directory, shown) = self.open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let failed = |errno| ReadError::new(&shown, errno);
        let mut entries = Vec::new();
        for entry in Dir::from_fd(directory).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                entries.push((name, entry.file_type()));
            }
            if entries.len() > HOST_DIRECTORY_ENTRIES {
                let limit = HOST_DIRECTORY_ENTRIES as u64;
                return Err(ReadError::TooLarge { path: shown.display().to_string(), limit });
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn open(&self, path: &str, flags: OFlag) -> Result<(OwnedFd, PathBuf), ReadError> {
        let flags = flags | OFlag::O_CLOEXEC;
        let (result, shown) = match &self.view {
            View::Own => (open(Path::new(path), flags), PathBuf::from(path)),
            View::Concatenated(prefix) => {
                let mapped = concatenated(prefix, path)
                    .map_err(|errno| ReadError::new(&join(prefix, path), errno))?;
                (open(&mapped, flags), mapped)
            }
            View::Tree { path: tree, directory } => {
                let inside = path.trim_start_matches('/');
                (open_inside(tree, directory, inside, flags), tree.join(inside))
            }
        };
        match result {
            Ok(file) => Ok((file, shown)),
            Err(errno) => Err(ReadError::new(&shown, errno)),
        }
    }
}

/// Reads to the end, but not much beyond `limit`. Of a file that has a size, on a disk or in sysfs, a read that is not
/// filled is the last one: an attribute of sysfs is made whole at once.
fn read_all(mut file: File, sized: bool, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut part = [0; 4096];
    while content.len() as u64 <= limit {
        match file.read(&mut part) {
            Ok(0) => break,
            Ok(length) => {
                content.extend_from_slice(part.get(..length).unwrap_or_default());
                if sized && length < part.len() {
                    break;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(content)
}

/// Text of a file of the host.
pub fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Where the administrator's own features and labels are; `local.rs` reads them.
pub(super) const FEATURES_D: &str = "/etc/kubernetes/node-feature-discovery/features.d";

/// Directories that may be read from the process' own view if they are not mounted under the prefix.
const OWN_VIEW_SERVES: [&str; 2] = ["/proc", FEATURES_D];

fn join(prefix: &str, path: &str) -> PathBuf {
    PathBuf::from(format!("{prefix}{}", path.trim_start_matches('/')))
}

/// Where a file is that the host calls `path`. Links in /etc, /usr, /lib and /boot lead to other parts of the host,
/// which are mounted elsewhere; those in /sys and /proc stay inside.
fn concatenated(prefix: &str, path: &str) -> Result<PathBuf, Errno> {
    // What /proc says of this very process is never the host's.
    if path.starts_with("/proc/self/") {
        return Ok(PathBuf::from(path));
    }
    let own = OWN_VIEW_SERVES.iter().find(|directory| path.starts_with(*directory));
    if own.is_some_and(|directory| !join(prefix, directory).is_dir()) {
        return Ok(PathBuf::from(path));
    }
    if path.starts_with("/sys/") || path.starts_with("/proc/") {
        Ok(join(prefix, path))
    } else {
        resolve(path, |path| join(prefix, path))
    }
}

/// See [`HostRoot::directory`].
pub struct Directory<'h> {
    root: &'h HostRoot,
    path: &'h str,
    opened: Option<OwnedFd>,
}

impl Directory<'_> {
    /// The content of a file in it, as text.
    pub fn read_text(&self, name: &str) -> Result<String, ReadError> {
        let path = || format!("{}/{name}", self.path);
        match self.opened.as_ref().map(|directory| self.open(directory, name)) {
            Some(Ok(file)) => Ok(into_text(content(file, Path::new(&path()), HOST_FILE_BYTES)?)),
            Some(Err(Errno::ENOENT | Errno::ENOTDIR)) => Err(ReadError::Missing { path: path() }),
            // A link, in a recorded host, or a directory that cannot be opened: by the whole path, which says why.
            _ => self.root.read_text(&path()),
        }
    }

    fn open(&self, directory: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
        let flags = READING | OFlag::O_CLOEXEC;
        if !self.root.is_recorded() {
            return openat(directory, name, flags, Mode::empty());
        }
        let plain = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(directory, name, OpenHow::new().flags(flags).resolve(plain))
    }
}

/// Nothing waits for what should be a file and is a pipe.
const READING: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK);

/// What an open file holds; `shown` is its name in messages.
fn content(file: OwnedFd, shown: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let stat = fstat(&file).map_err(|errno| ReadError::new(shown, errno))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(ReadError::NotAFile { path: shown.display().to_string() });
    }
    // A file of /proc has no size; only reading on tells where it ends.
    let sized = stat.st_size > 0;
    let content = read_all(File::from(file), sized, limit).map_err(|error| {
        ReadError::new(shown, Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    })?;
    if content.len() as u64 > limit {
        return Err(ReadError::TooLarge { path: shown.display().to_string(), limit });
    }
    Ok(content)
}

/// By `openat`, which musl does not follow with a second system call as it does `open`.
fn open(path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(AT_FDCWD, path, flags, Mode::empty())
}

fn open_inside(
    tree: &Path,
    directory: &OwnedFd,
    path: &str,
    flags: OFlag,
) -> Result<OwnedFd, Errno> {
    let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(inside);
    match openat2(directory, path, how) {
        // Kernels before 5.6, and system call filters that do not know openat2.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let resolved = resolve(path, |path| tree.join(path))?;
            open(&resolved, flags | OFlag::O_NOFOLLOW)
        }
        result => result,
    }
}

/// As many symbolic links as the kernel follows in one path.
const LINKS: usize = 40;

/// Resolves the symbolic links in a path of the host, without the kernel's help; `at` says where a path without a
/// leading slash is. Good enough where nobody changes the links meanwhile.
fn resolve(path: &str, at: impl Fn(&str) -> PathBuf) -> Result<PathBuf, Errno> {
    let mut pending: Vec<String> = components(path);
    let mut resolved: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(component) = pending.pop() {
        if component == ".." {
            resolved.pop();
            continue;
        }
        resolved.push(component);
        let Ok(target) = std::fs::read_link(at(&resolved.join("/"))) else { continue };
        links += 1;
        if links > LINKS {
            return Err(Errno::ELOOP);
        }
        resolved.pop();
        if target.is_absolute() {
            resolved.clear();
        }
        pending.extend(components(&target.to_string_lossy()));
    }
    Ok(at(&resolved.join("/")))
}

/// The components of a path, last one first.
fn components(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|c| !c.is_empty() && *c != ".").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, HostRoot) {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::tree(directory.path()).unwrap();
        std::fs::create_dir_all(directory.path().join("sys/real")).unwrap();
        std::fs::write(directory.path().join("sys/real/value"), " 1\n").unwrap();
        (directory, root)
    }

    #[test]
    fn a_tree_is_never_left() {
        let (directory, root) = tree();
        let at = |path: &str| directory.path().join(path);
        symlink("/sys/real", at("sys/absolute")).unwrap();
        symlink("../../../../../../sys/real", at("sys/climbing")).unwrap();
        symlink("/etc/passwd", at("sys/outside")).unwrap();
        symlink("loop", at("sys/loop")).unwrap();
        for path in ["/sys/absolute/value", "/sys/climbing/value", "/sys/real/value"] {
            assert_eq!(root.read_trimmed(path).unwrap(), "1", "{path}");
            let resolved = resolve(path, at).unwrap();
            assert_eq!(resolved, at("sys/real/value"), "{path}");
        }
        assert!(root.read("/sys/outside").unwrap_err().is_missing());
        assert!(!resolve("/sys/outside", at).unwrap().exists());
        assert!(matches!(root.read("/sys/loop"), Err(ReadError::Unreadable { .. })));
        assert_eq!(resolve("/sys/loop", at), Err(Errno::ELOOP));
    }

    #[test]
    fn reading_never_blocks_and_tells_missing_from_unreadable() {
        let (directory, root) = tree();
        nix::unistd::mkfifo(&directory.path().join("sys/pipe"), Mode::S_IRWXU).unwrap();
        assert!(matches!(root.read("/sys/pipe"), Err(ReadError::NotAFile { .. })));
        assert!(matches!(root.read("/sys/real"), Err(ReadError::NotAFile { .. })));
        assert!(matches!(root.read("/sys/none"), Err(ReadError::Missing { .. })));
        assert!(matches!(root.read_at_most("/sys/real/value", 2), Err(ReadError::TooLarge { .. })));
        assert_eq!(root.read_at_most("/sys/real/value", 3).unwrap(), b" 1\n");
        assert!(matches!(root.list("/sys/none"), Err(ReadError::Missing { .. })));
    }

    #[test]
    fn a_prefix_that_is_no_directory_is_put_before_each_path() {
        let (directory, _) = tree();
        let prefix = format!("{}/", directory.path().display());
        assert!(HostRoot::from_prefix(&prefix).unwrap().is_recorded());
        std::fs::create_dir_all(directory.path().join("host-sys/real")).unwrap();
        std::fs::write(directory.path().join("host-sys/real/value"), "2").unwrap();
        let root = HostRoot::from_prefix(&format!("{prefix}host-")).unwrap();
        assert!(!root.is_recorded());
        assert_eq!(root.read_text("/sys/real/value").unwrap(), "2");
        let own = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(root.read_text("/proc/sys/kernel/osrelease").unwrap(), own);
        let typo = HostRoot::from_prefix(&format!("{prefix}typo-"));
        assert!(matches!(typo, Err(ReadError::NoHost { .. })));
    }

    #[test]
    fn a_link_of_the_host_leads_to_another_part_of_the_host() {
        let (directory, _) = tree();
        let at = |path: &str| directory.path().join(path);
        for part in ["host-etc", "host-usr/lib", "host-lib/modules/6.1"] {
            std::fs::create_dir_all(at(part)).unwrap();
        }
        std::fs::write(at("host-usr/lib/os-release"), "ID=host").unwrap();
        symlink("../usr/lib/os-release", at("host-etc/os-release")).unwrap();
        symlink("/usr/lib", at("host-lib/modules/6.1/build")).unwrap();
        symlink("/etc/loop", at("host-etc/loop")).unwrap();
        let root = HostRoot::from_prefix(at("host-").to_str().unwrap()).unwrap();
        assert_eq!(root.read_text("/etc/os-release").unwrap(), "ID=host");
        assert_eq!(root.read_text("/lib/modules/6.1/build/os-release").unwrap(), "ID=host");
        assert!(matches!(root.read("/etc/loop"), Err(ReadError::Unreadable { .. })));
    }

    #[test]
    fn names_come_sorted() {
        let (directory, root) = tree();
        for name in ["b", "a", "c"] {
            std::fs::write(directory.path().join("sys/real").join(name), "").unwrap();
        }
        assert_eq!(root.list("/sys/real").unwrap(), ["a", "b", "c", "value"]);
        assert_eq!(root.list_directories("/sys").unwrap(), ["real"]);
        assert_eq!(root.exists("/sys/real/a"), Ok(true));
        assert_eq!(root.exists("/sys/real/d"), Ok(false));
    }
}
