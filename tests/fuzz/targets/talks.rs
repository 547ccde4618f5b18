//! Conversations: what registries and containerd say, byte for byte, to the client that asks them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use imgcompat::oci::{Digest, Repository};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::worker::protocol::{ContainerdRequest, CredentialSources, FetchRequest};

use super::folder;

/// What the servers say next.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn say(bytes: &[u8]) {
    *SAID.lock().expect("nobody panics with it") = bytes.to_vec();
}

fn said() -> Vec<u8> {
    SAID.lock().expect("nobody panics with it").clone()
}

/// A registry that says the same to whatever it is asked: `\0` parts its answers to the first request, the second …
pub fn registry_answer(bytes: &[u8]) {
    static PORT: OnceLock<u16> = OnceLock::new();
    let port = *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer_http(stream);
            }
        });
        port
    });
    say(bytes);
    let registry = format!("127.0.0.1:{port}");
    let repository = Repository { registry, path: "a".to_owned() };
    let files = NodeFiles::of_root(&folder().join("nothing"));
    let options = Options { files, plain_http: true, ..Options::default() };
    let Ok(access) = Access::for_repository(&repository, &options) else { return };
    let request = FetchRequest {
        repository,
        subjects: vec![Digest::of(b"{}")],
        deadline_ms: 2_000,
        credentials: CredentialSources::default(),
    };
    let _ = fetch::fetch(&request, &access);
}

/// One request, one answer, closed: each request comes on a connection of its own.
fn answer_http(mut stream: impl Read + Write) {
    static NTH: Mutex<usize> = Mutex::new(0);
    let mut request = [0; 4096];
    if stream.read(&mut request).is_err() {
        return;
    }
    let said = said();
    let parts: Vec<&[u8]> = said.split(|byte| *byte == 0).collect();
    let nth = NTH.lock().map(|mut nth| {
        *nth += 1;
        *nth
    });
    let part = parts[nth.unwrap_or_default() % parts.len()];
    let head =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n", part.len());
    // What begins as a status line is sent as it is; anything else is the body of a good answer.
    let whole = if part.starts_with(b"HTTP") {
        part.to_vec()
    } else {
        [head.as_bytes(), b"Content-Type: application/json\r\n\r\n", part].concat()
    };
    let _ = stream.write_all(&whole);
}

/// containerd, as far as one connection goes. The first byte says whether the rest are the bytes on the wire or the
/// message that each question is answered with.
pub fn containerd_api(bytes: &[u8]) {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    let socket = SOCKET.get_or_init(|| {
        let path = folder().join("containerd.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                answer_grpc(stream);
            }
        });
        path
    });
    say(bytes);
    let request = ContainerdRequest {
        sockets: vec![socket.clone()],
        namespace: "default".to_owned(),
        container: "c1".to_owned(),
        deadline_ms: 2_000,
    };
    let request = serde_json::to_vec(&request).expect("a request");
    let _ = imgcompat::tasks::containerd::run(&*request, Vec::new(), || Ok(()));
}

fn answer_grpc(mut stream: UnixStream) -> Option<()> {
    let said = said();
    let (first, rest) = said.split_first()?;
    if first % 2 == 0 {
        let _ = stream.write_all(rest);
        return None;
    }
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).ok()?;
    stream.write_all(&frame(4, 0, 0, b"")).ok()?;
    let mut answered = 0;
    while answered < 3 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).ok()?;
        let (is_data, ends) = (head[3] == 0, head[4] & 1 == 1);
        if is_data && ends {
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let message = [&[0][..], &(rest.len() as u32).to_be_bytes(), rest].concat();
            stream.write_all(&frame(1, 4, id, b"\x08\x03200")).ok()?;
            stream.write_all(&frame(0, 0, id, &message)).ok()?;
            stream.write_all(&frame(1, 5, id, b"\0\x0bgrpc-status\x010")).ok()?;
            answered += 1;
        }
    }
    Some(())
}

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &id.to_be_bytes(), payload].concat()
}
