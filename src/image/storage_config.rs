//! Image stores beside the container's own: `imagestore` and `additionalimagestores` of storage.conf.
//!
//! Source: containers-storage.conf(5). The hook does not see the engine's flags, so paths derived from the bundle
//! win; this file is asked only when the image is not in the container's own store.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{files, limits};

#[derive(Deserialize, Default)]
struct StorageConf {
    #[serde(default)]
    storage: Storage,
}

#[derive(Deserialize, Default)]
struct Storage {
    #[serde(default)]
    imagestore: Option<PathBuf>,
    #[serde(default)]
    options: Options,
}

#[derive(Deserialize, Default)]
struct Options {
    #[serde(default)]
    additionalimagestores: Vec<PathBuf>,
}

/// The roots of additional image stores; none where the configuration is absent or unreadable.
pub fn additional_stores() -> Vec<PathBuf> {
    ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"]
        .iter()
        .find_map(|path| read(Path::new(path)))
        .unwrap_or_default()
}

fn read(path: &Path) -> Option<Vec<PathBuf>> {
    let bytes = files::read(path, limits::CONFIG_BYTES).ok()?;
    parse(std::str::from_utf8(&bytes).ok()?)
}

fn parse(text: &str) -> Option<Vec<PathBuf>> {
    let conf: StorageConf = toml::from_str(text).ok()?;
    let stores = conf.storage.imagestore.into_iter();
    Some(
        stores
            .chain(conf.storage.options.additionalimagestores)
            .filter(|p| p.is_absolute())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_additional_stores_are_found() {
        let text = "[storage]\ndriver='overlay'\nimagestore='/i'\n[storage.options]\nadditionalimagestores=['/a','b']\n";
        assert_eq!(parse(text), Some(vec![PathBuf::from("/i"), PathBuf::from("/a")]));
        assert_eq!(parse("[storage]\n"), Some(vec![]));
    }
}
