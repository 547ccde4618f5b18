//! Identity by containers/storage, which podman, CRI-O and buildah share.
//!
//! The chain: the bundle's path names the container; `root.path` names the layer that is really used; the record
//! with that id and that layer names the image; the image's stored manifests are hashed, and those count whose
//! configuration is the image. All of it is written by the engine; nothing of it by the container's creator, but
//! for the typed name, which counts only if the image's record confirms it.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::identity::{
    Engine, Identification, ImageIdentity, NotJudged, Unidentified, cut, move_to_front, push_new,
};
use super::known_as::{KnownAs, Pod};
use super::names::{confirmed, repositories};
use super::remembered::{Memory, Remembered};
use super::storage_records::{ContainerMetadata, ContainerRecord, ImageRecord, Store};
use crate::limits;
use crate::oci::{Digest, Document, Reference};
use crate::start::ContainerStart;

/// How long to wait before the one retry: a record that is being written appears within it.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Where a bundle of containers/storage lies: `<base>/<driver>-containers/<id>/userdata`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BundlePlace {
    store: Store,
    id: String,
}

/// Where a root file system lies: `<root>/overlay/<layer>/merged` or `<root>/vfs/dir/<layer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootPlace {
    /// The store.
    pub store: Store,
    layer: String,
}

/// Identifies the image of a podman, CRI-O or buildah container.
pub fn identify(
    start: &ContainerStart,
    memory: &Memory,
    known_as: &mut KnownAs,
) -> Result<Identification, Unidentified> {
    match identify_once(start, memory, known_as) {
        Err(
            Unidentified::NoContainerRecord { .. }
            | Unidentified::NoImageRecord { .. }
            | Unidentified::RecordsMalformed { .. },
        ) => {
            std::thread::sleep(RETRY_AFTER);
            identify_once(start, memory, known_as)
        }
        other => other,
    }
}

fn identify_once(
    start: &ContainerStart,
    memory: &Memory,
    known_as: &mut KnownAs,
) -> Result<Identification, Unidentified> {
    let root = start.root_path.as_deref().and_then(root_place);
    let Some(place) = bundle_place(&start.bundle) else {
        return build_step(start, root);
    };
    super::must_be_of(start, &place.id)?;
    let stores = stores(&place, root.as_ref());
    let Some((store, record)) = find_container(&stores, &start.id)? else {
        let records = root.as_ref().map_or(&place.store, |root| &root.store).containers_dir();
        return Err(Unidentified::NoContainerRecord { id: start.id.clone(), records });
    };
    check_root(&record, start, root.as_ref())?;
    let metadata: ContainerMetadata = serde_json::from_str(&record.metadata).unwrap_or_default();
    *known_as = if metadata.pod_id.is_empty() {
        KnownAs::container(&metadata.name)
    } else {
        KnownAs::in_pod(&metadata.metadata_name, Pod::of_crio(&metadata.pod_name))
    };
    if metadata.pod {
        return Ok(Identification::NotJudged(NotJudged::Sandbox));
    }
    // podman records a container made from a directory too, without an image. What has no record is nobody's.
    if record.image.is_empty() && metadata.image_id.is_empty() {
        return Ok(Identification::NotJudged(NotJudged::Rootfs));
    }
    let engine = if metadata.pod_id.is_empty() { Engine::Podman } else { Engine::Crio };
    let image = if record.image.is_empty() { &metadata.image_id } else { &record.image };
    let identity = image_identity(engine, store, image, &metadata.image_name, memory)?;
    if is_podman_infra(&identity) {
        return Ok(Identification::NotJudged(NotJudged::Sandbox));
    }
    Ok(Identification::Image(Box::new(identity)))
}

/// podman and CRI-O give their bundles the same place; only the container's record tells them apart.
pub fn engine_of(start: &ContainerStart) -> Option<Engine> {
    let root = start.root_path.as_deref().and_then(root_place);
    let Some(place) = bundle_place(&start.bundle) else {
        return build_step(start, root).is_ok().then_some(Engine::Buildah);
    };
    let stores = stores(&place, root.as_ref());
    let (_, record) = find_container(&stores, &start.id).ok()??;
    let metadata: ContainerMetadata = serde_json::from_str(&record.metadata).ok()?;
    Some(if metadata.pod_id.is_empty() { Engine::Podman } else { Engine::Crio })
}

/// Takes `<base>/<driver>-containers/<id>/userdata` apart.
fn bundle_place(bundle: &Path) -> Option<BundlePlace> {
    let rest = bundle.parent().filter(|_| bundle.file_name().is_some_and(|n| n == "userdata"))?;
    let id = rest.file_name()?.to_str()?.to_owned();
    let containers = rest.parent()?;
    let driver = containers.file_name()?.to_str()?.strip_suffix("-containers")?.to_owned();
    let root = containers.parent()?.to_owned();
    let known = !driver.is_empty();
    known.then_some(BundlePlace { store: Store { root, driver }, id })
}

/// Takes the path of a mounted layer apart.
pub(super) fn root_place(root: &Path) -> Option<RootPlace> {
    let parts: Vec<&str> = root
        .components()
        .map(|c| match c {
            Component::RootDir => Some("/"),
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let (base, driver, layer) = match parts.as_slice() {
        [base @ .., driver, layer, "merged"] => (base, driver, layer),
        [base @ .., driver @ "vfs", "dir", layer] => (base, driver, layer),
        [base @ .., driver @ "btrfs", "subvolumes", layer] => (base, driver, layer),
        _ => return None,
    };
    let root: PathBuf = base.iter().collect();
    let store = Store { root, driver: (*driver).to_owned() };
    Some(RootPlace { store, layer: (*layer).to_owned() })
}

/// The stores that may have the container's record: the bundle's (podman keeps bundles in the store) and the
/// root file system's (CRI-O keeps bundles in its run directory).
fn stores(place: &BundlePlace, root: Option<&RootPlace>) -> Vec<Store> {
    let mut stores: Vec<Store> = root.map(|r| r.store.clone()).into_iter().collect();
    if !stores.contains(&place.store) {
        stores.push(place.store.clone());
    }
    stores
}

fn find_container<'a>(
    stores: &'a [Store],
    id: &str,
) -> Result<Option<(&'a Store, ContainerRecord)>, Unidentified> {
    for store in stores {
        if let Some(record) = store.container(id)? {
            return Ok(Some((store, record)));
        }
    }
    Ok(None)
}

/// The record must be that of the root file system that is really used. Where the user is not mapped into the
/// container's user namespace podman mounts it at a shared intermediate place; then the id alone binds.
fn check_root(
    record: &ContainerRecord,
    start: &ContainerStart,
    root: Option<&RootPlace>,
) -> Result<(), Unidentified> {
    match (root, &start.root_path) {
        (Some(place), Some(path)) if place.layer != record.layer => {
            Err(Unidentified::ForeignRoot {
                id: record.id.clone(),
                layer: record.layer.clone(),
                root: path.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// `podman build` and buildah run each step as a container named after its bundle, which is in a temporary directory. Its
/// root is a layer of a store, or that layer mounted in the bundle (buildah `run_linux.go`, `bind/mount.go`).
fn build_step(
    start: &ContainerStart,
    root: Option<RootPlace>,
) -> Result<Identification, Unidentified> {
    let name = start.bundle.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named = name.starts_with("buildah") && start.id.strip_prefix("buildah-") == Some(name);
    let mounted = || start.root_path == Some(start.bundle.join("mnt/rootfs"));
    if named && (root.is_some() || mounted()) {
        return Ok(Identification::NotJudged(NotJudged::Build));
    }
    Err(Unidentified::UnknownBundle(start.bundle.clone()))
}

/// Up to podman 5.4 a pod's infra container is made from an image of podman's own.
fn is_podman_infra(identity: &ImageIdentity) -> bool {
    identity.engine == Engine::Podman
        && identity.repositories.is_empty()
        && identity.names.iter().any(|name| name.starts_with("localhost/podman-pause:"))
}

fn image_identity(
    engine: Engine,
    store: &Store,
    image: &str,
    typed_name: &str,
    memory: &Memory,
) -> Result<ImageIdentity, Unidentified> {
    let image_id = Digest::from_hex(image).map_err(|_| Unidentified::BadImageId(cut(image)))?;
    let Remembered { names, mut manifests, mut indexes, .. } =
        known_image(store, image, &image_id, memory)?;
    let reference = typed_name.parse().ok().and_then(|typed| confirmed(typed, &names));
    if let Some(digest) = reference.as_ref().and_then(|r: &Reference| r.digest.as_ref()) {
        move_to_front(&mut manifests, digest);
        move_to_front(&mut indexes, digest);
    }
    Ok(ImageIdentity {
        engine,
        image_id,
        repositories: repositories(reference.as_ref(), &names),
        reference,
        manifests,
        indexes,
        pulled_by: Vec::new(),
        names,
    })
}

/// From memory, if the store's records are as they were; else from the records and the stored manifests.
fn known_image(
    store: &Store,
    image: &str,
    image_id: &Digest,
    memory: &Memory,
) -> Result<Remembered, Unidentified> {
    let memory = memory.of_store(store);
    if let Some(remembered) = memory.as_ref().and_then(|memory| memory.recall(image)) {
        return Ok(remembered);
    }
    let (found_in, record) = find_image(store, image)?;
    let (manifests, indexes) = verified_documents(&found_in, &record, image_id);
    let found = Remembered { id: image.to_owned(), names: all_names(&record), manifests, indexes };
    // What is in another store is bound to that one's records; and a manifest may be about to be stored.
    if let Some(memory) = memory.filter(|_| found_in == *store && !found.manifests.is_empty()) {
        memory.remember(&found);
    }
    Ok(found)
}

/// Looks in the container's store, then in those that the node's configuration adds.
fn find_image(store: &Store, image: &str) -> Result<(Store, ImageRecord), Unidentified> {
    if let Some(record) = store.image(image)? {
        return Ok((store.clone(), record));
    }
    for root in super::storage_config::additional_stores() {
        let store = Store { root, driver: store.driver.clone() };
        if let Some(record) = store.image(image)? {
            return Ok((store, record));
        }
    }
    Err(Unidentified::NoImageRecord { image: cut(image), records: store.images_dir() })
}

/// Current names first, then former ones: the image of a running container may have lost its tag since.
fn all_names(record: &ImageRecord) -> Vec<String> {
    let current = record.names.iter().flatten();
    let mut names: Vec<String> = Vec::new();
    for name in current.chain(record.names_history.iter().flatten()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The image's manifests and indexes, newest first, each hashed and bound to the image id.
fn verified_documents(
    store: &Store,
    record: &ImageRecord,
    image_id: &Digest,
) -> (Vec<Digest>, Vec<Digest>) {
    let mut manifests: Vec<Digest> = Vec::new();
    let mut indexes: Vec<(Digest, Vec<Digest>)> = Vec::new();
    let keys = record.big_data_names.iter().flatten().rev();
    for key in keys.filter(|key| is_manifest_key(key)).take(limits::STORED_MANIFESTS) {
        let Ok(bytes) = store.big_data(&record.id, key) else { continue };
        let digest = Digest::of(&bytes);
        if key.strip_prefix("manifest-").is_some_and(|named| named != digest.as_str()) {
            continue;
        }
        match Document::parse(&bytes) {
            Ok(Document::Manifest(manifest)) if manifest.config.digest == *image_id => {
                push_new(&mut manifests, digest);
            }
            Ok(Document::Index(index)) => {
                indexes.push((digest, index.manifests.into_iter().map(|d| d.digest).collect()));
            }
            _ => {}
        }
    }
    let lists_one = |children: &[Digest]| children.iter().any(|child| manifests.contains(child));
    let indexes = indexes.into_iter().filter(|(_, children)| lists_one(children));
    let indexes = indexes.map(|(digest, _)| digest).collect();
    (manifests, indexes)
}

fn is_manifest_key(key: &str) -> bool {
    key == "manifest" || key.starts_with("manifest-sha256:")
}

#[cfg(test)]
mod tests;
