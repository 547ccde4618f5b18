//! A node of any size: containers/storage with so many images and containers, as podman leaves them, and imgcompat's own
//! files below a directory of their own.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use imgcompat::oci::Digest;

/// How large a node is.
#[derive(Clone, Copy)]
pub struct Size {
    /// Images in the store.
    pub images: usize,
    /// Containers in the store; each `images`-th is made from the same image.
    pub containers: usize,
}

/// Small.
pub const SMALL: Size = Size { images: 10, containers: 10 };

/// A node.
pub struct Store {
    /// Where it is.
    pub path: PathBuf,
    authority: String,
    size: Size,
}

impl Store {
    /// Makes it below `path`; its images come from `authority`.
    pub fn make(path: &Path, authority: &str, size: Size) -> Self {
        let store = Store { path: path.to_owned(), authority: authority.to_owned(), size };
        let images: Vec<String> = (0..size.images).map(|n| store.image(n)).collect();
        let containers: Vec<String> = (0..size.containers).map(|n| store.container(n)).collect();
        fs::create_dir_all(store.storage("overlay-containers")).expect("the store");
        fs::write(store.storage("overlay-images/images.json"), list(&images)).expect("images.json");
        let records = store.storage("overlay-containers/containers.json");
        fs::write(records, list(&containers)).expect("containers.json");
        store.write("etc/imgcompat/config.toml", "mode = 'enforce'\n[cache]\nartifact = '1h'\n");
        store
    }

    fn storage(&self, name: &str) -> PathBuf {
        self.path.join("storage").join(name)
    }

    /// The prefix of imgcompat's own files.
    pub fn root(&self) -> PathBuf {
        self.path.join("node")
    }

    /// Writes one of imgcompat's own files.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Forgets everything that was kept.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(self.root().join("var/cache"));
        fs::create_dir_all(self.root().join("var/cache")).expect("a directory");
    }

    fn image_id(number: usize) -> Digest {
        Digest::of(format!("image {number}").as_bytes())
    }

    fn name(&self, number: usize) -> String {
        format!("{}/image{number}:1", self.authority)
    }

    fn documents(number: usize) -> [String; 2] {
        let config = Self::image_id(number);
        let manifest = serde_json::json!({"schemaVersion": 2, "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}, "layers": []})
        .to_string();
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": Digest::of(manifest.as_bytes()), "size": manifest.len()}]})
        .to_string();
        [index, manifest]
    }

    /// An image's platform manifest.
    pub fn manifest_text(number: usize) -> String {
        let [_, manifest] = Self::documents(number);
        manifest
    }

    /// Its digest.
    pub fn manifest(number: usize) -> Digest {
        Digest::of(Self::manifest_text(number).as_bytes())
    }

    /// A record as large as real ones: 1.2 KiB.
    fn image(&self, number: usize) -> String {
        let id = Self::image_id(number);
        let directory = self.storage("overlay-images").join(id.hex());
        let documents = Self::documents(number);
        let keys =
            documents.each_ref().map(|text| format!("manifest-{}", Digest::of(text.as_bytes())));
        if number < 200 {
            fs::create_dir_all(&directory).expect("an image's directory");
            for (key, text) in keys.iter().zip(&documents) {
                let name = base64::engine::general_purpose::STANDARD.encode(key);
                fs::write(directory.join(format!("={name}")), text).expect("a manifest");
            }
        } else {
            fs::create_dir_all(self.storage("overlay-images")).expect("a directory");
        }
        record(
            id.hex(),
            &serde_json::json!({
                "digest": Digest::of(documents[1].as_bytes()), "names": [self.name(number)],
                "names-history": [self.name(number)], "layer": Digest::of(b"layer").hex(), "metadata": "{}",
                "big-data-names": [format!("sha256:{}", id.hex()), keys[0], keys[1], "manifest"],
                "big-data-sizes": {&keys[0]: 1234, &keys[1]: 1234, "manifest": 1234},
                "big-data-digests": {&keys[0]: Digest::of(documents[0].as_bytes()), &keys[1]: Digest::of(documents[1].as_bytes())},
                "created": "2026-01-01T00:00:00Z",
            }),
        )
    }

    /// A container's id.
    pub fn container_id(number: usize) -> String {
        Digest::of(format!("container {number}").as_bytes()).hex().to_owned()
    }

    /// A container's bundle.
    pub fn bundle(&self, number: usize) -> PathBuf {
        self.storage(&format!("overlay-containers/{}/userdata", Self::container_id(number)))
    }

    /// A container's root file system.
    pub fn rootfs(&self, number: usize) -> PathBuf {
        self.storage(&format!("overlay/layer{number}/merged"))
    }

    fn container(&self, number: usize) -> String {
        let image = number % self.size.images;
        let id = Self::image_id(image);
        let bundle = self.bundle(number);
        if number < 1000 || number + 1 == self.size.containers {
            fs::create_dir_all(&bundle).expect("a bundle");
            let config = serde_json::json!({
                "ociVersion": "1.0.2", "root": {"path": self.rootfs(number)}, "process": {"terminal": false,
                "env": vec!["SOME_VARIABLE=with a value of some length"; 20]},
                "mounts": vec![serde_json::json!({"destination": "/some/place", "type": "bind", "source": "/some/other/place", "options": ["rbind", "ro"]}); 15],
            });
            fs::write(bundle.join("config.json"), config.to_string()).expect("config.json");
            fs::write(self.state(number), serde_json::json!({
                "ociVersion": "1.0.2", "id": Self::container_id(number), "pid": 7, "status": "created", "bundle": bundle,
            }).to_string()).expect("a state");
        }
        let metadata = serde_json::json!({"image-name": self.name(image), "image-id": id.hex(), "name": format!("c{number}"), "created-at": 1_700_000_000});
        record(
            &Self::container_id(number),
            &serde_json::json!({
                "names": [format!("c{number}")], "image": id.hex(),
                "layer": format!("layer{number}"), "metadata": metadata.to_string(), "created": "2026-01-01T00:00:00Z",
                "flags": {"MountLabel": "", "ProcessLabel": ""},
            }),
        )
    }

    /// A file with the state that a runtime sends for a container.
    pub fn state(&self, number: usize) -> PathBuf {
        self.path.join(format!("state{number}.json"))
    }
}

/// A record with its id first, as the engines' encoder writes it.
fn record(id: &str, rest: &serde_json::Value) -> String {
    let rest = rest.to_string();
    format!("{{\"id\":\"{id}\",{}", rest.trim_start_matches('{'))
}

fn list(records: &[String]) -> String {
    format!("[{}]", records.join(","))
}
