//! containerd's answers and content store, and what is made of them.

use super::super::content_store::tests::Blobs;
use super::*;
use crate::worker::protocol::{ContainerdImage, ContainerdPod};

/// Answers as told; keeps the question.
struct Fake(ContainerdAnswer);

impl Containerd for Fake {
    fn container(
        &self,
        _: &ContainerdRequest,
        _: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError> {
        Ok(self.0.clone())
    }
}

/// A node with a bundle and a content store.
struct Node {
    blobs: Blobs,
    state: tempfile::TempDir,
    namespace: &'static str,
}

impl Node {
    fn new(namespace: &'static str) -> Self {
        let node = Node { blobs: Blobs::new(), state: tempfile::tempdir().unwrap(), namespace };
        let tail = format!("io.containerd.runtime.v2.task/{namespace}/c1");
        std::fs::create_dir_all(node.state.path().join(&tail)).unwrap();
        let work = node.blobs.root.path().join(&tail);
        std::os::unix::fs::symlink(work, node.bundle().join("work")).unwrap();
        node
    }

    fn bundle(&self) -> PathBuf {
        self.state.path().join(format!("io.containerd.runtime.v2.task/{}/c1", self.namespace))
    }

    fn identify(
        &self,
        record: ContainerdContainer,
        typed: Option<&str>,
    ) -> Result<Identification, Unidentified> {
        let start = ContainerStart {
            id: "c1".to_owned(),
            bundle: self.bundle(),
            root_path: Some(self.bundle().join("rootfs")),
            terminal: false,
            typed_image: typed.map(str::to_owned),
        };
        let task = place::task(&start.bundle).unwrap();
        let answer = ContainerdAnswer::Container(Box::new(record));
        let deadline = Deadline::after(std::time::Duration::from_secs(5));
        identify(&start, &task, &Fake(answer), &deadline, &mut KnownAs::default())
    }

    fn known_as(&self, record: ContainerdContainer) -> KnownAs {
        let start = ContainerStart {
            id: "c1".to_owned(),
            bundle: self.bundle(),
            root_path: None,
            terminal: false,
            typed_image: None,
        };
        let task = place::task(&start.bundle).unwrap();
        let answer = Fake(ContainerdAnswer::Container(Box::new(record)));
        let mut known_as = KnownAs::default();
        let deadline = Deadline::after(std::time::Duration::from_secs(5));
        let _ = identify(&start, &task, &answer, &deadline, &mut known_as);
        known_as
    }

    fn image(&self, record: ContainerdContainer, typed: Option<&str>) -> ImageIdentity {
        match self.identify(record, typed).unwrap() {
            Identification::Image(identity) => *identity,
            other => panic!("{other:?}"),
        }
    }
}

fn named(name: &str, target: &Digest) -> ContainerdImage {
    ContainerdImage { name: name.to_owned(), target: target.clone(), updated: None }
}

fn cri(image: &str, image_ref: &Digest, images: Vec<ContainerdImage>) -> ContainerdContainer {
    ContainerdContainer {
        image: image.to_owned(),
        kind: Some("container".to_owned()),
        image_ref: Some(image_ref.to_string()),
        images,
        ..ContainerdContainer::default()
    }
}

fn strings(repositories: &[crate::oci::Repository]) -> Vec<String> {
    repositories.iter().map(ToString::to_string).collect()
}

#[test]
fn cri_names_the_image_by_its_id() {
    let node = Node::new("k8s.io");
    let config = node.blobs.config("a", "layer");
    let manifest = node.blobs.manifest(&config, "");
    let index = node.blobs.index(&[&manifest]);
    let other = node.blobs.manifest(&node.blobs.config("b", "layer"), "");
    let images = vec![
        named("r.example/a:1", &index),
        named(&format!("r.example/a@{index}"), &index),
        named(config.as_str(), &index),
        named("r.example/b:1", &other),
    ];
    let spoofed = format!("r.example/a:allowed@{index}");
    let by_digest = node.image(cri("r.example/a:1", &config, images.clone()), Some(&spoofed));
    assert_eq!(by_digest.policy_names(), [format!("r.example/a@{index}")]);
    let identity = node.image(cri("r.example/a:1", &config, images), Some("r.example/a:1"));
    assert_eq!(identity.image_id, config);
    assert_eq!(identity.manifests, [manifest]);
    assert_eq!(identity.indexes, [index]);
    assert_eq!(strings(&identity.repositories), ["r.example/a"]);
    assert!(!identity.names.iter().any(|name| name.starts_with("sha256:")));
}

#[test]
fn of_two_repositories_both_count_unless_the_one_asked_for_is_known() {
    let node = Node::new("k8s.io");
    let config = node.blobs.config("a", "layer");
    let (one, two) = (node.blobs.manifest(&config, "1"), node.blobs.manifest(&config, "2"));
    let images = || vec![named("a.example/x:1", &one), named("b.example/x:1", &two)];
    let record = || cri("a.example/x:1", &config, images());
    // containerd before 2.0 writes the record's own name into the annotation, which may be another repository's.
    let unknown = node.image(record(), Some("a.example/x:1"));
    assert_eq!(strings(&unknown.repositories), ["a.example/x", "b.example/x"]);
    assert_eq!(unknown.reference, None);
    let typed = node.image(record(), Some("b.example/x:1"));
    assert_eq!(strings(&typed.repositories), ["b.example/x"]);
    assert_eq!(typed.manifests.first(), Some(&two));
    let lie = node.image(record(), Some("c.example/x:1"));
    assert_eq!(strings(&lie.repositories), ["a.example/x", "b.example/x"]);
}

#[test]
fn an_image_whose_records_are_gone_is_not_identified() {
    let node = Node::new("k8s.io");
    let config = node.blobs.config("a", "layer");
    let other = node.blobs.manifest(&node.blobs.config("b", "layer"), "");
    let record = cri("r.example/a:1", &config, vec![named("r.example/a:1", &other)]);
    let moved = node.identify(record, Some("r.example/a:1"));
    assert!(matches!(moved, Err(Unidentified::ImageGone { .. })), "{moved:?}");
}

#[test]
fn a_sandbox_is_one_by_cri_s_own_label_only() {
    let sandbox = || ContainerdContainer {
        image: "pause".to_owned(),
        kind: Some("sandbox".to_owned()),
        ..ContainerdContainer::default()
    };
    let judged = Node::new("k8s.io").identify(sandbox(), None).unwrap();
    assert_eq!(judged, Identification::NotJudged(NotJudged::Sandbox));
    assert!(Node::new("default").identify(sandbox(), None).is_err());
}

#[test]
fn outside_cri_the_name_counts_while_it_leads_to_the_container_s_layers() {
    let node = Node::new("default");
    let config = node.blobs.config("a", "layer");
    let foreign = node.blobs.manifest(&node.blobs.config("b", "other platform"), "");
    let manifest = node.blobs.manifest(&config, "");
    let index = node.blobs.index(&[&foreign, &manifest]);
    let record = |images, parent: &str| ContainerdContainer {
        image: "r.example/a:1".to_owned(),
        snapshot_parent: Some(Digest::of(parent.as_bytes())),
        images,
        ..ContainerdContainer::default()
    };
    let fits = node.image(record(vec![named("r.example/a:1", &index)], "layer"), None);
    assert_eq!(
        (&fits.image_id, fits.manifests.as_slice()),
        (&config, [manifest.clone()].as_slice())
    );
    assert_eq!(fits.reference.unwrap().to_string(), "r.example/a:1");

    let newer = node.blobs.manifest(&node.blobs.config("c", "newer"), "");
    let moved = vec![named("r.example/a:1", &newer), named("r.example/a:old", &manifest)];
    let old = node.image(record(moved, "layer"), None);
    assert_eq!(old.image_id, config);

    let gone = node.identify(record(vec![named("r.example/a:1", &newer)], "layer"), None);
    assert!(matches!(gone, Err(Unidentified::ImageGone { .. })), "{gone:?}");

    let twin = node.blobs.manifest(&node.blobs.config("twin", "layer"), "");
    let twins = vec![named("x.example/a:1", &manifest), named("y.example/a:1", &twin)];
    let ambiguous = node.identify(record(twins, "layer"), None);
    assert!(matches!(ambiguous, Err(Unidentified::Ambiguous { count: 2, .. })), "{ambiguous:?}");
}

#[test]
fn a_name_that_was_written_later_counts_only_for_what_was_here_before() {
    let node = Node::new("default");
    let config = node.blobs.config("a", "layer");
    let manifest = node.blobs.manifest(&config, "");
    let committed = node.blobs.store().committed(&manifest).unwrap();
    let record = |created: i64, updated: i64| ContainerdContainer {
        image: "r.example/a:1".to_owned(),
        snapshot_parent: Some(Digest::of(b"layer")),
        created: Some(created),
        images: vec![ContainerdImage {
            updated: Some(updated),
            ..named("r.example/a:1", &manifest)
        }],
        ..ContainerdContainer::default()
    };
    // Not written since; pulled again since, and the same; pulled for the first time since, with the same layers.
    for (created, updated) in [(committed + 20, committed + 10), (committed + 10, committed + 20)] {
        assert_eq!(node.image(record(created, updated), None).image_id, config);
    }
    let moved = node.identify(record(committed - 10, committed + 10), None);
    assert!(matches!(moved, Err(Unidentified::ImageGone { .. })), "{moved:?}");
}

#[test]
fn a_container_without_an_image_is_made_from_a_directory() {
    let node = Node::new("default");
    let none = node.identify(ContainerdContainer::default(), Some("r.example/a:1")).unwrap();
    assert_eq!(none, Identification::NotJudged(NotJudged::Rootfs));
}

#[test]
fn a_pod_is_known_in_cri_alone() {
    let record = || ContainerdContainer {
        name: "web".to_owned(),
        pod: ContainerdPod { name: "web-0".to_owned(), namespace: "shop".to_owned() },
        ..ContainerdContainer::default()
    };
    // Even where the image cannot be established.
    let in_shop = KnownAs::in_pod("web", Pod { name: "web-0", namespace: "shop" });
    assert_eq!(Node::new("k8s.io").known_as(record()), in_shop);
    assert_eq!(Node::new("default").known_as(record()), KnownAs::container("web"));
}
