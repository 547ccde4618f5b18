//! One repository on one server: sends a request, answers challenges, follows redirects, and hands back the answer.
//!
//! Credentials go to the server they were configured for (scheme, host and port), to the token service that server
//! names (see `token.rs`), and nowhere else. Every request ends at the errand's deadline.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;

use ureq::http::{HeaderValue, Method};

use crate::deadline::Deadline;
use crate::limits;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::access::{Endpoint, Scheme};
use super::challenge::{self, Challenge};
use super::failure;
use super::secret::Credentials;
use super::tls::TlsSettings;
use super::token::{self, Action, Question};
use super::transport::{Answer, Outgoing, Sender};
use super::url::Url;

/// Where a redirect may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Anywhere, without credentials: content is checked by its digest.
    Anywhere,
    /// Only within the server; an answer that leads elsewhere is handed back as it is.
    SameOrigin,
    /// Nowhere.
    No,
}

/// A request to the repository.
pub struct Call<'a> {
    /// What is asked for, in words, for messages.
    pub what: &'a str,
    /// The method.
    pub method: Method,
    /// Where to: a path below the repository, or a whole address the server gave.
    pub target: Target<'a>,
    /// What it does.
    pub action: Action,
    /// Headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Option<&'a [u8]>,
    /// Bytes of the answer's body that are read at most.
    pub limit: u64,
    /// Where redirects may lead.
    pub redirects: Redirects,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// Below the repository, for example `manifests/latest`.
    Below(&'a str),
    /// An address from an earlier answer.
    Address(&'a Url),
}

impl<'a> Call<'a> {
    /// A GET below the repository.
    pub fn get(what: &'a str, below: &'a str, limit: u64) -> Self {
        Call {
            what,
            method: Method::GET,
            target: Target::Below(below),
            action: Action::Pull,
            headers: Vec::new(),
            body: None,
            limit,
            redirects: Redirects::Anywhere,
        }
    }
}

/// A repository on one server.
pub struct Client<'a> {
    endpoint: &'a Endpoint,
    deadline: Deadline,
    own: OnceCell<Sender>,
    others: OnceCell<Sender>,
    /// Whether TLS is spoken, once that is known.
    tls: Cell<Option<bool>>,
    /// True once the server has shown a certificate, even one that is not believed.
    spoke_tls: Cell<bool>,
    authorizations: RefCell<BTreeMap<Action, HeaderValue>>,
    /// True once this errand has learnt that the server has no referrers API.
    pub(super) without_api: Cell<bool>,
}

impl<'a> Client<'a> {
    /// A client for one endpoint; nothing is sent yet.
    pub fn new(endpoint: &'a Endpoint, deadline: Deadline) -> Self {
        let tls = match endpoint.scheme {
            Scheme::Https => Some(true),
            Scheme::Http => Some(false),
            Scheme::HttpsElseHttp => None,
        };
        Client {
            endpoint,
            deadline,
            own: OnceCell::new(),
            others: OnceCell::new(),
            tls: Cell::new(tls),
            spoke_tls: Cell::new(false),
            authorizations: RefCell::default(),
            without_api: Cell::new(false),
        }
    }

    /// The server's host and port, for messages.
    pub fn host(&self) -> &str {
        &self.endpoint.authority
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        self.endpoint
    }

    /// When the errand ends.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Sends a request; the answer may have any status.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, Unavailable> {
        let mut answer = self.follow(call)?;
        for _ in 0..limits::AUTH_ROUNDS {
            let own = self.is_own(&answer.url);
            if answer.status != 401 || !own || !self.authorize(call, &answer)? {
                break;
            }
            answer = self.follow(call)?;
        }
        Ok(answer)
    }

    /// Sends a request and insists on one of these statuses.
    pub fn expect(&self, call: &Call<'_>, statuses: &[u16]) -> Result<Answer, Unavailable> {
        let answer = self.call(call)?;
        if !statuses.contains(&answer.status) {
            return Err(self.refused(call.what, &answer));
        }
        self.refuse_oversize(call, &answer)?;
        Ok(answer)
    }

    /// An answer whose status is not the one hoped for.
    pub fn refused(&self, what: &str, answer: &Answer) -> Unavailable {
        self.with_credentials_named(failure::refused(self.host(), what, answer))
    }

    /// Who is denied something wants to know whose credentials were not enough.
    fn with_credentials_named(&self, refused: Unavailable) -> Unavailable {
        if refused.kind != UnavailableKind::Denied {
            return refused;
        }
        let shown = match &self.endpoint.credentials_from {
            Some(from) => format!("asked with the credentials {from}"),
            None => "asked without credentials, since none are known for it".to_owned(),
        };
        Unavailable { detail: format!("{}; {shown}", refused.detail), ..refused }
    }

    /// An answer above its limit, or in an encoding that was not asked for, is of no use.
    pub fn refuse_oversize(&self, call: &Call<'_>, answer: &Answer) -> Result<(), Unavailable> {
        if answer.too_large {
            let problem = format!("it is larger than {} bytes", call.limit);
            return Err(failure::unverifiable(self.host(), call.what, problem));
        }
        match answer.header("content-encoding") {
            None | Some("identity" | "") => Ok(()),
            Some(other) => {
                let problem = format!(
                    "it is encoded as `{}` although that was not asked for",
                    failure::printable(other)
                );
                Err(failure::unverifiable(self.host(), call.what, problem))
            }
        }
    }

    /// An address the server gave, resolved against the answer it came in.
    pub fn address(
        &self,
        answer: &Answer,
        reference: &str,
        what: &str,
    ) -> Result<Url, Unavailable> {
        answer.url.join(reference).ok_or_else(|| {
            let problem = format!("named the address `{}`", failure::printable(reference));
            failure::senseless(self.host(), what, problem)
        })
    }

    /// True for an address on this very server: only there credentials go.
    fn is_own(&self, url: &Url) -> bool {
        let tls = self.tls.get().unwrap_or(url.tls);
        let target = String::new();
        let own = Url { tls, authority: self.endpoint.authority.to_ascii_lowercase(), target };
        own.origin() == url.origin()
    }

    fn follow(&self, call: &Call<'_>) -> Result<Answer, Unavailable> {
        let mut answer = match call.target {
            Target::Below(below) => self.first(call, below)?,
            Target::Address(url) => self.send(call, url)?,
        };
        for _ in 0..limits::REDIRECTS {
            let Some(next) = self.redirect(call, &answer)? else { return Ok(answer) };
            answer = self.send(call, &next)?;
        }
        match self.redirect(call, &answer)? {
            None => Ok(answer),
            Some(_) => Err(failure::senseless(self.host(), call.what, "sent us around in circles")),
        }
    }

    /// The next address, if this answer is a redirect that this call follows.
    fn redirect(&self, call: &Call<'_>, answer: &Answer) -> Result<Option<Url>, Unavailable> {
        if call.redirects == Redirects::No || !matches!(answer.status, 301 | 302 | 303 | 307 | 308)
        {
            return Ok(None);
        }
        let Some(location) = answer.header("location") else { return Ok(None) };
        let next = self.address(answer, location, call.what)?;
        if call.redirects == Redirects::SameOrigin && next.origin() != answer.url.origin() {
            return Ok(None);
        }
        if answer.url.tls && !next.tls {
            let problem = "sent us from https to plain http";
            return Err(failure::senseless(self.host(), call.what, problem));
        }
        Ok(Some(next))
    }

    /// The first request decides between https and http where the configuration leaves that open.
    fn first(&self, call: &Call<'_>, below: &str) -> Result<Answer, Unavailable> {
        if let Some(tls) = self.tls.get() {
            return self.send(call, &self.below(tls, below));
        }
        let encrypted = self.send(call, &self.below(true, below));
        let (tls, result) = match encrypted {
            Err(error) if !self.spoke_tls.get() && may_be_plain(error.kind) => {
                match self.send(call, &self.below(false, below)) {
                    Err(plain) if plain.kind == UnavailableKind::Connection => (true, Err(error)),
                    other => (false, other),
                }
            }
            other => (true, other),
        };
        if result.is_ok() {
            self.tls.set(Some(tls));
        }
        result
    }

    fn below(&self, tls: bool, below: &str) -> Url {
        let Endpoint { authority, base, path, namespace, .. } = self.endpoint;
        let url =
            Url { tls, authority: authority.clone(), target: format!("{base}/{path}/{below}") };
        match namespace {
            Some(namespace) => url.with_query(&format!("ns={}", super::url::encode(namespace))),
            None => url,
        }
    }

    fn send(&self, call: &Call<'_>, url: &Url) -> Result<Answer, Unavailable> {
        let own = self.is_own(url);
        let authorizations = self.authorizations.borrow();
        let mut headers = call.headers.clone();
        if own {
            headers.extend(self.endpoint.headers.iter().map(|(n, v)| (n.as_str(), v.expose())));
        }
        let outgoing = Outgoing {
            method: call.method.clone(),
            url,
            headers,
            authorization: authorizations.get(&call.action).filter(|_| own),
            body: call.body,
            limit: call.limit,
        };
        let sender = if own { self.own_sender()? } else { self.other_sender()? };
        let mut answer = sender.send(&outgoing, self.deadline).map_err(|error| {
            let spoke = matches!(error, ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)));
            self.spoke_tls.set(self.spoke_tls.get() || spoke);
            self.by_proxy(url, failure::no_answer(&url.authority, call.what, error))
        })?;
        self.forget_secrets(&mut answer, outgoing.authorization);
        log::debug!("{} {url} answered {}", call.method, answer.status);
        Ok(answer)
    }

    /// Keeps what was shown to a server out of everything that is made of its answer.
    fn forget_secrets(&self, answer: &mut Answer, shown: Option<&HeaderValue>) {
        let shown = shown.and_then(|value| value.to_str().ok());
        let token = shown.map(|value| value.split_once(' ').map_or(value, |(_, token)| token));
        let configured = self.endpoint.credentials.as_ref().map(|credentials| credentials.secret());
        let secrets: Vec<&str> = token.into_iter().chain(configured).collect();
        answer.forget(&secrets);
    }

    /// Where a proxy stands between, it may be what failed.
    fn by_proxy(&self, url: &Url, mut unavailable: Unavailable) -> Unavailable {
        let passed = |proxy: &&ureq::Proxy| {
            url.to_string().parse().is_ok_and(|uri: ureq::http::Uri| !proxy.is_no_proxy(&uri))
        };
        if let Some(proxy) = self.endpoint.proxy.as_ref().filter(passed) {
            let address = failure::printable(&format!("{}:{}", proxy.host(), proxy.port()));
            unavailable.detail.push_str(&format!(" (asked by the proxy {address})"));
        }
        unavailable
    }

    fn own_sender(&self) -> Result<&Sender, Unavailable> {
        self.sender(&self.own, || self.endpoint.tls.clone())
    }

    /// For servers that this one names: token services, and where redirects lead.
    fn other_sender(&self) -> Result<&Sender, Unavailable> {
        self.sender(&self.others, || self.endpoint.tls.for_others())
    }

    /// The sender for an address, by whose it is.
    fn sender_for(&self, url: &Url) -> Result<&Sender, Unavailable> {
        if self.is_own(url) { self.own_sender() } else { self.other_sender() }
    }

    /// A sender, made when it is first needed.
    fn sender<'s>(
        &self,
        cell: &'s OnceCell<Sender>,
        tls: impl FnOnce() -> TlsSettings,
    ) -> Result<&'s Sender, Unavailable> {
        if let Some(sender) = cell.get() {
            return Ok(sender);
        }
        let sender = Sender::new(&tls(), self.endpoint.proxy.clone()).map_err(|error| {
            let detail =
                format!("the client certificate for {} cannot be used: {error}", self.host());
            failure::unavailable(UnavailableKind::Configuration, detail)
        })?;
        Ok(cell.get_or_init(|| sender))
    }

    /// Prepares what the challenge asks for; false if there is nothing (more) to show.
    fn authorize(&self, call: &Call<'_>, answer: &Answer) -> Result<bool, Unavailable> {
        let challenges: Vec<Challenge> = answer
            .headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenge::parse)
            .collect();
        let of = |scheme: &str| challenges.iter().find(|c| c.scheme == scheme);
        let value = match (of("bearer"), of("basic"), &self.endpoint.credentials) {
            (Some(_), _, Some(Credentials::Bearer(token))) => {
                token::header("Bearer", token.expose(), self.host())?
            }
            (Some(challenge), _, _) => self.ask_for_token(challenge, call.action, &answer.url)?,
            (None, Some(_), Some(Credentials::Basic { username, password })) => {
                token::basic(username, password, self.host())?
            }
            _ => return Ok(false),
        };
        let mut authorizations = self.authorizations.borrow_mut();
        if authorizations.get(&call.action) == Some(&value) {
            return Ok(false);
        }
        authorizations.insert(call.action, value);
        Ok(true)
    }

    fn ask_for_token(
        &self,
        challenge: &Challenge,
        action: Action,
        registry: &Url,
    ) -> Result<HeaderValue, Unavailable> {
        let question = Question::new(self.endpoint, challenge, action, registry)?;
        let request = question.request();
        let sender = self.sender_for(request.url)?;
        let mut answer = sender
            .send(&request, self.deadline)
            .map_err(|error| failure::no_answer(&request.url.authority, token::WHAT, error))?;
        self.forget_secrets(&mut answer, request.authorization);
        token::in_answer(&answer).map_err(|refused| self.with_credentials_named(refused))
    }
}

/// Failures that a server without TLS causes when it is spoken to with TLS.
fn may_be_plain(kind: UnavailableKind) -> bool {
    matches!(kind, UnavailableKind::Tls | UnavailableKind::Connection | UnavailableKind::Server)
}
