//! What was changed in an engine's configuration: `/var/lib/imgcompat/<engine>.json`, one entry a file, with the text
//! it had before. It is written before the first file is, so that a change that was cut short can be undone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::node::Node;
use super::plan::Plan;
use crate::files;
use crate::oci::Digest;

/// What was changed for one engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Files in the order they were written.
    files: Vec<Entry>,
    /// Links that were made.
    #[serde(default)]
    links: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: String,
    before: Option<String>,
    after: Digest,
}

/// One file that would change, or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path on the node.
    pub path: String,
    /// Its text now.
    pub before: Option<String>,
    /// Its text then.
    pub after: Option<String>,
}

/// What came of undoing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Files that are, or would be, as they were.
    pub changes: Vec<Change>,
    /// Files that somebody changed since; they are left alone.
    pub changed_since: Vec<String>,
    /// Links that are, or would be, removed.
    pub links: Vec<String>,
}

/// Stands in every text that makes an engine call us. Where somebody took it out, nothing is left to undo.
const OURS: &str = "imgcompat";

fn place(engine: &str) -> String {
    format!("/var/lib/imgcompat/{engine}.json")
}

impl Ledger {
    /// The ledger of an engine; empty if nothing was changed for it.
    pub fn load(node: &Node, engine: &str) -> Result<Self, String> {
        let path = place(engine);
        match node.current(&path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| format!("{path} is not what imgcompat wrote: {error}")),
            None => Ok(Ledger::default()),
        }
    }

    /// True if nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty()
    }

    /// The files that were changed.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|entry| entry.path.as_str())
    }

    /// The texts of our files as they were before us, where nobody changed them since.
    pub fn without_us(&self, node: &Node) -> BTreeMap<String, Option<String>> {
        let unchanged = self.files.iter().filter(|entry| entry.is_current(node));
        unchanged.map(|entry| (entry.path.clone(), entry.before.clone())).collect()
    }

    /// What a plan would change, from what is there now. Files of an earlier plan that this one does not have go
    /// back to what they were.
    pub fn changes(&self, node: &Node, plan: &Plan) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        for file in &plan.files {
            let before = node.current(&file.path)?;
            let after = Some(file.text.clone());
            changes.push(Change { path: file.path.clone(), before, after });
        }
        for entry in &self.files {
            if !plan.files.iter().any(|file| file.path == entry.path) && entry.is_current(node) {
                let before = node.current(&entry.path)?;
                changes.push(Change {
                    path: entry.path.clone(),
                    before,
                    after: entry.before.clone(),
                });
            }
        }
        changes.retain(|change| change.before != change.after);
        Ok(changes)
    }

    /// Writes the ledger, then the files and links of the plan.
    pub fn apply(
        &self,
        node: &Node,
        engine: &str,
        plan: &Plan,
        changes: &[Change],
    ) -> Result<(), String> {
        let mut files = Vec::new();
        for file in &plan.files {
            let before = node.text(&file.path)?;
            if before.as_ref() != Some(&file.text) {
                let after = Digest::of(file.text.as_bytes());
                files.push(Entry { path: file.path.clone(), before, after });
            }
        }
        let ledger = Ledger { files, links: plan.links.clone() };
        let text = serde_json::to_string_pretty(&ledger).map_err(|error| error.to_string())?;
        write(node, &place(engine), &text, 0o600)?;
        for change in changes {
            let mode =
                plan.files.iter().find(|file| file.path == change.path).map(|file| file.mode);
            put(node, change, mode.unwrap_or(0o644))?;
        }
        plan.links.iter().try_for_each(|(link, target)| make_link(node, link, target))
    }

    /// What undoing would change.
    pub fn undo(&self, node: &Node) -> Result<Undone, String> {
        let mut undone = Undone::default();
        for entry in self.files.iter().rev() {
            let before = node.current(&entry.path)?;
            if before == entry.before {
                continue;
            }
            if entry.is_current(node) {
                let after = entry.before.clone();
                undone.changes.push(Change { path: entry.path.clone(), before, after });
            } else if before.is_some_and(|text| text.contains(OURS)) {
                undone.changed_since.push(entry.path.clone());
            }
        }
        let ours = |(link, target): &&(String, String)| {
            fs::read_link(node.at(link)).is_ok_and(|found| found == Path::new(target))
        };
        undone.links = self.links.iter().filter(ours).map(|(link, _)| link.clone()).collect();
        Ok(undone)
    }

    /// Undoes, and forgets what was undone.
    pub fn restore(&self, node: &Node, engine: &str, undone: &Undone) -> Result<(), String> {
        for change in &undone.changes {
            put(node, change, 0o644)?;
        }
        for link in &undone.links {
            remove(node, link)?;
        }
        let files: Vec<Entry> = self
            .files
            .iter()
            .filter(|entry| undone.changed_since.contains(&entry.path))
            .cloned()
            .collect();
        if files.is_empty() {
            return remove(node, &place(engine));
        }
        let left = Ledger { files, links: Vec::new() };
        let text = serde_json::to_string_pretty(&left).map_err(|error| error.to_string())?;
        write(node, &place(engine), &text, 0o600)
    }
}

impl Entry {
    fn is_current(&self, node: &Node) -> bool {
        let current = node.current(&self.path).ok().flatten();
        current.is_some_and(|text| Digest::of(text.as_bytes()) == self.after)
    }
}

/// Makes a file what a change says.
pub fn put(node: &Node, change: &Change, mode: u32) -> Result<(), String> {
    match &change.after {
        Some(text) => write(node, &change.path, text, mode),
        None => remove(node, &change.path),
    }
}

/// Writes a file as a whole. One that is there keeps its permissions; a link keeps leading to it.
fn write(node: &Node, path: &str, text: &str, mode: u32) -> Result<(), String> {
    let place = node.at(path);
    let place = fs::canonicalize(&place).unwrap_or(place);
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", place.display());
    let mode = fs::metadata(&place).map_or(mode, |m| m.permissions().mode() & 0o7777);
    let (Some(directory), Some(name)) =
        (place.parent(), place.file_name().and_then(|n| n.to_str()))
    else {
        return Err(format!("{path} is no file"));
    };
    fs::create_dir_all(directory).map_err(failed)?;
    files::replace(directory, name, text.as_bytes(), mode).map_err(failed)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(mode)).map_err(failed)
}

fn remove(node: &Node, path: &str) -> Result<(), String> {
    match fs::remove_file(node.at(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{path} cannot be removed: {error}"))
        }
        _ => Ok(()),
    }
}

fn make_link(node: &Node, link: &str, target: &str) -> Result<(), String> {
    let place = node.at(link);
    if fs::read_link(&place).is_ok_and(|found| found == Path::new(target)) {
        return Ok(());
    }
    if let Some(directory) = place.parent() {
        let _ = fs::create_dir_all(directory);
    }
    symlink(target, &place).map_err(|error| format!("{link} cannot be made: {error}"))
}
