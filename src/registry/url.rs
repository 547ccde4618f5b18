//! Addresses of registries: just enough of RFC 3986 to resolve a `Location` or `Link` against the request it answers,
//! and to tell whether two addresses are the same server.
//!
//! Credentials are bound to an [`Url::origin`] (scheme, host and port), so this is where that is decided.

use std::fmt;

/// An absolute `http` or `https` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// True for `https`.
    pub tls: bool,
    /// Host with optional port, in lower case.
    pub authority: String,
    /// Path with optional query, starting with `/`.
    pub target: String,
}

/// Longest address that is followed; registries put signatures of some KiB into redirects.
const MAX_LENGTH: usize = 8 << 10;

impl Url {
    /// Reads an absolute address. User information in it is refused: it would be a credential from a stranger.
    pub fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if text.len() > MAX_LENGTH || !printable {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        if authority.is_empty() || authority.contains('@') || authority.contains('\\') {
            return None;
        }
        let target = target.split('#').next().unwrap_or_default();
        let slash = if target.starts_with('/') { "" } else { "/" };
        let authority = authority.to_ascii_lowercase();
        Some(Url { tls, authority, target: format!("{slash}{target}") })
    }

    /// Resolves a reference found in an answer to this address.
    pub fn join(&self, reference: &str) -> Option<Self> {
        if reference.is_empty() {
            return None;
        }
        let scheme = if self.tls { "https" } else { "http" };
        if reference.contains("://") && !reference.starts_with(['/', '?', '.']) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"));
        }
        let path = self.target.split('?').next().unwrap_or("/");
        let target = match reference.chars().next() {
            Some('/') => reference.to_owned(),
            Some('?') => format!("{path}{reference}"),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{reference}")
            }
        };
        Url::parse(&format!("{scheme}://{}{target}", self.authority))
    }

    /// Scheme, host and port: what credentials are bound to.
    pub fn origin(&self) -> (bool, &str, u16) {
        let (host, port) = split_port(&self.authority);
        (self.tls, host, port.unwrap_or(if self.tls { 443 } else { 80 }))
    }

    /// Adds a query parameter that is already encoded.
    pub fn with_query(mut self, parameter: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(parameter);
        self
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

/// Host and port of an authority; the host of an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// True for a host that can only be this machine: `localhost`, 127.0.0.0/8 and ::1.
pub fn is_loopback(authority: &str) -> bool {
    let (host, _) = split_port(authority);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Encodes a value for a query: everything but unreserved characters (RFC 3986, section 2.3).
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_against_the_request() {
        let base = Url::parse("https://r.example:5000/v2/a/referrers/sha256:1?n=1").unwrap();
        for (reference, expected) in [
            ("/v2/x?last=2", "https://r.example:5000/v2/x?last=2"),
            ("?last=2", "https://r.example:5000/v2/a/referrers/sha256:1?last=2"),
            ("other", "https://r.example:5000/v2/a/referrers/other"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("http://CDN.example", "http://cdn.example/"),
            ("https://cdn.example?x=1", "https://cdn.example/?x=1"),
            (
                "/redirect?to=http://evil.example/",
                "https://r.example:5000/redirect?to=http://evil.example/",
            ),
        ] {
            assert_eq!(base.join(reference).map(|u| u.to_string()).as_deref(), Some(expected));
        }
        for refused in ["", "ftp://x/", "http://user@x/", "http://", "https://a b/", "/a\nb"] {
            assert_eq!(base.join(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text: &str| {
            Url::parse(text).map(|u| {
                let (tls, host, port) = u.origin();
                (tls, host.to_owned(), port)
            })
        };
        assert_eq!(origin("https://a.example/x"), origin("https://A.example:443/y"));
        assert_ne!(origin("https://a.example/x"), origin("http://a.example/x"));
        assert_ne!(origin("https://a.example/x"), origin("https://a.example:444/x"));
        assert_eq!(origin("http://[::1]:5/").unwrap(), (false, "[::1]".to_owned(), 5));
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for yes in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.3.2.1", "[::1]:5000"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]:1"] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
