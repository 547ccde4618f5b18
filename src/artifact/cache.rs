//! The cache's files: what a registry answered about one image in one repository, and when.
//!
//! One file a (repository, subjects) pair: never by digest alone, since any repository can hold any digest. A file
//! that is torn, altered, from another version or for another key is as good as absent and is replaced at the next
//! answer; see [`crate::kept`]. What is in the cache can be listed and forgotten while hooks run: each file is whole
//! or gone, and whoever is asking a registry meanwhile is waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::deadline::Deadline;
use crate::kept::{self, Folder};
use crate::oci::{Digest, Repository};
use crate::spec::Specification;
use crate::worker::protocol::Unavailable;
use crate::{files, limits};

/// Directory within the cache.
const DIRECTORY: &str = "artifacts";
/// Files above which the oldest are removed.
const MAX_FILES: usize = 20_000;

/// What a cache file is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The repository that was asked.
    pub repository: Repository,
    /// The manifests that were asked about, the most specific first.
    pub subjects: Vec<Digest>,
}

impl Key {
    fn file_name(&self) -> String {
        let repository = [self.repository.registry.as_bytes(), self.repository.path.as_bytes()];
        let subjects = self.subjects.iter().map(|subject| subject.as_str().as_bytes());
        kept::name_for(&repository.into_iter().chain(subjects).collect::<Vec<_>>())
    }
}

/// What is known about a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The key again, so that a file in the wrong place is noticed.
    pub key: Key,
    /// The last real answer.
    pub answer: Option<Answer>,
    /// The trouble since, if the registry was asked again and gave no answer.
    pub trouble: Option<Trouble>,
}

/// A registry's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// When it was given.
    pub at: Moment,
    /// What it was.
    pub content: Content,
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A specification.
    Found(Box<Found>),
    /// Nothing is attached.
    None,
    /// What is attached is no specification.
    Invalid {
        /// The manifest it is attached to.
        subject: Digest,
        /// The artifact's manifest.
        artifact: Digest,
        /// What is wrong with it.
        problem: String,
    },
}

/// A specification with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The manifest it is attached to.
    pub subject: Digest,
    /// The artifact's manifest.
    pub digest: Digest,
    /// When it was made, as its author says.
    pub created: Option<String>,
    /// What decoding found suspicious.
    pub warnings: Vec<String>,
    /// The specification in its checked form.
    pub specification: Arc<Specification>,
}

/// A registry that gave no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// When it was asked.
    pub at: Moment,
    /// What came of it.
    pub unavailable: Unavailable,
    /// Seconds from then in which it is not asked again.
    pub back_off: u64,
}

/// The cache's directory, checked to be our own.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Folder,
}

impl Cache {
    /// Opens the cache below `root`, making its directories where they are missing.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Cache { folder: Folder::open(root, DIRECTORY)? })
    }

    /// The same without making anything; `None` if there is no cache.
    pub fn existing(root: &Path) -> io::Result<Option<Self>> {
        Ok(Folder::existing(root, DIRECTORY)?.map(|folder| Cache { folder }))
    }

    /// Everything that is known, and the number of files that cannot be trusted.
    pub fn entries(&self) -> io::Result<(Vec<Entry>, usize)> {
        let mut entries = Vec::new();
        let mut unusable = 0;
        for name in self.folder.names()? {
            match self.entry(&name) {
                Some(entry) if entry.key.file_name() == name => entries.push(entry),
                _ if self.folder.path().join(&name).exists() => unusable += 1,
                // A hook or another `clear` was faster.
                _ => {}
            }
        }
        Ok((entries, unusable))
    }

    /// Forgets what is known about a key, after whoever asks about it just now has stored the answer: that too is
    /// older than this call. False if nothing was known.
    pub fn forget(&self, key: &Key, deadline: &Deadline) -> io::Result<bool> {
        self.forget_file(&key.file_name(), deadline)
    }

    /// Forgets everything, what cannot be trusted included; gives the number of answers there were.
    pub fn forget_all(&self, deadline: &Deadline) -> io::Result<usize> {
        let mut names = self.folder.all_names()?;
        names.retain(|name| !name.starts_with(files::TEMPORARY_PREFIX));
        let stem =
            |name: String| name.strip_suffix(kept::LOCK_SUFFIX).map(str::to_owned).unwrap_or(name);
        let names: std::collections::BTreeSet<String> = names.into_iter().map(stem).collect();
        let mut forgotten = 0;
        for name in names {
            forgotten += usize::from(self.forget_file(&name, deadline)?);
        }
        self.folder.remove_abandoned()?;
        Ok(forgotten)
    }

    fn forget_file(&self, name: &str, deadline: &Deadline) -> io::Result<bool> {
        let lock = self.lock_file(name, deadline)?;
        let known = self.folder.remove(name)?;
        if lock.is_some() {
            self.folder.remove(&format!("{name}{}", kept::LOCK_SUFFIX))?;
        }
        Ok(known)
    }

    /// What is known about `key`; anything that cannot be trusted is nothing.
    pub fn load(&self, key: &Key) -> Option<Entry> {
        self.entry(&key.file_name()).filter(|entry| entry.key == *key)
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let content = self.folder.load(name, limits::CACHE_FILE_BYTES)?;
        serde_json::from_slice(&content).ok()
    }

    /// Remembers an entry.
    pub fn store(&self, entry: &Entry) -> io::Result<()> {
        self.folder.store(&entry.key.file_name(), &serde_json::to_vec(entry)?)
    }

    /// Waits for the right to ask the registry about `key`: of many equal starts one asks, the others find its answer.
    /// `None` if the deadline passes first. The lock is the kernel's and ends with the process that holds it.
    pub fn lock(&self, key: &Key, deadline: &Deadline) -> io::Result<Option<File>> {
        self.lock_file(&key.file_name(), deadline)
    }

    fn lock_file(&self, name: &str, deadline: &Deadline) -> io::Result<Option<File>> {
        let path = self.folder.path().join(format!("{name}{}", kept::LOCK_SUFFIX));
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(flags.bits())
                .open(&path)?;
            if !wait_for(&file, deadline)? {
                return Ok(None);
            }
            // Who waited for a lock that was removed meanwhile holds one that nobody else will ask for.
            if file.metadata()?.nlink() > 0 {
                return Ok(Some(file));
            }
        }
    }

    /// Keeps the number of files within bounds. Called after a store, that is, never on a warm start.
    pub fn trim(&self) -> io::Result<()> {
        self.folder.trim(MAX_FILES)
    }
}

/// False if the deadline passes first.
fn wait_for(file: &File, deadline: &Deadline) -> io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if deadline.has_passed() => return Ok(false),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_millis(3).min(deadline.remaining()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(path: &str) -> Key {
        let repository = Repository { registry: "r.example".to_owned(), path: path.to_owned() };
        Key { repository, subjects: vec![Digest::of(b"manifest"), Digest::of(b"index")] }
    }

    fn entry(path: &str) -> Entry {
        let answer = Answer { at: Moment::now(), content: Content::None };
        Entry { key: key(path), answer: Some(answer), trouble: None }
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("cache")).unwrap();
        (dir, cache)
    }

    #[test]
    fn entries_are_kept_apart_by_repository_and_subjects() {
        let (_dir, cache) = cache();
        cache.store(&entry("a")).unwrap();
        assert_eq!(
            cache.load(&key("a")),
            Some(entry("a")).filter(|_| cache.load(&key("a")).is_some())
        );
        assert!(cache.load(&key("a")).is_some());
        assert!(cache.load(&key("b")).is_none());
        let mut other = key("a");
        other.subjects.pop();
        assert!(cache.load(&other).is_none());
    }

    #[test]
    fn a_file_that_was_cut_or_altered_anywhere_is_as_good_as_absent() {
        let (_dir, cache) = cache();
        cache.store(&entry("a")).unwrap();
        let path = cache.folder.path().join(key("a").file_name());
        let good = fs::read(&path).unwrap();
        for place in 0..good.len() {
            fs::write(&path, good.get(..place).unwrap()).unwrap();
            assert!(cache.load(&key("a")).is_none(), "cut at {place}");
            let mut flipped = good.clone();
            flipped[place] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert!(cache.load(&key("a")).is_none(), "flipped at {place}");
        }
        fs::copy(&path, cache.folder.path().join(key("b").file_name())).unwrap();
        assert!(cache.load(&key("b")).is_none());
    }

    #[test]
    fn links_and_directories_in_place_of_a_file_are_ignored_and_replaced() {
        let (_dir, cache) = cache();
        let path = cache.folder.path().join(key("a").file_name());
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(cache.load(&key("a")).is_none());
        cache.store(&entry("a")).unwrap();
        assert!(cache.load(&key("a")).is_some());
    }

    #[test]
    fn one_holds_the_lock_and_the_others_give_up_at_the_deadline() {
        let (_dir, cache) = cache();
        let held = cache.lock(&key("a"), &Deadline::after(Duration::from_secs(9))).unwrap();
        assert!(held.is_some());
        let soon = Deadline::after(Duration::from_millis(30));
        assert!(cache.lock(&key("a"), &soon).unwrap().is_none());
        assert!(cache.lock(&key("b"), &soon).unwrap().is_some());
        drop(held);
        assert!(cache.lock(&key("a"), &Deadline::after(Duration::from_secs(9))).unwrap().is_some());
    }

    #[test]
    fn what_is_known_can_be_listed_and_forgotten_one_by_one_or_as_a_whole() {
        let (_dir, cache) = cache();
        let soon = Deadline::after(Duration::from_secs(9));
        for name in ["a", "b", "c"] {
            drop(cache.lock(&key(name), &soon).unwrap());
            cache.store(&entry(name)).unwrap();
        }
        fs::write(cache.folder.path().join("torn"), "x").unwrap();
        let (entries, unusable) = cache.entries().unwrap();
        assert_eq!((entries.len(), unusable), (3, 1));
        assert!(cache.forget(&key("a"), &soon).unwrap());
        assert!(!cache.forget(&key("a"), &soon).unwrap());
        assert!(cache.load(&key("a")).is_none() && cache.load(&key("b")).is_some());
        assert_eq!(cache.forget_all(&soon).unwrap(), 3);
        assert_eq!(fs::read_dir(cache.folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn forgetting_waits_for_whoever_is_asking_and_takes_that_answer_too() {
        let (_dir, cache) = cache();
        let held = cache.lock(&key("a"), &Deadline::after(Duration::from_secs(9))).unwrap();
        std::thread::scope(|scope| {
            let forgetting = scope
                .spawn(|| cache.forget_all(&Deadline::after(Duration::from_secs(30))).unwrap());
            std::thread::sleep(Duration::from_millis(50));
            cache.store(&entry("a")).unwrap();
            drop(held);
            assert_eq!(forgetting.join().unwrap(), 1);
        });
        assert!(cache.load(&key("a")).is_none());
    }

    #[test]
    fn a_lock_that_was_removed_locks_out_the_next_one_all_the_same() {
        let (_dir, cache) = cache();
        let long = || Deadline::after(Duration::from_secs(30));
        let first = cache.lock(&key("a"), &long()).unwrap().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| cache.lock(&key("a"), &long()).unwrap().unwrap());
            std::thread::sleep(Duration::from_millis(50));
            cache.folder.remove(&format!("{}.lock", key("a").file_name())).unwrap();
            drop(first);
            let second = second.join().unwrap();
            assert_eq!(second.metadata().unwrap().nlink(), 1);
            let soon = Deadline::after(Duration::from_millis(30));
            assert!(cache.lock(&key("a"), &soon).unwrap().is_none());
        });
    }
}
