//! CRI-O's auth files, as its configuration names them.
//!
//! Source: crio.conf(5), `[crio.image]`: `global_auth_file` is for all images; `namespaced_auth_dir` holds
//! `NAMESPACE-SHA256.json`, the hash being that of an image's name without tag (cri-o `server/image_pull.go`). CRI-O
//! removes these when the image is pulled, so only what an administrator put there is found. Which namespace a container is
//! in is known from annotations alone, so a file for the image counts whatever its namespace: the image is on this node.
//! /etc/crio/crio.conf is read first, then all files of /etc/crio/crio.conf.d by name; later ones overrule.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::limits;
use crate::oci::{Digest, Repository};
use crate::worker::protocol::Unavailable;

use super::node_files::{self, NodeFiles, unusable};

const MAIN: &str = "etc/crio/crio.conf";
const DROP_INS: &str = "etc/crio/crio.conf.d";
/// Where namespaced files are unless the configuration says otherwise.
const NAMESPACED: &str = "/etc/crio/auth";

#[derive(Deserialize, Default)]
struct Document {
    #[serde(default)]
    crio: Crio,
}

#[derive(Deserialize, Default)]
struct Crio {
    #[serde(default)]
    image: Image,
}

#[derive(Deserialize, Default)]
struct Image {
    global_auth_file: Option<String>,
    namespaced_auth_dir: Option<String>,
}

/// The files that may have credentials for a repository, in order; none where there is no CRI-O.
pub(super) fn auth_files(
    repository: &Repository,
    files: &NodeFiles,
) -> Result<Vec<PathBuf>, Unavailable> {
    let Some(image) = image(files)? else { return Ok(Vec::new()) };
    let folder = image.namespaced_auth_dir.unwrap_or_else(|| NAMESPACED.to_owned());
    let end = format!("-{}.json", Digest::of(repository.to_string().as_bytes()).hex());
    let mut found = node_files::list(&below(files, &folder), "json")?;
    found.retain(|path| path.to_str().is_some_and(|path| path.ends_with(&end)));
    let global = image.global_auth_file.filter(|path| !path.is_empty());
    found.extend(global.map(|path| below(files, &path)));
    Ok(found)
}

fn below(files: &NodeFiles, path: &str) -> PathBuf {
    files.system(path.trim_start_matches('/'))
}

fn image(files: &NodeFiles) -> Result<Option<Image>, Unavailable> {
    let mut paths = vec![files.system(MAIN)];
    paths.extend(node_files::list_all(&files.system(DROP_INS))?);
    let mut merged: Option<Image> = None;
    for path in paths {
        let Some(image) = read(&path)? else { continue };
        let before = merged.take().unwrap_or_default();
        merged = Some(Image {
            global_auth_file: image.global_auth_file.or(before.global_auth_file),
            namespaced_auth_dir: image.namespaced_auth_dir.or(before.namespaced_auth_dir),
        });
    }
    Ok(merged)
}

fn read(path: &Path) -> Result<Option<Image>, Unavailable> {
    let Some(read) = node_files::read(path, limits::CONFIG_BYTES)? else { return Ok(None) };
    let text = str::from_utf8(&read.bytes).map_err(|_| unusable(path, "it is not UTF-8"))?;
    let document: Document = toml::from_str(text).map_err(|e| unusable(path, e.message()))?;
    Ok(Some(document.crio.image))
}
