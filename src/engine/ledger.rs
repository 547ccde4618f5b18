//! What was changed in an engine's configuration: `/var/lib/imgcompat/<engine>.json`, one entry a file, with the text
//! it had before. It is written before the first file is, and then once more, so that a change that was cut short can be
//! undone or done again. Nobody else has a file's first text: an entry goes only when its file is as it was, or names us
//! no more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
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
    /// A text of ours that `after` takes the place of, until it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<Digest>,
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
    /// Files of ours that those name; they stay, because without them nothing would start.
    pub needed: Vec<String>,
    /// Links that are, or would be, removed.
    pub links: Vec<String>,
}

/// Stands in every text that makes an engine call us. Where somebody took it out, nothing is left to undo.
const OURS: &str = "imgcompat";
/// Where scripts of ours are. A daemon that read their names when it was started runs them at every start.
pub const SCRIPTS: &str = "/etc/imgcompat/runtimes/";
/// Where ledgers are.
const DIRECTORY: &str = "/var/lib/imgcompat";

fn place(engine: &str) -> String {
    format!("{DIRECTORY}/{engine}.json")
}

/// Only one command at a time changes engines: of two, the second would take the first one's work for what was there
/// before. Held as long as the file is open.
pub fn lock(node: &Node) -> Result<File, String> {
    let place = node.at(DIRECTORY);
    let failed = |error: io::Error| {
        format!("{} cannot be used: {error}{}", place.display(), files::advice(&error))
    };
    fs::create_dir_all(&place).map_err(failed)?;
    let directory = File::open(&place).map_err(failed)?;
    directory.lock().map_err(failed)?;
    Ok(directory)
}

/// What became of a file since it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is as we left it.
    Ours,
    /// It is as it was before.
    Before,
    /// Somebody changed it since, and it still names us.
    Changed,
    /// Somebody took us out of it.
    Theirs,
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

    fn save(&self, node: &Node, engine: &str) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        write(node, &place(engine), &text, 0o600)
    }

    /// True if nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.links.is_empty()
    }

    /// The files that were changed.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|entry| entry.path.as_str())
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.path == path)
    }

    /// The texts of our files as they were before us, where nobody changed them since.
    pub fn without_us(&self, node: &Node) -> BTreeMap<String, Option<String>> {
        let unchanged = self.files.iter().filter(|entry| entry.is(node, State::Ours));
        unchanged.map(|entry| (entry.path.clone(), entry.before.clone())).collect()
    }

    /// The files that somebody changed since, and that still name us.
    pub fn changed_since(&self, node: &Node) -> Vec<String> {
        let changed = self.files.iter().filter(|entry| entry.is(node, State::Changed));
        changed.map(|entry| entry.path.clone()).collect()
    }

    /// Lines that a file had before us and does not have now.
    pub fn lost_lines(&self, node: &Node, path: &str) -> Vec<&str> {
        let now = node.current(path).ok().flatten().unwrap_or_default();
        let before = self.entry(path).and_then(|entry| entry.before.as_deref()).unwrap_or_default();
        let lost = |line: &&str| {
            !line.trim().is_empty() && !now.lines().any(|now| now.trim() == line.trim())
        };
        before.lines().filter(lost).collect()
    }

    /// True if a file that is left alone names this one: without it nothing would start.
    fn is_needed(&self, node: &Node, path: &str) -> bool {
        let text = |file: &String| node.current(file).ok().flatten().unwrap_or_default();
        self.changed_since(node).iter().any(|file| file != path && text(file).contains(path))
    }

    /// True if another plan, which does not have this file, puts it back. Scripts wait for `disable`.
    fn goes_back(&self, node: &Node, plan: &Plan, entry: &Entry) -> bool {
        plan.by_hand.is_empty()
            && !plan.files.iter().any(|file| file.path == entry.path)
            && entry.is(node, State::Ours)
            && !entry.path.starts_with(SCRIPTS)
            && !self.is_needed(node, &entry.path)
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
        for entry in self.files.iter().filter(|entry| self.goes_back(node, plan, entry)) {
            let before = node.current(&entry.path)?;
            let after = entry.before.clone();
            changes.push(Change { path: entry.path.clone(), before, after });
        }
        changes.retain(|change| change.before != change.after);
        Ok(changes)
    }

    /// Writes the ledger, then the files and links of the plan, then the ledger without what is done with.
    pub fn apply(
        &self,
        node: &Node,
        engine: &str,
        plan: &Plan,
        changes: &[Change],
    ) -> Result<(), String> {
        let mut after = Ledger { files: Vec::new(), links: plan.links.clone() };
        for file in &plan.files {
            after.files.push(self.entry_for(node, &file.path, &file.text)?);
        }
        after.files.retain(|entry| !entry.is_nothing());
        let others = |entry: &&Entry| after.entry(&entry.path).is_none();
        let others: Vec<Entry> = self.files.iter().filter(others).cloned().collect();
        // In the order in which they were written: what is named by others comes before them.
        let together = |others: Vec<Entry>| Ledger {
            files: others.into_iter().chain(after.files.clone()).collect(),
            links: plan.links.clone(),
        };
        let goes = |path: &str| changes.iter().any(|change| change.path == path);
        let left = |entry: &&Entry| entry.is_left(node) && !goes(&entry.path);
        let left: Vec<Entry> = others.iter().filter(left).cloned().collect();
        let (during, mut then) = (together(others), together(left));
        then.files.iter_mut().for_each(|entry| entry.replaces = None);
        if during != *self {
            during.save(node, engine)?;
        }
        for change in changes {
            let mode =
                plan.files.iter().find(|file| file.path == change.path).map(|file| file.mode);
            put(node, change, mode.unwrap_or(0o644))?;
        }
        plan.links.iter().try_for_each(|(link, target)| make_link(node, link, target))?;
        if then != during { then.save(node, engine) } else { Ok(()) }
    }

    /// What is remembered of a file that gets this text.
    fn entry_for(&self, node: &Node, path: &str, text: &str) -> Result<Entry, String> {
        let now = node.current(path)?;
        let after = Digest::of(text.as_bytes());
        let path = path.to_owned();
        let old = self.entry(&path);
        Ok(match old.map(|entry| (entry, entry.state_of(now.as_deref()))) {
            Some((old, State::Ours)) => {
                let now = now.map(|now| Digest::of(now.as_bytes()));
                let replaces = now.filter(|now| *now != after);
                Entry { path, before: old.before.clone(), after, replaces }
            }
            // What it was before is not what it would be without us, but nothing nearer to it is known.
            Some((old, State::Changed)) => old.clone(),
            _ => Entry { path, before: now, after, replaces: None },
        })
    }

    /// What undoing would change.
    pub fn undo(&self, node: &Node) -> Result<Undone, String> {
        let mut undone = Undone { changed_since: self.changed_since(node), ..Undone::default() };
        for entry in self.files.iter().rev() {
            let before = node.current(&entry.path)?;
            if entry.state_of(before.as_deref()) != State::Ours {
                continue;
            }
            if self.is_needed(node, &entry.path) {
                undone.needed.push(entry.path.clone());
                continue;
            }
            let after = entry.before.clone();
            undone.changes.push(Change { path: entry.path.clone(), before, after });
        }
        let ours = |(link, target): &&(String, String)| {
            fs::read_link(node.at(link)).is_ok_and(|found| found == Path::new(target))
        };
        undone.links = self.links.iter().filter(ours).map(|(link, _)| link.clone()).collect();
        Ok(undone)
    }

    /// Undoes. The ledger stays as long as something of it is left, or a daemon runs that has read what was undone.
    pub fn restore(
        &self,
        node: &Node,
        engine: &str,
        undone: &Undone,
        is_read: bool,
    ) -> Result<(), String> {
        for change in &undone.changes {
            put(node, change, 0o644)?;
        }
        for link in &undone.links {
            remove(&node.at(link))?;
        }
        if is_read || self.files.iter().any(|entry| entry.is_left(node)) {
            return Ok(());
        }
        remove(&node.file(&place(engine)))
    }
}

impl Undone {
    /// Keeps what files of others name; gives back those files.
    pub fn keep_named(&mut self, node: &Node, others: &[String]) -> Vec<String> {
        let mut naming = Vec::new();
        for other in others {
            let known = self.changed_since.contains(other)
                || self.changes.iter().any(|change| change.path == *other);
            if known {
                continue;
            }
            let text = node.current(other).ok().flatten().unwrap_or_default();
            let is_named =
                |change: &mut Change| change.after.is_none() && text.contains(&change.path);
            let named: Vec<String> =
                self.changes.extract_if(.., is_named).map(|change| change.path).collect();
            if !named.is_empty() || self.needed.iter().any(|path| text.contains(path)) {
                naming.push(other.clone());
            }
            self.needed.extend(named);
        }
        naming
    }

    /// Takes out the scripts, which have to wait as long as a daemon runs them.
    pub fn take_scripts(&mut self) -> Undone {
        let is_script = |change: &mut Change| change.path.starts_with(SCRIPTS);
        Undone { changes: self.changes.extract_if(.., is_script).collect(), ..Undone::default() }
    }
}

impl Entry {
    fn state_of(&self, text: Option<&str>) -> State {
        let ours = |text: &str| {
            let digest = Digest::of(text.as_bytes());
            digest == self.after || Some(digest) == self.replaces
        };
        match text {
            _ if text == self.before.as_deref() => State::Before,
            Some(text) if ours(text) => State::Ours,
            Some(text) if text.contains(OURS) => State::Changed,
            _ => State::Theirs,
        }
    }

    /// A file that cannot be read is as good as changed.
    fn is(&self, node: &Node, state: State) -> bool {
        node.current(&self.path).map_or(State::Changed, |text| self.state_of(text.as_deref()))
            == state
    }

    /// True if something of us is in the file.
    fn is_left(&self, node: &Node) -> bool {
        self.is(node, State::Ours) || self.is(node, State::Changed)
    }

    /// True if the file is, and was, as it would be.
    fn is_nothing(&self) -> bool {
        let before = self.before.as_ref().map(|text| Digest::of(text.as_bytes()));
        before.as_ref() == Some(&self.after)
    }
}

/// Makes a file what a change says.
pub fn put(node: &Node, change: &Change, mode: u32) -> Result<(), String> {
    match &change.after {
        Some(text) => write(node, &change.path, text, mode),
        None => remove(&node.file(&change.path)),
    }
}

/// Writes a file as a whole. One that is there keeps its owner and its permissions; a link keeps leading to it.
fn write(node: &Node, path: &str, text: &str, mode: u32) -> Result<(), String> {
    let place = node.file(path);
    let failed = |error: io::Error| format!("{} cannot be written: {error}", place.display());
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    files::rewrite(&place, text.as_bytes(), mode).map_err(failed)
}

fn remove(place: &Path) -> Result<(), String> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {error}", place.display()))
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
