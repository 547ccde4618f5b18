//! Whether bytes are what they were given out as: an artifact's manifest, attached to this image, with one
//! specification in it.
//!
//! Used twice: by whoever talks to a registry, and again by the hook on what its worker hands over, so that root
//! believes no process that parsed a stranger's HTTP. Pure; every rule is the image specification's ("Guidelines for
//! Artifact Usage") or imgcompat's own, none of them NFD's, whose client checks nothing of this.

use crate::limits;
use crate::oci::{Descriptor, Digest, Document, media_type};

use super::select;

/// What a checked manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The manifest the artifact is attached to.
    pub subject: Digest,
    /// The artifact manifest's own digest.
    pub digest: Digest,
    /// When it was made, as its annotation says.
    pub created: Option<String>,
    /// The layer that holds the specification.
    pub layer: Descriptor,
}

/// Why bytes are not the artifact they were given out as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes are others.
    #[error("the {part} has the digest {found}, not {expected}")]
    Digest {
        /// `manifest` or `specification`.
        part: &'static str,
        /// What was promised.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The length is another.
    #[error("the {part} has {found} bytes, and its descriptor says {expected}")]
    Size {
        /// `manifest` or `specification`.
        part: &'static str,
        /// What was promised.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// More bytes than are read.
    #[error("the {part} has {found} bytes, and at most {limit} are allowed")]
    TooLarge {
        /// `manifest` or `specification`.
        part: &'static str,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// No manifest.
    #[error("the artifact's manifest cannot be read: {0}")]
    Document(String),
    /// An index was attached.
    #[error("the artifact is an image index, not a manifest")]
    Index,
    /// Another kind of artifact.
    #[error("its artifactType is `{0}`, not `{expected}`", expected = media_type::ARTIFACT_TYPE)]
    ArtifactType(String),
    /// Attached to nothing.
    #[error("it names no subject, so it is attached to nothing")]
    NoSubject,
    /// Attached to something else.
    #[error("its subject is {0}, which is not this image")]
    Subject(Digest),
    /// No layer, or several.
    #[error("it has {0} layers; a specification is exactly one")]
    Layers(usize),
    /// The layer is something else.
    #[error(
        "its layer has the media type `{0}`, not `{expected}` (with oras: oras attach … FILE:{expected})",
        expected = media_type::SPECIFICATION
    )]
    LayerType(String),
}

/// Longest word of a stranger that a problem repeats.
const QUOTED: usize = 100;

/// Checks a manifest that was promised as `digest`, for an image that is any of `subjects`.
pub fn manifest(bytes: &[u8], digest: &Digest, subjects: &[Digest]) -> Result<Checked, Problem> {
    let found = bytes.len() as u64;
    if found > limits::MANIFEST_BYTES {
        return Err(Problem::TooLarge { part: "manifest", found, limit: limits::MANIFEST_BYTES });
    }
    expect_digest("manifest", bytes, digest)?;
    let document =
        Document::parse(bytes).map_err(|problem| Problem::Document(cut(&problem.to_string())))?;
    let Document::Manifest(manifest) = document else { return Err(Problem::Index) };
    let artifact_type = manifest.effective_artifact_type();
    if artifact_type != media_type::ARTIFACT_TYPE {
        return Err(Problem::ArtifactType(cut(artifact_type)));
    }
    let subject = manifest.subject.as_ref().ok_or(Problem::NoSubject)?.digest.clone();
    if !subjects.contains(&subject) {
        return Err(Problem::Subject(subject));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(Problem::Layers(manifest.layers.len()));
    };
    if layer.media_type != media_type::SPECIFICATION {
        return Err(Problem::LayerType(cut(&layer.media_type)));
    }
    let created = select::created(manifest.annotations.as_ref()).map(cut);
    Ok(Checked { subject, digest: digest.clone(), created, layer: layer.clone() })
}

/// Checks a specification's bytes against the layer that promised them.
pub fn specification(bytes: &[u8], layer: &Descriptor) -> Result<(), Problem> {
    let part = "specification";
    let limit = limits::SPECIFICATION_BYTES;
    if layer.size > limit {
        return Err(Problem::TooLarge { part, found: layer.size, limit });
    }
    let found = bytes.len() as u64;
    if found != layer.size {
        return Err(Problem::Size { part, expected: layer.size, found });
    }
    expect_digest(part, bytes, &layer.digest)
}

/// Checks the whole chain: manifest, then specification.
pub fn artifact(
    manifest_bytes: &[u8],
    specification_bytes: &[u8],
    digest: &Digest,
    subjects: &[Digest],
) -> Result<Checked, Problem> {
    let checked = manifest(manifest_bytes, digest, subjects)?;
    specification(specification_bytes, &checked.layer)?;
    Ok(checked)
}

fn expect_digest(part: &'static str, bytes: &[u8], expected: &Digest) -> Result<(), Problem> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(Problem::Digest { part, expected: expected.clone(), found })
}

fn cut(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIFICATION: &[u8] = b"version: v1alpha1\ncompatibilities: []\n";

    fn layer(media_type: &str) -> String {
        let digest = Digest::of(SPECIFICATION);
        let size = SPECIFICATION.len();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    }

    fn document(artifact_type: &str, layers: &[String], subject: Option<&Digest>) -> Vec<u8> {
        let config = Digest::of(b"{}");
        let subject = subject.map_or(String::new(), |digest| {
            format!(
                r#","subject":{{"mediaType":"{}","digest":"{digest}","size":1}}"#,
                media_type::IMAGE_MANIFEST
            )
        });
        format!(
            r#"{{"schemaVersion":2,"artifactType":"{artifact_type}","config":{{"mediaType":"{}","digest":"{config}","size":2}},"layers":[{}]{subject}}}"#,
            media_type::EMPTY,
            layers.join(",")
        )
        .into_bytes()
    }

    fn checked(bytes: &[u8]) -> Result<Checked, Problem> {
        manifest(bytes, &Digest::of(bytes), &[Digest::of(b"image")])
    }

    #[test]
    fn an_artifact_as_nfd_documents_it_passes() {
        let image = Digest::of(b"image");
        let bytes =
            document(media_type::ARTIFACT_TYPE, &[layer(media_type::SPECIFICATION)], Some(&image));
        let found = artifact(
            &bytes,
            SPECIFICATION,
            &Digest::of(&bytes),
            &[Digest::of(b"x"), image.clone()],
        );
        let found = found.unwrap();
        assert_eq!((found.subject, found.digest), (image, Digest::of(&bytes)));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let image = Digest::of(b"image");
        let spec = layer(media_type::SPECIFICATION);
        let ours = media_type::ARTIFACT_TYPE;
        let other = Digest::of(b"other");
        let table: [(Vec<u8>, Problem); 6] = [
            (document(ours, &[], Some(&image)), Problem::Layers(0)),
            (document(ours, &[spec.clone(), spec.clone()], Some(&image)), Problem::Layers(2)),
            (
                document(ours, &[layer("text/plain")], Some(&image)),
                Problem::LayerType("text/plain".to_owned()),
            ),
            (document(ours, std::slice::from_ref(&spec), None), Problem::NoSubject),
            (
                document(ours, std::slice::from_ref(&spec), Some(&other)),
                Problem::Subject(other.clone()),
            ),
            (
                document("a/b", std::slice::from_ref(&spec), Some(&image)),
                Problem::ArtifactType("a/b".to_owned()),
            ),
        ];
        for (bytes, problem) in table {
            assert_eq!(checked(&bytes), Err(problem));
        }
        assert_eq!(checked(br#"{"manifests":[]}"#), Err(Problem::Index));
        assert!(matches!(checked(b"<html>"), Err(Problem::Document(_))));
    }

    #[test]
    fn other_bytes_and_other_lengths_are_refused() {
        let image = Digest::of(b"image");
        let bytes =
            document(media_type::ARTIFACT_TYPE, &[layer(media_type::SPECIFICATION)], Some(&image));
        let promised = Digest::of(b"something else");
        assert!(matches!(manifest(&bytes, &promised, &[image]), Err(Problem::Digest { .. })));
        let mut layer = checked(&bytes).unwrap().layer;
        let longer = [SPECIFICATION, b" "].concat();
        assert!(matches!(specification(&longer, &layer), Err(Problem::Size { .. })));
        let mut changed = SPECIFICATION.to_vec();
        changed[0] ^= 1;
        assert!(matches!(specification(&changed, &layer), Err(Problem::Digest { .. })));
        layer.size = limits::SPECIFICATION_BYTES + 1;
        assert!(matches!(specification(&[], &layer), Err(Problem::TooLarge { .. })));
    }

    #[test]
    fn a_document_of_both_kinds_is_refused() {
        let text = format!(r#"{{"manifests":[],"config":{},"layers":[]}}"#, layer("x/y"));
        assert!(matches!(checked(text.as_bytes()), Err(Problem::Document(_))));
    }
}
