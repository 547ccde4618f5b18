//! Whose bundle it is, by where it lies.
//!
//! Sources: containerd `core/runtime/v2/bundle.go`, BuildKit `executor/runcexecutor/executor.go`. The shapes of
//! containers/storage are known to `containers_storage.rs`.

use std::path::{Component, Path, PathBuf};

use crate::start::ContainerStart;

/// The directory in which containerd keeps the bundles of its tasks, below its state directory; below its root
/// directory there is one of the same name.
const TASKS: &str = "io.containerd.runtime.v2.task";
/// Docker's namespace in containerd.
const DOCKER: &str = "moby";

/// A task of containerd: `<state>/io.containerd.runtime.v2.task/<namespace>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// containerd's state directory, for example `/run/containerd`.
    pub state: PathBuf,
    /// The namespace, for example `k8s.io`.
    pub namespace: String,
    /// The container's id.
    pub id: String,
}

/// What the place of a bundle says about the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A task of containerd that Docker had it make.
    DockerTask(Task),
    /// Any other task of containerd.
    ContainerdTask(Task),
    /// The directory where BuildKit runs the steps of builds.
    BuildkitExecutor,
    /// None of these.
    Elsewhere,
}

impl Place {
    /// The place of a start's bundle.
    pub fn of(start: &ContainerStart) -> Self {
        match task(&start.bundle) {
            Some(task) if task.namespace == DOCKER => Place::DockerTask(task),
            Some(task) => Place::ContainerdTask(task),
            None if is_buildkit(start) => Place::BuildkitExecutor,
            None => Place::Elsewhere,
        }
    }
}

/// Takes the path of a task's directory apart, below containerd's state directory or its root directory.
pub fn task(path: &Path) -> Option<Task> {
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    let id = path.file_name()?.to_str()?.to_owned();
    let namespace = path.parent()?;
    let tasks = namespace.parent()?;
    let state = tasks.parent().filter(|_| tasks.file_name().is_some_and(|name| name == TASKS))?;
    let namespace = namespace.file_name()?.to_str()?.to_owned();
    Some(Task { state: state.to_owned(), namespace, id })
}

/// BuildKit makes bundle and root file system itself, in `executor/<id>` of its state, named by 25 characters.
fn is_buildkit(start: &ContainerStart) -> bool {
    let named = start.bundle.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
        name == start.id
            && name.len() == 25
            && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    });
    let place = start.bundle.parent().and_then(Path::file_name);
    named
        && place.is_some_and(|name| name == "executor")
        && start.root_path == Some(start.bundle.join("rootfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(id: &str, bundle: &str, root: &str) -> ContainerStart {
        ContainerStart {
            id: id.to_owned(),
            bundle: PathBuf::from(bundle),
            root_path: Some(PathBuf::from(root)),
            terminal: false,
            typed_image: None,
        }
    }

    #[test]
    fn the_bundle_s_place_names_the_engine() {
        let build = "x3y1mq5w2vbwd4z6k7p8r9t0a";
        let executor = format!("/var/lib/docker/buildkit/executor/{build}");
        let inside = format!("{executor}/rootfs");
        let task = |state: &str, namespace: &str| Task {
            state: PathBuf::from(state),
            namespace: namespace.to_owned(),
            id: "c1".to_owned(),
        };
        let table = [
            (
                "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c1",
                Place::ContainerdTask(task("/run/containerd", "k8s.io")),
            ),
            (
                "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/c1",
                Place::ContainerdTask(task("/run/k3s/containerd", "k8s.io")),
            ),
            (
                "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/c1",
                Place::DockerTask(task("/run/docker/containerd/daemon", "moby")),
            ),
            ("/run/containerd/io.containerd.runtime.v2.task/c1", Place::Elsewhere),
            ("/x/io.containerd.runtime.v2.task/../k8s.io/c1", Place::Elsewhere),
            ("/var/lib/containers/storage/overlay-containers/c1/userdata", Place::Elsewhere),
            ("/tmp/bundle", Place::Elsewhere),
        ];
        for (bundle, place) in table {
            assert_eq!(Place::of(&start("c1", bundle, "/r")), place, "{bundle}");
        }
        assert_eq!(Place::of(&start(build, &executor, &inside)), Place::BuildkitExecutor);
        assert_eq!(Place::of(&start(build, &executor, "/elsewhere")), Place::Elsewhere);
        assert_eq!(
            Place::of(&start("c1", "/x/executor/c1", "/x/executor/c1/rootfs")),
            Place::Elsewhere
        );
    }
}
