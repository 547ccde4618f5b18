//! containers/storage's record files: `containers.json`, `volatile-containers.json`, `images.json`, and the files
//! beside them that hold manifests.
//!
//! Source: container-libs `storage/containers.go`, `storage/images.go`, `storage/store.go`. The files are replaced
//! atomically by their writers, so reading one without a lock gives a consistent snapshot, and taking the lock
//! could make a start wait for an engine. A node may have thousands of records: see `record_search.rs`.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::identity::Unidentified;
use super::record_search::{self, Found};
use crate::{files, limits};

/// One container's record.
#[derive(Debug, Clone, Deserialize)]
pub struct ContainerRecord {
    /// The container's id.
    pub id: String,
    /// The image's id; empty for containers made without one.
    #[serde(default)]
    pub image: String,
    /// The top layer, which is the container's root file system.
    #[serde(default)]
    pub layer: String,
    /// What the engine wrote about the container, as a JSON text.
    #[serde(default)]
    pub metadata: String,
}

/// What podman and CRI-O keep in [`ContainerRecord::metadata`].
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerMetadata {
    /// The image as the user named it.
    #[serde(default, rename = "image-name")]
    pub image_name: String,
    /// The image's id.
    #[serde(default, rename = "image-id")]
    pub image_id: String,
    /// The container's name: podman's as the user knows it, CRI-O's with pod and namespace in it.
    #[serde(default)]
    pub name: String,
    /// CRI-O: the name within the pod.
    #[serde(default, rename = "metadata-name")]
    pub metadata_name: String,
    /// The pod's id; only CRI-O writes one.
    #[serde(default, rename = "pod-id")]
    pub pod_id: String,
    /// CRI-O: the name it made for the pod, with the namespace in it.
    #[serde(default, rename = "pod-name")]
    pub pod_name: String,
    /// True for CRI-O's sandbox (infra) containers.
    #[serde(default)]
    pub pod: bool,
}

/// One image's record.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageRecord {
    /// The image's id: the digest of its configuration, without the algorithm.
    pub id: String,
    /// Names it has now.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// Names it ever had, newest first.
    #[serde(default, rename = "names-history")]
    pub names_history: Option<Vec<String>>,
    /// Keys of the data stored with it, oldest first; the manifests are among them.
    #[serde(default, rename = "big-data-names")]
    pub big_data_names: Option<Vec<String>>,
}

/// The records of one store: `<root>/<driver>-containers` and `<root>/<driver>-images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The store's root, for example `/var/lib/containers/storage`.
    pub root: PathBuf,
    /// The storage driver, for example `overlay`.
    pub driver: String,
}

impl Store {
    /// Where the container records are.
    pub fn containers_dir(&self) -> PathBuf {
        self.root.join(format!("{}-containers", self.driver))
    }

    /// Where the image records are.
    pub fn images_dir(&self) -> PathBuf {
        self.root.join(format!("{}-images", self.driver))
    }

    /// The record of container `id`, from whichever of the two files has it.
    pub fn container(&self, id: &str) -> Result<Option<ContainerRecord>, Unidentified> {
        let dir = self.containers_dir();
        for file in ["containers.json", "volatile-containers.json"] {
            if let Some(record) = find_record(&dir.join(file), id)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The record of image `id`.
    pub fn image(&self, id: &str) -> Result<Option<ImageRecord>, Unidentified> {
        find_record(&self.images_dir().join("images.json"), id)
    }

    /// The bytes stored with image `id` under `key`, for example a manifest.
    pub fn big_data(&self, id: &str, key: &str) -> io::Result<Vec<u8>> {
        let directory = self.images_dir().join(id);
        files::read_beneath(&directory, &big_data_file(key), limits::MANIFEST_BYTES)
    }
}

/// The name of the file for a key (container-libs `storage/store.go`, makeBigDataBaseName).
fn big_data_file(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.';
    if !key.is_empty() && key.bytes().all(plain) {
        return key.to_owned();
    }
    format!("={}", STANDARD.encode(key))
}

/// A record with an id, to be found by it.
trait Record: DeserializeOwned {}
impl Record for ContainerRecord {}
impl Record for ImageRecord {}

/// Finds the record with `id` in a JSON array of records; a missing file has none.
fn find_record<R: Record>(path: &Path, id: &str) -> Result<Option<R>, Unidentified> {
    let unreadable = |source| Unidentified::RecordsUnreadable { path: path.to_owned(), source };
    let (file, metadata) = match files::open_with_metadata(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    match record_search::find(&file, metadata.len(), id).map_err(unreadable)? {
        Found::Record(record) => Ok(Some(record)),
        Found::Nowhere => Ok(None),
        Found::Mentioned => {
            let bytes =
                files::read_open(file, limits::STORAGE_RECORDS_BYTES).map_err(unreadable)?;
            parse_all(&bytes, id)
                .map_err(|source| Unidentified::RecordsMalformed { path: path.to_owned(), source })
        }
    }
}

/// Parses the whole array, for records that were written by another encoder than the engines'.
fn parse_all<R: Record>(bytes: &[u8], id: &str) -> Result<Option<R>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let found = deserializer.deserialize_seq(Finder { id, record: PhantomData })?;
    deserializer.end()?;
    Ok(found)
}

struct Finder<'a, R> {
    id: &'a str,
    record: PhantomData<R>,
}

impl<'de, R: Record> Visitor<'de> for Finder<'_, R> {
    type Value = Option<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(raw) = seq.next_element_seed(RawRecord)? {
            if found.is_none() && raw_id(raw.get()).as_deref() == Some(self.id) {
                found = Some(serde_json::from_str(raw.get()).map_err(de::Error::custom)?);
                break;
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Takes one array element as text, without building it.
struct RawRecord;

impl<'de> DeserializeSeed<'de> for RawRecord {
    type Value = &'de serde_json::value::RawValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        <&serde_json::value::RawValue>::deserialize(deserializer)
    }
}

fn raw_id(record: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_str::<Id>(record).ok().map(|r| r.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_record_is_found_among_others() {
        let text = br#"[{"id":"a","image":"x","extra":{"id":"b"}},
                        {"image":"y","layer":"l","id":"b","metadata":"{}"},{"id":"c"}]"#;
        let record: ContainerRecord = parse_all(text, "b").unwrap().unwrap();
        assert_eq!((record.image.as_str(), record.layer.as_str()), ("y", "l"));
        assert!(parse_all::<ContainerRecord>(text, "d").unwrap().is_none());
    }

    #[test]
    fn a_torn_record_is_an_error_not_an_absence() {
        for text in [&br#"[{"id":"b""#[..], br#"{"id":"b"}"#, br#"[{"names":[],"id":"b"},{"#] {
            assert!(parse_all::<ImageRecord>(text, "b").is_err());
        }
    }

    #[test]
    fn big_data_files_are_named_as_containers_storage_names_them() {
        assert_eq!(big_data_file("manifest"), "manifest");
        assert_eq!(big_data_file("manifest-sha256:ab"), "=bWFuaWZlc3Qtc2hhMjU2OmFi");
        assert_eq!(big_data_file("../x"), "=Li4veA==");
    }
}
