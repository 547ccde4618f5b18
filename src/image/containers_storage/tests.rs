//! A store on disk, as podman and CRI-O leave it, and what is made of it.

use std::fs;

use super::*;

const ID: &str = "6fc48265a16cc408ba37f90ad216145636d9a192749a8e0c7dc52bbf18c2a8b4";

/// A store with one image (two manifests and an index) and one container.
struct Lab {
    dir: tempfile::TempDir,
    image: Digest,
    manifest: Digest,
    index: Digest,
}

fn manifest(config: &Digest, extra: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[],"annotations":{{"x":"{extra}"}}}}"#
    )
}

fn index(children: &[&Digest]) -> String {
    let children: Vec<String> = children
        .iter()
        .map(|digest| {
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2}}"#
            )
        })
        .collect();
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","))
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = Digest::of(b"config");
        let manifest_text = manifest(&image, "pulled");
        let manifest_digest = Digest::of(manifest_text.as_bytes());
        let index_text = index(&[&manifest_digest]);
        let lab =
            Lab { image, manifest: manifest_digest, index: Digest::of(index_text.as_bytes()), dir };
        let data = lab.path("overlay-images").join(lab.image.hex());
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(lab.path(&format!("overlay-containers/{ID}/userdata"))).unwrap();
        let foreign = manifest(&Digest::of(b"other"), "");
        for text in [&manifest_text, &index_text, &foreign] {
            let key = format!("manifest-{}", Digest::of(text.as_bytes()));
            lab.store_big_data(&key, text);
        }
        lab.store_big_data("manifest", &manifest_text);
        let keys = [&lab.index, &lab.manifest, &Digest::of(foreign.as_bytes())]
            .map(|digest| format!(r#""manifest-{digest}""#));
        lab.write_images(&format!(
            r#"[{{"id":"{}","names":["reg.example/ma:1"],"names-history":["old.example/ma:1","localhost/l:1"],
                 "big-data-names":["{}",{},"manifest"]}}]"#,
            lab.image.hex(),
            lab.image,
            keys.join(",")
        ));
        lab.write_container("containers.json", "layer1", "reg.example/ma:1", "");
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store_big_data(&self, key: &str, text: &str) {
        use base64::Engine as _;
        let name = match key {
            "manifest" => key.to_owned(),
            _ => format!("={}", base64::engine::general_purpose::STANDARD.encode(key)),
        };
        fs::write(self.path("overlay-images").join(self.image.hex()).join(name), text).unwrap();
    }

    fn write_images(&self, text: &str) {
        fs::write(self.path("overlay-images/images.json"), text).unwrap();
    }

    fn write_container(&self, file: &str, layer: &str, name: &str, more: &str) {
        let metadata =
            format!(r#"{{"image-name":"{name}","image-id":"{}"{more}}}"#, self.image.hex());
        let record = serde_json::json!([{
            "id": ID, "image": self.image.hex(), "layer": layer, "metadata": metadata,
        }]);
        for old in ["containers.json", "volatile-containers.json"] {
            let _ = fs::remove_file(self.path("overlay-containers").join(old));
        }
        fs::write(self.path("overlay-containers").join(file), record.to_string()).unwrap();
    }

    fn start(&self) -> ContainerStart {
        ContainerStart {
            id: ID.to_owned(),
            bundle: self.path(&format!("overlay-containers/{ID}/userdata")),
            root_path: Some(self.path("overlay/layer1/merged")),
            terminal: false,
            typed_image: None,
        }
    }

    fn identity(&self) -> ImageIdentity {
        match identify(&self.start(), &Memory::default(), &mut KnownAs::default()).unwrap() {
            Identification::Image(identity) => *identity,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_pulled_image_is_known_by_manifest_index_and_repository() {
    let lab = Lab::new();
    let identity = lab.identity();
    assert_eq!(identity.engine, Engine::Podman);
    assert_eq!(identity.image_id, lab.image);
    assert_eq!(identity.manifests, std::slice::from_ref(&lab.manifest));
    assert_eq!(identity.indexes, std::slice::from_ref(&lab.index));
    assert_eq!(identity.display_name(), "reg.example/ma:1");
    assert_eq!(identity.repositories.len(), 1);
    assert_eq!(identity.subjects(), [lab.manifest.clone(), lab.index.clone()]);
}

#[test]
fn a_name_that_the_image_never_had_does_not_count() {
    let lab = Lab::new();
    lab.write_container("containers.json", "layer1", "evil.example/lax:1", "");
    let identity = lab.identity();
    assert_eq!(identity.reference, None);
    let repositories: Vec<String> = identity.repositories.iter().map(|r| r.to_string()).collect();
    assert_eq!(repositories, ["reg.example/ma", "old.example/ma"]);
}

#[test]
fn a_tag_beside_a_digest_counts_only_if_the_image_has_it() {
    let lab = Lab::new();
    for (tag, counts) in [("1", true), ("allowed", false)] {
        let typed = format!("reg.example/ma:{tag}@{}", lab.manifest);
        lab.write_container("containers.json", "layer1", &typed, "");
        let expected = match counts {
            true => typed,
            false => format!("reg.example/ma@{}", lab.manifest),
        };
        assert_eq!(lab.identity().policy_names(), [expected]);
    }
}

#[test]
fn a_local_tag_does_not_hide_where_the_image_came_from() {
    let lab = Lab::new();
    lab.write_container("containers.json", "layer1", "localhost/l:1", "");
    let identity = lab.identity();
    assert_eq!(identity.display_name(), "localhost/l:1");
    assert_eq!(identity.repositories.len(), 2);
}

#[test]
fn a_manifest_that_is_not_what_its_name_says_does_not_count() {
    let lab = Lab::new();
    lab.store_big_data(&format!("manifest-{}", lab.index), &manifest(&lab.image, "forged"));
    assert_eq!(lab.identity().indexes, []);
}

#[test]
fn crio_bundles_lie_elsewhere_and_sandboxes_are_not_judged() {
    let lab = Lab::new();
    lab.write_container(
        "volatile-containers.json",
        "layer1",
        "reg.example/ma:1",
        r#","pod-id":"p""#,
    );
    let run = tempfile::tempdir().unwrap();
    let mut start = lab.start();
    start.bundle = run.path().join(format!("overlay-containers/{ID}/userdata"));
    match identify(&start, &Memory::default(), &mut KnownAs::default()).unwrap() {
        Identification::Image(identity) => assert_eq!(identity.engine, Engine::Crio),
        other => panic!("{other:?}"),
    }
    lab.write_container("containers.json", "layer1", "pause", r#","pod-id":"p","pod":true"#);
    assert_eq!(
        identify(&start, &Memory::default(), &mut KnownAs::default()).unwrap(),
        Identification::NotJudged(NotJudged::Sandbox)
    );
}

#[test]
fn records_must_belong_to_the_container_and_its_root() {
    let lab = Lab::new();
    let mut start = lab.start();
    start.id = "other".to_owned();
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::ForeignBundle { .. })
    ));
    let mut start = lab.start();
    start.root_path = Some(lab.path("overlay/layer2/merged"));
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::ForeignRoot { .. })
    ));
    let mut start = lab.start();
    start.bundle = PathBuf::from("/tmp/bundle");
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::UnknownBundle(_))
    ));
    lab.write_images("[]");
    assert!(matches!(
        identify(&lab.start(), &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::NoImageRecord { .. })
    ));
    lab.write_images("[{");
    assert!(identify(&lab.start(), &Memory::default(), &mut KnownAs::default()).is_err());
}

#[test]
fn an_intermediate_mount_point_is_bound_by_the_id_alone() {
    let lab = Lab::new();
    let mut start = lab.start();
    start.root_path = Some(PathBuf::from("/var/tmp/intermediate-mountpoint-1000.1"));
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Ok(Identification::Image(_))
    ));
}

#[test]
fn containers_from_a_directory_are_known_by_their_record_and_without_one_nothing_is() {
    let lab = Lab::new();
    let mut start = lab.start();
    start.root_path = Some(PathBuf::from("/srv/rootfs"));
    let metadata = r#"{"image-name":"","image-id":"","name":"c"}"#;
    let record =
        serde_json::json!([{"id": ID, "image": "", "layer": "layer9", "metadata": metadata}]);
    fs::write(lab.path("overlay-containers/containers.json"), record.to_string()).unwrap();
    assert_eq!(
        identify(&start, &Memory::default(), &mut KnownAs::default()).unwrap(),
        Identification::NotJudged(NotJudged::Rootfs)
    );
    assert_eq!(engine_of(&start), Some(Engine::Podman));
    // Nor does such a record speak for a layer of a store.
    assert!(matches!(
        identify(&lab.start(), &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::ForeignRoot { .. })
    ));
    fs::write(lab.path("overlay-containers/containers.json"), "[]").unwrap();
    for start in [start, lab.start()] {
        assert!(matches!(
            identify(&start, &Memory::default(), &mut KnownAs::default()),
            Err(Unidentified::NoContainerRecord { .. })
        ));
        assert_eq!(engine_of(&start), None);
    }
}

#[test]
fn build_steps_are_recognised_by_where_they_run() {
    let lab = Lab::new();
    let mut start = lab.start();
    start.bundle = PathBuf::from("/var/tmp/buildah123");
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::UnknownBundle(_))
    ));
    start.id = "buildah-buildah123".to_owned();
    for root in [lab.path("overlay/layer1/merged"), PathBuf::from("/var/tmp/buildah123/mnt/rootfs")]
    {
        start.root_path = Some(root);
        assert_eq!(
            identify(&start, &Memory::default(), &mut KnownAs::default()).unwrap(),
            Identification::NotJudged(NotJudged::Build)
        );
        assert_eq!(engine_of(&start), Some(Engine::Buildah));
    }
    start.root_path = Some(PathBuf::from("/var/tmp/buildah124/mnt/rootfs"));
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::UnknownBundle(_))
    ));
    start.root_path = Some(lab.path("overlay/layer1/merged"));
    start.id = "buildah-buildah124".to_owned();
    assert!(matches!(
        identify(&start, &Memory::default(), &mut KnownAs::default()),
        Err(Unidentified::UnknownBundle(_))
    ));
}

#[test]
fn podman_names_its_containers_and_cri_o_their_pods_too() {
    let lab = Lab::new();
    let known_as = |metadata: &str| {
        lab.write_container("containers.json", "layer1", "reg.example/ma:1", metadata);
        let mut known_as = KnownAs::default();
        let _ = identify(&lab.start(), &Memory::default(), &mut known_as);
        known_as
    };
    assert_eq!(known_as(r#","name":"web""#), KnownAs::container("web"));
    // CRI-O alone writes a pod's id; what podman's record says about pods counts for nothing.
    let pod = r#""name":"k8s_c_p_shop_u_0","metadata-name":"c","pod-name":"k8s_p_shop_u_0""#;
    assert_eq!(known_as(&format!(",{pod}")), KnownAs::container("k8s_c_p_shop_u_0"));
    let in_shop = KnownAs::in_pod("c", Pod { name: "p", namespace: "shop" });
    assert_eq!(known_as(&format!(r#",{pod},"pod-id":"sand""#)), in_shop);
}
