//! Mirrors.
use super::access::Place;
use super::node_files::NodeFiles;
use crate::oci::Repository;
use crate::worker::protocol::Unavailable;
pub(super) fn places(_: &Repository, _: &NodeFiles) -> Result<Option<Vec<Place>>, Unavailable> {
    Ok(None)
}
