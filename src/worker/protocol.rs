//! What the hook and its worker say to each other: one request on the worker's standard input, one answer on its
//! standard output, then the worker ends.
//!
//! The request is one JSON document. The answer is one line of JSON (the header) and, if something was found, three
//! parts of raw bytes whose lengths the header names: the artifact's manifest, the specification as it was
//! attached, and the specification in its checked form. The hook hashes the first two itself; see
//! [`crate::artifact::check`].

use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::oci::{Digest, Repository};
use crate::spec::Specification;
use crate::spec::decode::LocalSpecification;

/// Where the policy says that credentials are, besides the places that are looked at anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialSources {
    /// An auth file that is asked before all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authfile: Option<PathBuf>,
    /// The kubelet's `CredentialProviderConfig`, whose plugins are asked after all files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_provider_config: Option<PathBuf>,
    /// The folder of these plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_provider_bin_dir: Option<PathBuf>,
}

/// Asks for the specification attached to an image in one repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// The repository the image was asked for by.
    pub repository: Repository,
    /// The manifests an artifact may be attached to, the most specific first: platform manifest, then index.
    pub subjects: Vec<Digest>,
    /// Milliseconds until the answer is of no use any more.
    pub deadline_ms: u64,
    /// Where credentials are besides the usual places.
    #[serde(default)]
    pub credentials: CredentialSources,
}

/// What a registry said, or why it said nothing of use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FetchOutcome {
    /// A specification is attached, and the whole chain was verified.
    Found(FoundArtifact),
    /// The registry says, in every way it can, that nothing is attached.
    None,
    /// No usable answer. Never to be read as "nothing attached".
    Unavailable(Unavailable),
    /// An artifact is attached, but what it holds is not a specification.
    Invalid {
        /// The manifest it is attached to.
        subject: Digest,
        /// The artifact manifest's digest.
        artifact: Digest,
        /// The first problem, with line and column.
        problem: String,
    },
}

/// An attached specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundArtifact {
    /// The manifest it is attached to; one of the request's subjects.
    pub subject: Digest,
    /// Digest of the artifact's manifest.
    pub digest: Digest,
    /// When it was made, as its annotation says.
    pub created: Option<String>,
    /// Which server answered (host and port), where a mirror or rewritten location did.
    pub endpoint: String,
    /// Warnings from decoding the specification.
    pub warnings: Vec<String>,
    /// The artifact's manifest as the registry sent it.
    #[serde(skip)]
    pub manifest: Vec<u8>,
    /// The specification as it was attached.
    #[serde(skip)]
    pub specification: Vec<u8>,
    /// The specification in its checked form: [`crate::spec::Specification`] as JSON.
    #[serde(skip)]
    pub checked: Vec<u8>,
}

/// Why a registry gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Unavailable {
    /// What kind of trouble.
    pub kind: UnavailableKind,
    /// One sentence for people: what was asked of whom, and what came back.
    pub detail: String,
    /// Seconds after which the registry wants to be asked again (Retry-After), where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// Kinds of trouble with a registry, for policy, logs and back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnavailableKind {
    /// The host name could not be resolved.
    Name,
    /// No connection: refused, unreachable, broken.
    Connection,
    /// TLS failed: unknown authority, wrong name, expired.
    Tls,
    /// 401 or 403.
    Denied,
    /// 429.
    RateLimited,
    /// 5xx, or an answer no registry may give.
    Server,
    /// The deadline passed.
    Timeout,
    /// A digest, size, media type or subject was wrong.
    Unverifiable,
    /// registries.conf blocks this registry.
    Blocked,
    /// Local configuration or credentials are unusable.
    Configuration,
}

impl UnavailableKind {
    /// The stable word for this kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            UnavailableKind::Name => "name",
            UnavailableKind::Connection => "connection",
            UnavailableKind::Tls => "tls",
            UnavailableKind::Denied => "denied",
            UnavailableKind::RateLimited => "rate-limited",
            UnavailableKind::Server => "server",
            UnavailableKind::Timeout => "timeout",
            UnavailableKind::Unverifiable => "unverifiable",
            UnavailableKind::Blocked => "blocked",
            UnavailableKind::Configuration => "configuration",
        }
    }
}

/// The answer to `compile`. It is also what is kept of a local specification and read at each start: with its kind as
/// the key, since a kind among the fields makes the reader hold everything twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CompileAnswer {
    /// The file is a local specification.
    Checked {
        /// Its checked form.
        local: LocalSpecification,
        /// What is suspicious about it.
        warnings: Vec<String>,
    },
    /// It is none.
    Invalid {
        /// The first problem, with line and column.
        problem: String,
    },
}

/// The answer to `check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CheckAnswer {
    /// The bytes are a specification.
    Checked {
        /// Its checked form.
        specification: Specification,
        /// What is suspicious about it.
        warnings: Vec<String>,
    },
    /// They are none.
    Invalid {
        /// The first problem, with line and column.
        problem: String,
    },
}

/// Asks for the manifests of an image of which the node keeps none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsRequest {
    /// The repository the image was asked for by.
    pub repository: Repository,
    /// What it was pulled by: indexes or manifests.
    pub digests: Vec<Digest>,
    /// The image: the digest of its configuration.
    pub image_id: Digest,
    /// Milliseconds until the answer is of no use any more.
    pub deadline_ms: u64,
    /// Where credentials are besides the usual places.
    #[serde(default)]
    pub credentials: CredentialSources,
}

/// The answer to `documents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DocumentsAnswer {
    /// The documents that the registry has, byte for byte; the hook hashes them.
    Documents {
        /// Indexes and manifests.
        documents: Vec<String>,
    },
    /// No usable answer.
    Unavailable(Unavailable),
}

/// Asks containerd about one container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerdRequest {
    /// Where containerd may listen; the first that is a socket of root's is asked.
    pub sockets: Vec<PathBuf>,
    /// The namespace.
    pub namespace: String,
    /// The container's id.
    pub container: String,
    /// Milliseconds until the answer is of no use any more.
    pub deadline_ms: u64,
}

/// The answer to `containerd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContainerdAnswer {
    /// There is such a container.
    Container(Box<ContainerdContainer>),
    /// containerd says that there is none.
    NotFound,
    /// No answer.
    Unavailable {
        /// What was tried and what came of it.
        problem: String,
    },
}

/// What containerd's records say about a container and the images it may be made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerdContainer {
    /// The name of the container's image.
    pub image: String,
    /// The label `io.cri-containerd.kind`: `container` or `sandbox`.
    pub kind: Option<String>,
    /// CRI's record of the image: the digest of its configuration.
    pub image_ref: Option<String>,
    /// The snapshot that the root file system was made from; named by the chain id of the image's layers.
    pub snapshot_parent: Option<Digest>,
    /// When the container was made, in nanoseconds since 1970.
    #[serde(default)]
    pub created: Option<i64>,
    /// All images of the namespace.
    pub images: Vec<ContainerdImage>,
    /// The container's name: CRI's, or nerdctl's label; may be empty.
    #[serde(default)]
    pub name: String,
    /// The pod, by CRI's record of the container.
    #[serde(default)]
    pub pod: ContainerdPod,
}

/// A pod, by the labels that the kubelet gives each of its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerdPod {
    /// Its name; empty outside CRI.
    pub name: String,
    /// Its namespace; empty outside CRI.
    pub namespace: String,
}

/// One image under one name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerdImage {
    /// The name.
    pub name: String,
    /// The index or manifest it leads to.
    pub target: Digest,
    /// When the name was last written, in nanoseconds since 1970.
    #[serde(default)]
    pub updated: Option<i64>,
}

/// Reads the one request of a task.
pub fn read_request<T: DeserializeOwned>(input: impl Read) -> io::Result<T> {
    let mut bytes = Vec::new();
    input.take(limits::WORKER_REQUEST_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Reads a specification that comes as it stands in its file, up to one byte more than is allowed, for the decoder to
/// refuse.
pub fn read_specification(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limits::SPECIFICATION_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a task's answer as JSON.
pub fn write_answer(mut output: impl Write, answer: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut output, answer)?;
    output.flush()
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    outcome: FetchOutcome,
    #[serde(default)]
    parts: [u64; 3],
}

impl FetchOutcome {
    /// Writes the answer.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let parts: [&[u8]; 3] = match self {
            FetchOutcome::Found(found) => [&found.manifest, &found.specification, &found.checked],
            _ => [&[], &[], &[]],
        };
        let header = Header { outcome: self.clone(), parts: parts.map(|p| p.len() as u64) };
        serde_json::to_writer(&mut *out, &header)?;
        out.write_all(b"\n")?;
        for part in parts {
            out.write_all(part)?;
        }
        out.flush()
    }

    /// Reads an answer, within the limits for each part.
    pub fn read_from(input: &mut impl BufRead) -> io::Result<Self> {
        let mut line = Vec::new();
        input.by_ref().take(limits::WORKER_HEADER_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the worker gave no answer"));
        }
        let header: Header = serde_json::from_slice(&line)?;
        let mut outcome = header.outcome;
        if let FetchOutcome::Found(found) = &mut outcome {
            let caps =
                [limits::MANIFEST_BYTES, limits::SPECIFICATION_BYTES, limits::CACHE_FILE_BYTES];
            let targets = [&mut found.manifest, &mut found.specification, &mut found.checked];
            for ((target, length), cap) in targets.into_iter().zip(header.parts).zip(caps) {
                *target = read_part(input, length, cap)?;
            }
        }
        Ok(outcome)
    }
}

fn read_part(input: &mut impl Read, length: u64, cap: u64) -> io::Result<Vec<u8>> {
    if length > cap {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a part of the answer is too large",
        ));
    }
    let mut part = Vec::new();
    input.take(length).read_to_end(&mut part)?;
    if part.len() as u64 != length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut short"));
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> FetchOutcome {
        FetchOutcome::Found(FoundArtifact {
            subject: Digest::of(b"s"),
            digest: Digest::of(b"m"),
            created: None,
            endpoint: "127.0.0.1:5000".to_owned(),
            warnings: vec![],
            manifest: b"m".to_vec(),
            specification: b"version: v1alpha1\n".to_vec(),
            checked: b"{}".to_vec(),
        })
    }

    #[test]
    fn answers_round_trip() {
        let unavailable = FetchOutcome::Unavailable(Unavailable {
            kind: UnavailableKind::RateLimited,
            detail: "429".to_owned(),
            retry_after: Some(3),
        });
        for outcome in [found(), FetchOutcome::None, unavailable] {
            let mut bytes = Vec::new();
            outcome.write_to(&mut bytes).unwrap();
            assert_eq!(FetchOutcome::read_from(&mut bytes.as_slice()).unwrap(), outcome);
        }
    }

    #[test]
    fn a_cut_or_missing_answer_is_an_error() {
        let mut bytes = Vec::new();
        found().write_to(&mut bytes).unwrap();
        for length in 0..bytes.len() {
            assert!(FetchOutcome::read_from(&mut bytes.get(..length).unwrap()).is_err());
        }
    }
}
