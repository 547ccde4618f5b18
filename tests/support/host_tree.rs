//! Expands a host written down as text into a directory, for `--host-root` and [`imgcompat::host::HostRoot::tree`].
//!
//! `tests/hosts/NAME/tree.txt` holds one host, one file a line. Git keeps neither empty directories nor pipes, and a
//! real /sys has thousands of files of one word each, so one page of text is clearer than a tree in the repository.
//! ```text
//! # a comment
//! [sys/class/net/eth0]           what follows is below this directory; [] is the top
//! speed = 25000                  a file with this line
//! operstate =                    an empty file
//! queues/                        a directory
//! device -> ../../../0000:17:00.0    a symbolic link
//! [proc]
//! modules <<                     a file with the lines that follow, each without its "|"
//! |vfio_pci 16384 0 - Live 0x0000000000000000
//! self/auxv := 10 00 00 00       a file with these bytes
//! [sys/bus/cpu/devices/cpu{0,1}] one list in braces stands for several directories
//! ```

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The directory that holds all recorded hosts.
pub fn hosts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts")
}

/// The host `tests/hosts/NAME`, expanded; it is removed with the value.
pub fn expand_host(name: &str) -> tempfile::TempDir {
    let manifest = fs::read_to_string(hosts().join(name).join("tree.txt")).unwrap();
    expand(&manifest)
}

/// A host as text, expanded.
pub fn expand(manifest: &str) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let mut directories = vec![tree.path().to_owned()];
    let mut lines = manifest.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            directories = alternatives(section).iter().map(|d| tree.path().join(d)).collect();
            directories.iter().for_each(|directory| fs::create_dir_all(directory).unwrap());
            continue;
        }
        let mut text = String::new();
        while let Some(more) = lines.next_if(|next| next.starts_with('|')) {
            text.push_str(&more[1..]);
            text.push('\n');
        }
        directories.iter().for_each(|directory| entry(directory, line, &text));
    }
    tree
}

fn entry(directory: &Path, line: &str, text: &str) {
    if let Some(path) = line.strip_suffix('/') {
        fs::create_dir_all(directory.join(path)).unwrap();
    } else if let Some(path) = line.strip_suffix(" <<") {
        file(&directory.join(path), text.as_bytes());
    } else if let Some((path, target)) = line.split_once(" -> ") {
        parent(&directory.join(path));
        symlink(target, directory.join(path)).unwrap();
    } else if let Some((path, bytes)) = line.split_once(" := ") {
        let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
        file(&directory.join(path), &bytes.collect::<Vec<_>>());
    } else if let Some(path) = line.strip_suffix(" =") {
        file(&directory.join(path), b"");
    } else if let Some((path, word)) = line.split_once(" = ") {
        file(&directory.join(path), format!("{word}\n").as_bytes());
    } else {
        panic!("not a line of a host: {line}");
    }
}

fn file(path: &Path, content: &[u8]) {
    parent(path);
    fs::write(path, content).unwrap();
}

fn parent(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
}

/// `a{b,c}d` is `abd` and `acd`.
fn alternatives(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (list, after) = rest.split_once('}').unwrap();
    list.split(',').map(|word| format!("{before}{word}{after}")).collect()
}
