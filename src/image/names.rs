//! What the names of an image say about where it came from. The records of every engine have such names; called by
//! the file of each.

use crate::limits;
use crate::oci::{Reference, Repository};

/// What counts of a typed name: it must be in a repository that the image really has, or had, a name in.
pub(super) fn confirmed(typed: Reference, names: &[String]) -> Option<Reference> {
    let names: Vec<Reference> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let known = names.iter().any(|name| name.repository == typed.repository);
    known.then(|| without_idle_tag(typed, &names))
}

/// A tag beside a digest leads nobody to the image: engines pull by the digest, whatever the tag. So it counts only if the
/// image has it; else whoever creates a container could choose the policy for images of any tag.
pub(super) fn without_idle_tag(typed: Reference, names: &[Reference]) -> Reference {
    let has_it =
        |name: &Reference| (&name.repository, &name.tag) == (&typed.repository, &typed.tag);
    if typed.digest.is_none() || names.iter().any(has_it) {
        return typed;
    }
    Reference { tag: None, ..typed }
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
