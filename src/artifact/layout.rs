//! An OCI image layout on disk as the first source of an image's own specification, for nodes that reach no registry.
//! `imgcompat mirror` fills it, or any program that writes layouts.
//!
//! Entries of `index.json` that `mirror` wrote count for the repository they were mirrored from. Entries without its
//! annotations (copied by oras, say) count for every repository: whoever puts them there is root, and the `subject`
//! in the artifact itself decides. Of those nothing but the digest is believed: each is opened, and of an index (the
//! tag schema's list) the members of our type.
//!
//! A layout has the last word only where it has something: an artifact, or an entry by which `mirror` says that for
//! certain nothing was attached to a manifest. Where it does not speak of an image, the cache and the registry are
//! asked. A layout that cannot be believed is an answer: whatever failed may have been for this image.

mod store;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use store::{BLOBS, Bound, Damage, Entry, INDEX, MARKER, NOTHING, Store, VERSION, binding};

use super::check::{self, Checked, Problem};
use super::lookup::Lookup;
use super::{Artifact, Source, select};
use crate::deadline::Deadline;
use crate::kept::Folder;
use crate::limits;
use crate::oci::{Descriptor, Digest, Document, Repository, media_type};
use crate::worker::process::WorkerError;
use crate::worker::protocol::{CheckAnswer, Unavailable, UnavailableKind};

/// Directory within the cache: checked forms by the digest of their specification.
const DIRECTORY: &str = "checked";
/// Checked forms above which the oldest are removed.
const MAX_FILES: usize = 20_000;

/// Whoever makes checked forms; the hook's worker, or a test.
pub trait Checker {
    /// Makes the checked form of an attached specification's bytes.
    fn check(&self, bytes: &[u8], deadline: &Deadline) -> Result<CheckAnswer, WorkerError>;
}

impl Checker for crate::worker::process::Worker {
    fn check(&self, bytes: &[u8], deadline: &Deadline) -> Result<CheckAnswer, WorkerError> {
        crate::worker::process::Worker::check(self, bytes, deadline)
    }
}

/// Where to look.
pub struct Layout<'a> {
    /// The layout's directory.
    pub directory: &'a Path,
    /// The cache's directory, for checked forms.
    pub cache_root: &'a Path,
    /// Who makes checked forms.
    pub checker: &'a dyn Checker,
    /// The time for the whole start.
    pub deadline: &'a Deadline,
}

/// Why there is no answer.
enum Trouble {
    Damage(Damage),
    Worker(WorkerError),
    Deadline,
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Trouble::Damage(damage)
    }
}

/// A checked form in the cache.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: String,
    specification: Digest,
    answer: CheckAnswer,
}

impl Layout<'_> {
    /// Looks for what is attached to any of `subjects` in `repository`; `None` if the layout has nothing for them.
    pub fn find(
        &self,
        repository: &Repository,
        subjects: &[Digest],
        notes: &mut Vec<String>,
    ) -> Option<Lookup> {
        match self.look(repository, subjects) {
            Ok(found) => found,
            Err(Trouble::Damage(damage @ Damage::Missing(_))) => {
                notes.push(damage.to_string());
                None
            }
            Err(trouble) => Some(trouble.into()),
        }
    }

    fn look(
        &self,
        repository: &Repository,
        subjects: &[Digest],
    ) -> Result<Option<Lookup>, Trouble> {
        let store = Store::open(self.directory)?;
        let mut search = Search {
            store: &store,
            deadline: self.deadline,
            subjects,
            opened: BTreeSet::new(),
            found: Vec::new(),
            nothing: BTreeSet::new(),
        };
        search.entries(&repository.to_string())?;
        for subject in subjects {
            let of_subject: Vec<Descriptor> = search
                .found
                .iter()
                .filter(|(of, _)| of == subject)
                .map(|(_, d)| d.clone())
                .collect();
            if let Some(chosen) = select::newest(&of_subject) {
                return self.artifact(&store, subject, &chosen.digest).map(Some);
            }
        }
        let nothing = !subjects.is_empty() && subjects.iter().all(|s| search.nothing.contains(s));
        Ok(nothing.then_some(Lookup::None))
    }

    /// The artifact that counts, the whole chain checked as if a registry had sent it.
    fn artifact(
        &self,
        store: &Store<'_>,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Lookup, Trouble> {
        let manifest = store.blob(digest, limits::MANIFEST_BYTES)?;
        let checked = check::manifest(&manifest, digest, std::slice::from_ref(subject))
            .map_err(|problem| store.bad_blob(digest, problem))?;
        let layer = &checked.layer;
        if layer.size > limits::SPECIFICATION_BYTES {
            let (found, limit) = (layer.size, limits::SPECIFICATION_BYTES);
            let problem = Problem::TooLarge { part: "specification", found, limit };
            return Ok(self.invalid(checked, problem.to_string()));
        }
        let specification = store.blob(&layer.digest, limits::SPECIFICATION_BYTES)?;
        check::specification(&specification, layer)
            .map_err(|problem| store.bad_blob(&layer.digest, problem))?;
        match self.checked_form(&layer.digest, &specification).map_err(Trouble::Worker)? {
            CheckAnswer::Invalid { problem } => Ok(self.invalid(checked, problem)),
            CheckAnswer::Checked { specification, warnings } => Ok(Lookup::Found(Artifact {
                specification: Arc::new(specification),
                source: self.source(),
                digest: checked.digest,
                subject: Some(checked.subject),
                created: checked.created,
                warnings,
            })),
        }
    }

    fn source(&self) -> Source {
        Source::Layout(self.directory.display().to_string())
    }

    fn invalid(&self, checked: Checked, problem: String) -> Lookup {
        Lookup::Invalid { artifact: checked.digest, source: self.source(), problem }
    }

    /// From the cache, else from the worker. The specification's bytes have been hashed by now, so its digest is a
    /// name for them that nobody can choose.
    fn checked_form(&self, digest: &Digest, bytes: &[u8]) -> Result<CheckAnswer, WorkerError> {
        let folder = Folder::open(self.cache_root, DIRECTORY).ok();
        let version = env!("CARGO_PKG_VERSION");
        if let Some(kept) = folder.as_ref().and_then(|folder| load(folder, digest))
            && kept.version == version
            && kept.specification == *digest
        {
            return Ok(kept.answer);
        }
        let answer = self.checker.check(bytes, self.deadline)?;
        let (version, specification) = (version.to_owned(), digest.clone());
        let kept = Kept { version, specification, answer };
        if let (Some(folder), Ok(content)) = (folder, serde_json::to_vec(&kept)) {
            // Without it the next start asks the worker again; that is slow, not wrong.
            let _ = folder.store(digest.hex(), &content).and_then(|()| folder.trim(MAX_FILES));
        }
        Ok(kept.answer)
    }
}

fn load(folder: &Folder, digest: &Digest) -> Option<Kept> {
    let content = folder.load(digest.hex(), limits::CACHE_FILE_BYTES)?;
    serde_json::from_slice(&content).ok()
}

/// The search for artifacts attached to an image.
struct Search<'a> {
    store: &'a Store<'a>,
    deadline: &'a Deadline,
    subjects: &'a [Digest],
    /// What was opened, so that nothing is opened twice and not too much at all.
    opened: BTreeSet<Digest>,
    /// Artifacts, each with the subject it is attached to.
    found: Vec<(Digest, Descriptor)>,
    /// Manifests to which nothing is attached, for certain.
    nothing: BTreeSet<Digest>,
}

impl Search<'_> {
    fn entries(&mut self, repository: &str) -> Result<(), Trouble> {
        let bad_entry = |problem| self.store.bad_index(problem);
        for entry in self.store.entries()? {
            let digest = entry.digest().map_err(bad_entry)?;
            match entry.bound().map_err(bad_entry)? {
                None => self.unbound(&digest, &entry)?,
                Some(bound)
                    if bound.repository != repository
                        || !self.subjects.contains(&bound.subject) => {}
                Some(bound) if bound.nothing => {
                    self.nothing.insert(bound.subject);
                }
                Some(bound) => self.bound(&digest, &entry, &bound.subject)?,
            }
        }
        Ok(())
    }

    /// An entry that says what it is for must be just that.
    fn bound(&mut self, digest: &Digest, entry: &Entry, subject: &Digest) -> Result<(), Trouble> {
        match self.open(digest, Some(entry.size))? {
            Some(Document::Manifest(manifest))
                if manifest.subject.as_ref().is_some_and(|of| of.digest == *subject) => {}
            None => {}
            Some(_) => {
                let problem = format!("it is not attached to {subject}, as {INDEX} says");
                return Err(self.store.bad_blob(digest, problem).into());
            }
        }
        Ok(())
    }

    fn unbound(&mut self, digest: &Digest, entry: &Entry) -> Result<(), Trouble> {
        let Some(Document::Index(list)) = self.open(digest, Some(entry.size))? else {
            return Ok(());
        };
        for member in list.manifests {
            if member.artifact_type.as_deref() == Some(media_type::ARTIFACT_TYPE) {
                self.open(&member.digest, Some(member.size))?;
            }
        }
        Ok(())
    }

    /// Opens a manifest and keeps it if it is an artifact of ours for this image. `None` if it was opened before, or
    /// is nothing that could be one.
    fn open(&mut self, digest: &Digest, size: Option<u64>) -> Result<Option<Document>, Trouble> {
        if self.opened.contains(digest) {
            return Ok(None);
        }
        if self.deadline.has_passed() {
            return Err(Trouble::Deadline);
        }
        if self.opened.len() == limits::LAYOUT_OPENED {
            let problem = format!(
                "more than {} of its entries would have to be opened; fill the layout with `imgcompat mirror`",
                limits::LAYOUT_OPENED
            );
            return Err(self.store.bad_index(problem).into());
        }
        let bytes = self.store.blob(digest, limits::MANIFEST_BYTES)?;
        self.opened.insert(digest.clone());
        let found = bytes.len() as u64;
        if let Some(expected) = size.filter(|size| *size != found) {
            let problem = Problem::Size { part: "manifest", expected, found };
            return Err(self.store.bad_blob(digest, problem).into());
        }
        let document = Document::parse(&bytes).ok();
        if let Some(Document::Manifest(manifest)) = &document
            && manifest.effective_artifact_type() == media_type::ARTIFACT_TYPE
            && let Some(subject) = manifest.subject.as_ref().map(|of| &of.digest)
            && self.subjects.contains(subject)
        {
            let descriptor = Descriptor {
                media_type: media_type::IMAGE_MANIFEST.to_owned(),
                digest: digest.clone(),
                size: found,
                artifact_type: Some(media_type::ARTIFACT_TYPE.to_owned()),
                platform: None,
                annotations: manifest.annotations.clone(),
            };
            self.found.push((subject.clone(), descriptor));
        }
        Ok(document)
    }
}

impl From<Trouble> for Lookup {
    fn from(trouble: Trouble) -> Self {
        let kind = match &trouble {
            Trouble::Deadline | Trouble::Worker(WorkerError::DeadlineExceeded) => {
                return Lookup::DeadlineExceeded;
            }
            Trouble::Worker(error) => return Lookup::Broken(error.to_string()),
            Trouble::Damage(Damage::Untrusted(_)) => UnavailableKind::Configuration,
            Trouble::Damage(_) => UnavailableKind::Unverifiable,
        };
        let detail = match trouble {
            Trouble::Damage(damage) => damage.to_string(),
            Trouble::Deadline | Trouble::Worker(_) => String::new(),
        };
        Lookup::Unavailable(Unavailable { kind, detail, retry_after: None })
    }
}

#[cfg(test)]
mod tests;
