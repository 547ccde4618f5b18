//! The Open Container Initiative's words as types: digests, references, manifests. Every room speaks them.

pub mod digest;
pub mod manifest;
pub mod media_type;
pub mod reference;

pub use digest::Digest;
pub use manifest::{Descriptor, Document, Index, Manifest, Platform};
pub use reference::{Reference, Repository};
