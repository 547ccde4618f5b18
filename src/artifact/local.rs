//! The administrator's own specifications: `/etc/imgcompat/specs.d/*.yaml`, in the order of their names.
//!
//! They need no registry, and speak for images that nobody can attach anything to. The hook does not parse YAML: a
//! file's checked form is made by the worker once and kept in the cache, bound to the file's identity, size and
//! times. A file that cannot be used does not keep the others from working: it stands in the record of every start
//! until it is mended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::{Artifact, Source};
use crate::deadline::Deadline;
use crate::image::ImagePattern;
use crate::kept::{self, Folder, Stamp};
use crate::oci::Digest;
use crate::spec::decode::{Combine, LocalSpecification};
use crate::worker::process::WorkerError;
use crate::worker::protocol::CompileAnswer;
use crate::{files, limits};

/// Directory within the cache.
const DIRECTORY: &str = "specs";
/// Most files read; more is a mistake.
const MAX_FILES: usize = 1_000;

/// Whoever makes checked forms; the hook's worker, or a test.
pub trait Compiler {
    /// Makes the checked form of a file's bytes.
    fn compile(&self, bytes: &[u8], deadline: &Deadline) -> Result<CompileAnswer, WorkerError>;
}

impl Compiler for crate::worker::process::Worker {
    fn compile(&self, bytes: &[u8], deadline: &Deadline) -> Result<CompileAnswer, WorkerError> {
        crate::worker::process::Worker::compile(self, bytes, deadline)
    }
}

/// What the files say about one image.
#[derive(Debug, Default)]
pub struct LocalSpecifications {
    /// The specifications for this image, in the order of their files' names.
    pub artifacts: Vec<Artifact>,
    /// True if one of them stands in place of the image's own.
    pub replace: bool,
    /// Files that cannot be used, each with the reason.
    pub problems: Vec<String>,
}

/// A checked form in the cache.
#[derive(Serialize, Deserialize)]
struct Kept {
    stamp: Stamp,
    digest: Digest,
    answer: CompileAnswer,
}

/// Reads the files of `directory` and keeps what is for an image with one of these names.
pub fn find(
    directory: &Path,
    cache_root: &Path,
    names: &[&str],
    compiler: &dyn Compiler,
    deadline: &Deadline,
) -> LocalSpecifications {
    let mut found = LocalSpecifications::default();
    let files = match list(directory) {
        Ok(files) => files,
        Err(error) => {
            found.problems.push(format!("{} cannot be read: {error}", directory.display()));
            return found;
        }
    };
    for path in files {
        match checked(&path, cache_root, compiler, deadline) {
            Ok((digest, CompileAnswer::Checked { local, warnings })) => {
                if is_for(&local, names) {
                    found.replace |= local.combine == Combine::Replace;
                    found.artifacts.push(artifact(&path, digest, local, warnings));
                }
            }
            Ok((_, CompileAnswer::Invalid { problem })) => {
                found.problems.push(format!("{}: {problem}", path.display()));
            }
            Err(problem) => found.problems.push(format!("{}: {problem}", path.display())),
        }
    }
    found
}

/// Whether a file speaks for an image with one of these names.
fn is_for(local: &LocalSpecification, names: &[&str]) -> bool {
    local
        .images
        .iter()
        .filter_map(|pattern| ImagePattern::try_from(pattern.clone()).ok())
        .any(|pattern| pattern.matches_any(names))
}

fn artifact(
    path: &Path,
    digest: Digest,
    local: LocalSpecification,
    warnings: Vec<String>,
) -> Artifact {
    Artifact {
        specification: Arc::new(local.specification),
        source: Source::Local(path.display().to_string()),
        digest,
        subject: None,
        created: None,
        warnings,
    }
}

/// The directory's files, sorted; none where there is no directory.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MAX_FILES);
    Ok(files)
}

fn checked(
    path: &Path,
    cache_root: &Path,
    compiler: &dyn Compiler,
    deadline: &Deadline,
) -> Result<(Digest, CompileAnswer), String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    let stamp = trusted(path, &fs::metadata(path).map_err(unreadable)?)?;
    let name = kept::name_for(&[path.as_os_str().as_encoded_bytes()]);
    let folder = Folder::open(cache_root, DIRECTORY).ok();
    if let Some(kept) = folder.as_ref().and_then(|folder| load(folder, &name, &stamp)) {
        return Ok((kept.digest, kept.answer));
    }
    let (file, metadata) = open(path).map_err(unreadable)?;
    // Another file may be there by now; what counts is what is read.
    let stamp = trusted(path, &metadata)?;
    let bytes = files::read_sized(file, metadata.len(), limits::SPECIFICATION_BYTES);
    let bytes = bytes.map_err(unreadable)?;
    let answer = compiler.compile(&bytes, deadline).map_err(|error| error.to_string())?;
    let digest = Digest::of(&bytes);
    let kept = Kept { stamp, digest: digest.clone(), answer };
    if let Some(folder) = folder
        && let Ok(bytes) = serde_json::to_vec(&kept)
    {
        // Without it the next start asks the worker again; that is slow, not wrong.
        let _ = folder.store(&name, &bytes);
    }
    Ok((digest, kept.answer))
}

/// The state of a file that root alone can change.
fn trusted(path: &Path, metadata: &fs::Metadata) -> Result<Stamp, String> {
    if files::is_trusted(metadata) {
        return Ok(Stamp::of(path, metadata));
    }
    Err("others than root can change it; run `chmod go-w` and `chown root` on it".to_owned())
}

/// Links are followed, as those of the policy are; what is no file must not be waited for.
fn open(path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
    let file = files::open_with(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty())?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

fn load(folder: &Folder, name: &str, stamp: &Stamp) -> Option<Kept> {
    let content = folder.load(name, limits::CACHE_FILE_BYTES)?;
    let kept: Kept = serde_json::from_slice(&content).ok()?;
    (kept.stamp == *stamp).then_some(kept)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    struct InProcess(Cell<u32>);

    impl Compiler for InProcess {
        fn compile(&self, bytes: &[u8], _: &Deadline) -> Result<CompileAnswer, WorkerError> {
            self.0.set(self.0.get() + 1);
            Ok(crate::tasks::compile::compile(bytes))
        }
    }

    const RULES: &str =
        "version: v1alpha1\ncompatibilities:\n- description: d\n  rules: [{name: r}]\n";

    fn specs_dir(files: &[(&str, &str)]) -> (tempfile::TempDir, InProcess) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("specs.d")).unwrap();
        for (name, head) in files {
            fs::write(dir.path().join("specs.d").join(name), format!("{head}\n{RULES}")).unwrap();
        }
        (dir, InProcess(Cell::new(0)))
    }

    fn find_in(dir: &tempfile::TempDir, compiler: &InProcess, name: &str) -> LocalSpecifications {
        let (specs, cache) = (dir.path().join("specs.d"), dir.path().join("cache"));
        find(&specs, &cache, &[name], compiler, &Deadline::after(Duration::from_secs(9)))
    }

    #[test]
    fn files_speak_for_the_images_they_name() {
        let (dir, compiler) = specs_dir(&[
            ("10-all.yaml", "images: ['**']"),
            ("20-prod.yaml", "images: ['r.example/prod/**']\ncombine: replace"),
            ("README", "not read"),
        ]);
        let prod = find_in(&dir, &compiler, "r.example/prod/a:1");
        assert_eq!((prod.artifacts.len(), prod.replace), (2, true));
        let local = find_in(&dir, &compiler, "localhost/bb:1");
        assert_eq!((local.artifacts.len(), local.replace), (1, false));
        assert!(local.problems.is_empty());
    }

    #[test]
    fn a_file_is_compiled_once_until_it_changes() {
        let (dir, compiler) = specs_dir(&[("a.yaml", "images: ['**']")]);
        for _ in 0..3 {
            find_in(&dir, &compiler, "localhost/bb:1");
        }
        assert_eq!(compiler.0.get(), 1);
        fs::write(dir.path().join("specs.d/a.yaml"), format!("images: [other]\n{RULES}")).unwrap();
        assert!(find_in(&dir, &compiler, "localhost/bb:1").artifacts.is_empty());
        assert_eq!(compiler.0.get(), 2);
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let (dir, compiler) = specs_dir(&[("b.yaml", "images: ['**']")]);
        let fifo = dir.path().join("specs.d/a.yaml");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR).unwrap();
        let found = find_in(&dir, &compiler, "localhost/bb:1");
        assert_eq!(found.artifacts.len(), 1);
        assert!(found.problems[0].contains("a.yaml: it cannot be read: it is not a regular file"));
    }

    #[test]
    fn a_bad_file_does_not_keep_the_others_from_working() {
        let (dir, compiler) =
            specs_dir(&[("a.yaml", "images: ['**']"), ("b.yaml", "imges: ['**']")]);
        let found = find_in(&dir, &compiler, "localhost/bb:1");
        assert_eq!(found.artifacts.len(), 1);
        assert_eq!(found.problems.len(), 1);
        assert!(found.problems[0].contains("b.yaml") && found.problems[0].contains("imges"));
    }
}
