//! Docker's directory as the daemon leaves it, and what is made of it.

use std::fs;

use super::super::content_store::tests::Blobs;
use super::*;
use crate::image::place::Place;
use crate::worker::process::WorkerError;
use crate::worker::protocol::{
    ContainerdAnswer, ContainerdContainer, ContainerdImage, ContainerdRequest,
};

const ID: &str = "3d87123a8e68140c330dc5888bbd2b7d74964833a9a0e2e4e051ee26d7a83561";

/// containerd with these images.
struct Names(Vec<ContainerdImage>);

impl Containerd for Names {
    fn container(
        &self,
        _: &ContainerdRequest,
        _: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError> {
        let images = self.0.clone();
        let container = ContainerdContainer { images, ..ContainerdContainer::default() };
        Ok(ContainerdAnswer::Container(Box::new(container)))
    }
}

struct Docker {
    dir: tempfile::TempDir,
    names: Vec<ContainerdImage>,
    root_path: PathBuf,
}

impl Docker {
    /// A daemon with its data in a place that only the root file system's path tells.
    fn new(container: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root_path = dir.path().join("data/overlay2/0a1b/merged");
        let docker = Docker { dir, names: Vec::new(), root_path };
        let record = docker.data().join("containers").join(ID);
        fs::create_dir_all(&record).unwrap();
        fs::write(record.join("config.v2.json"), container).unwrap();
        docker
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn repositories(self, json: &str) -> Self {
        let images = self.data().join("image/overlay2");
        fs::create_dir_all(&images).unwrap();
        fs::write(images.join("repositories.json"), json).unwrap();
        self
    }

    fn identify(&self, blobs: Option<&Blobs>) -> Result<ImageIdentity, Unidentified> {
        let tail = format!("io.containerd.runtime.v2.task/moby/{ID}");
        let bundle = self.dir.path().join(&tail);
        fs::create_dir_all(&bundle).unwrap();
        if let Some(blobs) = blobs {
            let _ = std::os::unix::fs::symlink(blobs.root.path().join(&tail), bundle.join("work"));
        }
        let start = ContainerStart {
            id: ID.to_owned(),
            bundle,
            root_path: Some(self.root_path.clone()),
            terminal: false,
            typed_image: Some("lie.example/x:1".to_owned()),
        };
        let Place::DockerTask(task) = Place::of(&start) else { panic!() };
        let deadline = Deadline::after(std::time::Duration::from_secs(5));
        match identify(
            &start,
            &task,
            &Names(self.names.clone()),
            &deadline,
            &mut KnownAs::default(),
        )? {
            Identification::Image(identity) => Ok(*identity),
            other => panic!("{other:?}"),
        }
    }
}

fn container(image: &Digest, typed: &str) -> String {
    format!(
        r#"{{"ID":"{ID}","Image":"{image}","Driver":"overlay2","Config":{{"Image":"{typed}"}},"State":{{}}}}"#
    )
}

fn strings<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn the_older_store_knows_the_image_id_and_the_digest_it_was_pulled_by() {
    let (image, index) = (Digest::of(b"config"), Digest::of(b"index"));
    let docker = Docker::new(&container(&image, "r.example:5000/ma:1")).repositories(&format!(
        r#"{{"Repositories":{{"r.example:5000/ma":{{"r.example:5000/ma:1":"{image}","r.example:5000/ma@{index}":"{image}"}},
            "other/ma":{{"other/ma:1":"{image}","other/ma@{image}":"{image}","other/ma:2":"{index}"}}}}}}"#
    ));
    let identity = docker.identify(None).unwrap();
    assert_eq!(identity.image_id, image);
    assert_eq!(identity.reference.as_ref().unwrap().to_string(), "r.example:5000/ma:1");
    assert_eq!(strings(&identity.repositories), ["r.example:5000/ma"]);
    assert_eq!(identity.pulled_by, [index]);
    assert_eq!(identity.names.len(), 4);
}

#[test]
fn started_by_an_id_every_repository_counts() {
    let (image, index) = (Digest::of(b"config"), Digest::of(b"index"));
    let docker = Docker::new(&container(&image, "5da1b668f88e")).repositories(&format!(
        r#"{{"Repositories":{{"busybox":{{"busybox:1":"{image}","busybox@{index}":"{image}"}},
            "built":{{"built:1":"{image}"}},"r.example/b":{{"r.example/b@{index}":"{image}"}}}}}}"#
    ));
    let identity = docker.identify(None).unwrap();
    assert_eq!(identity.reference, None);
    assert_eq!(strings(&identity.repositories), ["docker.io/library/busybox", "r.example/b"]);
}

#[test]
fn an_image_that_was_built_here_has_no_registry_to_ask() {
    let image = Digest::of(b"config");
    let docker = Docker::new(&container(&image, "built:1"))
        .repositories(&format!(r#"{{"Repositories":{{"built":{{"built:1":"{image}"}}}}}}"#));
    let identity = docker.identify(None).unwrap();
    assert_eq!(identity.reference.unwrap().to_string(), "docker.io/library/built:1");
    assert!(identity.repositories.is_empty());
}

#[test]
fn an_image_that_was_removed_is_not_identified() {
    let image = Digest::of(b"config");
    let gone = Docker::new(&container(&image, "r.example/ma:1")).identify(None);
    assert!(matches!(gone, Err(Unidentified::ImageGone { .. })), "{gone:?}");
}

#[test]
fn the_containerd_store_knows_index_and_manifest() {
    let blobs = Blobs::new();
    let config = blobs.config("a", "layer");
    let manifest = blobs.manifest(&config, "");
    let index = blobs.index(&[&manifest]);
    let text = |manifest: &Digest| {
        format!(
            r#"{{"ID":"{ID}","Image":"{index}","Driver":"overlayfs","Config":{{"Image":"r.example/ma:1"}},
                "ImageManifest":{{"mediaType":"x","digest":"{manifest}","size":5}}}}"#
        )
    };
    let mut docker = Docker::new(&text(&manifest));
    docker.root_path = docker.data().join("rootfs/overlayfs").join(ID);
    let identity = docker.identify(Some(&blobs)).unwrap();
    assert_eq!((&identity.image_id, &identity.manifests), (&config, &vec![manifest]));
    assert_eq!(identity.indexes, std::slice::from_ref(&index));
    assert_eq!(strings(&identity.repositories), ["r.example/ma"]);
    let foreign = Docker::new(&text(&Digest::of(b"not in the index"))).identify(Some(&blobs));
    assert!(matches!(foreign, Err(Unidentified::ImageGone { .. })), "{foreign:?}");
}

#[test]
fn in_the_containerd_store_an_id_has_the_names_of_its_target() {
    let blobs = Blobs::new();
    let manifest = blobs.manifest(&blobs.config("a", "layer"), "");
    let mut docker = Docker::new(&format!(
        r#"{{"ID":"{ID}","Image":"{manifest}","Config":{{"Image":"{manifest}"}},"ImageManifest":{{"digest":"{manifest}"}}}}"#
    ));
    let gone = docker.identify(Some(&blobs));
    assert!(matches!(gone, Err(Unidentified::ImageGone { .. })), "{gone:?}");
    let named = |name: &str, target: &Digest| ContainerdImage {
        name: name.to_owned(),
        target: target.clone(),
        updated: None,
    };
    docker.names =
        vec![named("r.example/ma:1", &manifest), named("x.example/b:1", &Digest::of(b"b"))];
    let identity = docker.identify(Some(&blobs)).unwrap();
    assert_eq!(strings(&identity.repositories), ["r.example/ma"]);
}

#[test]
fn a_record_that_others_can_write_does_not_count() {
    use std::os::unix::fs::PermissionsExt;
    let docker = Docker::new(&container(&Digest::of(b"config"), "r.example/ma:1"));
    let record = docker.data().join("containers").join(ID);
    fs::set_permissions(&record, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(docker.identify(None), Err(Unidentified::NoDockerRecord { .. })));
}

#[test]
fn short_names_are_docker_hub_s() {
    let table = [
        ("busybox", Some("docker.io/library/busybox")),
        ("busybox:1", Some("docker.io/library/busybox:1")),
        ("team/tool:1", Some("docker.io/team/tool:1")),
        ("docker.io/busybox:1", Some("docker.io/library/busybox:1")),
        ("r.example/x:1", Some("r.example/x:1")),
        ("localhost:5000/x", Some("localhost:5000/x")),
        ("5da1b668f88e", None),
        ("", None),
    ];
    for (text, full) in table {
        assert_eq!(full_reference(text).map(|r| r.to_string()).as_deref(), full, "{text}");
    }
}
