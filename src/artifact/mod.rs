//! Room `artifact`: an image's specifications, from every source that has a say. An [`crate::image::ImageIdentity`]
//! comes in, checked specifications go out to [`crate::rules`].
//!
//! | file | what |
//! |---|---|
//! | `local.rs` | the administrator's own specifications |
//! | `cache.rs` | what registries answered before: the file format |
//! | `layout.rs` | an OCI image layout on disk, for nodes without a registry; `layout/store.rs` has its files |
//! | `lookup.rs` | cache, then registry: freshness, single flight, back-off |
//! | `documents.rs` | the manifest of an image of which the node keeps none |
//! | `select.rs` | which of several artifacts counts |
//! | `check.rs` | whether bytes are what they were given out as |

pub mod cache;
pub mod check;
pub mod documents;
pub mod layout;
pub mod local;
pub mod lookup;
pub mod select;

use std::sync::Arc;
use std::time::Duration;

use crate::oci::Digest;
use crate::spec::Specification;

/// One specification, with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// The specification.
    pub specification: Arc<Specification>,
    /// Where it came from.
    pub source: Source,
    /// Digest of the artifact's manifest; for a local specification that of its file.
    pub digest: Digest,
    /// The manifest it is attached to.
    pub subject: Option<Digest>,
    /// When it was made, as its author says.
    pub created: Option<String>,
    /// What decoding found suspicious.
    pub warnings: Vec<String>,
}

/// Where a specification came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The administrator's file.
    Local(String),
    /// The layout on disk.
    Layout(String),
    /// The registry, just now.
    Registry(String),
    /// The registry, so many seconds ago.
    Cache(String, u64),
    /// The registry, so many seconds ago; it was asked again but did not answer.
    StaleCache(String, u64),
}

impl Source {
    /// The stable word for the record.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Source::Local(_) => "local",
            Source::Layout(_) => "layout",
            Source::Registry(_) => "registry",
            Source::Cache(..) => "cache",
            Source::StaleCache(..) => "stale-cache",
        }
    }

    /// The repository or file.
    pub fn location(&self) -> &str {
        match self {
            Source::Local(place)
            | Source::Layout(place)
            | Source::Registry(place)
            | Source::Cache(place, _)
            | Source::StaleCache(place, _) => place,
        }
    }

    /// Seconds since the registry was asked.
    pub const fn age_seconds(&self) -> Option<u64> {
        match self {
            Source::Cache(_, age) | Source::StaleCache(_, age) => Some(*age),
            Source::Local(_) | Source::Layout(_) | Source::Registry(_) => None,
        }
    }
}

/// How long answers of registries are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTimes {
    /// A specification.
    pub artifact: Duration,
    /// "Nothing attached", and a refusal to answer (401, 403).
    pub none: Duration,
    /// How old an answer may be that serves while the registry does not.
    pub stale: Duration,
}

impl Default for CacheTimes {
    fn default() -> Self {
        CacheTimes {
            artifact: Duration::from_secs(3600),
            none: Duration::from_secs(600),
            stale: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
