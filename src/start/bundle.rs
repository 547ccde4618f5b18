//! The bundle: the directory an engine gives a runtime, and what its `config.json` says about the start.
//!
//! Source: OCI runtime specification, `bundle.md` and `config.md`. Called by both ways in, `hook.rs` and
//! `runtime.rs`. Own small structs read only what is acted on, so that no configuration is refused for a field that
//! is none of our business.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{ContainerStart, StartError};
use crate::{files, limits};

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    root: Option<Root>,
    #[serde(default)]
    process: Option<Process>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Root {
    path: PathBuf,
}

#[derive(Deserialize)]
struct Process {
    #[serde(default)]
    terminal: bool,
}

/// The one annotation that is read. Whoever creates a container can write annotations; see
/// [`ContainerStart::typed_image`] for the little that this one can do.
#[derive(Deserialize)]
struct Annotations {
    #[serde(default, rename = "io.kubernetes.cri.image-name")]
    cri_image_name: Option<String>,
}

/// Reads `config.json` of a bundle whose path and container id have been checked.
pub(super) fn read(id: String, bundle: PathBuf) -> Result<ContainerStart, StartError> {
    let bytes = files::read_beneath(&bundle, "config.json", limits::BUNDLE_CONFIG_BYTES)
        .map_err(|source| StartError::ConfigUnreadable { bundle: bundle.clone(), source })?;
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|source| StartError::ConfigMalformed { bundle: bundle.clone(), source })?;
    let root_path = config.root.map(|root| bundle.join(root.path)).filter(|p| is_plain_absolute(p));
    let terminal = config.process.is_some_and(|process| process.terminal);
    let typed_image = config.annotations.and_then(|annotations| annotations.cri_image_name);
    Ok(ContainerStart { id, bundle, root_path, terminal, typed_image })
}

/// What runc and crun accept: letters, digits and `_+-.`, at most 1,024 bytes.
pub(super) fn is_container_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-' | b'.');
    !id.is_empty() && id.len() <= 1024 && id.bytes().all(allowed) && id != "." && id != ".."
}

/// Absolute, at most PATH_MAX bytes, and without `..`, so that its components mean what they say.
pub(super) fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path.as_os_str().len() < 4096
        && path.components().all(|c| !matches!(c, Component::ParentDir))
}
