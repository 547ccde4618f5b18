//! A node for tests: storage with one image and one container as podman leaves them, imgcompat's own files below a
//! scratch directory, and the real hook run the way a runtime runs it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use imgcompat::audit::Record;
use imgcompat::oci::Digest;

/// The container's id.
pub const CONTAINER: &str = "3f2a6265a16cc408ba37f90ad216145636d9a192749a8e0c7dc52bbf18c2a8b4";

/// The hook and its worker side by side, owned by whoever runs the test, as an installation has them.
pub fn installed() -> &'static Path {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(install).path()
}

/// Another such directory, for tests that change what is in it.
pub fn install() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, built) in [
        ("imgcompat-hook", env!("CARGO_BIN_EXE_imgcompat-hook")),
        ("imgcompat-runtime", env!("CARGO_BIN_EXE_imgcompat-runtime")),
        ("imgcompat", env!("CARGO_BIN_EXE_imgcompat")),
    ] {
        let path = directory.path().join(name);
        // By another process: a file that this one has open for writing when another thread forks cannot be executed.
        assert!(Command::new("cp").arg(built).arg(&path).status().unwrap().success());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// How a start ended.
#[derive(Debug)]
pub struct Ended {
    /// The hook's exit code.
    pub code: i32,
    /// What it said.
    pub stderr: String,
}

/// A scratch node.
pub struct Node {
    dir: tempfile::TempDir,
    /// The image's platform manifest.
    pub manifest: Digest,
    /// The index that lists it.
    pub index: Digest,
}

impl Node {
    /// A node whose one image was pulled as `name`.
    pub fn with_image(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Digest::of(b"image configuration");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
        );
        let manifest_digest = Digest::of(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{manifest_digest}","size":{}}}]}}"#,
            manifest.len()
        );
        let node = Node { dir, index: Digest::of(index.as_bytes()), manifest: manifest_digest };
        let data = node.storage().join("overlay-images").join(config.hex());
        fs::create_dir_all(&data).unwrap();
        for text in [&manifest, &index] {
            fs::write(data.join(big_data(&Digest::of(text.as_bytes()))), text).unwrap();
        }
        let images = serde_json::json!([{
            "id": config.hex(), "names": [name], "names-history": [name],
            "big-data-names": [format!("manifest-{}", node.index), format!("manifest-{}", node.manifest)],
        }]);
        fs::write(node.storage().join("overlay-images/images.json"), images.to_string()).unwrap();
        let metadata =
            serde_json::json!({"image-name": name, "image-id": config.hex()}).to_string();
        let containers = serde_json::json!([{
            "id": CONTAINER, "image": config.hex(), "layer": "layer1", "metadata": metadata,
        }]);
        fs::create_dir_all(node.bundle()).unwrap();
        let records = node.storage().join("overlay-containers/containers.json");
        fs::write(records, containers.to_string()).unwrap();
        node.write_bundle(&node.bundle_config());
        node
    }

    /// The engine's storage.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// The container's bundle.
    pub fn bundle(&self) -> PathBuf {
        self.storage().join(format!("overlay-containers/{CONTAINER}/userdata"))
    }

    /// Where imgcompat's own files are.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    /// A configuration as podman writes it, with everything a creator can lie about.
    pub fn bundle_config(&self) -> serde_json::Value {
        serde_json::json!({
            "ociVersion": "1.0.2",
            "root": {"path": self.storage().join("overlay/layer1/merged")},
            "process": {"terminal": false, "env": ["LD_PRELOAD=/poc.so"]},
            "annotations": lies(),
        })
    }

    /// Replaces the bundle's configuration.
    pub fn write_bundle(&self, config: &serde_json::Value) {
        fs::write(self.bundle().join("config.json"), config.to_string()).unwrap();
    }

    /// Writes one of imgcompat's own files, for example `etc/imgcompat/config.toml`.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The state that a runtime would send.
    pub fn state(&self) -> String {
        serde_json::json!({
            "ociVersion": "1.0.2", "id": CONTAINER, "pid": 7, "status": "created",
            "bundle": self.bundle(), "annotations": lies(),
        })
        .to_string()
    }

    /// Starts the container.
    pub fn start(&self) -> Ended {
        self.run(&[], self.state().as_bytes())
    }

    /// Runs the hook with more arguments and any input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(&[]);
        command.args(arguments);
        let (written, ended) = Self::converse(command, input);
        written.expect("the hook reads all, or crun refuses the container whatever the hook says");
        ended
    }

    /// The installed hook, run through `wrapper` (a program and its arguments) if there is one.
    pub fn command(&self, wrapper: &[&str]) -> Command {
        self.command_of(&installed().join("imgcompat-hook"), wrapper)
    }

    /// The same with a hook from elsewhere.
    pub fn command_of(&self, hook: &Path, wrapper: &[&str]) -> Command {
        let mut command = match wrapper {
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(hook);
                command
            }
            [] => Command::new(hook),
        };
        command
            .arg("--root")
            .arg(self.root())
            .env("REGISTRY_AUTH_FILE", "/nonexistent")
            .current_dir(self.bundle())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The installed wrapper in place of `runtime`, asked to create the container; run through `wrapper`.
    pub fn create(&self, runtime: &Path, wrapper: &[&str]) -> Command {
        let installed = installed().join("imgcompat-runtime");
        let words = wrapper.iter().map(OsStr::new).chain([installed.as_os_str()]);
        let words = words.collect::<Vec<_>>();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(format!("--imgcompat-root={}", self.root().display()))
            .arg(format!("--imgcompat-runtime={}", runtime.display()))
            .args(["create", "--bundle"])
            .arg(self.bundle())
            .arg(CONTAINER)
            .stdin(Stdio::null());
        command
    }

    /// Runs a hook that something may happen to, to its end.
    pub fn finish(command: Command, input: &[u8]) -> Ended {
        Self::converse(command, input).1
    }

    fn converse(mut command: Command, input: &[u8]) -> (std::io::Result<()>, Ended) {
        let mut child = command.spawn().unwrap();
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty(), "the hook has nothing to say on standard output");
        let ended = Ended {
            code: output.status.code().unwrap_or(-1),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        (written, ended)
    }

    /// Every record so far.
    pub fn records(&self) -> Vec<Record> {
        let log = self.root().join("var/log/imgcompat/decisions.jsonl");
        let text = fs::read_to_string(log).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The newest record.
    pub fn record(&self) -> Record {
        self.records().pop().expect("a record")
    }
}

/// Annotations that claim to be everything that could matter.
fn lies() -> serde_json::Value {
    serde_json::json!({
        "io.kubernetes.cri-o.ContainerType": "sandbox",
        "io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri-o.Image": "localhost/harmless:1",
        "io.kubernetes.cri-o.ImageRepoDigests": "localhost/harmless@sha256:00",
        "io.container.manager": "buildah",
        "run.oci.hooks.stderr": "/tmp/imgcompat-must-not-exist",
        "imgcompat.mode": "off",
    })
}

fn big_data(digest: &Digest) -> String {
    use base64::Engine as _;
    let key = format!("manifest-{digest}");
    format!("={}", base64::engine::general_purpose::STANDARD.encode(key))
}
