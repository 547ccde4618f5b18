//! Image references: `host[:port]/repository[:tag][@digest]`.
//!
//! Grammar: distribution/reference, restricted to fully qualified names: short names and implied registries are
//! not guessed, since the wrong guess would ask the wrong registry about an image. Written by hand because the
//! hook parses one at every start, and a parser by regular expression costs more than the rest of the start.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// A repository: the registry's host (with port) and the path in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Repository {
    /// Host with optional port, for example `registry.example:5000` or `[::1]:5000`.
    pub registry: String,
    /// Path, for example `library/busybox`.
    pub path: String,
}

impl Repository {
    /// True for names that no registry serves: `localhost/…` is what podman and buildah call local builds.
    pub fn is_local(&self) -> bool {
        self.registry == "localhost"
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// A reference to an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// Where the image lives.
    pub repository: Repository,
    /// The tag, if one was written.
    pub tag: Option<String>,
    /// The digest, if one was written.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// No registry host in front.
    #[error("`{0}` names no registry; write it in full, for example {hub}{0}", hub = hub(.0))]
    NoRegistry(String),
    /// `https://` or `docker://` in front.
    #[error("`{reference}` is not an image reference: leave `{scheme}://` out")]
    Address {
        /// The text, cut to a bounded length.
        reference: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// Some part breaks the grammar.
    #[error("`{reference}` is not an image reference: {problem}")]
    Malformed {
        /// The text, cut to a bounded length.
        reference: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Where a name without a registry is in Docker Hub.
fn hub(name: &str) -> &'static str {
    if name.contains('/') { "docker.io/" } else { "docker.io/library/" }
}

/// Longest reference: 255 for the name (distribution/reference), 128 for the tag, and the digest.
const MAX_LENGTH: usize = 512;
const MAX_REPOSITORY: usize = 255;

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |problem| InvalidReference::Malformed {
            reference: text.chars().take(100).collect(),
            problem,
        };
        if text.len() > MAX_LENGTH {
            return Err(malformed("it is longer than 512 bytes"));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let reference = text.chars().take(100).collect();
            return Err(InvalidReference::Address { reference, scheme: scheme.to_owned() });
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| malformed("the digest is not sha256:<64 hex digits>"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let Some((registry, rest)) = name.split_once('/') else {
            return Err(InvalidReference::NoRegistry(text.chars().take(100).collect()));
        };
        if !looks_like_host(registry) {
            return Err(InvalidReference::NoRegistry(text.chars().take(100).collect()));
        }
        if !is_host(registry) {
            return Err(malformed("the registry is not a host name with an optional port"));
        }
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.len() > MAX_REPOSITORY || !path.split('/').all(is_path_component) {
            return Err(malformed(
                "the repository may have lower-case letters, digits, and single separators",
            ));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(malformed("the tag may have letters, digits, `_`, `.`, `-`, at most 128"));
        }
        Ok(Reference {
            repository: Repository { registry: registry.to_owned(), path: path.to_owned() },
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// Docker's rule for telling a host from the first part of a short name.
fn looks_like_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("x"))),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port_ok =
        port.is_none_or(|p| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()));
    if text.starts_with('[') {
        return port_ok && host.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label_ok = |label: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        label.len() <= 63
            && edge(label.bytes().next())
            && edge(label.bytes().last())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port_ok && host.len() <= 253 && host.split('.').all(label_ok)
}

/// `[a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let mut separator = "";
    let mut rest = component;
    loop {
        let word =
            rest.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        let Some(after) = rest.get(word..) else { return false };
        if word == 0 {
            return false;
        }
        if after.is_empty() {
            return true;
        }
        let run = after.bytes().take_while(|b| matches!(b, b'.' | b'_' | b'-')).count();
        (separator, rest) = after.split_at_checked(run).unwrap_or((separator, ""));
        let separator_ok = matches!(separator, "." | "_" | "__")
            || (!separator.is_empty() && separator.bytes().all(|b| b == b'-'));
        if !separator_ok {
            return false;
        }
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_round_trip() {
        let hex = "a".repeat(64);
        let digested = format!("registry.example/a@sha256:{hex}");
        let both = format!("registry.example:5000/a/b-c__d.e:v1.2_3@sha256:{hex}");
        for text in [
            "localhost/bb:1",
            "127.0.0.1:5000/ma:1",
            "[::1]:5000/x/y",
            "docker.io/library/busybox",
            "REGISTRY/x",
            &digested,
            &both,
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_full_reference_is_refused() {
        for text in [
            "",
            "busybox",
            "library/busybox",
            "registry.example/",
            "registry.example/UPPER",
            "registry.example/a..b",
            "registry.example/a/../b",
            "registry.example/a___b",
            "registry.example/a:",
            "registry.example/a:-x",
            "registry.example/a@sha256:abc",
            "registry.example:port/a",
            "registry.example/a b",
            "[::1/a",
            "https://registry.example/a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
