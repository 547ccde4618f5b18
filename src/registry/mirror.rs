//! Copying what is attached to images into an OCI image layout, for nodes that reach no registry.
//!
//! Only manifests and specifications are read, never an image. What a layout holds of an image is all or nothing: a
//! specification of the index without that of a platform would be judged by where it should not be. That nothing is
//! attached to a manifest is written down too: nodes cannot ask. Everything is written as a whole or not at all, and
//! blobs before the entry that names them; what is there already stays, and what is damaged is mended.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::artifact::check;
use crate::artifact::layout::{BLOBS, Bound, Entry, INDEX, MARKER, NOTHING, VERSION, binding};
use crate::deadline::Deadline;
use crate::oci::{Digest, Document, Platform, Reference, Repository, media_type};
use crate::worker::protocol::{FetchOutcome, Unavailable, UnavailableKind};
use crate::{files, limits};

use super::access::Access;
use super::client::Client;
use super::{failure, fetch, resolve};

/// Layouts can be read by everyone and changed by their owner.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
/// Who changes `index.json` holds a lock on this file of the layout.
const LOCK: &str = ".mirror.lock";

/// What counts for one manifest of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The manifest's platform; none for what the reference names.
    pub platform: Option<Platform>,
    /// The manifest.
    pub subject: Digest,
    /// The artifact that counts for it; nothing is attached if there is none.
    pub artifact: Option<Copied>,
}

/// An artifact, every digest checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Copied {
    /// Digest of its manifest.
    pub digest: Digest,
    /// When it was made, as its author says.
    pub created: Option<String>,
    /// Its manifest.
    pub manifest: Vec<u8>,
    /// What it holds.
    pub specification: Vec<u8>,
    /// Why that is no specification, if it is none. It is copied all the same: nodes are to say so, as those do that
    /// reach the registry.
    pub problem: Option<String>,
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
        let artifact = attached(&subject, access, deadline)?;
        collected.push(Collected { platform, subject, artifact });
    }
    Ok(collected)
}

fn attached(
    subject: &Digest,
    access: &Access,
    deadline: Deadline,
) -> Result<Option<Copied>, Unavailable> {
    match fetch::fetch_until(std::slice::from_ref(subject), access, deadline) {
        FetchOutcome::Found(found) => Ok(Some(Copied {
            digest: found.digest,
            created: found.created,
            manifest: found.manifest,
            specification: found.specification,
            problem: None,
        })),
        FetchOutcome::None => Ok(None),
        FetchOutcome::Unavailable(unavailable) => Err(unavailable),
        FetchOutcome::Invalid { artifact, problem, .. } => {
            invalid(subject, &artifact, problem, access, deadline).map(Some)
        }
    }
}

/// The bytes of what is attached and is no specification, from the first server that gives them.
fn invalid(
    subject: &Digest,
    artifact: &Digest,
    problem: String,
    access: &Access,
    deadline: Deadline,
) -> Result<Copied, Unavailable> {
    let detail = format!(
        "what is attached to {subject} is no specification, and cannot be copied as it is: {} (artifact {artifact})",
        failure::printable(&problem)
    );
    let mut last = failure::unavailable(UnavailableKind::Unverifiable, detail);
    for endpoint in access.endpoints.iter().filter(|endpoint| endpoint.by.digest) {
        match whole(&Client::new(endpoint, deadline), subject, artifact) {
            Ok(Some((created, manifest, specification))) => {
                let (digest, problem) = (artifact.clone(), Some(problem));
                return Ok(Copied { digest, created, manifest, specification, problem });
            }
            Ok(None) => {}
            Err(unavailable) => last = unavailable,
        }
    }
    Err(last)
}

/// Time, manifest and content of an artifact whose parts are what they should be, whatever the content means.
type Whole = (Option<String>, Vec<u8>, Vec<u8>);

fn whole(
    client: &Client<'_>,
    subject: &Digest,
    artifact: &Digest,
) -> Result<Option<Whole>, Unavailable> {
    let Some(stored) = client.manifest(artifact)? else { return Ok(None) };
    let Ok(checked) = check::manifest(&stored.bytes, artifact, std::slice::from_ref(subject))
    else {
        return Ok(None);
    };
    if checked.layer.size > limits::SPECIFICATION_BYTES {
        return Ok(None);
    }
    let specification = client.blob(&checked.layer, limits::SPECIFICATION_BYTES)?;
    Ok(Some((checked.created, stored.bytes, specification)))
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
        // Readers do without the empty configuration, programs that copy layouts do not.
        self.blob(NOTHING)?;
        for artifact in collected.iter().filter_map(|of| of.artifact.as_ref()) {
            for blob in [&artifact.specification, &artifact.manifest] {
                self.blob(blob)?;
            }
        }
        let entries: Vec<Value> = collected.iter().map(|of| entry(repository, of)).collect();
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

    /// The right to change `index.json`. Whoever can read a file can lock it, so what is locked is a file that only the
    /// owner of the layout can read, and not the layout.
    fn lock(&self) -> Result<File, MirrorError> {
        let path = self.directory.join(LOCK);
        let (flags, mode) = (OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW, Mode::S_IRUSR);
        let file = files::open_with(&path, flags, mode | Mode::S_IWUSR);
        let locked = file.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| MirrorError::Write { path, source })
    }

    /// Adds entries to `index.json`. Of several programs that do so one waits for the other.
    fn merge(&self, entries: &[Value]) -> Result<bool, MirrorError> {
        let lock = self.lock()?;
        let old = self.read(INDEX)?;
        let mut index = old.clone().unwrap_or_else(
            || json!({ "schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": [] }),
        );
        let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(self.no_layout(INDEX, "it is not an image index".to_owned()));
        };
        // An entry of ours that is damaged keeps nodes from believing the whole layout.
        manifests.retain(|entry| bound(entry).is_ok());
        for entry in entries {
            add(manifests, entry);
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

fn bound(entry: &Value) -> Result<Option<Bound>, String> {
    // What cannot be read as an entry is somebody else's.
    Entry::parse(&entry.to_string()).map_or(Ok(None), |entry| entry.bound())
}

/// Adds an entry once. That nothing is attached is said only as long as nothing was.
fn add(manifests: &mut Vec<Value>, entry: &Value) {
    let Ok(Some(new)) = bound(entry) else { return };
    let about = |of: &Bound| of.repository == new.repository && of.subject == new.subject;
    let known = |entry: &Value| bound(entry).ok().flatten().filter(about);
    if new.nothing && manifests.iter().any(|entry| known(entry).is_some()) {
        return;
    }
    manifests.retain(|entry| known(entry).is_none_or(|old| !old.nothing));
    if !manifests.contains(entry) {
        manifests.push(entry.clone());
    }
}

/// One entry of `index.json`.
fn entry(repository: &Repository, collected: &Collected) -> Value {
    let subject = &collected.subject;
    let (digest, size, media, artifact_type) = match &collected.artifact {
        Some(artifact) => (
            artifact.digest.clone(),
            artifact.manifest.len(),
            media_type::IMAGE_MANIFEST,
            media_type::ARTIFACT_TYPE,
        ),
        None => {
            (Digest::of(NOTHING), NOTHING.len(), media_type::EMPTY, media_type::NOTHING_ATTACHED)
        }
    };
    let mut annotations = json!({
        media_type::REPOSITORY: repository.to_string(),
        media_type::SUBJECT: subject,
        media_type::BINDING: binding(repository, subject, &digest),
    });
    let created = collected.artifact.as_ref().and_then(|artifact| artifact.created.clone());
    if let (Some(created), Some(annotations)) = (created, annotations.as_object_mut()) {
        annotations.insert(media_type::CREATED.to_owned(), created.into());
    }
    json!({
        "mediaType": media, "digest": digest, "size": size,
        "artifactType": artifact_type, "annotations": annotations,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_can_only_read_the_layout_cannot_keep_it_from_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("layout");
        Target::open(&layout).unwrap();
        let held: Vec<File> = [layout.clone(), layout.join(INDEX), layout.join(MARKER)]
            .iter()
            .map(|path| File::open(path).unwrap())
            .collect();
        held.iter().for_each(|file| file.lock().unwrap());
        let mode = fs::metadata(layout.join(LOCK)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || done.send(Target::open(&layout).is_ok()));
        assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(true));
    }
}
