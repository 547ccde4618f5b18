//! containerd's content store: blobs as files, named by their digest.
//!
//! Source: containerd `plugins/content/local/store.go` (`blobs/sha256/<hex>`). Every blob is hashed here before a
//! word of it is believed, so it does not matter who else could write the file. Whether a digest is an index or a
//! manifest is told by what it holds.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::oci::{Descriptor, Digest, Document};
use crate::{files, limits};

/// The blobs of one containerd.
#[derive(Debug, Clone)]
pub struct ContentStore {
    blobs: PathBuf,
}

/// One platform's image, as an index or a bare manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformImage {
    /// The index it is listed in, if it was found through one.
    pub index: Option<Digest>,
    /// Its manifest.
    pub manifest: Digest,
    /// Its configuration: the image id.
    pub config: Digest,
    /// The processor it is for, in Go's word, where an index says so.
    pub architecture: Option<String>,
}

impl ContentStore {
    /// The store below containerd's root directory, for example `/var/lib/containerd`.
    pub fn below(root: &Path) -> Self {
        ContentStore { blobs: root.join("io.containerd.content.v1.content/blobs/sha256") }
    }

    /// The blob's bytes, if it is there and is what its name says.
    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = files::read_beneath(&self.blobs, digest.hex(), limits::MANIFEST_BYTES).ok()?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    fn document(&self, digest: &Digest) -> Option<Document> {
        Document::parse(&self.blob(digest)?).ok()
    }

    /// The images of all platforms that a digest leads to and whose manifests are here.
    pub fn platform_images(&self, target: &Digest) -> Vec<PlatformImage> {
        match self.document(target) {
            Some(Document::Manifest(manifest)) => vec![PlatformImage {
                index: None,
                manifest: target.clone(),
                config: manifest.config.digest,
                architecture: None,
            }],
            Some(Document::Index(index)) => {
                let children = index.manifests.into_iter().take(limits::INDEX_CHILDREN);
                children.filter_map(|child| self.child_image(target, child)).collect()
            }
            None => Vec::new(),
        }
    }

    /// The image of one platform; `None` if its manifest is not here.
    fn child_image(&self, index: &Digest, child: Descriptor) -> Option<PlatformImage> {
        match self.document(&child.digest)? {
            Document::Manifest(manifest) => Some(PlatformImage {
                index: Some(index.clone()),
                manifest: child.digest,
                config: manifest.config.digest,
                architecture: child.platform.map(|platform| platform.architecture),
            }),
            Document::Index(_) => None,
        }
    }

    /// When a blob was committed, in nanoseconds since 1970: containerd writes that down as the file's time, once
    /// (`plugins/content/local/writer.go`).
    pub fn committed(&self, digest: &Digest) -> Option<i64> {
        let metadata = std::fs::symlink_metadata(self.blobs.join(digest.hex())).ok()?;
        metadata.mtime().checked_mul(1_000_000_000)?.checked_add(metadata.mtime_nsec())
    }

    /// The chain id of an image's layers, by which containerd names the snapshot of its unpacked file system.
    pub fn chain_id(&self, config: &Digest) -> Option<Digest> {
        #[derive(Deserialize)]
        struct Config {
            rootfs: Rootfs,
        }
        #[derive(Deserialize)]
        struct Rootfs {
            diff_ids: Vec<Digest>,
        }
        let config: Config = serde_json::from_slice(&self.blob(config)?).ok()?;
        chain_id(&config.rootfs.diff_ids)
    }
}

/// OCI image specification, `config.md`, "Layer ChainID".
fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    let both = |chain: Digest, diff| Digest::of(format!("{chain} {diff}").as_bytes());
    Some(rest.iter().fold(first.clone(), both))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A content store to be filled.
    pub struct Blobs {
        /// containerd's root directory.
        pub root: tempfile::TempDir,
    }

    impl Blobs {
        pub fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(
                root.path().join("io.containerd.content.v1.content/blobs/sha256"),
            )
            .unwrap();
            Blobs { root }
        }

        pub fn store(&self) -> ContentStore {
            ContentStore::below(self.root.path())
        }

        pub fn add(&self, text: &str) -> Digest {
            let digest = Digest::of(text.as_bytes());
            std::fs::write(self.store().blobs.join(digest.hex()), text).unwrap();
            digest
        }

        /// An image of one layer; different labels are different images.
        pub fn config(&self, label: &str, layer: &str) -> Digest {
            let diff = Digest::of(layer.as_bytes());
            self.add(&format!(
                r#"{{"config":{{"Labels":{{"l":"{label}"}}}},"rootfs":{{"type":"layers","diff_ids":["{diff}"]}}}}"#
            ))
        }

        pub fn manifest(&self, config: &Digest, note: &str) -> Digest {
            self.add(&format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[],"annotations":{{"x":"{note}"}}}}"#
            ))
        }

        pub fn index(&self, children: &[&Digest]) -> Digest {
            let children: Vec<String> = children
                .iter()
                .map(|digest| {
                    format!(
                        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2}}"#
                    )
                })
                .collect();
            self.add(&format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(",")))
        }
    }

    #[test]
    fn an_index_leads_to_the_platforms_that_are_here() {
        let blobs = Blobs::new();
        let config = blobs.config("a", "layer");
        let manifest = blobs.manifest(&config, "");
        let index = blobs.index(&[&Digest::of(b"another platform"), &manifest]);
        let image = |index| PlatformImage {
            index,
            manifest: manifest.clone(),
            config: config.clone(),
            architecture: None,
        };
        assert_eq!(blobs.store().platform_images(&index), [image(Some(index.clone()))]);
        assert_eq!(blobs.store().platform_images(&manifest), [image(None)]);
        assert!(blobs.store().platform_images(&Digest::of(b"missing")).is_empty());
    }

    #[test]
    fn a_blob_that_is_not_what_its_name_says_is_absent() {
        let blobs = Blobs::new();
        let manifest = blobs.manifest(&blobs.config("a", "layer"), "");
        std::fs::write(blobs.store().blobs.join(manifest.hex()), "{}").unwrap();
        assert!(blobs.store().platform_images(&manifest).is_empty());
    }

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        let diff = |text: &str| Digest::of(text.as_bytes());
        assert_eq!(chain_id(&[diff("a")]), Some(diff("a")));
        let two = Digest::of(format!("{} {}", diff("a"), diff("b")).as_bytes());
        assert_eq!(chain_id(&[diff("a"), diff("b")]), Some(two.clone()));
        let three = Digest::of(format!("{two} {}", diff("c")).as_bytes());
        assert_eq!(chain_id(&[diff("a"), diff("b"), diff("c")]), Some(three));
        assert_eq!(chain_id(&[]), None);
    }
}
