//! Why there is no usable answer: one sentence that names who was asked, for what, and what came back.
//!
//! What a registry wrote is a stranger's text: only printable ASCII of it is repeated, and not much of it.

use serde::Deserialize;

use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::transport::{Answer, NameError, unwrap_tls};

/// Longest text of a stranger that is repeated in one of our sentences.
const QUOTED: usize = 200;
/// Longest time a registry may keep us away: beyond a day its answer means "do not ask".
const LONGEST_RETRY_AFTER: u64 = 24 * 60 * 60;

/// The printable ASCII of a stranger's text, cut.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let mut cut: String = text.chars().take(QUOTED).map(shown).collect();
    if text.chars().nth(QUOTED).is_some() {
        cut.push_str("...");
    }
    cut
}

/// An [`Unavailable`] without a time to come back.
pub fn unavailable(kind: UnavailableKind, detail: impl Into<String>) -> Unavailable {
    Unavailable { kind, detail: detail.into(), retry_after: None }
}

/// The answer arrived and cannot be believed.
pub fn unverifiable(host: &str, what: &str, problem: impl std::fmt::Display) -> Unavailable {
    let detail =
        format!("{host}, asked for {what}, gave an answer that cannot be trusted: {problem}");
    unavailable(UnavailableKind::Unverifiable, detail)
}

/// The answer arrived and is not what a registry may say.
pub fn senseless(host: &str, what: &str, problem: impl std::fmt::Display) -> Unavailable {
    unavailable(UnavailableKind::Server, format!("{host}, asked for {what}, {problem}"))
}

/// No answer arrived.
pub fn no_answer(host: &str, what: &str, error: ureq::Error) -> Unavailable {
    let error = match error {
        ureq::Error::Io(inner) => unwrap_tls(inner),
        other => other,
    };
    let (kind, reason) = match &error {
        ureq::Error::Timeout(_) => {
            (UnavailableKind::Timeout, "it did not answer in the time allowed".to_owned())
        }
        ureq::Error::HostNotFound => (UnavailableKind::Name, "its name has no address".to_owned()),
        ureq::Error::Other(inner) if inner.is::<NameError>() => {
            (UnavailableKind::Name, format!("its name cannot be resolved: {inner}"))
        }
        ureq::Error::Rustls(tls) => (UnavailableKind::Tls, super::tls::explain(tls)),
        ureq::Error::Tls(reason) => (UnavailableKind::Tls, (*reason).to_owned()),
        ureq::Error::Io(inner) => (UnavailableKind::Connection, connection(inner)),
        ureq::Error::ConnectionFailed => (UnavailableKind::Connection, "no connection".to_owned()),
        ureq::Error::ConnectProxyFailed(reason) => {
            (UnavailableKind::Connection, format!("the proxy gave no connection: {reason}"))
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
            (UnavailableKind::Configuration, format!("its address cannot be used: {error}"))
        }
        other => (UnavailableKind::Server, format!("it does not speak HTTP as it should: {other}")),
    };
    unavailable(kind, format!("cannot ask {host} for {what}: {}", printable(&reason)))
}

fn connection(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        std::io::ErrorKind::UnexpectedEof => {
            "it closed the connection before the answer was whole".to_owned()
        }
        _ => format!("the connection failed: {error}"),
    }
}

/// A registry's error document (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// The registry's own error code, for example `NAME_UNKNOWN`.
pub fn error_code(answer: &Answer) -> Option<String> {
    let errors: Errors = serde_json::from_slice(&answer.body).ok()?;
    errors.errors.into_iter().next().map(|entry| entry.code).filter(|code| !code.is_empty())
}

fn quoted_reason(answer: &Answer) -> String {
    let entry = serde_json::from_slice::<Errors>(&answer.body)
        .ok()
        .and_then(|errors| errors.errors.into_iter().next());
    match entry {
        Some(ErrorEntry { code, message: Some(message) }) => {
            format!(" ({})", printable(&format!("{code}: {message}")))
        }
        Some(ErrorEntry { code, message: None }) => format!(" ({})", printable(&code)),
        // Go's servers and nginx say so in text.
        None if contains(&answer.body, b"to an HTTPS server")
            || contains(&answer.body, b"to HTTPS port") =>
        {
            ": it speaks TLS on this port, and was asked by plain HTTP".to_owned()
        }
        None => String::new(),
    }
}

fn contains(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|part| part == words)
}

/// An answer whose status is not the one hoped for.
pub fn refused(host: &str, what: &str, answer: &Answer) -> Unavailable {
    let kind = match answer.status {
        401 | 403 => UnavailableKind::Denied,
        429 => UnavailableKind::RateLimited,
        _ => UnavailableKind::Server,
    };
    let reason = quoted_reason(answer);
    Unavailable {
        kind,
        detail: format!("{host}, asked for {what}, answered HTTP {}{reason}", answer.status),
        retry_after: retry_after(answer),
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(answer: &Answer) -> Option<u64> {
    let text = answer.header("retry-after")?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let format = &time::format_description::well_known::Rfc2822;
            let at = time::OffsetDateTime::parse(text, format).ok()?;
            let wait = at - time::OffsetDateTime::now_utc();
            u64::try_from(wait.whole_seconds()).unwrap_or(0)
        }
    };
    Some(seconds.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::super::url::Url;
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let mut map = ureq::http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let url = Url::parse("http://r.example/v2/").unwrap();
        Answer { url, status, headers: map, body: body.to_vec(), too_large: false }
    }

    #[test]
    fn the_sentence_names_host_question_status_and_reason() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#;
        let failure = refused("r.example", "the referrers of x", &answer(403, &[], body));
        assert_eq!(failure.kind, UnavailableKind::Denied);
        assert_eq!(
            failure.detail,
            "r.example, asked for the referrers of x, answered HTTP 403 (DENIED: no?[31m way)"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let wait = |text: &str| retry_after(&answer(429, &[("retry-after", text)], b""));
        assert_eq!(wait("17"), Some(17));
        assert_eq!(wait("99999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert_eq!(wait("Fri, 31 Dec 2190 23:59:59 GMT"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn a_strangers_text_is_cut_and_made_printable() {
        assert_eq!(printable("a\nb\u{202e}c"), "a?b?c");
        assert_eq!(printable(&"x".repeat(500)).len(), QUOTED + 3);
    }
}
