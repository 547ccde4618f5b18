//! One secret through every command and a start: it is in no output, log, cache file, command line or environment, and no
//! process that knew it could leave it in a core dump.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;
#[path = "support/tool.rs"]
mod tool;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faulty_server::{Asked, Reply, Server, answer, with_header};
use imgcompat::oci::{Digest, media_type};
use node::Node;

/// Other tests give theirs to other programs as an argument, so this one is its own.
const SECRET: &str = "hunter2-of-this-test-alone";

fn encoded() -> String {
    BASE64_STANDARD.encode(format!("user:{SECRET}"))
}

/// A registry that keeps what is pushed, wants the password, and repeats whatever it is shown in its errors.
struct Registry(Mutex<BTreeMap<String, (String, Vec<u8>)>>);

impl Registry {
    fn reply(&self, asked: &Asked) -> Reply {
        let shown = asked.header("authorization").unwrap_or_default().to_owned();
        let echo = format!(r#"{{"errors":[{{"code":"DENIED","message":"you showed {shown}"}}]}}"#);
        if shown != format!("Basic {}", encoded()) {
            let refusal = answer(401, "application/json", echo);
            return with_header(refusal, "WWW-Authenticate", "Basic realm=x");
        }
        let path = asked.target.split('?').next().unwrap().to_owned();
        if path.starts_with("/v2/forbidden/") {
            return answer(403, "application/json", echo);
        }
        let mut content = self.0.lock().unwrap();
        match asked.method.as_str() {
            "POST" => {
                with_header(Reply::Answer(202, vec![], vec![]), "Location", "/v2/a/blobs/uploads/1")
            }
            "PUT" => {
                let digest = Digest::of(&asked.body).to_string();
                let kind = asked.header("content-type").unwrap_or_default().to_owned();
                let folder = if path.contains("/manifests/") { "manifests" } else { "blobs" };
                for name in [path.clone(), format!("/v2/a/{folder}/{digest}")] {
                    content.insert(name, (kind.clone(), asked.body.clone()));
                }
                Reply::Answer(201, vec![], vec![])
            }
            "DELETE" => {
                content.remove(&path);
                Reply::Answer(202, vec![], vec![])
            }
            _ => match content.get(&path) {
                Some((kind, body)) => answer(200, kind, body.clone()),
                None => Reply::Answer(404, vec![], vec![]),
            },
        }
    }
}

/// Looks at every process of the machine until it is told to stop; gives how often it looked, and what it saw.
fn watch(done: &AtomicBool, looks: &AtomicUsize) -> Vec<String> {
    let mut seen = Vec::new();
    while !done.load(Ordering::SeqCst) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            if entry.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                if text.contains(SECRET) || text.contains(&encoded()) {
                    seen.push(format!("{file}: {text}"));
                }
            }
        }
        looks.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
    }
    seen
}

/// Every file below a directory that holds the secret, in any of its forms.
fn leaks(directory: &Path, except: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(leaks(&path, except));
        } else if !except.contains(&path) {
            let bytes = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if text.contains(SECRET) || text.contains(&encoded()) {
                found.push(path);
            }
        }
    }
    found
}

/// What the tool says, which must not be the secret.
fn said(arguments: &[&str], input: &str) -> String {
    let output = tool::run(arguments, input);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    for form in [SECRET, &encoded()] {
        assert!(!text.contains(form), "{arguments:?} says the secret: {text}");
    }
    format!("exit code {:?}: {text}", output.status.code())
}

/// A registry that wants the secret and has the image of a node.
fn registry() -> Server {
    let image = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"layers":[]}}"#,
        Digest::of(b"image configuration"),
    );
    let digest = Digest::of(image.as_bytes());
    assert_eq!(digest, Node::with_image("placeholder.example/a:1").manifest);
    let stored = (media_type::IMAGE_MANIFEST.to_owned(), image.into_bytes());
    let names = ["1".to_owned(), digest.to_string()];
    let content = names.map(|name| (format!("/v2/a/manifests/{name}"), stored.clone()));
    let registry = Registry(Mutex::new(content.into()));
    Server::start(move |asked| registry.reply(asked))
}

/// Has the hook of a node read its credentials from this file.
fn use_authfile(node: &Node, authfile: &Path) {
    let config = format!("[credentials]\nauthfile = '{}'\n", authfile.display());
    node.write("etc/imgcompat/config.toml", &config);
}

/// Every subcommand that asks a registry, with the secret in a file and on standard input.
fn ask_about(name: &str, root: &Path, authfile: &Path) {
    let spec = root.join("spec.yaml");
    let text = "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: r\n    matchFeatures:\n    - feature: kernel.version\n      matchExpressions: {major: {op: Gt, value: ['1']}}\n";
    fs::write(&spec, text).unwrap();
    let layout = root.join("layout");
    let (file, layout) = (spec.to_str().unwrap(), layout.to_str().unwrap());
    for command in [
        &["-v", "attach-spec", name, file][..],
        &["-v", "attach-spec", name, file, "--dry-run", "--output", "json"],
        &["-v", "list-specs", name],
        &["-v", "list-specs", name, "--output", "json"],
        &["-v", "validate-node", "--image", name],
        &["-v", "validate-node", "--image", name, "--output", "json"],
        &["-v", "validate-spec", "--image", name],
        &["-v", "compat", "validate-node", "--image", name],
        &["-v", "mirror", name, "--to", layout],
        &["-v", "remove-spec", name],
        &["-v", "attach-spec", name, file],
    ] {
        let by_file = ["--plain-http", "--authfile", authfile.to_str().unwrap()];
        let said = said(&[command, &by_file].concat(), "");
        let forbidden = said.contains("HTTP 403") || said.contains("exit code Some(0)");
        assert!(forbidden || !name.contains("forbidden"), "{command:?}: {said}");
    }
    let password = ["--plain-http", "--registry-username", "user", "--registry-password-stdin"];
    for by_hand in [&password[..], &["--plain-http", "--registry-token-stdin"]] {
        let command = [&["-v", "list-specs", name][..], by_hand].concat();
        said(&command, &format!("{SECRET}\n"));
    }
}

/// Every subcommand that says what happened on a node.
fn ask_the_node(root: &Path) {
    for command in [
        &["why", node::CONTAINER][..],
        &["why", "--last", "5", "--output", "json"],
        &["report"],
        &["metrics"],
        &["cache", "list"],
        &["cache", "list", "--output", "json"],
        &["config", "show"],
        &["config", "check"],
        &["doctor"],
        &["allow", "--list"],
    ] {
        said(&[command, &["--root", root.to_str().unwrap()]].concat(), "");
    }
}

#[test]
fn a_known_secret_appears_nowhere_but_in_authorization_to_its_registry() {
    let server = registry();
    let names = ["a:1", "forbidden/a:1"].map(|name| format!("{}/{name}", server.authority));
    let [node, forbidden] = [0, 1].map(|place| Node::with_image(&names[place]));
    let root = node.root();
    let authfile = root.join("etc/imgcompat/auth.json");
    let auth = format!(r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#, server.authority, encoded());
    node.write("etc/imgcompat/auth.json", &auth);
    use_authfile(&node, &authfile);
    use_authfile(&forbidden, &authfile);
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&done, &looks));
        for name in &names {
            ask_about(name, &root, &authfile);
        }
        assert_eq!(node.start().code, 0);
        assert_eq!(node.record().verdict, "compatible", "{:?}", node.record());
        assert!(!forbidden.start().stderr.contains(SECRET));
        assert!(forbidden.record().reason.contains("HTTP 403"), "{:?}", forbidden.record());
        assert_eq!(leaks(&forbidden.root(), &[]), Vec::<PathBuf>::new());
        ask_the_node(&root);
        done.store(true, Ordering::SeqCst);
        let seen = watcher.join().unwrap();
        assert!(seen.is_empty(), "{seen:?}");
    });
    println!("looked {} times at every process", looks.load(Ordering::SeqCst));
    assert!(looks.load(Ordering::SeqCst) > 10);
    assert_eq!(leaks(&root, &[authfile]), Vec::<PathBuf>::new());
    let shown = server.asked().iter().filter(|a| a.header("authorization").is_some()).count();
    assert!(shown > 20, "the secret was used {shown} times");
}

/// While it waits for a registry, a process that knows a secret is looked at.
#[test]
fn whoever_knows_a_secret_leaves_no_core_dump() {
    let server = Server::start(|_| Reply::Silence);
    let node = Node::with_image(&format!("{}/a:1", server.authority));
    let mut tool = Command::new(env!("CARGO_BIN_EXE_imgcompat"))
        .args(["list-specs", &format!("{}/a:1", server.authority), "--plain-http"])
        .args(["--registry-token-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(SECRET.as_bytes()).unwrap();
    let mut hook = node.command(&[]).spawn().unwrap();
    hook.stdin.take().unwrap().write_all(node.state().as_bytes()).unwrap();
    while server.asked().len() < 2 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let worker = child_of(hook.id()).expect("the hook's worker");
    for process in [tool.id(), worker] {
        let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let words: Vec<&str> = core.split_ascii_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{core}");
    }
    // The files of a process that is not dumpable are root's, whoever it runs as.
    use std::os::unix::fs::MetadataExt;
    if nix::unistd::geteuid().is_root() {
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().to_owned();
        assert!(!uid.trim_start().starts_with("0\t"), "{uid}");
        assert_eq!(fs::metadata(format!("/proc/{worker}/stat")).unwrap().uid(), 0);
    }
    for child in [&mut tool, &mut hook] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn child_of(parent: u32) -> Option<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    if let Ok(text) = fs::read_to_string(children) {
        return text.split_ascii_whitespace().next()?.parse().ok();
    }
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let after = stat.rsplit_once(") ")?.1;
        (after.split(' ').nth(1)?.parse() == Ok(parent)).then_some(id)
    })
}
