//! The files of an OCI image layout (image specification 1.1, `image-layout.md`), read as root must: nothing without
//! a bound, nothing through a link, every blob with its digest.
//!
//! `index.json` is the one file that no digest covers. What `imgcompat mirror` writes into it carries a digest of its
//! own ([`binding`]); of what others wrote only digests are believed, and the rest is looked up in the blobs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::oci::{Digest, Repository, media_type};
use crate::{files, limits};

/// The file that lists what is in a layout.
pub const INDEX: &str = "index.json";
/// The file that makes a directory a layout.
pub const MARKER: &str = "oci-layout";
/// The only version there is.
pub const VERSION: &str = "1.0.0";
/// Where blobs are, each under the hexadecimal digits of its digest.
pub const BLOBS: &str = "blobs/sha256";
/// What the annotations of `mirror` begin with.
const OURS: &str = "io.imgcompat.";
/// Longest `oci-layout`; real ones have 30 bytes.
const MARKER_BYTES: u64 = 4 << 10;

/// Why a layout cannot be used, or not be believed.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// There is no such directory.
    #[error("the layout {} is not there", .0.display())]
    Missing(PathBuf),
    /// Others than root can change it.
    #[error(
        "{} can be changed by others than root; run `chown -R root` and `chmod -R go-w` on the layout", .0.display()
    )]
    Untrusted(PathBuf),
    /// A file of the layout itself.
    #[error("{} cannot be used: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A blob.
    #[error("the blob {digest} of the layout {} cannot be used: {problem}", layout.display())]
    Blob {
        /// The layout.
        layout: PathBuf,
        /// The digest that fails.
        digest: Digest,
        /// What is wrong with it.
        problem: String,
    },
}

/// One entry of `index.json`, as far as it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The digest as written; an entry of another algorithm must not make the rest unreadable.
    #[serde(default)]
    digest: String,
    /// The blob's size.
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    /// True if `mirror` wrote it, however damaged it may be.
    #[serde(skip)]
    ours: bool,
}

/// What an entry that `mirror` wrote is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The repository, as references spell it.
    pub repository: String,
    /// The manifest the artifact is attached to.
    pub subject: Digest,
    /// True if the entry says that nothing is attached to it.
    pub nothing: bool,
}

/// What an entry that says "nothing" is about.
pub const NOTHING: &[u8] = b"{}";

#[derive(Deserialize)]
struct Index<'a> {
    #[serde(borrow)]
    manifests: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// The digest that ties an entry's words together: over repository, subject and artifact, one a line.
pub fn binding(repository: &Repository, subject: &Digest, artifact: &Digest) -> Digest {
    bind(&repository.to_string(), subject, artifact)
}

fn bind(repository: &str, subject: &Digest, artifact: &Digest) -> Digest {
    Digest::of(format!("{repository}\n{subject}\n{artifact}\n").as_bytes())
}

impl Entry {
    /// Reads an entry. Whose it is, is told by its text and not by its fields, whose names may be what is damaged.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let entry: Entry = serde_json::from_str(text)?;
        Ok(Entry { ours: text.contains(OURS), ..entry })
    }

    /// The digest of the manifest it is about.
    pub fn digest(&self) -> Result<Digest, String> {
        self.digest
            .parse()
            .map_err(|problem: crate::oci::digest::InvalidDigest| problem.to_string())
    }

    /// What the entry is for, if `mirror` wrote it; an error if it has been damaged since.
    pub fn bound(&self) -> Result<Option<Bound>, String> {
        if !self.ours {
            return Ok(None);
        }
        let digest = self.digest()?;
        let word = |key: &str| {
            let found = self.annotations.as_ref().and_then(|annotations| annotations.get(key));
            found.map(String::as_str).unwrap_or_default()
        };
        let repository = word(media_type::REPOSITORY).to_owned();
        let subject: Option<Digest> = word(media_type::SUBJECT).parse().ok();
        // That nothing is attached is said twice, so that no single damage can say it.
        let nothing = digest == Digest::of(NOTHING);
        let expected =
            if nothing { media_type::NOTHING_ATTACHED } else { media_type::ARTIFACT_TYPE };
        let typed = self.artifact_type.as_deref() == Some(expected);
        match subject {
            Some(subject)
                if typed
                    && bind(&repository, &subject, &digest).as_str()
                        == word(media_type::BINDING) =>
            {
                Ok(Some(Bound { repository, subject, nothing }))
            }
            _ => Err(format!("its entry for {digest} was changed since it was mirrored")),
        }
    }
}

/// A layout that only root can change.
#[derive(Debug)]
pub struct Store<'a> {
    directory: &'a Path,
}

impl<'a> Store<'a> {
    /// Opens the layout at `directory`, which itself may be a link of root's.
    pub fn open(directory: &'a Path) -> Result<Self, Damage> {
        let store = Store { directory };
        match std::fs::metadata(directory) {
            Ok(metadata) if !files::is_trusted(&metadata) => {
                return Err(Damage::Untrusted(directory.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Damage::Missing(directory.to_owned()));
            }
            Err(error) => return Err(store.bad_file("", error)),
        }
        let bytes = store.file(MARKER, MARKER_BYTES)?;
        let marker: Marker =
            serde_json::from_slice(&bytes).map_err(|problem| store.bad_file(MARKER, problem))?;
        if marker.image_layout_version == VERSION {
            return Ok(store);
        }
        Err(store.bad_file(MARKER, format!("it is not of version {VERSION}")))
    }

    /// What `index.json` lists.
    pub fn entries(&self) -> Result<Vec<Entry>, Damage> {
        let bytes = self.file(INDEX, limits::LAYOUT_INDEX_BYTES)?;
        let index: Index<'_> = serde_json::from_slice(&bytes).map_err(|p| self.bad_index(p))?;
        let entries = index.manifests.into_iter().map(|entry| Entry::parse(entry.get()));
        entries.collect::<serde_json::Result<_>>().map_err(|problem| self.bad_index(problem))
    }

    /// What is wrong with `index.json`.
    pub fn bad_index(&self, problem: impl ToString) -> Damage {
        self.bad_file(INDEX, problem)
    }

    /// A blob, hashed.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Damage> {
        let name = format!("{BLOBS}/{}", digest.hex());
        let bytes = files::read_beneath(self.directory, &name, limit)
            .map_err(|error| self.bad_blob(digest, error))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        Err(self.bad_blob(digest, format!("its content has the digest {found}")))
    }

    /// What is wrong with a blob.
    pub fn bad_blob(&self, digest: &Digest, problem: impl ToString) -> Damage {
        let problem = problem.to_string();
        Damage::Blob { layout: self.directory.to_owned(), digest: digest.clone(), problem }
    }

    fn bad_file(&self, name: &str, problem: impl ToString) -> Damage {
        Damage::File { file: self.directory.join(name), problem: problem.to_string() }
    }

    fn file(&self, name: &str, limit: u64) -> Result<Vec<u8>, Damage> {
        let (file, metadata) = files::open_beneath(self.directory, name)
            .map_err(|error| self.bad_file(name, error))?;
        if !files::is_trusted(&metadata) {
            return Err(Damage::Untrusted(self.directory.join(name)));
        }
        files::read_open(file, limit).map_err(|error| self.bad_file(name, error))
    }
}
