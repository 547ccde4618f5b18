//! A server that misbehaves on request: plain HTTP over std's sockets, one thread a connection, every request
//! remembered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A whole answer.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// A whole answer, one byte at a time with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Status 200 and a body that never ends.
    Endless,
    /// Announces this many bytes, sends these, and closes.
    Truncated(u64, Vec<u8>),
    /// Announces this many bytes and sends zeros for ever.
    Huge(u64),
    /// Nothing, until the client goes away.
    Silence,
    /// Closes the connection.
    Close,
    /// Announces a chunk and closes in the middle of it.
    CutChunk(Vec<u8>),
    /// Something that is not HTTP.
    Garbage,
}

/// An answer with a media type.
pub fn answer(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer(status, vec![("Content-Type".to_owned(), media_type.to_owned())], body.into())
}

/// The same with one more header.
pub fn with_header(reply: Reply, name: &str, value: &str) -> Reply {
    match reply {
        Reply::Answer(status, mut headers, body) => {
            headers.push((name.to_owned(), value.to_owned()));
            Reply::Answer(status, headers, body)
        }
        other => other,
    }
}

/// A running server.
pub struct Server {
    /// Host and port.
    pub authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.authority);
    }
}

impl Server {
    /// Starts a server that answers as `behaviour` says.
    pub fn start(behaviour: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        Server::start_at("127.0.0.1:0", behaviour)
    }

    /// The same at an address, so that a server can come back.
    pub fn start_at(
        address: &str,
        behaviour: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let ended = Arc::new(AtomicBool::new(false));
        let behaviour = Arc::new(behaviour);
        let sent: Arc<AtomicU64> = Arc::default();
        let (log, stop, count) = (asked.clone(), ended.clone(), sent.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (log, behaviour, count) = (log.clone(), behaviour.clone(), count.clone());
                std::thread::spawn(move || serve(&stream, &log, &count, &*behaviour));
            }
        });
        Server { authority, asked, ended, sent }
    }

    /// Bytes of all whole answers so far, headers included.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    stream: &TcpStream,
    log: &Mutex<Vec<Asked>>,
    sent: &AtomicU64,
    behaviour: &dyn Fn(&Asked) -> Reply,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        log.lock().unwrap().push(request.clone());
        let head = request.method == "HEAD";
        let reply = behaviour(&request);
        if let Reply::Answer(status, headers, body) = &reply {
            sent.fetch_add(rendered(*status, headers, body, head).len() as u64, Ordering::SeqCst);
        }
        if write(stream, reply, head).is_none() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    // What is no text is TLS; Go's servers answer it as this one does.
    if reader.fill_buf().ok()?.first()? == &0x16 {
        let _ = reader.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        return None;
    }
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, target, headers, body: Vec::new() };
    let length = asked.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// `None` ends the connection.
fn write(mut stream: &TcpStream, reply: Reply, head: bool) -> Option<()> {
    match reply {
        Reply::Answer(status, headers, body) => {
            stream.write_all(&rendered(status, &headers, &body, head)).ok()
        }
        Reply::Drip(body, pause) => {
            for byte in rendered(200, &[], &body, head) {
                stream.write_all(&[byte]).ok()?;
                std::thread::sleep(pause);
            }
            Some(())
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").ok()?;
            flood(stream)
        }
        Reply::Truncated(length, body) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").ok()?;
            stream.write_all(&body).ok()?;
            None
        }
        Reply::Huge(length) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").ok()?;
            flood(stream)
        }
        Reply::CutChunk(body) => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
            None
        }
        Reply::Silence => {
            let _ = stream.read(&mut [0]);
            None
        }
        Reply::Close => None,
        Reply::Garbage => {
            stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").ok()?;
            None
        }
    }
}

fn flood(mut stream: &TcpStream) -> Option<()> {
    while stream.write_all(&[b' '; 65536]).is_ok() {}
    None
}

fn rendered(status: u16, headers: &[(String, String)], body: &[u8], head: bool) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    let mut bytes = text.into_bytes();
    if !head {
        bytes.extend_from_slice(body);
    }
    bytes
}
