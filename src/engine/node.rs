//! The node's files below a prefix, and where our programs are.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{files, limits};

/// Where runtimes are looked for, as the wrapper does.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// Where our programs are in an installation below `/usr`.
const LIBEXEC: &str = "/usr/libexec/imgcompat";

/// A node, or a tree that stands for one.
pub struct Node {
    prefix: PathBuf,
    libexec: String,
    /// Texts that files have without us, where they differ from what is there now; see `ledger.rs`.
    without_us: BTreeMap<String, Option<String>>,
    /// The runtime specification that containerd starts from, where a test or a person gives one.
    default_spec: Option<String>,
}

impl Node {
    /// The node below `prefix`; our programs are those beside `program`, the tool.
    pub fn new(prefix: &Path, program: &Path) -> Self {
        // The program's own place is known without links and from the root on.
        let prefix = &fs::canonicalize(prefix).unwrap_or_else(|_| prefix.to_owned());
        let installed = program.parent().filter(|bin| bin.ends_with("bin")).and_then(Path::parent);
        let libexec = installed.map(|usr| usr.join("libexec/imgcompat"));
        let libexec = libexec.filter(|directory| directory.join("imgcompat-hook").exists());
        // A tool that was put below the prefix is told to engines as they will see it.
        let libexec = libexec.map(|directory| {
            let below = directory.strip_prefix(prefix).map(|below| Path::new("/").join(below));
            below.unwrap_or(directory).display().to_string()
        });
        Node {
            prefix: prefix.to_owned(),
            libexec: libexec.unwrap_or_else(|| LIBEXEC.to_owned()),
            without_us: BTreeMap::new(),
            default_spec: None,
        }
    }

    /// The same node as it would be without what the ledger says we changed.
    pub fn without_us(mut self, texts: BTreeMap<String, Option<String>>) -> Self {
        self.without_us = texts;
        self
    }

    /// The same node with containerd's default specification given.
    pub fn with_default_spec(mut self, spec: &str) -> Self {
        self.default_spec = Some(spec.to_owned());
        self
    }

    /// The hook's path, as engines are told it.
    pub fn hook(&self) -> String {
        format!("{}/imgcompat-hook", self.libexec)
    }

    /// The wrapper runtime's path, as engines are told it.
    pub fn wrapper(&self) -> String {
        format!("{}/imgcompat-runtime", self.libexec)
    }

    /// The hook's arguments. An installation below another root keeps its files there, and the hook is told so.
    pub fn hook_arguments(&self) -> Vec<String> {
        let root = self.libexec.strip_suffix(LIBEXEC).filter(|root| !root.is_empty());
        let root = root.into_iter().flat_map(|root| ["--root".to_owned(), root.to_owned()]);
        ["imgcompat-hook".to_owned()].into_iter().chain(root).collect()
    }

    /// Where a path of the node is. In a tree, a link on the way leads to where it would lead on the node itself.
    pub fn at(&self, path: &str) -> PathBuf {
        let plain = self.prefix.join(path.trim_start_matches('/'));
        match (plain.parent(), plain.file_name()) {
            (Some(parent), Some(name)) if !self.is_running() => self.followed(parent).join(name),
            _ => plain,
        }
    }

    /// Where the file of that path is, all links followed; a link to nothing leads to where the file would be.
    pub fn file(&self, path: &str) -> PathBuf {
        self.followed(&self.at(path))
    }

    /// A place below the prefix with its links followed, none of them out of the prefix.
    fn followed(&self, place: &Path) -> PathBuf {
        let Ok(below) = place.strip_prefix(&self.prefix) else { return place.to_owned() };
        let mut left: Vec<OsString> = below.iter().rev().map(OsStr::to_owned).collect();
        let mut here = self.prefix.clone();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                if here != self.prefix {
                    here.pop();
                }
                continue;
            }
            let next = here.join(&part);
            match fs::read_link(&next) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        here.clone_from(&self.prefix);
                    }
                    let parts = target.iter().filter(|part| *part != "/" && *part != ".");
                    let parts: Vec<OsString> = parts.map(OsStr::to_owned).collect();
                    left.extend(parts.into_iter().rev());
                }
                _ => here = next,
            }
        }
        here
    }

    /// True if it is the running system and not a tree.
    pub fn is_running(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// A file's text without us; none if there is no such file.
    pub fn text(&self, path: &str) -> Result<Option<String>, String> {
        if let Some(text) = self.without_us.get(path) {
            return Ok(text.clone());
        }
        self.current(path)
    }

    /// A file's text as it is now.
    pub fn current(&self, path: &str) -> Result<Option<String>, String> {
        let place = self.file(path);
        let bytes =
            fs::File::open(&place).and_then(|file| files::read_open(file, limits::CONFIG_BYTES));
        let text = match bytes {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error.to_string()),
        };
        text.map(Some).map_err(|problem| format!("{} cannot be read: {problem}", place.display()))
    }

    /// The files of a drop-in directory with an extension, by name; those that are ours alone stay out.
    pub fn drop_ins(&self, directory: &str, extension: &str) -> Vec<String> {
        let entries = fs::read_dir(self.file(directory)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| Path::new(name).extension().is_some_and(|found| found == extension))
            .collect();
        names.sort();
        names.into_iter().map(|name| format!("{directory}/{name}")).collect()
    }

    /// A program of the node by its name, in the usual directories.
    pub fn program(&self, name: &str) -> Option<String> {
        let paths = DIRECTORIES.iter().map(|directory| format!("{directory}/{name}"));
        paths.into_iter().find(|path| self.file(path).is_file() && !self.is_ours(path))
    }

    /// True if the program is the wrapper, a link to it, or a script of ours that calls it.
    pub fn is_ours(&self, path: &str) -> bool {
        let place = self.at(path);
        let link = fs::read_link(&place).is_ok_and(|target| target == Path::new(&self.wrapper()));
        let script = || {
            let file = fs::File::open(self.file(path)).ok()?;
            let text = String::from_utf8(files::read_open(file, 4096).ok()?).ok()?;
            Some(text.starts_with("#!") && text.contains(&self.wrapper()))
        };
        path == self.wrapper() || link || script().unwrap_or(false)
    }

    /// A script that calls the wrapper for one real runtime.
    pub fn script(&self, runtime: &str) -> String {
        format!(
            "#!/bin/sh\n# Made by imgcompat enable: judges starts, then becomes {runtime}.\nexec {} --imgcompat-runtime={runtime} \"$@\"\n",
            self.wrapper()
        )
    }

    /// containerd's own default runtime specification.
    pub fn default_spec(&self) -> Result<String, String> {
        if let Some(spec) = &self.default_spec {
            return Ok(spec.clone());
        }
        let output = std::process::Command::new("ctr").args(["oci", "spec"]).output();
        match output {
            Ok(output) if output.status.success() => {
                String::from_utf8(output.stdout).map_err(|error| error.to_string())
            }
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
        .map_err(|problem| {
            format!("containerd's default specification cannot be had from `ctr oci spec` ({problem}); use --via wrapper")
        })
    }
}
