//! One HTTP request and its whole answer, within one deadline and one size.
//!
//! ureq speaks HTTP/1.1 and keeps connections; everything it would decide on its own is decided here: no redirects,
//! no proxies from the environment, no decompression, no status as error, own name resolution (ureq's panics when
//! no thread can be made) and own TLS (see [`super::tls`]).

use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use ureq::unversioned::resolver::{ArrayVec, DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    TcpConnector, Transport, TransportAdapter, time,
};

use crate::deadline::Deadline;
use crate::limits;

use super::tls::TlsSettings;
use super::url::Url;

/// A request to send.
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: &'a Url,
    /// Headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The value of `Authorization`.
    pub authorization: Option<&'a HeaderValue>,
    /// The body, for methods that have one.
    pub body: Option<&'a [u8]>,
    /// Bytes of the answer's body that are read at most, if it is a success; of an error less is read.
    pub limit: u64,
}

/// A whole answer.
pub struct Answer {
    /// The address that answered.
    pub url: Url,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at the limit.
    pub body: Vec<u8>,
    /// True if there was more than the limit allows.
    pub too_large: bool,
}

impl Answer {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Blots our own secrets out of an error's body: servers that show what they were sent exist, and the registry's
    /// reason ends up in messages and logs.
    pub fn forget(&mut self, secrets: &[&str]) {
        if (200..300).contains(&self.status) {
            return;
        }
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            blot(&mut self.body, secret.as_bytes());
        }
    }

    /// The media type without parameters, in lower case.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Shorter secrets cannot be told from ordinary text.
const SHORTEST_SECRET: usize = 4;

/// Overwrites every occurrence.
fn blot(text: &mut [u8], secret: &[u8]) {
    let mut at = 0_usize;
    while let Some(window) = text.get_mut(at..at.saturating_add(secret.len())) {
        if window == secret {
            window.fill(b'*');
        }
        at += 1;
    }
}

/// Sends requests over connections of one kind.
pub struct Sender {
    agent: ureq::Agent,
}

impl Sender {
    /// Connections by these settings.
    pub fn new(tls: &TlsSettings, proxy: Option<ureq::Proxy>) -> Result<Self, rustls::Error> {
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(concat!("imgcompat/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .accept_encoding("identity")
            .build();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector { config: Arc::new(tls.config()?) });
        Ok(Sender { agent: ureq::Agent::with_parts(config, connector, Names) })
    }

    /// Sends a request and reads its answer.
    pub fn send(&self, outgoing: &Outgoing<'_>, deadline: Deadline) -> Result<Answer, ureq::Error> {
        let left = deadline.remaining();
        if left.is_zero() {
            return Err(ureq::Error::Timeout(ureq::Timeout::Global));
        }
        let mut builder =
            Request::builder().method(outgoing.method.clone()).uri(outgoing.url.to_string());
        for (name, value) in &outgoing.headers {
            builder = builder.header(*name, *value);
        }
        if let Some(value) = outgoing.authorization {
            builder = builder.header("authorization", value);
        }
        let response = match outgoing.body {
            Some(body) => {
                let request = self.agent.configure_request(builder.body(body)?);
                self.agent.run(request.timeout_global(Some(left)).build())?
            }
            None => {
                let request = self.agent.configure_request(builder.body(())?);
                self.agent.run(request.timeout_global(Some(left)).build())?
            }
        };
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        let limit =
            if parts.status.is_success() { outgoing.limit } else { limits::ERROR_BODY_BYTES };
        body.into_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        let too_large = bytes.len() as u64 > limit;
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Answer {
            url: outgoing.url.clone(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes,
            too_large,
        })
    }
}

/// A host name could not be resolved; the text is the resolver's reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// Looks names up without outliving the deadline.
#[derive(Debug)]
struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = uri
            .scheme()
            .zip(uri.authority())
            .and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority))
            .ok_or_else(|| ureq::Error::BadUri("no host".to_owned()))?;
        let found = match name.parse::<SocketAddr>() {
            Ok(address) => vec![address],
            Err(_) => look_up(name, timeout)?,
        };
        let mut addresses: ResolvedSocketAddrs =
            ArrayVec::from_fn(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        found.into_iter().take(8).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The system's resolver knows no deadline, so it runs in a thread that is left behind when it takes too long;
/// where no thread can be made, it runs here, and the process that waits for us keeps the deadline.
fn look_up(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, ureq::Error> {
    let ask = |name: String| -> Result<Vec<SocketAddr>, NameError> {
        match name.to_socket_addrs() {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(NameError(error.to_string())),
        }
    };
    let wrap = |error: NameError| ureq::Error::Other(Box::new(error));
    let (sender, receiver) = mpsc::sync_channel(1);
    let asked = name.clone();
    let thread = std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || sender.send(ask(asked)).ok());
    if thread.is_err() {
        return ask(name).map_err(wrap);
    }
    match timeout.after {
        time::Duration::Exact(limit) => match receiver.recv_timeout(limit) {
            Ok(found) => found.map_err(wrap),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(ureq::Error::HostNotFound),
        },
        time::Duration::NotHappening => match receiver.recv() {
            Ok(found) => found.map_err(wrap),
            Err(_) => Err(ureq::Error::HostNotFound),
        },
    }
}

/// Puts TLS on a connection where the address asks for it.
#[derive(Debug)]
struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Err(ureq::Error::ConnectionFailed) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = bare.try_into().map_err(|_| ureq::Error::Tls("the host is no valid name"))?;
        let mut connection = ClientConnection::new(self.config.clone(), name)?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(left_of(details));
        connection.complete_io(&mut socket).map_err(unwrap_tls)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let stream = StreamOwned::new(connection, socket);
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// The connection itself has used up a part of the time it was given.
fn left_of(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (time::Duration::Exact(after), time::Instant::Exact(start)) =
        (timeout.after, details.now)
    {
        timeout.after = time::Duration::Exact(after.saturating_sub(start.elapsed()));
    }
    timeout
}

/// rustls hands its errors out inside an `io::Error`.
pub fn unwrap_tls(error: std::io::Error) -> ureq::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => ureq::Error::Rustls(tls.clone()),
        None => ureq::Error::from(error),
    }
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        use std::io::Write;
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output).map_err(unwrap_tls)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf()).map_err(unwrap_tls)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
