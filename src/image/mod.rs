//! Room `image`: which image a container is made from, by the engine's own records, never by annotations.
//!
//! | file | what |
//! |---|---|
//! | `identity.rs` | the answer's types |
//! | `known_as.rs` | what the engine's records call the container |
//! | `place.rs` | whose bundle it is, by where it lies |
//! | `names.rs` | what an image's names say about where it came from |
//! | `pattern.rs` | patterns over image names, for policy and local specifications |
//! | `containers_storage.rs` | podman, CRI-O, buildah: the records of containers/storage |
//! | `record_search.rs` | one record out of thousands, without holding the file |
//! | `remembered.rs` | what an image's records said, kept while they do not change |
//! | `storage_config.rs` | image stores that the node's configuration adds |
//! | `storage_records.rs` | the JSON files of containers/storage, read lazily and bounded |
//! | `containerd.rs` | containerd: CRI, nerdctl, ctr; its API, asked by the worker |
//! | `content_store.rs` | containerd's blobs: manifests, indexes, configurations |
//! | `docker.rs` | Docker: its files |
//!
//! The order in which engines are asked follows from where the bundle lies: each engine keeps its bundles in a
//! place of a shape of its own, and the engine chose that place, not the container's creator.

pub mod containerd;
mod containers_storage;
pub mod content_store;
mod docker;
mod identity;
mod known_as;
mod names;
mod pattern;
mod place;
mod record_search;
mod remembered;
mod storage_config;
pub mod storage_records;

pub use identity::{Engine, Identification, ImageIdentity, NotJudged, Unidentified};
pub use known_as::KnownAs;
pub use pattern::ImagePattern;
pub use remembered::Memory;

use crate::deadline::Deadline;
use crate::start::ContainerStart;
use place::Place;

/// What the engine's records say about a starting container.
#[derive(Debug)]
pub struct Identified {
    /// What they call it; known even where the image is not.
    pub known_as: KnownAs,
    /// Which image it is made from.
    pub image: Result<Identification, Unidentified>,
}

/// Finds out which image a starting container is made from, and what it is called.
///
/// | the bundle lies in | engine | what says which image |
/// |---|---|---|
/// | `…/io.containerd.runtime.v2.task/moby/<id>` | Docker | `config.v2.json` and `repositories.json` in its data root |
/// | `…/io.containerd.runtime.v2.task/<namespace>/<id>` | containerd | its record of the container, by its API |
/// | `…/executor/<id>`, with the root file system in it | BuildKit | nothing: a step of a build |
/// | `…/<driver>-containers/<id>/userdata` | podman, CRI-O | the storage record with that id and that layer |
/// | anywhere else | buildah, or nobody known | the storage record of the layer, or nothing |
pub fn identify(
    start: &ContainerStart,
    memory: &Memory,
    containerd: &dyn containerd::Containerd,
    deadline: &Deadline,
) -> Identified {
    let mut known_as = KnownAs::default();
    let names = &mut known_as;
    let image = match Place::of(start) {
        Place::DockerTask(task) => must_be_of(start, &task.id)
            .and_then(|()| docker::identify(start, &task, containerd, deadline, names)),
        Place::ContainerdTask(task) => must_be_of(start, &task.id)
            .and_then(|()| containerd::identify(start, &task, containerd, deadline, names)),
        Place::BuildkitExecutor => Ok(Identification::NotJudged(NotJudged::Build)),
        Place::Elsewhere => containers_storage::identify(start, memory, names),
    };
    Identified { known_as, image }
}

/// The container that a bundle's place names must be the one that starts.
fn must_be_of(start: &ContainerStart, id: &str) -> Result<(), Unidentified> {
    if id == start.id {
        return Ok(());
    }
    Err(Unidentified::ForeignBundle { id: start.id.clone(), bundle: start.bundle.clone() })
}

/// Whose start it is, as far as that is certain without the image: for the records of starts whose image is not known.
pub fn engine_of(start: &ContainerStart) -> Option<Engine> {
    match Place::of(start) {
        Place::DockerTask(_) => Some(Engine::Docker),
        Place::ContainerdTask(_) => Some(Engine::Containerd),
        // Docker's, or a BuildKit that stands alone.
        Place::BuildkitExecutor => None,
        Place::Elsewhere => containers_storage::engine_of(start),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::worker::process::Worker;

    #[test]
    fn the_bundle_of_another_container_is_not_believed() {
        let places = [
            "/run/containerd/io.containerd.runtime.v2.task/moby/theirs",
            "/run/containerd/io.containerd.runtime.v2.task/k8s.io/theirs",
            "/var/lib/containers/storage/overlay-containers/theirs/userdata",
        ];
        for bundle in places {
            let start = ContainerStart {
                id: "mine".to_owned(),
                bundle: PathBuf::from(bundle),
                root_path: None,
                terminal: false,
                typed_image: None,
            };
            let worker = Worker::of_this_program();
            let deadline = Deadline::after(Duration::from_secs(5));
            let identified = identify(&start, &Memory::default(), &worker, &deadline).image;
            assert!(
                matches!(identified, Err(Unidentified::ForeignBundle { .. })),
                "{bundle}: {identified:?}"
            );
        }
    }
}
