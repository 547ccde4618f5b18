//! The handlers of containerd's configuration, in the file itself and in those that it imports.
//!
//! Source: containerd `cmd/containerd/server/config/config.go` (`LoadConfig`, `resolveImports`, `mergeConfig`): imported
//! files are read after the one that names them, patterns stand for files in one directory, and what is read later
//! counts, key by key. NVIDIA's toolkit writes its handlers into such a file. Used by the adapter for `enable` and `doctor`.

use std::path::Path;

use toml_edit::{DocumentMut, Item};

use super::super::node::Node;
use super::parse;

/// Imported files that are read; containerd itself has no limit.
const FILES: usize = 100;

/// What of a handler says whether it calls us.
#[derive(Debug, Clone, Default)]
pub(super) struct Handler {
    /// `runtime_type`.
    pub(super) kind: Option<String>,
    /// `BinaryName` of its options.
    pub(super) binary: Option<String>,
    /// `base_runtime_spec`.
    pub(super) spec: Option<String>,
}

/// An imported file.
pub(super) struct Imported {
    /// Its path on the node.
    pub(super) path: String,
    /// Where its handlers are, by its version; none if it cannot be read.
    pub(super) plugin: Option<&'static str>,
}

impl Imported {
    /// The handlers that it has.
    pub(super) fn handlers(&self, node: &Node) -> Vec<(String, Handler)> {
        let text = node.current(&self.path).ok().flatten().unwrap_or_default();
        parse(&text).map(|(document, plugin)| handlers(&document, plugin)).unwrap_or_default()
    }
}

/// The handlers of one document.
pub(super) fn handlers(document: &DocumentMut, plugin: &str) -> Vec<(String, Handler)> {
    let runtimes = ["plugins", plugin, "containerd", "runtimes"]
        .iter()
        .try_fold(document.as_item(), |at, name| at.get(*name))
        .and_then(Item::as_table_like);
    let text = |item: Option<&Item>| item.and_then(Item::as_str).map(str::to_owned);
    let handler = |(name, item): (&str, &Item)| {
        let binary = text(item.get("options").and_then(|options| options.get("BinaryName")));
        let (kind, spec) = (text(item.get("runtime_type")), text(item.get("base_runtime_spec")));
        (name.to_owned(), Handler { kind, binary, spec })
    };
    runtimes.into_iter().flat_map(|runtimes| runtimes.iter()).map(handler).collect()
}

/// Each handler once, what is later over what is earlier.
pub(super) fn together(handlers: Vec<(String, Handler)>) -> Vec<(String, Handler)> {
    let mut all: Vec<(String, Handler)> = Vec::new();
    for (name, new) in handlers {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => {
                old.kind = new.kind.or_else(|| old.kind.take());
                old.binary = new.binary.or_else(|| old.binary.take());
                old.spec = new.spec.or_else(|| old.spec.take());
            }
            None => all.push((name, new)),
        }
    }
    all
}

/// The files that a configuration imports, and that those import, in the order in which they count.
pub(super) fn imported(node: &Node, path: &str) -> Vec<Imported> {
    let mut found: Vec<Imported> = Vec::new();
    let mut pending = imports(node, path);
    pending.reverse();
    while let Some(next) = pending.pop() {
        if found.len() == FILES || next == path || found.iter().any(|file| file.path == next) {
            continue;
        }
        let mut more = imports(node, &next);
        more.retain(|file| !pending.contains(file));
        more.reverse();
        pending.splice(0..0, more);
        let text = node.current(&next).ok().flatten().unwrap_or_default();
        let plugin = parse(&text).ok().map(|(_, plugin)| plugin);
        found.push(Imported { path: next, plugin });
    }
    found
}

fn imports(node: &Node, path: &str) -> Vec<String> {
    let text = node.current(path).ok().flatten().unwrap_or_default();
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let list = document.get("imports").and_then(Item::as_array);
    let patterns = list.into_iter().flatten().filter_map(|import| import.as_str());
    patterns.flat_map(|pattern| resolve(node, path, pattern)).collect()
}

/// A path, relative to the file that names it; a `*` in its last part stands for any characters.
fn resolve(node: &Node, parent: &str, pattern: &str) -> Vec<String> {
    let parent = Path::new(parent).parent().unwrap_or(Path::new("/"));
    let whole = parent.join(pattern);
    let (Some(directory), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Vec::new();
    };
    let (directory, name) = (directory.display().to_string(), name.to_string_lossy());
    let Some((start, end)) = name.split_once('*') else { return vec![whole.display().to_string()] };
    let fits = |file: &String| {
        let name = file.rsplit('/').next().unwrap_or_default();
        let long_enough = name.len() >= start.len() + end.len();
        long_enough && name.starts_with(start) && name.ends_with(end)
    };
    node.drop_ins(&directory, "toml").into_iter().filter(fits).collect()
}
