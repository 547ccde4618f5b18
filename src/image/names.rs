//! What the names of an image say about where it came from. The records of every engine have such names; called by
//! the file of each.

use crate::limits;
use crate::oci::{Reference, Repository};

/// A typed name counts if the image really has, or had, a name in that repository.
pub(super) fn is_confirmed(typed: &Reference, names: &[String]) -> bool {
    names
        .iter()
        .filter_map(|name| name.parse::<Reference>().ok())
        .any(|name| name.repository == typed.repository)
}

/// The typed reference's repository if a registry serves it; else every such repository among the names, so that
/// a local tag on a pulled image does not hide where it came from.
pub(super) fn repositories(reference: Option<&Reference>, names: &[String]) -> Vec<Repository> {
    if let Some(reference) = reference.filter(|r| !r.repository.is_local()) {
        return vec![reference.repository.clone()];
    }
    let mut repositories: Vec<Repository> = Vec::new();
    for name in names.iter().filter_map(|name| name.parse::<Reference>().ok()) {
        if !name.repository.is_local() && !repositories.contains(&name.repository) {
            repositories.push(name.repository);
        }
    }
    repositories.truncate(limits::IMAGE_REPOSITORIES);
    repositories
}
