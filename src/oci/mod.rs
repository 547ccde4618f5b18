//! The Open Container Initiative's words as types. Every room speaks them.
//!
//! | file | what |
//! |---|---|
//! | `digest.rs` | SHA-256 digests |
//! | `reference.rs` | repositories, tags, and the names that people type |
//! | `manifest.rs` | manifests and indexes: only the fields that are read here |
//! | `media_type.rs` | media types and annotation keys |

pub mod digest;
pub mod manifest;
pub mod media_type;
pub mod reference;

pub use digest::Digest;
pub use manifest::{Descriptor, Document, Index, Manifest, Platform};
pub use reference::{Reference, Repository};
