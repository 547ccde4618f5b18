//! Row 12, the tool: kill -9 of `attach-spec`, `cache clear`, `enable` and `disable` at the system calls they make, of
//! the hook that renames a full log, and of hooks while a log is rotated under them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgcompat::audit::log;
use imgcompat::oci::{Digest, media_type};

use crate::attached::{FAILS, attached, specification};
use crate::disk::has_strace;
use crate::faulty_server::{Asked, Reply, Server, answer, with_header};
use crate::killed::{Victim, every, no_line_is_torn, recovers, rounds};
use crate::node::Node;

/// The tool, run through `wrapper` if there is one.
fn tool(wrapper: &[&str], arguments: &[&str]) -> Command {
    let words: Vec<&str> =
        wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_imgcompat")]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[track_caller]
fn must(point: &str, arguments: &[&str]) -> String {
    let output =
        tool(&[], arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{point}: {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn row_12_a_cache_clear_that_is_killed_anywhere_leaves_nothing_wrong() {
    if !has_strace() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    let root = node.root().display().to_string();
    let clear = Victim {
        what: "cache clear",
        run: &|wrapper| drop(tool(wrapper, &["cache", "clear", "--root", &root]).status()),
        before: &|| drop(node.start()),
        after: &|point| {
            recovers(&node, point);
            must(point, &["cache", "clear", "--root", &root]);
            let left = must(point, &["cache", "list", "--root", &root]);
            assert!(left.starts_with("0 answers"), "{point}: {left}");
        },
    };
    clear.killed(every(8));
    clear.killed_at_random(rounds(10));
}

/// A registry in memory that takes what is pushed, lists referrers if it is to, and refuses a manifest whose parts it
/// does not have.
#[derive(Default)]
struct Pushed {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    lists: bool,
}

impl Pushed {
    fn reply(&mut self, asked: &Asked) -> Reply {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        match asked.method.as_str() {
            "POST" => {
                with_header(answer(202, "text/plain", ""), "Location", "/v2/a/blobs/uploads/1")
            }
            "PUT" if path.contains("/uploads/") => {
                let digest = query.split("digest=").nth(1).unwrap_or_default().replace("%3A", ":");
                assert_eq!(Digest::of(&asked.body).as_str(), digest, "a torn blob");
                self.blobs.insert(digest, asked.body.clone());
                answer(201, "text/plain", "")
            }
            "PUT" => {
                assert!(self.has_parts(&asked.body), "a manifest before its parts");
                let digest = Digest::of(&asked.body).as_str().to_owned();
                self.manifests.insert(digest, asked.body.clone());
                self.manifests.insert(last, asked.body.clone());
                answer(201, "text/plain", "")
            }
            _ if path.contains("/referrers/") => self.referrers(&last),
            _ if path.contains("/blobs/") => {
                found(self.blobs.get(&last), "application/octet-stream")
            }
            _ => {
                let manifest = self.manifests.get(&last);
                let is_index = manifest.is_some_and(|text| contains(text, "\"manifests\""));
                let index =
                    if is_index { media_type::IMAGE_INDEX } else { media_type::IMAGE_MANIFEST };
                found(manifest, index)
            }
        }
    }

    fn has_parts(&self, manifest: &[u8]) -> bool {
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        let digest = |part: &serde_json::Value| part["digest"].as_str().unwrap().to_owned();
        let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
        list("layers").iter().all(|layer| self.blobs.contains_key(&digest(layer)))
            && list("manifests").iter().all(|entry| self.manifests.contains_key(&digest(entry)))
    }

    fn referrers(&self, subject: &str) -> Reply {
        if !self.lists {
            return answer(404, "application/json", "{}");
        }
        let artifacts = self.manifests.iter().filter(|(name, text)| {
            name.starts_with("sha256:") && contains(text, subject) && contains(text, "\"subject\"")
        });
        let entries: Vec<_> = artifacts
            .map(|(digest, text)| {
                serde_json::json!({"mediaType": media_type::IMAGE_MANIFEST, "digest": digest, "size": text.len(),
                    "artifactType": media_type::ARTIFACT_TYPE})
            })
            .collect();
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": entries});
        answer(200, media_type::IMAGE_INDEX, index.to_string())
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(text).contains(part)
}

fn found(content: Option<&Vec<u8>>, media_type: &str) -> Reply {
    match content {
        Some(bytes) => answer(200, media_type, bytes.clone()),
        None => answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    }
}

fn killed_attach(lists: bool, step: usize) {
    let content: Arc<Mutex<Pushed>> = Arc::default();
    let shared = content.clone();
    let server = Server::start(move |asked| shared.lock().unwrap().reply(asked));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spec.yaml");
    fs::write(&file, specification(FAILS)).unwrap();
    let (image, file) = (format!("{}/a:1", server.authority), file.display().to_string());
    let words = ["attach-spec", &image, &file, "--plain-http"];
    let attach = Victim {
        what: if lists { "attach-spec" } else { "attach-spec by tag" },
        run: &|wrapper| drop(tool(wrapper, &words).env("HOME", folder.path()).status()),
        before: &|| {
            let config = Digest::of(b"image");
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":5}},"layers":[]}}"#,
                media_type::IMAGE_MANIFEST
            );
            let mut content = content.lock().unwrap();
            *content = Pushed { lists, ..Pushed::default() };
            let digest = Digest::of(manifest.as_bytes()).as_str().to_owned();
            content.manifests.insert(digest, manifest.clone().into_bytes());
            content.manifests.insert("1".to_owned(), manifest.into_bytes());
        },
        after: &|point| {
            // Whatever is there is whole: the server has checked it. The same again finishes the work.
            must(point, &words);
            let listed = must(point, &["list-specs", &image, "--plain-http"]);
            assert!(listed.contains("sha256:"), "{point}: {listed}");
        },
    };
    attach.killed(step);
    if lists {
        attach.killed_at_random(rounds(10));
    }
}

#[test]
fn row_12_an_attach_spec_that_is_killed_anywhere_leaves_nothing_wrong() {
    if has_strace() {
        killed_attach(true, every(40));
    }
}

/// Without a list of referrers, the list under the tag is read and written. Each run waits to see its entry stay.
#[test]
fn row_12_an_attach_spec_without_the_api_that_is_killed_anywhere_leaves_nothing_wrong() {
    if has_strace() {
        killed_attach(false, if every(2) == 1 { 5 } else { 120 });
    }
}

/// A tree with podman's configuration and programs.
fn podman(prefix: &Path) {
    for (name, text) in [
        ("usr/bin/crun", "\x7fELF"),
        ("etc/containers/containers.conf", "[engine]\nhooks_dir = [\"/etc/hooks\"]\n"),
        ("etc/hooks/other.json", "{}"),
    ] {
        let path = prefix.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Every file of a tree but those that were being written and our own ledger.
fn tree(prefix: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![prefix.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if !name.starts_with('.') {
                files.insert(entry.path().display().to_string(), fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn row_12_an_enable_and_a_disable_that_are_killed_anywhere_leave_nothing_wrong() {
    if !has_strace() {
        return;
    }
    for (via, step) in [("hook", every(8)), ("wrapper", every(8))] {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("node");
        let root = prefix.display().to_string();
        let enable = ["enable", "podman", "--via", via, "--root", &root];
        let disable = ["disable", "podman", "--root", &root];
        podman(&prefix);
        let plain = tree(&prefix);
        tool(&[], &enable).status().unwrap();
        let enabled = tree(&prefix);
        assert_ne!(plain, enabled);
        let reset = |enabled: bool| {
            let _ = fs::remove_dir_all(&prefix);
            podman(&prefix);
            if enabled {
                tool(&[], &enable).status().unwrap();
            }
        };
        // Each file is as before or as after, and both commands finish what was begun.
        let whole = |point: &str| {
            for (path, bytes) in tree(&prefix) {
                let known = [&plain, &enabled].iter().any(|tree| tree.get(&path) == Some(&bytes));
                assert!(known, "{point}: {path}: {}", String::from_utf8_lossy(&bytes));
            }
            tool(&[], &enable).status().unwrap();
            assert_eq!(tree(&prefix), enabled, "{point}: enabled again");
            tool(&[], &disable).status().unwrap();
            assert_eq!(tree(&prefix), plain, "{point}: disabled");
        };
        let victim = |what: &str, words: &[&str], enabled: bool| {
            let before = || reset(enabled);
            Victim {
                what: &format!("{what} --via {via}"),
                run: &|wrapper| drop(tool(wrapper, words).status()),
                before: &before,
                after: &whole,
            }
            .killed(step);
        };
        victim("enable", &enable, false);
        victim("disable", &disable, true);
    }
}

#[test]
fn row_12_a_hook_that_is_killed_while_it_renames_a_full_log_leaves_nothing_wrong() {
    if !has_strace() {
        return;
    }
    let (node, _registry, _server) = attached(&specification(FAILS));
    node.start();
    let logs = node.root().join("var/log/imgcompat");
    let (current, former) = (logs.join(log::FILE_NAME), logs.join(log::ROTATED_NAME));
    Victim {
        what: "a hook with a full log",
        run: &|wrapper| drop(Node::finish(node.command(wrapper), node.state().as_bytes())),
        before: &|| {
            // A refusal that repeats within a minute is not written.
            let _ = fs::remove_dir_all(node.root().join("var/cache/imgcompat/refusals"));
            let _ = fs::remove_file(&former);
            let full = fs::File::create(&current).unwrap();
            full.set_len(log::MAX_LOG_BYTES).unwrap();
        },
        after: &|point| {
            let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
            let largest = size(&current).max(size(&former));
            assert!(largest >= log::MAX_LOG_BYTES, "{point}: the old log is gone");
            let _ = fs::remove_dir_all(node.root().join("var/cache/imgcompat/refusals"));
            assert_eq!(node.start().code, 1, "{point}");
            assert_eq!(size(&former), log::MAX_LOG_BYTES, "{point}: not renamed");
            fs::remove_file(&former).unwrap();
            no_line_is_torn(&node, point);
        },
    }
    .killed(every(4));
}

/// As logrotate does by `packaging/logrotate/imgcompat`: a rename, and nothing made in its place. Hooks are killed all the
/// while; every one that came to its end has its record in one of the logs.
#[test]
fn row_12_hooks_that_are_killed_while_the_log_is_rotated_lose_no_record() {
    let (node, _registry, _server) = attached(&specification(crate::attached::FITS));
    node.start();
    let logs = node.root().join("var/log/imgcompat");
    let mut random = 4711u64;
    let (rounds, mut finished) = (rounds(50), 1);
    for round in 0..rounds {
        let mut child = node.command(&[]).spawn().unwrap();
        use std::io::Write;
        let _ = child.stdin.take().unwrap().write_all(node.state().as_bytes());
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_micros((random >> 33) % 6_000));
        if round % 5 == 0 {
            let _ = fs::rename(
                logs.join(log::FILE_NAME),
                logs.join(format!("decisions.jsonl.{round}")),
            );
        }
        let _ = child.kill();
        finished += usize::from(child.wait().unwrap().success());
    }
    no_line_is_torn(&node, "rotation");
    let lines: usize = fs::read_dir(&logs)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap().lines().count())
        .sum();
    println!(
        "hooks while the log is rotated: killed {rounds} times, {finished} had finished, {lines} records"
    );
    assert!(lines >= finished, "{lines} records of {finished} starts");
}
