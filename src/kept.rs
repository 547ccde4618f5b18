//! Files this program keeps for itself in its cache directory, so that the next start has less to do.
//!
//! Each begins with a line that names the format and a checksum of the rest. A file that is torn, altered, foreign or
//! of another format is as good as absent. The checksum guards against bad disks and killed writers, not against
//! people: the directory is root's own, and checked to be so at each use. It is therefore the standard library's
//! hash and not SHA-256, whose implementation asks the processor for its features first: an instruction that costs
//! 30 to 70 µs in a virtual machine, which is more than reading the file does.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::files;

/// First word of a kept file; the number changes with the format.
const FORMAT: &str = "imgcompat-kept-1";
/// Age below which a file of others may change again without a trace in its times, which the kernel keeps in steps
/// of some milliseconds.
const SETTLED: Duration = Duration::from_millis(100);

/// The folders whose content can be found out again, and so be forgotten: what each holds. The others in the cache
/// directory (counters, repeated refusals) are accounts, which a new start cannot make.
pub const FORGETTABLE: [(&str, &str); 6] = [
    ("artifacts", "answers of registries about what is attached"),
    ("manifests", "manifests of images that the node keeps none of"),
    ("checked", "checked forms of specifications in the layout"),
    ("specs", "checked forms of local specifications"),
    ("images", "what the engine's records said about images"),
    ("host", "what the processor said since the last boot"),
];
/// End of the names of files that are nothing but locks.
pub const LOCK_SUFFIX: &str = ".lock";
/// Age of a half-written file whose writer is certainly gone.
const ABANDONED: Duration = Duration::from_secs(60);
/// Age of one that a start takes away by itself: nobody looks on, and there is no hurry.
const LEFT_OVER: Duration = Duration::from_secs(3600);
/// Of so many calls of [`Folder::trim`] one reads the directory.
const TRIM_EVERY: u32 = 32;

/// One directory of kept files, checked to be our own.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens `name` within the cache at `cache_root`, making both where they are missing.
    pub fn open(cache_root: &Path, name: &str) -> io::Result<Self> {
        // Once in the life of a process is enough: then nobody else can put another directory in its place.
        static CHECKED: OnceLock<PathBuf> = OnceLock::new();
        if CHECKED.get().is_none_or(|checked| checked != cache_root) {
            open_root(cache_root)?;
            let _ = CHECKED.set(cache_root.to_owned());
        }
        let path = cache_root.join(name);
        match files::own_directory(&path) {
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                open_root(cache_root)?;
                files::own_directory(&path)?;
            }
            other => other?,
        }
        Ok(Folder { path })
    }

    /// The same without making anything; `None` if there is no such folder.
    pub fn existing(cache_root: &Path, name: &str) -> io::Result<Option<Self>> {
        let path = cache_root.join(name);
        let there = files::has_own_directory(cache_root)? && files::has_own_directory(&path)?;
        Ok(there.then_some(Folder { path }))
    }

    /// The names of its files, sorted, locks and half-written ones left out.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.all_names()?;
        names.retain(|name| {
            !name.ends_with(LOCK_SUFFIX) && !name.starts_with(files::TEMPORARY_PREFIX)
        });
        Ok(names)
    }

    /// The names of all its files, sorted.
    pub fn all_names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // What is no text was not written by this program.
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Removes a file. False if it was gone already: somebody else may remove or replace it at any time.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::remove_file(self.path.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what killed writers left half-written; what may still be written stays.
    pub fn remove_abandoned(&self) -> io::Result<()> {
        let half_written = |name: &String| name.starts_with(files::TEMPORARY_PREFIX);
        for name in self.all_names()?.iter().filter(|name| half_written(name)) {
            let modified = fs::symlink_metadata(self.path.join(name)).and_then(|m| m.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            if age.is_some_and(|age| age > ABANDONED) {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of the file `name`; anything that cannot be trusted is nothing.
    pub fn load(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let (file, metadata) = files::open_with_metadata(&self.path.join(name)).ok()?;
        let own = metadata.uid() == nix::unistd::geteuid().as_raw();
        let bytes = own.then(|| files::read_sized(file, metadata.len(), limit).ok())??;
        decode(bytes)
    }

    /// Replaces the file `name` as a whole.
    pub fn store(&self, name: &str, content: &[u8]) -> io::Result<()> {
        files::replace(&self.path, name, &encode(content), 0o600)
    }

    /// Removes the oldest files above `most`, and what killed processes left behind. It reads the whole directory, so
    /// only one call in `TRIM_EVERY` does anything; none is made by a warm start.
    pub fn trim(&self, most: usize) -> io::Result<()> {
        let micros = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |t| t.subsec_micros());
        if micros.is_multiple_of(TRIM_EVERY) { self.trim_now(most) } else { Ok(()) }
    }

    /// See [`Folder::trim`].
    fn trim_now(&self, most: usize) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // A file that another process removed meanwhile needs no removing.
            if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
                entries.push((modified, entry.file_name()));
            }
        }
        let leftover = |name: &std::ffi::OsString| {
            name.to_str().is_some_and(|name| name.starts_with(files::TEMPORARY_PREFIX))
        };
        for (modified, name) in entries.iter().filter(|(_, name)| leftover(name)) {
            if modified.elapsed().is_ok_and(|age| age > LEFT_OVER) {
                let _ = fs::remove_file(self.path.join(name));
            }
        }
        entries.retain(|(_, name)| !leftover(name));
        entries.sort();
        let surplus = entries.len().saturating_sub(most);
        for (_, name) in entries.into_iter().take(surplus) {
            let _ = fs::remove_file(self.path.join(name));
        }
        Ok(())
    }
}

fn open_root(path: &Path) -> io::Result<()> {
    match files::own_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            files::own_directory(path)
        }
        other => other,
    }
}

/// A file name for something that is named by `parts`. Different things may get one name, so a kept file says again
/// what it is about.
pub fn name_for(parts: &[&[u8]]) -> String {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
        hasher.write_usize(part.len());
    }
    format!("{:016x}", hasher.finish())
}

fn checksum(content: &[u8]) -> String {
    name_for(&[content])
}

fn encode(content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{FORMAT} {}\n", checksum(content)).into_bytes();
    bytes.extend_from_slice(content);
    bytes
}

fn decode(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, content) = bytes.split_at_checked(end + 1)?;
    let promised = std::str::from_utf8(head.get(..end)?).ok()?;
    let promised = promised.strip_prefix(FORMAT)?.strip_prefix(' ')?;
    if checksum(content) != promised {
        return None;
    }
    bytes.drain(..=end);
    Some(bytes)
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    version: String,
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The state of the file at `path`, whose metadata this is.
    pub fn of(path: &Path, metadata: &Metadata) -> Self {
        Stamp {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// False while the file could change once more and still look the same: something that is remembered about it
    /// now might be wrong later.
    pub fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
        let changed = changed.map(|(s, n)| SystemTime::UNIX_EPOCH + Duration::new(s, n));
        changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("var/cache/imgcompat"), "things").unwrap();
        (dir, folder)
    }

    #[test]
    fn what_was_cut_or_altered_anywhere_is_as_good_as_absent() {
        let (_dir, folder) = folder();
        folder.store("a", b"content").unwrap();
        assert_eq!(folder.load("a", 100).unwrap(), b"content");
        let path = folder.path().join("a");
        let good = fs::read(&path).unwrap();
        for place in 0..good.len() {
            fs::write(&path, &good[..place]).unwrap();
            assert!(folder.load("a", 100).is_none(), "cut at {place}");
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[place] ^= 1 << bit;
                fs::write(&path, &flipped).unwrap();
                assert!(folder.load("a", 100).is_none(), "bit {bit} flipped at {place}");
            }
        }
        fs::write(&path, &good).unwrap();
        assert!(folder.load("a", 100).is_some());
        assert!(folder.load("a", 10).is_none(), "larger than its limit");
    }

    #[test]
    fn the_oldest_files_go_and_half_written_ones_stay_for_an_hour() {
        let (_dir, folder) = folder();
        for (age, name) in
            [(30, "old"), (20, "newer"), (10, "newest"), (7200, ".new-1-1-1"), (60, ".new-2-1-1")]
        {
            folder.store(name, b"").unwrap();
            let file = fs::File::open(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        folder.trim_now(2).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".new-2-1-1", "newer", "newest"]);
    }

    #[test]
    fn a_file_that_just_changed_is_not_settled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "").unwrap();
        let stamp = Stamp::of(&path, &fs::metadata(&path).unwrap());
        assert!(!stamp.is_settled() || stamp.changed.0 == 0);
        let old = Stamp { changed: (1, 0), ..stamp.clone() };
        assert!(old.is_settled());
        let future = Stamp { changed: (i64::MAX / 4, 0), ..stamp };
        assert!(!future.is_settled(), "a clock that went back proves nothing");
    }
}
