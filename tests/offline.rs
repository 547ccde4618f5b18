//! A node without a registry: what is attached to images is mirrored from a registry on loopback, the registry ends,
//! and the real hook decides by the layout alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;
#[path = "support/real_registry.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod real_registry;
#[path = "support/tool.rs"]
mod tool;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use faulty_server::{Asked, Reply, Server, answer};
use imgcompat::oci::{Digest, media_type};
use imgcompat::verdict::Cause;
use node::Node;

/// A specification that holds on every host, and one that holds on none.
fn specification(holds: bool) -> String {
    let least = if holds { 1 } else { 1000 };
    format!(
        "version: v1alpha1\ncompatibilities:\n- description: test\n  rules:\n  - name: rule\n    matchFeatures:\n    - feature: kernel.version\n      matchExpressions: {{major: {{op: Gt, value: [\"{least}\"]}}}}\n"
    )
}

/// What a registry answers, by path.
#[derive(Default, Clone)]
struct Content(BTreeMap<String, (&'static str, String)>);

impl Content {
    fn put(&mut self, path: String, media_type: &'static str, text: &str) {
        self.0.insert(path, (media_type, text.to_owned()));
    }

    /// An image under the tag `1`: its index, and the manifest which that lists.
    fn image(&mut self, repository: &str, [manifest, index]: &[String; 2]) {
        let base = format!("/v2/{repository}/manifests");
        for name in ["1".to_owned(), Digest::of(index.as_bytes()).to_string()] {
            self.put(format!("{base}/{name}"), media_type::IMAGE_INDEX, index);
        }
        let digest = Digest::of(manifest.as_bytes());
        self.put(format!("{base}/{digest}"), media_type::IMAGE_MANIFEST, manifest);
    }

    fn attach(&mut self, repository: &str, subject: &Digest, specification: &str) -> Digest {
        let layer = Digest::of(specification.as_bytes());
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "artifactType": media_type::ARTIFACT_TYPE,
            "config": {"mediaType": media_type::EMPTY, "digest": Digest::of(b"{}"), "size": 2},
            "layers": [{"mediaType": media_type::SPECIFICATION, "digest": layer, "size": specification.len()}],
            "subject": {"mediaType": media_type::IMAGE_MANIFEST, "digest": subject, "size": 5},
            "annotations": {media_type::CREATED: "2026-01-01T00:00:00Z"},
        })
        .to_string();
        let digest = Digest::of(manifest.as_bytes());
        let list = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": [{
            "mediaType": media_type::IMAGE_MANIFEST, "artifactType": media_type::ARTIFACT_TYPE,
            "digest": digest, "size": manifest.len(),
        }]});
        let base = format!("/v2/{repository}");
        self.put(format!("{base}/referrers/{subject}"), media_type::IMAGE_INDEX, &list.to_string());
        self.put(format!("{base}/manifests/{digest}"), media_type::IMAGE_MANIFEST, &manifest);
        self.put(format!("{base}/blobs/{layer}"), "application/octet-stream", specification);
        digest
    }

    fn serve(self) -> Server {
        Server::start(move |asked| self.reply(asked))
    }

    fn reply(&self, asked: &Asked) -> Reply {
        let path = asked.target.split('?').next().unwrap_or_default();
        match self.0.get(path) {
            Some((media_type, text)) => answer(200, media_type, text.as_bytes()),
            None if path.contains("/broken/") => answer(500, "text/plain", "no"),
            None => answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        }
    }
}

/// The image's manifest and index, from the node's own storage.
fn documents(node: &Node) -> [String; 2] {
    let storage = node.bundle().ancestors().nth(3).unwrap().join("overlay-images");
    let files = fs::read_dir(storage).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let files = files.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file.path()).unwrap()).collect();
    [&node.manifest, &node.index]
        .map(|digest| texts.iter().find(|t| Digest::of(t.as_bytes()) == *digest).unwrap().clone())
}

fn mirror(to: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let command = ["mirror", "--plain-http", "--to", to.to_str().unwrap()];
    let output = tool::run(&[&command, arguments].concat(), input);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Every file with its content and the time it was written.
fn state(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(state(&path));
        } else {
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            files.insert(path.clone(), (fs::read(path).unwrap(), written));
        }
    }
    files
}

/// Two repositories with the same image: in `fits` its specification holds, in `fails` it does not. What is attached
/// was mirrored, and the registry has ended.
struct Offline {
    _dir: tempfile::TempDir,
    layout: PathBuf,
    authority: String,
    artifact: Digest,
}

impl Offline {
    fn new() -> Self {
        let image = Node::with_image("r.example/any:1");
        let documents = documents(&image);
        let mut content = Content::default();
        for repository in ["fits", "fails", "none", "foreign"] {
            content.image(repository, &documents);
        }
        content.attach("fits", &image.manifest, &specification(true));
        content.attach("fails", &image.index, &specification(true));
        let artifact = content.attach("fails", &image.manifest, &specification(false));
        content.attach("foreign", &image.manifest, &specification(false));
        let server = content.serve();
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("deep/layout");
        let authority = server.authority.clone();
        let names = ["fits", "fails"].map(|name| format!("{authority}/{name}:1"));
        let (code, text) = mirror(&layout, &[&names[0], &names[1]], "");
        assert_eq!(code, 0, "{text}");
        Offline { _dir: dir, layout, authority, artifact }
    }

    fn node(&self, repository: &str) -> Node {
        let node = Node::with_image(&format!("{}/{repository}:1", self.authority));
        let policy =
            format!("deadline = '9s'\n[artifacts]\nlayout = '{}'\n", self.layout.display());
        node.write("etc/imgcompat/config.toml", &policy);
        node
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.layout.join("blobs/sha256").join(digest.hex())
    }

    /// No start by the layout may take what it holds for "no specification", and the record names `says`.
    #[track_caller]
    fn refuses(&self, says: &str) {
        let node = self.node("fails");
        node.start();
        let record = node.record();
        assert_eq!(record.cause, Some(Cause::RegistryUnavailable), "{record:?}");
        assert!(record.reason.contains("unverifiable"), "{}", record.reason);
        assert!(record.reason.contains(says), "{}\n  should name {says}", record.reason);
    }
}

#[test]
fn a_node_without_a_registry_decides_by_the_layout() {
    let offline = Offline::new();
    let node = offline.node("fits");
    assert_eq!(node.start().code, 0);
    let record = node.record();
    assert_eq!(record.verdict, "compatible", "{record:?}");
    let node = offline.node("fails");
    let ended = node.start();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("needs kernel.version major (Gt 1000)"), "{}", ended.stderr);
    let artifact = &node.record().judgements[0].artifact;
    assert_eq!(
        (artifact.source.as_str(), artifact.digest.as_ref()),
        ("layout", Some(&offline.artifact))
    );
    assert_eq!(artifact.location.as_deref(), offline.layout.to_str());
    let log = node.root();
    let why = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["why", "--root"])
        .arg(log)
        .output()
        .unwrap();
    let told = String::from_utf8(why.stdout).unwrap();
    assert!(told.contains(&format!("from the layout {}", offline.layout.display())), "{told}");
}

#[test]
fn the_same_image_in_another_repository_is_another_question() {
    let offline = Offline::new();
    let node = offline.node("foreign");
    node.start();
    let record = node.record();
    assert_eq!(record.cause, Some(Cause::RegistryUnavailable), "{record:?}");
    assert!(record.reason.contains("connection"), "{}", record.reason);
    assert!(record.judgements.is_empty());
}

#[test]
fn what_the_layout_does_not_have_the_registry_is_asked_for() {
    let mut content = Content::default();
    let image = Node::with_image("r.example/any:1");
    content.image("later", &documents(&image));
    content.attach("later", &image.manifest, &specification(false));
    let server = content.serve();
    let offline = Offline::new();
    let node = Node::with_image(&format!("{}/later:1", server.authority));
    for layout in [offline.layout.clone(), offline.layout.join("missing")] {
        let policy = format!("[artifacts]\nlayout = '{}'\n", layout.display());
        node.write("etc/imgcompat/config.toml", &policy);
        assert_eq!(node.start().code, 1);
    }
    assert_eq!(node.record().judgements[0].artifact.source, "registry");
}

#[test]
fn a_flipped_byte_is_refused_with_the_digest_that_fails() {
    let offline = Offline::new();
    let manifest = offline.blob(&offline.artifact);
    let text = fs::read_to_string(&manifest).unwrap();
    let layer = Digest::of(specification(false).as_bytes());
    for (path, digest) in [(manifest, &offline.artifact), (offline.blob(&layer), &layer)] {
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[20] ^= 1;
        fs::write(&path, flipped).unwrap();
        offline.refuses(digest.as_str());
        fs::write(&path, good).unwrap();
    }
    assert!(text.contains(layer.as_str()));
    assert_eq!(offline.node("fails").start().code, 1);
}

#[test]
fn a_cut_index_and_a_link_in_place_of_a_blob_are_refused() {
    let offline = Offline::new();
    let index = offline.layout.join("index.json");
    let good = fs::read(&index).unwrap();
    fs::write(&index, &good[..good.len() / 2]).unwrap();
    offline.refuses("index.json");
    fs::write(&index, &good).unwrap();
    let blob = offline.blob(&offline.artifact);
    let elsewhere = offline.layout.join("elsewhere");
    fs::rename(&blob, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &blob).unwrap();
    offline.refuses(offline.artifact.as_str());
}

#[test]
fn a_second_run_changes_nothing_and_mends_what_is_damaged() {
    let image = Node::with_image("r.example/any:1");
    let mut content = Content::default();
    content.image("ml", &documents(&image));
    let digest = content.attach("ml", &image.manifest, &specification(true));
    let server = content.serve();
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{}/ml:1", server.authority);
    assert_eq!(mirror(dir.path(), &[&name], "").0, 0);
    let first = state(dir.path());
    // Marker, index, lock, and three blobs.
    assert_eq!(first.len(), 6, "{first:?}");
    let (code, text) = mirror(dir.path(), &["--output", "json", &name], "");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r#""result":"found","changed":false"#), "{text}");
    assert_eq!(state(dir.path()), first);
    fs::write(dir.path().join("blobs/sha256").join(digest.hex()), "x").unwrap();
    let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
    fs::write(dir.path().join("index.json"), index.replace("/ml\"", "/mm\"")).unwrap();
    assert_eq!(mirror(dir.path(), &[&name], "").0, 0);
    let contents = |state: BTreeMap<PathBuf, (Vec<u8>, _)>| -> Vec<Vec<u8>> {
        state.into_values().map(|(content, _)| content).collect()
    };
    assert_eq!(contents(state(dir.path())), contents(first));
}

#[test]
fn what_others_put_into_the_index_stays() {
    let offline = Offline::new();
    let path = offline.layout.join("index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let foreign =
        serde_json::json!({"mediaType": "x/y", "digest": "sha512:0", "size": 1, "data": "eA=="});
    index["manifests"].as_array_mut().unwrap().insert(0, foreign.clone());
    index["annotations"] = serde_json::json!({"a": "b"});
    fs::write(&path, index.to_string()).unwrap();
    let (code, text) = mirror(&offline.layout, &["--from-list", "-"], "# nothing\n\n");
    assert_eq!(code, 0, "{text}");
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(after, index);
    offline.refuses("sha512:0");
}

#[test]
fn a_list_is_answered_image_by_image_and_what_could_not_be_found_out_is_exit_code_4() {
    let image = Node::with_image("r.example/any:1");
    let mut content = Content::default();
    for repository in ["ml", "none", "broken/ml"] {
        content.image(repository, &documents(&image));
    }
    content.attach("ml", &image.index, &specification(true));
    // Attached to the index; what is attached to the platform cannot be found out.
    content.attach("broken/ml", &image.index, &specification(true));
    let server = content.serve();
    let dir = tempfile::tempdir().unwrap();
    let host = &server.authority;
    let list = format!(
        "# ours\n{host}/ml:1 # the model\n\n{host}/none:1\n{host}/ml:1\n{host}/broken/ml:1\n"
    );
    let (code, text) = mirror(dir.path(), &["--from-list", "-", "--output", "json"], &list);
    assert_eq!(code, 4, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results: Vec<&str> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["found", "none", "failed"], "{text}");
    assert!(report["images"][2]["problem"].as_str().unwrap().contains("HTTP 500"), "{text}");
    let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert!(!index.contains("broken"), "an image is mirrored as a whole or not at all: {index}");
    let (code, text) = mirror(dir.path(), &[&format!("{host}/gone:1")], "");
    assert_eq!(code, 4, "{text}");
    for bad in ["busybox", "r.example/no-tag", "r.example/x:1\u{1b}"] {
        assert_eq!(mirror(dir.path(), &[bad], "").0, 2, "{bad}");
    }
}

#[test]
fn a_secret_is_not_sent_to_several_registries() {
    let server = Content::default().serve();
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{}/ml:1", server.authority);
    let arguments =
        ["--registry-username", "u", "--registry-password-stdin", &name, "127.0.0.1:1/ml:1"];
    let (code, text) = mirror(dir.path(), &arguments, "hunter2-canary\n");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("is for one registry") && !text.contains("hunter2-canary"), "{text}");
    assert!(server.asked().is_empty());
}

#[test]
fn nothing_of_the_image_but_its_manifests_is_read() {
    let image = Node::with_image("r.example/any:1");
    let mut content = Content::default();
    content.image("ml", &documents(&image));
    content.attach("ml", &image.manifest, &specification(true));
    let server = content.serve();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mirror(dir.path(), &[&format!("{}/ml:1", server.authority)], "").0, 0);
    let layer = Digest::of(specification(true).as_bytes());
    for asked in server.asked().iter().filter(|asked| asked.target.contains("/blobs/")) {
        assert!(asked.target.ends_with(layer.as_str()), "{}", asked.target);
    }
}

#[test]
fn real_registries_are_mirrored_for_all_platforms() {
    use real_registry::{Kind, Registry, Setup};
    for kind in [Kind::DockerRegistry, Kind::Olareg] {
        let Some(registry) = Registry::start(kind, &Setup::default()) else { continue };
        let (_, [amd64, _]) = registry.push_index("multi", "1");
        let name = format!("{}/multi:1", registry.authority);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("spec.yaml");
        fs::write(&file, specification(true)).unwrap();
        let attach = |more: &[&str]| {
            let done = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
                .args(["attach-spec", "--plain-http", "--force", &name])
                .arg(&file)
                .args(more)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        attach(&[]);
        attach(&["--platform", "linux/amd64"]);
        let layout = dir.path().join("layout");
        let (code, text) = mirror(&layout, &[&name], "");
        assert_eq!((code, text.lines().count()), (0, 2), "{kind:?}: {text}");
        assert!(text.contains(&format!("attached to {amd64} (linux/amd64)")), "{kind:?}: {text}");
        let first = state(&layout);
        assert_eq!(mirror(&layout, &[&name], "").0, 0);
        assert_eq!(state(&layout), first, "{kind:?}");
    }
}

/// The layout has the last word on "nothing is attached" too, since nobody else can be asked.
#[test]
fn what_certainly_has_no_specification_is_no_artifact_on_a_node_without_a_registry() {
    let image = Node::with_image("r.example/any:1");
    let documents = documents(&image);
    let mut content = Content::default();
    for repository in ["none", "later", "other"] {
        content.image(repository, &documents);
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let server = content.clone().serve();
    let names = ["none", "later"].map(|name| format!("{}/{name}:1", server.authority));
    let (code, text) = mirror(&layout, &[&names[0], &names[1]], "");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("none    "), "{text}");
    let first = state(&layout);
    assert_eq!(mirror(&layout, &[&names[0], &names[1]], "").0, 0);
    assert_eq!(state(&layout), first, "a second run changes nothing");
    let authority = server.authority.clone();
    let node = |repository: &str| {
        let node = Node::with_image(&format!("{authority}/{repository}:1"));
        let policy = format!("deadline = '9s'\n[artifacts]\nlayout = '{}'\n", layout.display());
        node.write("etc/imgcompat/config.toml", &policy);
        node
    };
    // Something is attached later, and mirrored again: that takes the place of "nothing".
    content.attach("later", &image.manifest, &specification(false));
    drop(server);
    while std::net::TcpStream::connect(&authority).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let nodes = ["none", "later", "other"].map(node);
    for (node, verdict) in nodes.iter().zip(["no-artifact", "no-artifact", "undecided"]) {
        assert_eq!(node.start().code, 0);
        assert_eq!(node.record().verdict, verdict, "{:?}", node.record());
    }
    let server = Server::start_at(&authority, move |asked| content.reply(asked));
    assert_eq!(mirror(&layout, &[&names[1]], "").0, 0);
    drop(server);
    assert_eq!(nodes[1].start().code, 1);
    assert_eq!(nodes[0].start().code, 0);
    assert_eq!(nodes[0].record().verdict, "no-artifact");
}

#[test]
fn a_damaged_nothing_is_refused_and_lends_itself_to_no_other_image() {
    let image = Node::with_image("r.example/any:1");
    let mut content = Content::default();
    content.image("none", &documents(&image));
    let server = content.serve();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mirror(dir.path(), &[&format!("{}/none:1", server.authority)], "").0, 0);
    let node = Node::with_image(&format!("{}/none:1", server.authority));
    let policy = format!("deadline = '9s'\n[artifacts]\nlayout = '{}'\n", dir.path().display());
    node.write("etc/imgcompat/config.toml", &policy);
    drop(server);
    let index = dir.path().join("index.json");
    let good = fs::read_to_string(&index).unwrap();
    for (from, to) in [
        ("/none\"", "/nine\""),
        ("nothing-attached", "nothing-attachee"),
        (&node.manifest.hex()[..8], "00000000"),
        (&Digest::of(b"{}").hex()[..8], "00000000"),
    ] {
        fs::write(&index, good.replace(from, to)).unwrap();
        node.start();
        let record = node.record();
        assert_eq!(record.cause, Some(Cause::RegistryUnavailable), "{from}: {record:?}");
    }
    fs::write(&index, &good).unwrap();
    node.start();
    assert_eq!(node.record().verdict, "no-artifact");
}

/// What is attached and is no specification is copied as it is, so that nodes refuse it as they would online.
#[test]
fn what_is_no_specification_is_copied_and_named() {
    let image = Node::with_image("r.example/any:1");
    let mut content = Content::default();
    for repository in ["bad", "layers"] {
        content.image(repository, &documents(&image));
    }
    content.attach("bad", &image.manifest, "version: v1alpha1\nnonsense: 1\n");
    let digest = content.attach("layers", &image.manifest, &specification(true));
    let path = format!("/v2/layers/manifests/{digest}");
    let wrong = content.0[&path].1.replace(media_type::SPECIFICATION, "text/plain");
    let list = format!("/v2/layers/referrers/{}", image.manifest);
    let relisted =
        content.0[&list].1.replace(digest.as_str(), Digest::of(wrong.as_bytes()).as_str());
    let size = format!("\"size\":{}", content.0[&path].1.len());
    let relisted = relisted.replace(&size, &format!("\"size\":{}", wrong.len()));
    content.put(
        format!("/v2/layers/manifests/{}", Digest::of(wrong.as_bytes())),
        media_type::IMAGE_MANIFEST,
        &wrong,
    );
    content.put(list, media_type::IMAGE_INDEX, &relisted);
    let server = content.serve();
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = mirror(dir.path(), &[&format!("{}/bad:1", server.authority)], "");
    assert_eq!(code, 4, "{text}");
    assert!(
        text.starts_with("invalid ") && text.contains("it is no specification: line"),
        "{text}"
    );
    let (code, text) = mirror(dir.path(), &[&format!("{}/layers:1", server.authority)], "");
    assert_eq!(code, 4, "{text}");
    assert!(
        text.starts_with("failed ") && text.contains("has the media type `text/plain`"),
        "{text}"
    );
    let node = Node::with_image(&format!("{}/bad:1", server.authority));
    drop(server);
    let policy = format!("deadline = '9s'\n[artifacts]\nlayout = '{}'\n", dir.path().display());
    node.write("etc/imgcompat/config.toml", &policy);
    assert_eq!(node.start().code, 1);
    assert_eq!(node.record().cause, Some(Cause::InvalidSpecification));
}

fn validate(root: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["validate-node", "--plain-http", "--output", "json", "--root"])
        .arg(root)
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

#[test]
fn validate_node_judges_by_the_layout_and_the_local_specifications_as_the_hook_does() {
    let offline = Offline::new();
    let node = offline.node("fits");
    let pinned =
        |repository: &str| format!("{}/{repository}:1@{}", offline.authority, node.manifest);
    let (code, text) = validate(&node.root(), &["--image", &pinned("fits")]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r#""source": "layout""#), "{text}");
    assert_eq!(validate(&node.root(), &["--image", &pinned("fails")]).0, 1);
    // Nobody knows what a tag means where there is no registry.
    let tagged = format!("{}/fits:1", offline.authority);
    let (code, text) = validate(&node.root(), &["--image", &tagged]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("write NAME@DIGEST"), "{text}");
    let (code, text) = validate(&node.root(), &["--image", &pinned("fits"), "--attached-only"]);
    assert_eq!(code, 4, "{text}");
    let layout = offline.layout.to_str().unwrap();
    let other = tempfile::tempdir().unwrap();
    assert_eq!(validate(other.path(), &["--image", &pinned("fits"), "--layout", layout]).0, 0);
    // A local specification comes on top, or in place of the image's own.
    let local = |combine: &str, holds: bool| {
        let text = format!("images: ['**/fits']\ncombine: {combine}\n{}", specification(holds));
        node.write("etc/imgcompat/specs.d/10-own.yaml", &text);
        let (code, text) = validate(&node.root(), &["--image", &pinned("fits")]);
        let hook = node.start().code;
        (code, hook, text)
    };
    let (code, hook, text) = local("and", false);
    assert_eq!((code, hook), (1, 1), "{text}");
    assert!(text.contains(r#""source": "local""#) && text.contains(r#""others""#), "{text}");
    assert_eq!(local("and", true).0, 0);
    let (code, hook, text) = local("replace", true);
    assert_eq!((code, hook), (0, 0), "{text}");
    assert!(!text.contains(r#""source": "layout""#), "{text}");
    node.write("etc/imgcompat/specs.d/20-bad.yaml", "images: [");
    let (code, text) = validate(&node.root(), &["--image", &pinned("fits")]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("warning:") && text.contains("20-bad.yaml"), "{text}");
}

/// An image of many gigabytes: only manifests and the specification are read, whatever the command.
#[test]
fn no_image_is_ever_read() {
    let image = Node::with_image("r.example/any:1");
    let [manifest, index] = documents(&image);
    let layer = Digest::of(b"a layer");
    let big = manifest.replace(
        r#""layers":[]"#,
        &format!(r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":9000000000}}]"#),
    );
    let index =
        index.replace(image.manifest.as_str(), Digest::of(big.as_bytes()).as_str()).replace(
            &format!("\"size\":{}", manifest.len()),
            &format!(
                "\"size\":{},\"platform\":{{\"os\":\"linux\",\"architecture\":\"amd64\"}}",
                big.len()
            ),
        );
    let mut content = Content::default();
    content.image("big", &[big.clone(), index]);
    content.attach("big", &Digest::of(big.as_bytes()), &specification(true));
    let server = Server::start(move |asked| match content.reply(asked) {
        Reply::Answer(404, ..) if asked.target.contains("/blobs/") => Reply::Huge(9_000_000_000),
        reply => reply,
    });
    let name = format!("{}/big:1", server.authority);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mirror(&dir.path().join("layout"), &[&name], "").0, 0);
    let (code, text) = validate(dir.path(), &["--image", &name, "--platform", "linux/amd64"]);
    assert_eq!(code, 0, "{text}");
    let specification = Digest::of(specification(true).as_bytes());
    let asked = server.asked();
    let blobs = asked.iter().filter(|asked| asked.target.contains("/blobs/"));
    for asked in blobs {
        assert!(asked.target.ends_with(specification.as_str()), "{}", asked.target);
    }
    let read = server.sent();
    println!("an image of 9 GB: {} requests, {read} bytes read", asked.len());
    assert!(read < 32 << 10, "{read}");
}
