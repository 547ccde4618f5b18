//! Bearer tokens: what the service that a registry's challenge names is asked, and what its answer holds.
//!
//! Sources: the distribution project's token specification (GET with a scope, anonymously or with Basic) and its
//! OAuth2 form (POST with a refresh token, for identity tokens).
//!
//! The service's address comes from the registry, so it decides who sees our password. It must be https, or the
//! registry's own server, or, if the registry itself speaks plain http, plain http on this very machine.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use ureq::http::{HeaderValue, Method};

use crate::limits;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::access::Endpoint;
use super::challenge::Challenge;
use super::failure;
use super::secret::{Credentials, Secret};
use super::transport::{Answer, Outgoing};
use super::url::{self, Url};

/// What is asked for, in messages.
pub const WHAT: &str = "a token";

/// What a request may do; a token is asked for each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Delete.
    Delete,
}

impl Action {
    /// The words of the token specification.
    pub const fn scope(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "pull,push",
            Action::Delete => "delete,pull",
        }
    }
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// A value for `Authorization` that the HTTP library keeps out of its logs.
pub fn header(scheme: &str, value: &str, host: &str) -> Result<HeaderValue, Unavailable> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).map_err(|_| {
        let detail = format!("the credentials for {host} hold characters that HTTP cannot carry");
        failure::unavailable(UnavailableKind::Configuration, detail)
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// User name and password as `Authorization`.
pub fn basic(username: &str, password: &Secret, host: &str) -> Result<HeaderValue, Unavailable> {
    let pair = Secret::new(format!("{username}:{}", password.expose()));
    let encoded = Secret::new(BASE64_STANDARD.encode(pair.expose()));
    header("Basic", encoded.expose(), host)
}

/// A question to a token service.
pub struct Question {
    service: Url,
    authorization: Option<HeaderValue>,
    form: Option<Secret>,
}

impl Question {
    /// Asks for a token that allows `action` on the endpoint's repository. The challenge came from `registry`.
    pub fn new(
        endpoint: &Endpoint,
        challenge: &Challenge,
        action: Action,
        registry: &Url,
    ) -> Result<Self, Unavailable> {
        let realm = realm(endpoint, challenge, registry)?;
        let scope = match challenge.get("scope") {
            Some(scope) if !scope.is_empty() => scope.to_owned(),
            _ => format!("repository:{}:{}", endpoint.path, action.scope()),
        };
        let name = challenge.get("service").unwrap_or_default();
        match &endpoint.credentials {
            Some(Credentials::Identity(identity)) => {
                let form = Some(form(name, &scope, identity));
                Ok(Question { service: realm, authorization: None, form })
            }
            Some(Credentials::Basic { username, password }) => {
                let authorization = Some(basic(username, password, &realm.authority)?);
                Ok(Question { service: with_query(realm, name, &scope), authorization, form: None })
            }
            Some(Credentials::Bearer(_)) | None => {
                let service = with_query(realm, name, &scope);
                Ok(Question { service, authorization: None, form: None })
            }
        }
    }

    /// The request. No redirect of its answer may be followed: it would carry the password, or come back with a
    /// stranger's token.
    pub fn request(&self) -> Outgoing<'_> {
        let mut headers = vec![("accept", "application/json")];
        if self.form.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        Outgoing {
            method: if self.form.is_some() { Method::POST } else { Method::GET },
            url: &self.service,
            headers,
            authorization: self.authorization.as_ref(),
            body: self.form.as_ref().map(|form| form.expose().as_bytes()),
            limit: limits::TOKEN_BYTES,
        }
    }
}

/// The token in a service's answer, as `Authorization`.
pub fn in_answer(answer: &Answer) -> Result<HeaderValue, Unavailable> {
    let host = &answer.url.authority;
    if answer.too_large {
        return Err(failure::senseless(host, WHAT, "gave an answer without end"));
    }
    match answer.status {
        200 => {}
        // Token services answer wrong credentials with 400 too.
        400 => {
            let refused = failure::refused(host, WHAT, answer);
            return Err(Unavailable { kind: UnavailableKind::Denied, ..refused });
        }
        _ => return Err(failure::refused(host, WHAT, answer)),
    }
    let without = || failure::senseless(host, WHAT, "gave an answer that holds none");
    let answered: Answered = serde_json::from_slice(&answer.body).map_err(|_| without())?;
    let token =
        [answered.token, answered.access_token].into_iter().flatten().find(|t| !t.is_empty());
    let token = token.map(Secret::new).ok_or_else(without)?;
    header("Bearer", token.expose(), host)
}

fn realm(endpoint: &Endpoint, challenge: &Challenge, registry: &Url) -> Result<Url, Unavailable> {
    let named = challenge.get("realm").unwrap_or_default();
    let parsed = Url::parse(named);
    let allowed = |realm: &Url| {
        realm.tls
            || realm.origin() == registry.origin()
            || (!registry.tls && url::is_loopback(&realm.authority))
    };
    parsed.filter(allowed).ok_or_else(|| {
        let detail = format!(
            "{} wants a token asked of `{}`, which is neither https nor its own address; no credentials are sent there",
            endpoint.authority,
            failure::printable(named)
        );
        failure::unavailable(UnavailableKind::Denied, detail)
    })
}

fn with_query(realm: Url, service: &str, scope: &str) -> Url {
    let mut address = realm;
    if !service.is_empty() {
        address = address.with_query(&format!("service={}", url::encode(service)));
    }
    for part in scope.split(' ').filter(|part| !part.is_empty()) {
        address = address.with_query(&format!("scope={}", url::encode(part)));
    }
    address
}

fn form(service: &str, scope: &str, identity: &Secret) -> Secret {
    Secret::new(format!(
        "grant_type=refresh_token&client_id=imgcompat&service={}&scope={}&refresh_token={}",
        url::encode(service),
        url::encode(scope),
        url::encode(identity.expose())
    ))
}
