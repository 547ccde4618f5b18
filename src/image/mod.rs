//! Room `image`: which image a container is made from, by the engine's own records, never by annotations.
//!
//! | file | what |
//! |---|---|
//! | `identity.rs` | the answer's types |
//! | `pattern.rs` | patterns over image names, for policy and local specifications |
//! | `containers_storage.rs` | podman, CRI-O, buildah: the records of containers/storage |
//! | `record_search.rs` | one record out of thousands, without holding the file |
//! | `remembered.rs` | what an image's records said, kept while they do not change |
//! | `storage_config.rs` | image stores that the node's configuration adds |
//! | `storage_records.rs` | the JSON files of containers/storage, read lazily and bounded |
//!
//! The order in which engines are asked follows from where the bundle lies: each engine keeps its bundles in a
//! place of a shape of its own, and the engine chose that place, not the container's creator.

pub mod containers_storage;
pub mod identity;
pub mod pattern;
mod record_search;
pub mod remembered;
pub mod storage_config;
pub mod storage_records;

pub use identity::{Engine, Identification, ImageIdentity, NotJudged, Unidentified};
pub use pattern::ImagePattern;
pub use remembered::Memory;

use crate::start::ContainerStart;

/// Finds out which image a starting container is made from.
pub fn identify(start: &ContainerStart, memory: &Memory) -> Result<Identification, Unidentified> {
    containers_storage::identify(start, memory)
}
