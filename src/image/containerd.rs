//! Identity by containerd: CRI, nerdctl, ctr.
//!
//! The chain: the bundle's path names namespace and container; containerd's record of the container, asked for over
//! its API by the worker, names the image: CRI's part of it by the image id, the record itself by the image's name
//! and by the snapshot that the root file system was made from. The manifests are read from the content store and
//! hashed; those count whose configuration is that image. Asking containerd while it creates a task is safe: it
//! holds no lock then (containerd `plugins/services/tasks/local.go`).

use std::path::{Path, PathBuf};

use super::content_store::{ContentStore, PlatformImage};
use super::identity::{
    Engine, Identification, ImageIdentity, NotJudged, Unidentified, move_to_front, push_new,
};
use super::known_as::{KnownAs, Pod};
use super::names::{confirmed, repositories};
use super::place::{self, Task};
use crate::deadline::Deadline;
use crate::oci::{Digest, Platform, Reference};
use crate::start::ContainerStart;
use crate::worker::process::{Worker, WorkerError};
use crate::worker::protocol::{ContainerdAnswer, ContainerdContainer, ContainerdRequest};

/// The namespace of CRI, in which containerd alone makes containers.
const CRI: &str = "k8s.io";
/// Where containerd keeps its data if its bundles do not say.
const DEFAULT_ROOT: &str = "/var/lib/containerd";
/// Where containerd listens if its state directory has no socket.
const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";

/// Whoever asks containerd; the hook's worker, or a test.
pub trait Containerd {
    /// Asks for the record of a container and for all images of its namespace.
    fn container(
        &self,
        request: &ContainerdRequest,
        deadline: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError>;
}

impl Containerd for Worker {
    fn container(
        &self,
        request: &ContainerdRequest,
        deadline: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError> {
        Worker::containerd(self, request, deadline)
    }
}

/// Identifies the image of a task of containerd.
pub fn identify(
    start: &ContainerStart,
    task: &Task,
    containerd: &dyn Containerd,
    deadline: &Deadline,
    known_as: &mut KnownAs,
) -> Result<Identification, Unidentified> {
    let record = ask(task, containerd, deadline)?;
    let cri = task.namespace == CRI;
    *known_as = if cri {
        let pod = Pod { name: &record.pod.name, namespace: &record.pod.namespace };
        KnownAs::in_pod(&record.name, pod)
    } else {
        KnownAs::container(&record.name)
    };
    if cri && record.kind.as_deref() == Some("sandbox") {
        return Ok(Identification::NotJudged(NotJudged::Sandbox));
    }
    let images = Images { store: ContentStore::below(&root(&start.bundle, task)), record: &record };
    let image_ref = record.image_ref.as_deref().filter(|_| cri);
    let identity = match image_ref.and_then(|id| id.parse().ok()) {
        Some(image_id) => images.of_cri(&start.id, image_id, start.typed_image.as_deref()),
        None if record.image.is_empty() => return Ok(Identification::NotJudged(NotJudged::Rootfs)),
        None => images.of_record(&start.id),
    };
    Ok(Identification::Image(Box::new(identity?)))
}

/// containerd's records of a task's container.
pub(super) fn ask(
    task: &Task,
    containerd: &dyn Containerd,
    deadline: &Deadline,
) -> Result<ContainerdContainer, Unidentified> {
    let request = ContainerdRequest {
        sockets: vec![
            task.state.join("containerd.sock"),
            // The containerd that Docker starts has its socket one directory up (moby `cmd/dockerd/daemon.go`).
            task.state.with_file_name("containerd.sock"),
            PathBuf::from(DEFAULT_SOCKET),
        ],
        namespace: task.namespace.clone(),
        container: task.id.clone(),
        deadline_ms: u64::try_from(deadline.remaining().as_millis()).unwrap_or(u64::MAX),
    };
    let no_answer = |problem| Unidentified::NoAnswer { id: task.id.clone(), problem };
    match containerd.container(&request, deadline) {
        Ok(ContainerdAnswer::Container(record)) => Ok(*record),
        Ok(ContainerdAnswer::NotFound) => {
            let (id, namespace) = (task.id.clone(), task.namespace.clone());
            Err(Unidentified::UnknownContainer { id, namespace })
        }
        Ok(ContainerdAnswer::Unavailable { problem }) => Err(no_answer(problem)),
        Err(error) => Err(no_answer(error.to_string())),
    }
}

/// containerd's root directory: the bundle has a link, made by containerd, to the task's directory there.
fn root(bundle: &Path, task: &Task) -> PathBuf {
    let work = std::fs::read_link(bundle.join("work")).ok();
    let there = work.as_deref().and_then(place::task);
    match there {
        Some(there) if there.id == task.id && there.namespace == task.namespace => there.state,
        _ => PathBuf::from(DEFAULT_ROOT),
    }
}

/// The images of the container's namespace, with what the content store has of them.
struct Images<'a> {
    store: ContentStore,
    record: &'a ContainerdContainer,
}

/// An image under one of its names.
struct NamedImage<'a> {
    name: &'a str,
    updated: Option<i64>,
    platform: PlatformImage,
}

impl<'a> Images<'a> {
    /// Every platform of every image whose manifest is here. A target is read once, however many names it has.
    fn all(&self) -> Vec<NamedImage<'a>> {
        let mut images: Vec<_> = self.record.images.iter().collect();
        images.sort_by(|a, b| a.target.cmp(&b.target));
        let mut known: Option<(&Digest, Vec<PlatformImage>)> = None;
        let mut all = Vec::new();
        for image in images {
            let platforms = match known.take() {
                Some((target, platforms)) if *target == image.target => platforms,
                _ => self.store.platform_images(&image.target),
            };
            let named = platforms.iter().map(|p| NamedImage {
                name: &image.name,
                updated: image.updated,
                platform: p.clone(),
            });
            all.extend(named);
            known = Some((&image.target, platforms));
        }
        all
    }

    /// CRI's record names the image id. The name that was asked for is known for certain only where the annotation
    /// says something else than the record, whose name is any name of the image.
    fn of_cri(
        &self,
        id: &str,
        image_id: Digest,
        typed: Option<&str>,
    ) -> Result<ImageIdentity, Unidentified> {
        let mut candidates = self.all();
        candidates.retain(|named| named.platform.config == image_id);
        if candidates.is_empty() {
            return Err(Unidentified::image_gone(id, image_id.as_str()));
        }
        let typed = typed.filter(|typed| *typed != self.record.image);
        Ok(identity(image_id, typed, &candidates))
    }

    /// Outside CRI the record has the image's name, and the snapshot the id of its layers. The name counts as long
    /// as it leads to those layers. If it was written since the container was made, it may have moved, even to an
    /// image of the same layers: then it counts only if what it leads to was on the node before the container.
    /// Where the name does not count, the images do that have the layers and were here before.
    fn of_record(&self, id: &str) -> Result<ImageIdentity, Unidentified> {
        let all = self.all();
        let fits = |named: &&NamedImage<'_>| match &self.record.snapshot_parent {
            Some(parent) => self.store.chain_id(&named.platform.config).as_ref() == Some(parent),
            None => true,
        };
        let was_here = |named: &&NamedImage<'_>| {
            !self.is_later(self.store.committed(&named.platform.manifest))
        };
        let by_name: Vec<&NamedImage<'_>> = all
            .iter()
            .filter(|named| named.name == self.record.image)
            .filter(fits)
            .filter(|named| !self.is_later(named.updated) || was_here(named))
            .collect();
        let chosen: Vec<&NamedImage<'_>> =
            if by_name.is_empty() && self.record.snapshot_parent.is_some() {
                all.iter().filter(fits).filter(was_here).collect()
            } else {
                by_name
            };
        let chosen = of_this_processor(chosen);
        let mut configs: Vec<&Digest> = chosen.iter().map(|named| &named.platform.config).collect();
        configs.sort();
        configs.dedup();
        match configs.as_slice() {
            [] => Err(Unidentified::image_gone(id, &self.record.image)),
            [config] => {
                let image_id = (*config).clone();
                let same = all.iter().filter(|named| named.platform.config == image_id);
                let same: Vec<NamedImage<'_>> =
                    same.map(|n| NamedImage { platform: n.platform.clone(), ..*n }).collect();
                Ok(identity(image_id, Some(&self.record.image), &same))
            }
            several => Err(Unidentified::Ambiguous { id: id.to_owned(), count: several.len() }),
        }
    }

    /// True if a time is known to be later than that of the container.
    fn is_later(&self, time: Option<i64>) -> bool {
        self.record.created.zip(time).is_some_and(|(created, time)| time > created)
    }
}

/// Platforms of an index may share their layers; then this machine's counts.
fn of_this_processor<'b, 'a>(images: Vec<&'b NamedImage<'a>>) -> Vec<&'b NamedImage<'a>> {
    let own = |named: &&NamedImage<'_>| match &named.platform.architecture {
        Some(architecture) => architecture == Platform::this_architecture(),
        None => true,
    };
    let of_own: Vec<_> = images.iter().copied().filter(own).collect();
    if of_own.is_empty() { images } else { of_own }
}

/// Puts together what all names of one image say. The manifests of the name that was asked for come first.
fn identity(image_id: Digest, typed: Option<&str>, candidates: &[NamedImage<'_>]) -> ImageIdentity {
    let mut names: Vec<String> = Vec::new();
    for named in candidates.iter().filter(|named| named.name.parse::<Digest>().is_err()) {
        if !names.iter().any(|name| name == named.name) {
            names.push(named.name.to_owned());
        }
    }
    let reference = typed
        .and_then(|typed| typed.parse::<Reference>().ok())
        .and_then(|typed| confirmed(typed, &names));
    let (mut manifests, mut indexes) = (Vec::new(), Vec::new());
    for named in candidates {
        push_new(&mut manifests, named.platform.manifest.clone());
        if let Some(index) = &named.platform.index {
            push_new(&mut indexes, index.clone());
        }
    }
    if let Some(named) = candidates.iter().find(|named| Some(named.name) == typed) {
        move_to_front(&mut manifests, &named.platform.manifest);
        if let Some(index) = &named.platform.index {
            move_to_front(&mut indexes, index);
        }
    }
    ImageIdentity {
        engine: Engine::Containerd,
        image_id,
        repositories: repositories(reference.as_ref(), &names),
        reference,
        manifests,
        indexes,
        pulled_by: Vec::new(),
        names,
    }
}

#[cfg(test)]
mod tests;
