//! What engines leave on the node: Docker's files, containerd's blobs and answers, layouts, configurations.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgcompat::artifact::layout::{Checker, Layout};
use imgcompat::deadline::Deadline;
use imgcompat::engine::{ENGINES, Node, Via};
use imgcompat::image::containerd::Containerd;
use imgcompat::image::content_store::ContentStore;
use imgcompat::image::{self, Memory};
use imgcompat::oci::{Digest, Repository};
use imgcompat::start::ContainerStart;
use imgcompat::worker::process::WorkerError;
use imgcompat::worker::protocol::{CheckAnswer, ContainerdAnswer, ContainerdRequest};

use super::{file, folder};

/// Answers with what was last put here, and checks specifications in this process.
struct Fake;

thread_local! {
    static ANSWER: RefCell<Option<ContainerdAnswer>> = const { RefCell::new(None) };
}

impl Containerd for Fake {
    fn container(
        &self,
        _: &ContainerdRequest,
        _: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError> {
        let answer = ANSWER.with(|answer| answer.borrow_mut().take());
        Ok(answer.unwrap_or(ContainerdAnswer::NotFound))
    }
}

impl Checker for Fake {
    fn check(&self, bytes: &[u8], _: &Deadline) -> Result<CheckAnswer, WorkerError> {
        Ok(imgcompat::tasks::check::check(bytes))
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

fn identify(namespace: &str, root: PathBuf) {
    let start = ContainerStart {
        id: "c1".to_owned(),
        bundle: folder().join(format!("state/io.containerd.runtime.v2.task/{namespace}/c1")),
        root_path: Some(root),
        terminal: false,
        typed_image: Some("registry.example/a:1".to_owned()),
    };
    let _ = image::identify(&start, &Memory::default(), &Fake, &soon());
}

/// The first byte says which file.
pub fn docker_files(bytes: &[u8]) {
    const CONTAINER: &str = "docker/containers/c1/config.v2.json";
    const NAMES: &str = "docker/image/overlay2/repositories.json";
    let Some((first, rest)) = bytes.split_first() else { return };
    file(CONTAINER, CONTAINER_FILE.as_bytes());
    file(NAMES, REPOSITORIES.as_bytes());
    file([CONTAINER, NAMES][usize::from(first % 2)], rest);
    // Only a directory that nobody else can write to is believed.
    let private = folder().join("docker/containers/c1");
    let _ = std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o700));
    identify("moby", folder().join("docker/overlay2/l/merged"));
}

/// `config.v2.json` of a container.
pub const CONTAINER_FILE: &str = r#"{"ID":"c1","Image":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","Config":{"Image":"registry.example/a:1"},"Driver":"overlay2"}"#;
/// `repositories.json` of the older stores.
pub const REPOSITORIES: &str = r#"{"Repositories":{"registry.example/a":{"registry.example/a:1":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","registry.example/a@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}}"#;

/// What the worker says that containerd said.
pub fn containerd_answer(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<ContainerdAnswer>(bytes) else { return };
    for namespace in ["k8s.io", "default"] {
        ANSWER.with(|place| *place.borrow_mut() = Some(answer.clone()));
        identify(namespace, folder().join("rootfs"));
    }
}

/// A blob under its true name, as a manifest, an index and a configuration.
pub fn content_store(bytes: &[u8]) {
    let digest = Digest::of(bytes);
    let name = format!("io.containerd.content.v1.content/blobs/sha256/{}", digest.hex());
    let path = file(&name, bytes);
    let store = ContentStore::below(&folder());
    store.platform_images(&digest);
    store.chain_id(&digest);
    let _ = std::fs::remove_file(path);
}

/// `index.json` of a layout.
pub fn layout(bytes: &[u8]) {
    file("layout/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    file("layout/index.json", bytes);
    let directory = folder().join("layout");
    let _ = std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700));
    let cache = folder().join("cache");
    let repository = Repository { registry: "r.example".to_owned(), path: "a".to_owned() };
    let deadline = soon();
    let layout =
        Layout { directory: &directory, cache_root: &cache, checker: &Fake, deadline: &deadline };
    layout.find(&repository, &[Digest::of(b"{}")], &mut Vec::new());
}

/// The configurations that `enable` changes. The first byte says which.
pub fn engine_configurations(bytes: &[u8]) {
    const FILES: [&str; 6] = [
        "etc/docker/daemon.json",
        "etc/containerd/config.toml",
        "etc/crio/crio.conf",
        "etc/containers/containers.conf",
        "etc/imgcompat/containerd/hook.json",
        "usr/share/containers/oci/hooks.d/other.json",
    ];
    let Some((first, rest)) = bytes.split_first() else { return };
    let prefix = folder().join("node");
    let path = file(&format!("node/{}", FILES[usize::from(*first) % FILES.len()]), rest);
    let node = Node::new(&prefix, Path::new("/usr/bin/imgcompat")).with_default_spec("{}");
    for engine in ENGINES {
        for via in [Via::Hook, Via::Wrapper] {
            let _ = engine.plan(&node, via);
        }
        engine.effects(&node);
    }
    let _ = std::fs::remove_file(path);
}
