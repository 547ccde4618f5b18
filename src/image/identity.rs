//! The answer to "which image is this?".

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Reference, Repository};

/// Who runs the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// podman.
    Podman,
    /// CRI-O.
    Crio,
    /// buildah, or `podman build`.
    Buildah,
    /// containerd: CRI, nerdctl, ctr.
    Containerd,
    /// Docker.
    Docker,
}

impl Engine {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Engine::Podman => "podman",
            Engine::Crio => "crio",
            Engine::Buildah => "buildah",
            Engine::Containerd => "containerd",
            Engine::Docker => "docker",
        }
    }
}

/// What the engine's records say about a starting container.
#[derive(Debug, Clone, PartialEq)]
pub enum Identification {
    /// It is made from this image.
    Image(Box<ImageIdentity>),
    /// It carries no image to judge.
    NotJudged(NotJudged),
}

/// Why a container is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotJudged {
    /// A pod's sandbox (pause, infra container).
    Sandbox,
    /// Made from a directory, not from an image.
    Rootfs,
    /// A step of an image build.
    Build,
}

impl NotJudged {
    /// The stable word, as policy's `include` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            NotJudged::Sandbox => "sandbox",
            NotJudged::Rootfs => "rootfs",
            NotJudged::Build => "build",
        }
    }
}

/// One image, with everything that is known and confirmed about where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageIdentity {
    /// Who says so.
    pub engine: Engine,
    /// The image id: the digest of its configuration.
    pub image_id: Digest,
    /// The reference that was asked for, if the image's record confirms it.
    pub reference: Option<Reference>,
    /// The repositories the image may have come from: that of `reference` alone if a registry serves it, else all
    /// of the record's. Names that no registry serves are not in here.
    pub repositories: Vec<Repository>,
    /// Platform manifests whose bytes hash to their digest and whose configuration is this image; newest first.
    pub manifests: Vec<Digest>,
    /// Indexes that list one of `manifests`; newest first.
    pub indexes: Vec<Digest>,
    /// Digests that the image was pulled by and of which the node keeps no bytes: index or manifest, nobody here
    /// knows. Only Docker's older store leaves it at that.
    pub pulled_by: Vec<Digest>,
    /// The names the image's record has, for policy to match and people to read.
    pub names: Vec<String>,
}

impl ImageIdentity {
    /// What people call the image: the reference asked for, else its first name, else its id.
    pub fn display_name(&self) -> String {
        match (&self.reference, self.names.first()) {
            (Some(reference), _) => reference.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => self.image_id.to_string(),
        }
    }

    /// The names that policy and local specifications are matched with: the reference asked for, else every name.
    pub fn policy_names(&self) -> Vec<String> {
        match &self.reference {
            Some(reference) => vec![reference.to_string()],
            None => self.names.clone(),
        }
    }

    /// What an artifact may be attached to, the most specific first.
    pub fn subjects(&self) -> Vec<Digest> {
        self.manifests.iter().chain(&self.indexes).chain(&self.pulled_by).cloned().collect()
    }
}

/// Why the image cannot be established.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// No engine keeps bundles in such a place.
    #[error("the bundle {} is in no engine's storage", .0.display())]
    UnknownBundle(PathBuf),
    /// The id in the state is not the one in the bundle's path.
    #[error("the container state names {id}, but the bundle {} belongs to another container", bundle.display())]
    ForeignBundle {
        /// The id of the state.
        id: String,
        /// The bundle.
        bundle: PathBuf,
    },
    /// The engine has no record of the container.
    #[error("{} has no record of container {id}", records.display())]
    NoContainerRecord {
        /// The id.
        id: String,
        /// The records' directory.
        records: PathBuf,
    },
    /// The record names another root file system than the bundle.
    #[error("the record of container {id} is for layer {layer}, but its root is {}", root.display())]
    ForeignRoot {
        /// The id.
        id: String,
        /// The record's layer.
        layer: String,
        /// `root.path`.
        root: PathBuf,
    },
    /// The engine has no record of the image.
    #[error("{} has no record of image {image}", records.display())]
    NoImageRecord {
        /// The image id.
        image: String,
        /// The records' directory.
        records: PathBuf,
    },
    /// The image id is not the digest of a configuration.
    #[error("`{0}` is not an image id")]
    BadImageId(String),
    /// A record file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    RecordsUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// containerd did not answer, or not in time.
    #[error("containerd cannot be asked about container {id}: {problem}")]
    NoAnswer {
        /// The id.
        id: String,
        /// Why.
        problem: String,
    },
    /// containerd has no record of the container.
    #[error("containerd has no container {id} in the namespace {namespace}")]
    UnknownContainer {
        /// The id.
        id: String,
        /// The namespace.
        namespace: String,
    },
    /// No image of containerd's is the one that the container is made from.
    #[error(
        "container {id} was made from image {image}, of which containerd has no manifest (any more)"
    )]
    ImageGone {
        /// The id.
        id: String,
        /// What the container's record calls the image.
        image: String,
    },
    /// Several images fit, and no record says which it is.
    #[error("container {id} may be made from any of {count} images that share their layers")]
    Ambiguous {
        /// The id.
        id: String,
        /// How many.
        count: usize,
    },
    /// Docker's directory is not where its configuration says.
    #[error("Docker's record of container {id} is in none of {}", looked_in.join(", "))]
    NoDockerRecord {
        /// The id.
        id: String,
        /// The directories.
        looked_in: Vec<String>,
    },
    /// A record file is not JSON of the right shape.
    #[error("{} is not a record file as the engine writes it: {source}", path.display())]
    RecordsMalformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Unidentified {
    /// No image that the engine has is the one that the record of container `id` calls `image`.
    pub(super) fn image_gone(id: &str, image: &str) -> Self {
        Unidentified::ImageGone { id: id.to_owned(), image: cut(image) }
    }
}

/// Longest text out of a record that a message repeats.
const SHOWN_CHARACTERS: usize = 100;

/// A text out of a record, as a message shows it.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

/// Adds a digest to a list that has each once.
pub(super) fn push_new(digests: &mut Vec<Digest>, digest: Digest) {
    if !digests.contains(&digest) {
        digests.push(digest);
    }
}

/// What was asked for comes first; the order of the others stays.
pub(super) fn move_to_front(digests: &mut [Digest], wanted: &Digest) {
    if let Some(place) = digests.iter().position(|digest| digest == wanted)
        && let Some(front) = digests.get_mut(..=place)
    {
        front.rotate_right(1);
    }
}
