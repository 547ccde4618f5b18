//! Media types and annotation keys this program reads or writes.
//!
//! Sources: OCI image specification 1.1, `media-types.md` and `annotations.md`; NFD, "Image Compatibility".

/// An OCI image manifest.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's image index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The empty configuration of artifacts, `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What an image compatibility artifact is.
pub const ARTIFACT_TYPE: &str = "application/vnd.nfd.image-compatibility.v1alpha1";
/// Its one layer: the specification as YAML.
pub const SPECIFICATION: &str = "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml";

/// When an artifact was made (RFC 3339); the newest one counts.
pub const CREATED: &str = "org.opencontainers.image.created";
/// The same as NFD's documentation spells it; read, never written.
pub const CREATED_MISSPELT: &str = "oci.opencontainers.image.created";

/// In a layout's `index.json`: the type of an entry that says that nothing is attached to its subject. Its content is
/// [`EMPTY`].
pub const NOTHING_ATTACHED: &str = "application/vnd.imgcompat.nothing-attached.v1";
/// In a layout's `index.json`: the repository an artifact was mirrored from; it counts for images of that one only.
pub const REPOSITORY: &str = "io.imgcompat.repository";
/// In a layout's `index.json`: the manifest an artifact is attached to, so that a reader opens only what it needs.
pub const SUBJECT: &str = "io.imgcompat.subject";
/// In a layout's `index.json`: a digest over repository, subject and artifact, so that a damaged entry is noticed.
pub const BINDING: &str = "io.imgcompat.binding";

/// True for both kinds of image index.
pub fn is_index(media_type: &str) -> bool {
    media_type == IMAGE_INDEX || media_type == DOCKER_LIST
}

/// True for both kinds of image manifest.
pub fn is_manifest(media_type: &str) -> bool {
    media_type == IMAGE_MANIFEST || media_type == DOCKER_MANIFEST
}
