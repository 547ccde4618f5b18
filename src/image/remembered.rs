//! What an image's records said, kept for its next start: a store with ten thousand images has records of twenty
//! megabytes, and manifests are hashed to be believed.
//!
//! What is kept is bound to the state of `images.json` (device, inode, size, times): its writers replace the file as a
//! whole at each change, so any change of an image's names or manifests makes the memory void. That the bytes of a
//! manifest hash to its digest and name this image as their configuration cannot change at all.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::storage_records::Store;
use crate::kept::{self, Folder, Stamp};
use crate::oci::Digest;

/// Directory within the cache.
const DIRECTORY: &str = "images";
/// Files above which the oldest are removed.
const MAX_FILES: usize = 20_000;
/// Largest file: names and digests of one image.
const FILE_BYTES: u64 = 1 << 20;

/// Where it is kept; nowhere, if the directory cannot be used.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    cache_root: Option<PathBuf>,
}

/// What is kept about one image of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The image's id, without the algorithm.
    pub id: String,
    /// Its names, current ones first.
    pub names: Vec<String>,
    /// Its verified manifests, newest first.
    pub manifests: Vec<Digest>,
    /// Its verified indexes, newest first.
    pub indexes: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
struct File {
    stamp: Stamp,
    remembered: Remembered,
}

/// What is remembered of one store, as long as its records are in the state that they are in now.
#[derive(Debug)]
pub struct StoreMemory<'a> {
    memory: &'a Memory,
    stamp: Stamp,
}

impl Memory {
    /// Keeps it below `cache_root`.
    pub fn below(cache_root: PathBuf) -> Self {
        Memory { cache_root: Some(cache_root) }
    }

    /// Looks at the store's records. Must be called before they are read, so that what is read is at least as new as
    /// what is bound to it.
    pub fn of_store(&self, store: &Store) -> Option<StoreMemory<'_>> {
        self.cache_root.as_ref()?;
        let records = store.images_dir().join("images.json");
        let metadata = fs::symlink_metadata(&records).ok()?;
        Some(StoreMemory { memory: self, stamp: Stamp::of(&records, &metadata) })
    }
}

impl StoreMemory<'_> {
    /// What is known about image `id`, if the records have not changed since.
    pub fn recall(&self, id: &str) -> Option<Remembered> {
        let content = self.folder()?.load(&self.name(id), FILE_BYTES)?;
        let file: File = serde_json::from_slice(&content).ok()?;
        (file.stamp == self.stamp && file.remembered.id == id).then_some(file.remembered)
    }

    /// Keeps what was found out. Without it the next start reads the records again; that is slow, not wrong.
    pub fn remember(&self, found: &Remembered) {
        if !self.stamp.is_settled() {
            return;
        }
        let file = File { stamp: self.stamp.clone(), remembered: found.clone() };
        if let (Some(folder), Ok(content)) = (self.folder(), serde_json::to_vec(&file)) {
            let _ = folder.store(&self.name(&found.id), &content);
            let _ = folder.trim(MAX_FILES);
        }
    }

    fn folder(&self) -> Option<Folder> {
        Folder::open(self.memory.cache_root.as_deref()?, DIRECTORY).ok()
    }

    fn name(&self, id: &str) -> String {
        kept::name_for(&[self.stamp.path().as_os_str().as_encoded_bytes(), id.as_bytes()])
    }
}
