//! Copying what is attached to images into an OCI image layout, for nodes that reach no registry.
//!
//! Only manifests and specifications are read, never an image. What a layout holds of an image is all or nothing: a
//! specification of the index without that of a platform would be judged by where it should not be. Everything is
//! written as a whole or not at all, and blobs before the entry that names them; what is there already stays, and what is damaged is
//! mended.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::artifact::layout::{BLOBS, Entry, INDEX, MARKER, VERSION, binding};
use crate::artifact::select;
use crate::deadline::Deadline;
use crate::oci::{Digest, Document, Platform, Reference, Repository, media_type};
use crate::worker::protocol::{FetchOutcome, FoundArtifact, Unavailable, UnavailableKind};
use crate::{files, limits};

use super::access::Access;
use super::{failure, fetch, resolve};

/// The configuration of artifacts that have none.
const EMPTY: &[u8] = b"{}";
/// Layouts can be read by everyone and changed by their owner.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// A specification that counts for one manifest of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The manifest's platform; none for what the reference names.
    pub platform: Option<Platform>,
    /// The artifact, verified.
    pub artifact: FoundArtifact,
}

/// Finds what is attached to an image: to what the reference names, and to the manifests of all its platforms.
pub fn collect(
    reference: &Reference,
    access: &Access,
    deadline: Deadline,
) -> Result<Vec<Collected>, Unavailable> {
    let named = resolve::named(reference, access, deadline)?;
    let mut subjects = vec![(None, named.digest)];
    if let Document::Index(index) = named.document {
        // What has the system `unknown` is no image but says something about one (attestations).
        let images = index.manifests.into_iter().filter(|member| {
            media_type::is_manifest(&member.media_type)
                && member.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
        });
        subjects.extend(images.map(|member| (member.platform, member.digest)));
    }
    let mut collected = Vec::new();
    for (platform, subject) in subjects {
        match fetch::fetch_until(std::slice::from_ref(&subject), access, deadline) {
            FetchOutcome::Found(artifact) => collected.push(Collected { platform, artifact }),
            FetchOutcome::None => {}
            FetchOutcome::Unavailable(unavailable) => return Err(unavailable),
            FetchOutcome::Invalid { artifact, problem, .. } => {
                let detail = format!(
                    "what is attached to {subject} is no specification: {} (artifact {artifact})",
                    failure::printable(&problem)
                );
                return Err(failure::unavailable(UnavailableKind::Unverifiable, detail));
            }
        }
    }
    Ok(collected)
}

/// Why a layout cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A file or directory.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is no layout that can be added to.
    #[error("{} cannot be added to: {problem}; name another directory, or remove it", path.display())]
    NoLayout {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// A layout that is being filled.
#[derive(Debug)]
pub struct Target {
    directory: PathBuf,
}

impl Target {
    /// Opens a layout, or makes an empty one.
    pub fn open(directory: &Path) -> Result<Self, MirrorError> {
        let target = Target { directory: directory.to_owned() };
        let blobs = directory.join(BLOBS);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(&blobs).map_err(|source| MirrorError::Write { path: blobs, source })?;
        let marker = json!({ "imageLayoutVersion": VERSION });
        match target.read(MARKER)? {
            None => target.replace("", MARKER, marker.to_string().as_bytes())?,
            Some(found) if found == marker => {}
            Some(_) => {
                let problem = format!("it is not a layout of version {VERSION}");
                return Err(target.no_layout(MARKER, problem));
            }
        }
        target.merge(&[])?;
        Ok(target)
    }

    /// Adds what was collected for one image; what is there already stays as it is. True if anything changed.
    pub fn add(
        &self,
        repository: &Repository,
        collected: &[Collected],
    ) -> Result<bool, MirrorError> {
        for Collected { artifact, .. } in collected {
            // Readers do without the configuration, programs that copy layouts do not.
            for blob in [EMPTY, &artifact.specification, &artifact.manifest] {
                self.blob(blob)?;
            }
        }
        let entries: Vec<Value> =
            collected.iter().map(|of| entry(repository, &of.artifact)).collect();
        self.merge(&entries)
    }

    fn blob(&self, bytes: &[u8]) -> Result<(), MirrorError> {
        let digest = Digest::of(bytes);
        let name = format!("{BLOBS}/{}", digest.hex());
        let there = files::read_beneath(&self.directory, &name, bytes.len() as u64);
        if there.is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        self.replace(BLOBS, digest.hex(), bytes)
    }

    /// Adds entries to `index.json`. Of several programs that do so one waits for the other.
    fn merge(&self, entries: &[Value]) -> Result<bool, MirrorError> {
        let locked = File::open(&self.directory).and_then(|file| file.lock().map(|()| file));
        let lock =
            locked.map_err(|source| MirrorError::Write { path: self.directory.clone(), source })?;
        let old = self.read(INDEX)?;
        let mut index = old.clone().unwrap_or_else(
            || json!({ "schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": [] }),
        );
        let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(self.no_layout(INDEX, "it is not an image index".to_owned()));
        };
        // An entry of ours that is damaged keeps nodes from believing the whole layout.
        let damaged = |e: &Value| Entry::parse(&e.to_string()).is_ok_and(|e| e.bound().is_err());
        manifests.retain(|entry| !damaged(entry));
        for entry in entries {
            if !manifests.contains(entry) {
                manifests.push(entry.clone());
            }
        }
        let changed = old.as_ref() != Some(&index);
        if changed {
            self.replace("", INDEX, index.to_string().as_bytes())?;
        }
        drop(lock);
        Ok(changed)
    }

    fn read(&self, name: &str) -> Result<Option<Value>, MirrorError> {
        let bytes = match files::read_beneath(&self.directory, name, limits::LAYOUT_INDEX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.no_layout(name, error.to_string())),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|p| self.no_layout(name, p.to_string()))
    }

    fn replace(&self, below: &str, name: &str, bytes: &[u8]) -> Result<(), MirrorError> {
        let directory = self.directory.join(below);
        files::replace(&directory, name, bytes, FILE_MODE)
            .map_err(|source| MirrorError::Write { path: directory.join(name), source })
    }

    fn no_layout(&self, name: &str, problem: String) -> MirrorError {
        MirrorError::NoLayout { path: self.directory.join(name), problem }
    }
}

/// One entry of `index.json`.
fn entry(repository: &Repository, artifact: &FoundArtifact) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<'a> {
        media_type: &'a str,
        digest: &'a Digest,
        size: usize,
        artifact_type: &'a str,
        annotations: Value,
    }
    let mut annotations = json!({
        media_type::REPOSITORY: repository.to_string(),
        media_type::SUBJECT: artifact.subject,
        media_type::BINDING: binding(repository, &artifact.subject, &artifact.digest),
    });
    let annotated = match Document::parse(&artifact.manifest) {
        Ok(Document::Manifest(manifest)) => manifest.annotations,
        _ => None,
    };
    if let (Some(created), Some(annotations)) =
        (select::created(annotated.as_ref()), annotations.as_object_mut())
    {
        annotations.insert(media_type::CREATED.to_owned(), created.into());
    }
    let entry = Written {
        media_type: media_type::IMAGE_MANIFEST,
        digest: &artifact.digest,
        size: artifact.manifest.len(),
        artifact_type: media_type::ARTIFACT_TYPE,
        annotations,
    };
    serde_json::to_value(entry).unwrap_or_default()
}
