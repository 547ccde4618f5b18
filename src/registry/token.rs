//! Bearer tokens: asked of the service that a registry's challenge names.
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

use super::challenge::Challenge;
use super::client::{Action, Client};
use super::failure;
use super::secret::{Credentials, Secret};
use super::transport::{Answer, Outgoing};
use super::url::{self, Url};

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

/// Asks the service for a token that allows `action` on the client's repository.
pub fn ask(
    client: &Client<'_>,
    challenge: &Challenge,
    action: Action,
    registry: &Url,
) -> Result<HeaderValue, Unavailable> {
    let realm = realm(client, challenge, registry)?;
    let path = &client.endpoint().path;
    let scope = match challenge.get("scope") {
        Some(scope) if !scope.is_empty() => scope.to_owned(),
        _ => format!("repository:{path}:{}", action.scope()),
    };
    let service = challenge.get("service").unwrap_or_default();
    let answer = match &client.endpoint().credentials {
        Some(Credentials::Identity(identity)) => post(client, &realm, service, &scope, identity)?,
        Some(Credentials::Basic { username, password }) => {
            let basic = basic(username, password, &realm.authority)?;
            get(client, realm, service, &scope, Some(&basic))?
        }
        Some(Credentials::Bearer(_)) | None => get(client, realm, service, &scope, None)?,
    };
    let answered: Answered = serde_json::from_slice(&answer.body).map_err(|_| {
        failure::senseless(&answer.url.authority, WHAT, "gave an answer that holds none")
    })?;
    let token =
        [answered.token, answered.access_token].into_iter().flatten().find(|t| !t.is_empty());
    match token.map(Secret::new) {
        Some(token) => header("Bearer", token.expose(), &answer.url.authority),
        None => {
            Err(failure::senseless(&answer.url.authority, WHAT, "gave an answer that holds none"))
        }
    }
}

const WHAT: &str = "a token";

fn realm(client: &Client<'_>, challenge: &Challenge, registry: &Url) -> Result<Url, Unavailable> {
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
            client.host(),
            failure::printable(named)
        );
        failure::unavailable(UnavailableKind::Denied, detail)
    })
}

fn get(
    client: &Client<'_>,
    realm: Url,
    service: &str,
    scope: &str,
    authorization: Option<&HeaderValue>,
) -> Result<Answer, Unavailable> {
    let mut address = realm;
    if !service.is_empty() {
        address = address.with_query(&format!("service={}", url::encode(service)));
    }
    for part in scope.split(' ').filter(|part| !part.is_empty()) {
        address = address.with_query(&format!("scope={}", url::encode(part)));
    }
    send(
        client,
        &Outgoing {
            method: Method::GET,
            url: &address,
            headers: vec![("accept", "application/json")],
            authorization,
            body: None,
            limit: limits::TOKEN_BYTES,
        },
    )
}

fn post(
    client: &Client<'_>,
    realm: &Url,
    service: &str,
    scope: &str,
    identity: &Secret,
) -> Result<Answer, Unavailable> {
    let form = Secret::new(format!(
        "grant_type=refresh_token&client_id=imgcompat&service={}&scope={}&refresh_token={}",
        url::encode(service),
        url::encode(scope),
        url::encode(identity.expose())
    ));
    send(
        client,
        &Outgoing {
            method: Method::POST,
            url: realm,
            headers: vec![
                ("accept", "application/json"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            authorization: None,
            body: Some(form.expose().as_bytes()),
            limit: limits::TOKEN_BYTES,
        },
    )
}

/// No redirect is followed here: it would carry the password, or come back with a stranger's token.
fn send(client: &Client<'_>, outgoing: &Outgoing<'_>) -> Result<Answer, Unavailable> {
    let host = &outgoing.url.authority;
    let mut answer = client
        .sender_for(outgoing.url)?
        .send(outgoing, client.deadline())
        .map_err(|error| failure::no_answer(host, WHAT, error))?;
    client.forget_secrets(&mut answer, outgoing.authorization);
    if answer.too_large {
        return Err(failure::senseless(host, WHAT, "gave an answer without end"));
    }
    match answer.status {
        200 => Ok(answer),
        // Token services answer wrong credentials with 400 too.
        400 => {
            let refused = failure::refused(host, WHAT, &answer);
            Err(Unavailable { kind: UnavailableKind::Denied, ..refused })
        }
        _ => Err(failure::refused(host, WHAT, &answer)),
    }
}
