//! Credentials and tokens: who sees them, who must not, and what is said when they are refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/faulty_registry.rs"]
#[allow(dead_code)]
mod faulty_registry;
#[path = "support/faulty_server.rs"]
#[allow(dead_code)]
mod faulty_server;

use std::sync::Arc;

use faulty_registry::*;
use faulty_server::{Asked, Reply, Server, answer, with_header};
use imgcompat::registry::access::Options;
use imgcompat::registry::secret::{Credentials, Secret};
use imgcompat::worker::protocol::UnavailableKind;

/// A registry that wants a bearer token from the service at `realm`.
fn with_token(realm: String, content: Content) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |asked| {
        if asked.header("authorization") == Some("Bearer good") {
            return content.reply(asked);
        }
        let challenge = format!(r#"Bearer realm="{realm}",service="s",scope="repository:a:pull""#);
        with_header(error(401, "UNAUTHORIZED"), "WWW-Authenticate", &challenge)
    }
}

fn token_service() -> Server {
    Server::start(|_| answer(200, "application/json", r#"{"token":"good","expires_in":60}"#))
}

#[test]
fn a_token_is_asked_once_for_all_requests() {
    let service = token_service();
    let registry =
        Server::start(with_token(format!("http://{}/token", service.authority), Content::good()));
    must_be_found("token", ask_with(&registry.authority, &secret_options(), 5_000));
    assert_eq!(registry.asked().len(), 4);
    let asked = service.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target, "/token?service=s&scope=repository%3Aa%3Apull");
    assert!(asked[0].header("authorization").unwrap().starts_with("Basic "));
    must_be_found("anonymous", ask_with(&registry.authority, &options(), 5_000));
    assert_eq!(service.asked()[1].header("authorization"), None);
}

#[test]
fn an_identity_token_is_traded_by_post_and_a_bearer_token_shown_as_it_is() {
    let service = token_service();
    let realm = format!("http://{}/token", service.authority);
    let registry = Server::start(with_token(realm, Content::good()));
    let identity = Some(Credentials::Identity(Secret::new(CANARY.to_owned())));
    let with_identity = Options { credentials: identity, ..options() };
    must_be_found("identity", ask_with(&registry.authority, &with_identity, 5_000));
    let asked = service.asked().pop().unwrap();
    let body = String::from_utf8(asked.body).unwrap();
    assert_eq!(asked.method, "POST");
    assert!(body.contains("grant_type=refresh_token") && body.contains(CANARY), "{body}");
    let bearer = Some(Credentials::Bearer(Secret::new("good".to_owned())));
    let with_bearer = Options { credentials: bearer, ..options() };
    must_be_found("bearer", ask_with(&registry.authority, &with_bearer, 5_000));
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn a_loop_of_401_ends_and_says_so() {
    let service = token_service();
    let realm = format!("http://{}/token", service.authority);
    let registry = Server::start(move |_| {
        with_header(
            error(401, "UNAUTHORIZED"),
            "WWW-Authenticate",
            &format!("Bearer realm=\"{realm}\""),
        )
    });
    let outcome = ask_with(&registry.authority, &secret_options(), 5_000);
    must_fail("loop", outcome, UnavailableKind::Denied, "with the credentials that were given");
    assert!(registry.asked().len() <= 3);
    let registry = Server::start(|_| {
        with_header(error(401, "UNAUTHORIZED"), "WWW-Authenticate", "Basic realm=x")
    });
    let outcome = ask_with(&registry.authority, &secret_options(), 5_000);
    must_fail("basic loop", outcome, UnavailableKind::Denied, "HTTP 401");
    assert_eq!(registry.asked().len(), 2);
}

#[test]
fn a_token_service_that_fails_is_named() {
    use UnavailableKind::{Denied, RateLimited, Server as Broken};
    for (reply, kind, says) in [
        (error(401, "UNAUTHORIZED"), Denied, "HTTP 401"),
        (error(400, "BAD"), Denied, "HTTP 400"),
        (error(429, "TOOMANYREQUESTS"), RateLimited, "HTTP 429"),
        (error(503, "DOWN"), Broken, "HTTP 503"),
        (answer(200, "application/json", "{}"), Broken, "gave an answer that holds none"),
        (answer(200, "text/html", "<html>"), Broken, "gave an answer that holds none"),
        (redirect(302, "http://127.0.0.2:9/"), Broken, "HTTP 302"),
        (Reply::Endless, Broken, "without end"),
    ] {
        let service = Server::start(move |_| reply.clone());
        let realm = format!("http://{}/token", service.authority);
        let registry = Server::start(with_token(realm, Content::good()));
        let outcome = ask_with(&registry.authority, &secret_options(), 5_000);
        must_fail(says, outcome, kind, "a token");
    }
}

#[test]
fn credentials_are_not_sent_to_a_realm_in_the_clear() {
    for realm in [
        "http://192.0.2.1/token",
        "http://token.example/",
        "ftp://127.0.0.1/",
        "",
        "file:///etc/passwd",
    ] {
        let registry = Server::start(with_token(realm.to_owned(), Content::good()));
        let outcome = ask_with(&registry.authority, &secret_options(), 5_000);
        must_fail(realm, outcome, UnavailableKind::Denied, "no credentials are sent there");
    }
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let content = Content::good();
    let stranger = Arc::new(of(content.clone()));
    for (part, status) in [(MANIFEST, 302), (BLOB, 307), (BLOB, 301), (MANIFEST, 308)] {
        let (content, target) = (content.clone(), format!("http://{}", stranger.authority));
        let registry = Server::start(move |asked| {
            if asked.header("authorization").is_none() {
                return with_header(error(401, "X"), "WWW-Authenticate", "Basic realm=x");
            }
            if asked.target.contains(part) {
                return redirect(status, &format!("{target}{}", asked.target));
            }
            content.reply(asked)
        });
        must_be_found(part, ask_with(&registry.authority, &secret_options(), 5_000));
    }
    let seen = stranger.asked();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|asked| asked.header("authorization").is_none()), "{seen:?}");
}

#[test]
fn a_strangers_challenge_is_not_answered() {
    let stranger = Server::start(|_| {
        with_header(error(401, "X"), "WWW-Authenticate", "Basic realm=give-me-your-password")
    });
    let target = format!("http://{}", stranger.authority);
    let registry = except(BLOB, redirect(302, &target));
    let outcome = ask_with(&registry.authority, &secret_options(), 5_000);
    must_fail("challenge", outcome, UnavailableKind::Denied, "HTTP 401");
    assert!(stranger.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
fn the_secret_appears_in_no_outcome() {
    let challenge = "Basic realm=x";
    let echo = |asked: &Asked| {
        let seen = asked.header("authorization").unwrap_or_default().to_owned();
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"{seen}"}}]}}"#);
        let status = if seen.is_empty() { 401 } else { 403 };
        with_header(answer(status, "application/json", body), "WWW-Authenticate", challenge)
    };
    let server = Server::start(echo);
    let outcome = ask_with(&server.authority, &secret_options(), 5_000);
    let mut bytes = Vec::new();
    outcome.write_to(&mut bytes).unwrap();
    let text = format!("{}{outcome:?}", String::from_utf8_lossy(&bytes));
    use base64::Engine as _;
    let encoded = base64::prelude::BASE64_STANDARD.encode(format!("user:{CANARY}"));
    assert!(
        server
            .asked()
            .iter()
            .any(|a| a.header("authorization").is_some_and(|h| h.contains(&encoded)))
    );
    assert!(!text.contains(CANARY) && !text.contains(&encoded), "{text}");
}
