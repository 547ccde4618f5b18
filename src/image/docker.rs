//! Identity by Docker's files, never by its API: the daemon holds the container's lock while it starts, and
//! answering would take it (moby `daemon/start.go`, `daemon/inspect.go`).
//!
//! `<data root>/containers/<id>/config.v2.json` has what the daemon resolved when the container was made. With the
//! older stores (overlay2, …) `Image` is the image id, and `image/<driver>/repositories.json` has its names and the
//! digests it was pulled by, of which Docker keeps no bytes. With containerd's store `Image` is what the name led
//! to, an index or a manifest, `ImageManifest` the platform's manifest, and both are in the content store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::containerd::{self, Containerd};
use super::containers_storage::root_place;
use super::content_store::{ContentStore, PlatformImage};
use super::identity::{
    Engine, Identification, ImageIdentity, Unidentified, cut, move_to_front, push_new,
};
use super::known_as::KnownAs;
use super::names::{confirmed, repositories, without_idle_tag};
use super::place::{self, Task};
use crate::deadline::Deadline;
use crate::oci::{Digest, Reference, Repository};
use crate::start::ContainerStart;
use crate::{files, limits};

/// Docker's directory if nothing says otherwise.
const DEFAULT_DATA_ROOT: &str = "/var/lib/docker";
/// The daemon's configuration, which may move it.
const DAEMON_CONFIG: &str = "/etc/docker/daemon.json";

/// What is read of `config.v2.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerFile {
    #[serde(rename = "ID")]
    id: String,
    /// With a slash in front.
    #[serde(default)]
    name: String,
    /// The image id, or with containerd's store the digest that the name led to.
    #[serde(default)]
    image: String,
    #[serde(default)]
    config: TypedConfig,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    image_manifest: Option<ManifestDescriptor>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TypedConfig {
    /// The image as the user named it.
    #[serde(default)]
    image: String,
}

#[derive(Debug, Deserialize)]
struct ManifestDescriptor {
    digest: Digest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    /// Repository to (reference to image id), both in Docker's short form.
    #[serde(default)]
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

/// Identifies the image of a container that Docker starts.
pub fn identify(
    start: &ContainerStart,
    task: &Task,
    containerd: &dyn Containerd,
    deadline: &Deadline,
    known_as: &mut KnownAs,
) -> Result<Identification, Unidentified> {
    let roots = data_roots(start, Path::new(DAEMON_CONFIG));
    let (data_root, container) = find_container(&roots, &start.id)?;
    *known_as = KnownAs::container(&container.name);
    let identity = match &container.image_manifest {
        Some(manifest) => {
            let store = ContentStore::below(&containerd_root(&start.bundle, task));
            let names = || target_names(task, &container, containerd, deadline);
            by_containerd_store(&store, &container, &manifest.digest, names)
        }
        None => by_older_store(&data_root, &container),
    };
    Ok(Identification::Image(Box::new(identity?)))
}

/// Where Docker's directory may be: what the root file system lies in, what the daemon's configuration names, and
/// the default. Each counts only with a record of the container in it.
fn data_roots(start: &ContainerStart, daemon_config: &Path) -> Vec<PathBuf> {
    let root = start.root_path.as_deref();
    let by_layer = root.and_then(root_place).map(|place| place.store.root);
    // containerd's store: <data root>/rootfs/<snapshotter>/<id>
    let by_mount = root.and_then(|root| {
        let rootfs = root.parent()?.parent()?;
        rootfs.parent().filter(|_| rootfs.file_name().is_some_and(|name| name == "rootfs"))
    });
    let configured = configured_data_root(daemon_config);
    let all = [by_layer, by_mount.map(Path::to_owned), configured];
    let mut roots: Vec<PathBuf> = Vec::new();
    for root in all.into_iter().flatten().chain([PathBuf::from(DEFAULT_DATA_ROOT)]) {
        if root.is_absolute() && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

fn configured_data_root(daemon_config: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct DaemonConfig {
        #[serde(rename = "data-root")]
        data_root: Option<PathBuf>,
    }
    let bytes = files::read(daemon_config, limits::CONFIG_BYTES).ok()?;
    serde_json::from_slice::<DaemonConfig>(&bytes).ok()?.data_root
}

fn find_container(roots: &[PathBuf], id: &str) -> Result<(PathBuf, ContainerFile), Unidentified> {
    for root in roots {
        let directory = root.join("containers").join(id);
        if !is_private(&directory) {
            continue;
        }
        if let Some(container) =
            read_json::<ContainerFile>(&directory, "config.v2.json")?.filter(|c| c.id == id)
        {
            return Ok((root.clone(), container));
        }
    }
    let looked_in = roots.iter().map(|root| root.display().to_string()).collect();
    Err(Unidentified::NoDockerRecord { id: id.to_owned(), looked_in })
}

/// The daemon's directories are root's; one that others can write says nothing.
fn is_private(directory: &Path) -> bool {
    std::fs::symlink_metadata(directory).is_ok_and(|m| m.is_dir() && files::is_trusted(&m))
}

fn read_json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Option<T>, Unidentified> {
    let path = || dir.join(name);
    let bytes = match files::read_beneath(dir, name, limits::STORAGE_RECORDS_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Unidentified::RecordsUnreadable { path: path(), source }),
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|source| Unidentified::RecordsMalformed { path: path(), source })
}

/// Docker's containerd keeps its data below Docker's, or is the node's own; the bundle has a link that says it.
fn containerd_root(bundle: &Path, task: &Task) -> PathBuf {
    let work = std::fs::read_link(bundle.join("work")).ok();
    let there = work.as_deref().and_then(place::task).filter(|there| there.id == task.id);
    there.map_or_else(|| PathBuf::from("/var/lib/containerd"), |there| there.state)
}

/// `Image` is what the name led to when the container was made. The image id is the manifest's configuration.
fn by_containerd_store(
    store: &ContentStore,
    container: &ContainerFile,
    manifest: &Digest,
    other_names: impl FnOnce() -> Result<Vec<String>, Unidentified>,
) -> Result<ImageIdentity, Unidentified> {
    let target: Digest = container.image.parse().map_err(|_| bad_image_id(&container.image))?;
    let platforms = store.platform_images(&target);
    let Some(platform) = platforms.into_iter().find(|platform| platform.manifest == *manifest)
    else {
        return Err(Unidentified::image_gone(&container.id, &container.config.image));
    };
    let PlatformImage { index, manifest, config, .. } = platform;
    let reference = full_reference(&container.config.image);
    let reference = reference.map(|typed| without_idle_tag(typed, &[]));
    let mut names: Vec<String> = reference.iter().map(ToString::to_string).collect();
    if reference.as_ref().is_none_or(|reference| reference.repository.is_local()) {
        names.extend(other_names()?);
    }
    Ok(ImageIdentity {
        engine: Engine::Docker,
        image_id: config,
        repositories: repositories(reference.as_ref(), &names),
        reference,
        manifests: vec![manifest],
        indexes: index.into_iter().collect(),
        pulled_by: Vec::new(),
        names,
    })
}

/// Started by an id or a local name: the names that containerd has for what the container was made from. They are
/// containerd's, so Docker's lock is not waited for.
fn target_names(
    task: &Task,
    container: &ContainerFile,
    containerd: &dyn Containerd,
    deadline: &Deadline,
) -> Result<Vec<String>, Unidentified> {
    let images = containerd::ask(task, containerd, deadline)?.images;
    let same = images.into_iter().filter(|image| image.target.as_str() == container.image);
    let names: Vec<String> = same.map(|image| image.name).collect();
    if names.is_empty() {
        return Err(Unidentified::image_gone(&container.id, &container.config.image));
    }
    Ok(names)
}

fn bad_image_id(text: &str) -> Unidentified {
    Unidentified::BadImageId(cut(text))
}

/// `Image` is the image id; the names and digests are those that Docker has for it now.
fn by_older_store(
    data_root: &Path,
    container: &ContainerFile,
) -> Result<ImageIdentity, Unidentified> {
    let image_id: Digest = container.image.parse().map_err(|_| bad_image_id(&container.image))?;
    let directory = data_root.join("image").join(&container.driver);
    let names =
        names_of(&read_json(&directory, "repositories.json")?.unwrap_or_default(), &image_id);
    if names.is_empty() {
        return Err(Unidentified::image_gone(&container.id, &container.config.image));
    }
    let reference =
        full_reference(&container.config.image).and_then(|typed| confirmed(typed, &names));
    let mut repositories = repositories(reference.as_ref(), &names);
    let pulled: Vec<Reference> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let mut pulled_by: Vec<Digest> = Vec::new();
    for name in pulled.iter().filter(|name| repositories.contains(&name.repository)) {
        name.digest.iter().for_each(|digest| push_new(&mut pulled_by, digest.clone()));
    }
    // A name without a digest was given here (build, load, tag): no registry has seen the image under it.
    let seen = |repository: &Repository| {
        pulled.iter().any(|p| p.digest.is_some() && p.repository == *repository)
    };
    repositories.retain(seen);
    if let Some(digest) = reference.as_ref().and_then(|r| r.digest.as_ref()) {
        move_to_front(&mut pulled_by, digest);
    }
    Ok(ImageIdentity {
        engine: Engine::Docker,
        image_id,
        reference,
        repositories,
        manifests: Vec::new(),
        indexes: Vec::new(),
        pulled_by,
        names,
    })
}

/// The image's names in full, tags before digests.
fn names_of(repositories: &Repositories, image_id: &Digest) -> Vec<String> {
    let references = repositories.repositories.values().flatten();
    let mut names: Vec<String> = references
        .filter(|(_, id)| *id == image_id.as_str())
        .filter_map(|(name, _)| full_reference(name))
        .map(|reference| reference.to_string())
        .collect();
    names.sort_by_key(|name| name.contains('@'));
    names
}

/// Docker's short names in full: `busybox` is `docker.io/library/busybox`. An image id is no name.
fn full_reference(text: &str) -> Option<Reference> {
    let is_id = text.parse::<Digest>().is_ok()
        || (text.len() >= 12 && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    if text.is_empty() || is_id {
        return None;
    }
    let full = text.parse::<Reference>().or_else(|_| format!("docker.io/{text}").parse()).ok()?;
    match (full.repository.registry.as_str(), full.repository.path.contains('/')) {
        ("docker.io" | "index.docker.io", false) => {
            let rest = full.to_string();
            let (_, rest) = rest.split_once('/')?;
            format!("docker.io/library/{rest}").parse().ok()
        }
        _ => Some(full),
    }
}

#[cfg(test)]
mod tests;
