//! Row 22: a containerd whose socket is missing, silent, or talks rubbish while it starts a task. The hook's worker asks
//! the socket in the state directory that the bundle lies in, so a test can put anything there.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use imgcompat::verdict::Cause;

use crate::MODES;
use crate::node::{CONTAINER, Node};

/// A node with a task of containerd in this namespace, and the state that its runtime sends.
fn task(namespace: &str) -> (Node, PathBuf, String) {
    let node = Node::with_image("registry.example/ml:2");
    let state = node.root().join("run/containerd");
    let bundle = state.join(format!("io.containerd.runtime.v2.task/{namespace}/{CONTAINER}"));
    std::fs::create_dir_all(&bundle).unwrap();
    let config = serde_json::json!({"ociVersion": "1.0.2", "root": {"path": "rootfs"}});
    std::fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let words =
        serde_json::json!({"ociVersion": "1.0.2", "id": CONTAINER, "pid": 7, "bundle": bundle});
    (node, state.join("containerd.sock"), words.to_string())
}

/// HTTP/2's first frame of a server: it has no settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

type Talk = fn(UnixStream);

/// What a socket may do with whoever connects.
const FAULTS: [(&str, Option<Talk>); 7] = [
    ("no socket", None),
    ("nobody accepts", None),
    ("accepts and says nothing", Some(|stream| wait(&stream))),
    (
        "greets and says nothing more",
        Some(|mut stream| {
            let _ = stream.write_all(SETTINGS);
            wait(&stream);
        }),
    ),
    ("closes at once", Some(drop)),
    ("talks rubbish", Some(|mut stream| drop(stream.write_all(&[b'x'; 100_000])))),
    (
        "refuses every stream",
        Some(|mut stream| {
            // GOAWAY, last stream 0, error 11 (ENHANCE_YOUR_CALM).
            let away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
            let _ = stream.write_all(&[SETTINGS, &away].concat());
        }),
    ),
];

fn wait(mut stream: &UnixStream) {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}

#[test]
fn row_22_a_containerd_that_does_not_answer_leaves_the_image_unidentified_within_the_deadline() {
    for namespace in ["k8s.io", "default"] {
        for (fault, talk) in FAULTS {
            for (mode, code) in MODES {
                let (node, socket, words) = task(namespace);
                node.write("etc/imgcompat/config.toml", &crate::strict(mode, "deadline = '1s'\n"));
                let listener = (fault != "no socket").then(|| UnixListener::bind(&socket).unwrap());
                if let (Some(listener), Some(talk)) = (&listener, talk) {
                    let listener = listener.try_clone().unwrap();
                    std::thread::spawn(move || listener.incoming().flatten().for_each(talk));
                }
                let began = Instant::now();
                let ended = node.run(&[], words.as_bytes());
                let (took, record) = (began.elapsed(), node.record());
                println!(
                    "{fault}, {namespace}, {mode}: exit code {} after {took:?}: {}",
                    ended.code, record.reason
                );
                assert_eq!(
                    record.cause,
                    Some(Cause::ImageUnidentified),
                    "{fault}: {}",
                    record.reason
                );
                assert_eq!(ended.code, code, "{fault}, {namespace}, {mode}");
                // Far above the deadline, since this machine may be busy; far below the default one.
                assert!(took < Duration::from_secs(4), "{fault}: {took:?}");
            }
        }
    }
}
