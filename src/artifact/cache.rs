//! The cache's files: what a registry answered about one image in one repository, and when.
//!
//! One file a (repository, subjects) pair: never by digest alone, since any repository can hold any digest. A file
//! that is torn, altered, from another version or for another key is as good as absent and is replaced at the next
//! answer; see [`crate::kept`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::clock::Moment;
use crate::deadline::Deadline;
use crate::kept::{self, Folder};
use crate::limits;
use crate::oci::{Digest, Repository};
use crate::spec::Specification;
use crate::worker::protocol::Unavailable;

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

    /// What is known about `key`; anything that cannot be trusted is nothing.
    pub fn load(&self, key: &Key) -> Option<Entry> {
        let content = self.folder.load(&key.file_name(), limits::CACHE_FILE_BYTES)?;
        let entry: Entry = serde_json::from_slice(&content).ok()?;
        (entry.key == *key).then_some(entry)
    }

    /// Remembers an entry.
    pub fn store(&self, entry: &Entry) -> io::Result<()> {
        self.folder.store(&entry.key.file_name(), &serde_json::to_vec(entry)?)
    }

    /// Waits for the right to ask the registry about `key`: of many equal starts one asks, the others find its answer.
    /// `None` if the deadline passes first. The lock is the kernel's and ends with the process that holds it.
    pub fn lock(&self, key: &Key, deadline: &Deadline) -> io::Result<Option<File>> {
        let path = self.folder.path().join(format!("{}.lock", key.file_name()));
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits())
            .open(path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => return Ok(None),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(3).min(deadline.remaining()));
                }
            }
        }
    }

    /// Keeps the number of files within bounds. Called after a store, that is, never on a warm start.
    pub fn trim(&self) -> io::Result<()> {
        self.folder.trim(MAX_FILES)
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
}
