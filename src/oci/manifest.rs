//! Manifests, indexes and descriptors: the few fields this program acts on, read strictly.
//!
//! Source: OCI image specification 1.1 (`manifest.md`, `image-index.md`, `descriptor.md`) and Docker's schema 2,
//! which differs in media types only. A document that could be read as both a manifest and an index is refused,
//! as CVE-2021-41190 teaches. Unknown fields are ignored, as the specification demands of readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::media_type;

/// A typed pointer to content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The content's media type.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// What an artifact is, in the descriptors of a referrers list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The platform, in the descriptors of an image index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Operating system and architecture, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// For example `linux`.
    pub os: String,
    /// For example `amd64`.
    pub architecture: String,
    /// For example `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system (Windows).
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl Platform {
    /// The architecture this program runs on, in Go's word.
    pub fn this_architecture() -> &'static str {
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        }
    }
}

/// An image manifest, or the manifest of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The manifest's own media type, where it says so.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The configuration; for an image its digest is the image id.
    pub config: Descriptor,
    /// The layers.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// The manifest this artifact is attached to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// The artifact type: the field, else the configuration's media type (image specification, "Guidelines for
    /// Artifact Usage").
    pub fn effective_artifact_type(&self) -> &str {
        match self.artifact_type.as_deref() {
            Some(artifact_type) if !artifact_type.is_empty() => artifact_type,
            _ => &self.config.media_type,
        }
    }
}

/// An image index: a list of manifests, or of referrers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// The index's own media type, where it says so.
    #[serde(default)]
    pub media_type: Option<String>,
    /// The manifests; `null` (as some registries write an empty list) is read as empty.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What a manifest endpoint can return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A single manifest.
    Manifest(Box<Manifest>),
    /// An index.
    Index(Index),
}

/// Why bytes are not a manifest or index.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// Not JSON, or a field has the wrong type.
    #[error("not a manifest or index: {0}")]
    Json(#[from] serde_json::Error),
    /// Has the members of both kinds.
    #[error("it is a manifest and an index at once (CVE-2021-41190)")]
    Ambiguous,
    /// Has the members of neither kind, for example Docker's schema 1.
    #[error("it is neither a manifest nor an index")]
    Neither,
    /// The document names one kind and has the members of the other.
    #[error("its mediaType `{0}` contradicts its content")]
    Contradiction(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads a manifest or an index, whichever the members say.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        let members: Members = serde_json::from_slice(bytes)?;
        let has_manifests = members.manifests.is_some() || has_null_manifests(bytes)?;
        let has_layers = members.config.is_some() || members.layers.is_some();
        if members.fs_layers.is_some() || (!has_manifests && !has_layers) {
            return Err(InvalidDocument::Neither);
        }
        if has_manifests && has_layers {
            return Err(InvalidDocument::Ambiguous);
        }
        if let Some(named) = members.media_type.filter(|t| !t.is_empty())
            && media_type::is_index(&named) != has_manifests
        {
            return Err(InvalidDocument::Contradiction(named.chars().take(100).collect()));
        }
        Ok(if has_manifests {
            Document::Index(serde_json::from_slice(bytes)?)
        } else {
            Document::Manifest(Box::new(serde_json::from_slice(bytes)?))
        })
    }
}

/// `"manifests": null` counts as an index without entries.
fn has_null_manifests(bytes: &[u8]) -> Result<bool, serde_json::Error> {
    let keys: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(bytes)?;
    Ok(keys.contains_key("manifests"))
}

fn null_is_empty<'de, D>(deserializer: D) -> Result<Vec<Descriptor>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(Option::<Vec<Descriptor>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    #[test]
    fn members_tell_manifest_from_index() {
        let manifest = format!(r#"{{"config":{CONFIG},"layers":[],"unknown":1}}"#);
        assert!(matches!(Document::parse(manifest.as_bytes()), Ok(Document::Manifest(_))));
        for index in [r#"{"manifests":[]}"#, r#"{"manifests":null}"#] {
            match Document::parse(index.as_bytes()) {
                Ok(Document::Index(index)) => assert!(index.manifests.is_empty()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn ambiguous_and_contradictory_documents_are_refused() {
        let both = format!(r#"{{"config":{CONFIG},"manifests":[]}}"#);
        assert!(matches!(Document::parse(both.as_bytes()), Err(InvalidDocument::Ambiguous)));
        assert!(matches!(Document::parse(b"{}"), Err(InvalidDocument::Neither)));
        let lying = format!(r#"{{"mediaType":"{}","config":{CONFIG}}}"#, media_type::IMAGE_INDEX);
        let error = Document::parse(lying.as_bytes());
        assert!(matches!(error, Err(InvalidDocument::Contradiction(_))));
        assert!(matches!(Document::parse(b"<html>"), Err(InvalidDocument::Json(_))));
    }

    #[test]
    fn the_artifact_type_falls_back_to_the_configuration() {
        let text = format!(r#"{{"config":{CONFIG}}}"#);
        let Ok(Document::Manifest(mut manifest)) = Document::parse(text.as_bytes()) else {
            panic!("not a manifest")
        };
        assert_eq!(manifest.effective_artifact_type(), media_type::EMPTY);
        manifest.artifact_type = Some("a/b".to_owned());
        assert_eq!(manifest.effective_artifact_type(), "a/b");
    }
}
