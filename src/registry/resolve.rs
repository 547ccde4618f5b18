//! From an image's reference to the manifests an artifact may be attached to. Only manifests are read, never layers.
//!
//! For the tool: the hook knows its image from the engine and never asks a tag.

use crate::deadline::Deadline;
use crate::oci::{Descriptor, Digest, Document, Platform, Reference};
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::access::Access;
use super::client::Client;
use super::failure;
use super::manifests::Stored;

/// An image as its registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What the reference names: the index of a multi-platform image, else the manifest.
    pub named: Descriptor,
    /// The index, where the image has one.
    pub index: Option<Digest>,
    /// The manifest for the platform asked for.
    pub manifest: Digest,
    /// The image's configuration, whose digest is the image id.
    pub config: Option<Digest>,
}

impl Resolved {
    /// What an artifact may be attached to, the most specific first.
    pub fn subjects(&self) -> Vec<Digest> {
        std::iter::once(self.manifest.clone()).chain(self.index.clone()).collect()
    }
}

/// How many platforms a message names.
const NAMED: usize = 12;

/// That an image has nothing for a platform, and what it has instead.
pub fn nothing_for<'a>(wanted: &Wanted, platforms: impl Iterator<Item = &'a Platform>) -> String {
    // Build attestations say that their platform is unknown.
    let images = platforms.filter(|platform| platform.os != "unknown");
    let names: Vec<String> = images.take(NAMED).map(platform_name).collect();
    format!("has no manifest for {wanted}; it has {}", names.join(", "))
}

/// Platforms are a stranger's words; what is printed of them is bounded and printable.
pub fn platform_name(platform: &Platform) -> String {
    let parts = [Some(&platform.os), Some(&platform.architecture), platform.variant.as_ref()];
    let joined: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    failure::printable(&joined.join("/"))
}

/// A platform as written on a command line: `os[/arch[/variant]][:os_version]`, as for NFD's client and oras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Operating system.
    pub os: String,
    /// Architecture, in Go's words.
    pub architecture: Option<String>,
    /// Variant.
    pub variant: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (platform, os_version) = match text.split_once(':') {
            Some((platform, version)) => (platform, Some(version.to_owned())),
            None => (text, None),
        };
        let mut parts = platform.split('/').map(str::to_owned);
        let os = parts.next().filter(|os| !os.is_empty());
        let (architecture, variant) = (parts.next(), parts.next());
        let empty = |part: &Option<String>| part.as_deref() == Some("");
        match os {
            Some(os)
                if parts.next().is_none()
                    && ![&architecture, &variant, &os_version].into_iter().any(empty) =>
            {
                Ok(Wanted { os, architecture, variant, os_version })
            }
            _ => {
                let form = "os[/arch[/variant]][:os_version]";
                Err(format!("`{text}` is not a platform of the form {form}"))
            }
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.os)?;
        for part in [&self.architecture, &self.variant].into_iter().flatten() {
            write!(f, "/{part}")?;
        }
        if let Some(version) = &self.os_version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

impl Wanted {
    /// The platform this program runs on.
    pub fn host() -> Self {
        Wanted {
            os: "linux".to_owned(),
            architecture: Some(Platform::this_architecture().to_owned()),
            variant: None,
            os_version: None,
        }
    }

    /// True if a manifest for `platform` is what is wanted.
    pub fn matches(&self, platform: &Platform) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        self.os == platform.os
            && same(&self.architecture, Some(&platform.architecture))
            && same(&self.variant, platform.variant.as_deref())
            && same(&self.os_version, platform.os_version.as_deref())
    }
}

/// Asks the servers in order for what a reference names.
pub fn resolve(
    reference: &Reference,
    wanted: &Wanted,
    access: &Access,
    deadline: Deadline,
) -> Result<Resolved, Unavailable> {
    in_order(reference, access, deadline, |client| resolve_at(reference, wanted, client))
}

/// Asks the servers in order for the document that a reference names.
pub fn named(
    reference: &Reference,
    access: &Access,
    deadline: Deadline,
) -> Result<Stored, Unavailable> {
    in_order(reference, access, deadline, |client| client.named(reference))
}

/// The first server's answer that is one.
fn in_order<T>(
    reference: &Reference,
    access: &Access,
    deadline: Deadline,
    ask: impl Fn(&Client<'_>) -> Result<T, Unavailable>,
) -> Result<T, Unavailable> {
    let by_digest = reference.digest.is_some();
    let usable = |by: super::access::By| if by_digest { by.digest } else { by.tag };
    let mut last = None;
    let endpoints: Vec<_> = access.endpoints.iter().filter(|e| usable(e.by)).collect();
    for (at, endpoint) in endpoints.iter().enumerate() {
        let time = super::fetch::share(deadline, endpoints.len() - at - 1);
        match ask(&Client::new(endpoint, time)) {
            Err(failure) => last = Some(failure),
            found => return found,
        }
    }
    Err(last.unwrap_or_else(|| {
        let detail = format!(
            "no server may be asked for {reference}: this node's configuration leaves none"
        );
        failure::unavailable(UnavailableKind::Blocked, detail)
    }))
}

fn resolve_at(
    reference: &Reference,
    wanted: &Wanted,
    client: &Client<'_>,
) -> Result<Resolved, Unavailable> {
    let stored = client.named(reference)?;
    let named = stored.descriptor();
    match stored.document {
        Document::Manifest(manifest) => Ok(Resolved {
            manifest: named.digest.clone(),
            named,
            index: None,
            config: Some(manifest.config.digest),
        }),
        Document::Index(index) => {
            let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| wanted.matches(p));
            let chosen = index.manifests.iter().find(fits).ok_or_else(|| {
                let platforms = index.manifests.iter().filter_map(|of| of.platform.as_ref());
                let problem = nothing_for(wanted, platforms);
                failure::senseless(client.host(), &reference.to_string(), problem)
            })?;
            let config = match client.manifest(&chosen.digest)?.map(|stored| stored.document) {
                Some(Document::Manifest(manifest)) => Some(manifest.config.digest),
                _ => None,
            };
            let index = Some(named.digest.clone());
            Ok(Resolved { named, index, manifest: chosen.digest.clone(), config })
        }
    }
}

impl Client<'_> {
    /// What a reference names; that there is no such image is a failure here.
    pub fn named(&self, reference: &Reference) -> Result<Stored, Unavailable> {
        let found = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => self.manifest(digest)?,
            (None, Some(tag)) => self.tagged(tag)?,
            // NFD's client guesses no `latest` either: the wrong guess would judge another image.
            (None, None) => {
                let detail = format!("{reference} names neither a tag nor a digest");
                return Err(failure::unavailable(UnavailableKind::Configuration, detail));
            }
        };
        found.ok_or_else(|| {
            failure::senseless(
                self.host(),
                &reference.to_string(),
                "answered that there is no such image",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_leaves_out_what_does_not_matter() {
        let arm = Platform {
            os: "linux".to_owned(),
            architecture: "arm".to_owned(),
            variant: Some("v7".to_owned()),
            os_version: None,
        };
        for (text, expected) in [
            ("linux", true),
            ("linux/arm", true),
            ("linux/arm/v7", true),
            ("linux/arm/v6", false),
            ("linux/amd64", false),
            ("windows", false),
            ("linux/arm:10.0", false),
        ] {
            let wanted: Wanted = text.parse().unwrap();
            assert_eq!(wanted.matches(&arm), expected, "{text}");
            assert_eq!(wanted.to_string(), text);
        }
        for bad in ["", "/arm", "linux/", "linux/arm/v7/x", "linux:", ":10.0"] {
            assert!(bad.parse::<Wanted>().is_err(), "{bad}");
        }
    }
}
