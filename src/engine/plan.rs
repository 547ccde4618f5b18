//! What enabling an engine would change, and how it is shown.

use std::fmt::Write as _;

/// What a person must do, because a configuration is not understood or not ours to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The file.
    pub file: String,
    /// Why it is left alone.
    pub reason: String,
    /// The lines to add to it.
    pub lines: String,
}

/// A file as it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its path on the node.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its permissions if it is new.
    pub mode: u32,
}

/// What an adapter wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files, in the order they are written: what is named by others comes before them.
    pub files: Vec<PlannedFile>,
    /// Links: where, and to what.
    pub links: Vec<(String, String)>,
    /// What is left to a person.
    pub by_hand: Vec<ByHand>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Adds a file.
    pub fn file(&mut self, path: impl Into<String>, text: impl Into<String>, mode: u32) {
        let (path, text) = (path.into(), text.into());
        if !self.files.iter().any(|file| file.path == path) {
            self.files.push(PlannedFile { path, text, mode });
        }
    }

    /// Adds a remark.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// The lines that differ, with their place: a unified diff of one hunk, from the first difference to the last.
pub fn diff(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let lines = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let (old, new) = (lines(before), lines(after));
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(CONTEXT);
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let (old_to, new_to) = ((old_end + CONTEXT).min(old.len()), (new_end + CONTEXT).min(new.len()));
    let name = |present: bool| if present { path } else { "/dev/null" };
    let mut text = format!("--- {}\n+++ {}\n", name(before.is_some()), name(after.is_some()));
    let _ = writeln!(text, "@@ -{},{} +{},{} @@", from + 1, old_to - from, from + 1, new_to - from);
    let mut show = |mark: char, lines: &[String], from: usize, to: usize| {
        for line in lines.get(from..to).unwrap_or_default() {
            let _ = writeln!(text, "{mark}{line}");
        }
    };
    show(' ', &old, from, same);
    show('-', &old, same, old_end);
    show('+', &new, same, new_end);
    show(' ', &old, old_end, old_to);
    text
}

/// Lines shown around a change.
const CONTEXT: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_changes_and_where() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        assert_eq!(
            diff("/f", Some(old), Some(new)),
            "--- /f\n+++ /f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(diff("/f", None, Some("a\n")), "--- /dev/null\n+++ /f\n@@ -1,0 +1,1 @@\n+a\n");
        assert_eq!(
            diff("/f", Some("a\na\n"), Some("a\n")),
            "--- /f\n+++ /f\n@@ -1,2 +1,1 @@\n a\n-a\n"
        );
    }
}
