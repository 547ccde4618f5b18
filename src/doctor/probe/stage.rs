//! What a probe puts on the node: a directory with the images, and a local specification for one of them. Both go
//! when the stage does; what a probe that was killed left behind goes when the next one begins.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::archive;
use crate::audit::{Record, log};
use crate::engine::Node;
use crate::files;
use crate::paths::Paths;

/// Where the images' names begin. Nobody else's images are called that.
const REPOSITORY: &str = "localhost/imgcompat-probe";
/// Where the specification's file name begins.
const SPECIFICATION: &str = "imgcompat-probe-";
/// Most that is read of what the log gained during one start.
const LOG_BYTES: u64 = 4 << 20;

/// The stage of one engine's probe.
pub struct Stage {
    directory: PathBuf,
    specification: PathBuf,
    log: PathBuf,
    tag: String,
}

impl Stage {
    /// Sets it.
    pub fn set(node: &Node, paths: &Paths, engine: &str) -> io::Result<Self> {
        let process = std::process::id();
        let specifications = paths.specs_dir();
        remove_stale(&specifications);
        let stage = Stage {
            directory: std::env::temp_dir().join(format!("imgcompat-probe-{engine}-{process}")),
            specification: specifications.join(format!("{SPECIFICATION}{engine}-{process}.yaml")),
            log: paths.log_dir().join(log::FILE_NAME),
            tag: format!("{engine}-{process}"),
        };
        fs::DirBuilder::new().mode(0o700).create(&stage.directory)?;
        let program = fs::read(node.at(&node.hook()))?;
        let archive = archive::two_images(&program, [&stage.refused(), &stage.allowed()]);
        fs::write(stage.archive(), archive)?;
        files::publish(
            &specifications,
            &format!("{SPECIFICATION}{engine}-{process}.yaml"),
            specification(&stage.refused()).as_bytes(),
        )?;
        Ok(stage)
    }

    /// The image that must be refused.
    pub fn refused(&self) -> String {
        format!("{REPOSITORY}:{}-refused", self.tag)
    }

    /// The image that nothing speaks against.
    pub fn allowed(&self) -> String {
        format!("{REPOSITORY}:{}-allowed", self.tag)
    }

    /// Both images in one file.
    pub fn archive(&self) -> PathBuf {
        self.file("images.tar")
    }

    /// A file of the stage.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A name for a container.
    pub fn container(&self) -> String {
        format!("imgcompat-probe-{}", self.tag)
    }

    /// Where the decision log ends now.
    pub fn log_mark(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }

    /// The newest decision since then about this image; else about one that could not be identified.
    pub fn decision_since(&self, mark: u64, image: &str) -> Option<Record> {
        let records = since(&self.log, mark).unwrap_or_default();
        let named = |record: &&Record| {
            let name = record.image.as_deref().unwrap_or_default();
            name == image || name.ends_with(image)
        };
        let unidentified = |record: &&Record| {
            record.cause == Some(crate::Cause::ImageUnidentified) && record.image.is_none()
        };
        let mut newest = records.iter().rev();
        let found = newest.find(named).or_else(|| records.iter().rev().find(unidentified));
        found.cloned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.specification);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Asks for a kernel that does not exist.
fn specification(image: &str) -> String {
    format!(
        "# Made by imgcompat doctor --probe, which removes it.\n\
         version: v1alpha1\n\
         images: [\"{image}\"]\n\
         combine: replace\n\
         compatibilities:\n\
         - description: nothing satisfies this\n  \
           rules:\n  \
           - name: a kernel of the far future\n    \
             matchFeatures:\n    \
             - feature: kernel.version\n      \
               matchExpressions:\n        \
                 major: {{op: Gt, value: [\"9999\"]}}\n"
    )
}

fn since(log: &Path, mark: u64) -> io::Result<Vec<Record>> {
    let mut file = files::open_regular(log)?;
    // A log that is shorter than it was has been rotated.
    let from = if file.metadata()?.len() < mark { 0 } else { mark };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn remove_stale(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(SPECIFICATION)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::compile;
    use crate::worker::protocol::CompileAnswer;

    #[test]
    fn the_specification_is_one() {
        match compile::compile(specification("localhost/imgcompat-probe:a-1-refused").as_bytes()) {
            CompileAnswer::Checked { local, warnings } => {
                assert_eq!(local.images, ["localhost/imgcompat-probe:a-1-refused"]);
                assert_eq!(warnings, Vec::<String>::new());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stage_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        fs::create_dir_all(paths.specs_dir()).unwrap();
        fs::write(paths.specs_dir().join("imgcompat-probe-old-1.yaml"), "").unwrap();
        let hook = root.path().join("usr/libexec/imgcompat/imgcompat-hook");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(hook, "program").unwrap();
        let node = Node::new(root.path(), Path::new("/usr/bin/imgcompat"));
        let stage = Stage::set(&node, &paths, "test").unwrap();
        let directory = stage.directory.clone();
        assert!(stage.archive().exists());
        assert_eq!(fs::read_dir(paths.specs_dir()).unwrap().count(), 1);
        drop(stage);
        assert!(!directory.exists());
        assert_eq!(fs::read_dir(paths.specs_dir()).unwrap().count(), 0);
    }
}
