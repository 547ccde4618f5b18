//! Which manifests of an image a command is about: what the reference names, one platform's, or every platform's.
//!
//! Shared by attach-spec, list-specs and remove-spec; mirror and validate-spec take single functions.

use crate::deadline::Deadline;
use crate::limits;
use crate::oci::reference::InvalidReference;
use crate::oci::{Descriptor, Reference};
use crate::registry::access::Access;
use crate::registry::attach;
use crate::registry::client::Client;
use crate::registry::resolve::{Wanted, nothing_for, platform_name};
use crate::worker::protocol::Unavailable;

use super::Failure;

/// Flags that choose manifests of an image.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlatformArgs {
    #[allow(rustdoc::broken_intra_doc_links, reason = "the brackets are a command line's")]
    /// Only the manifest of this platform, os[/arch[/variant]][:os_version] [default: what the tag points to, for a
    /// multi-platform image its index]
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_platforms")]
    pub platform: Option<Wanted>,
    /// The manifests of all platforms, not the index
    #[arg(long)]
    pub all_platforms: bool,
}

/// A manifest a specification can be attached to.
pub struct Subject {
    /// Its platform, where it was chosen by it.
    pub platform: Option<String>,
    /// The manifest.
    pub descriptor: Descriptor,
}

impl PlatformArgs {
    /// The manifests chosen, never none.
    pub fn subjects(
        &self,
        client: &Client<'_>,
        reference: &Reference,
    ) -> Result<Vec<Subject>, Failure> {
        let stored = client.named(reference).map_err(failed)?;
        let named = Subject { platform: None, descriptor: stored.descriptor() };
        let platforms = attach::platforms(&stored.document);
        if self.platform.is_none() && !self.all_platforms {
            return Ok(vec![named]);
        }
        if platforms.is_empty() {
            return match &self.platform {
                None => Ok(vec![named]),
                Some(platform) => Err(Failure::usage(format!(
                    "{reference} is no multi-platform image, so it has no manifest for {platform}; leave --platform out"
                ))),
            };
        }
        let chosen: Vec<Subject> = platforms
            .iter()
            .filter(|(found, _)| self.platform.as_ref().is_none_or(|wanted| wanted.matches(found)))
            .map(|(found, descriptor)| Subject {
                platform: Some(platform_name(found)),
                descriptor: descriptor.clone(),
            })
            .collect();
        match (&self.platform, chosen.is_empty()) {
            (Some(platform), true) => {
                let problem = nothing_for(platform, platforms.iter().map(|(found, _)| found));
                Err(Failure::usage(format!("{reference} {problem}")))
            }
            _ => Ok(chosen),
        }
    }
}

/// The index or manifest a reference names, and the manifests of all platforms.
pub fn all(client: &Client<'_>, reference: &Reference) -> Result<Vec<Subject>, Failure> {
    let stored = client.named(reference).map_err(failed)?;
    let named = Subject { platform: None, descriptor: stored.descriptor() };
    let platforms = attach::platforms(&stored.document).into_iter();
    let platforms = platforms
        .map(|(found, descriptor)| Subject { platform: Some(platform_name(&found)), descriptor });
    Ok(std::iter::once(named).chain(platforms).collect())
}

/// Reads a reference from the command line; it must say which image, by tag or digest.
pub fn reference(text: &str) -> Result<Reference, Failure> {
    let reference: Reference =
        text.parse().map_err(|problem: InvalidReference| Failure::usage(problem.to_string()))?;
    if reference.tag.is_none() && reference.digest.is_none() {
        return Err(Failure::usage(format!(
            "{reference} names neither a tag nor a digest; write {reference}:TAG"
        )));
    }
    Ok(reference)
}

/// A client for the first server that may be asked.
pub fn client(access: &Access) -> Result<Client<'_>, Failure> {
    let endpoint = access.endpoints.first().ok_or_else(|| {
        Failure::undecided(format!(
            "this node's configuration leaves no server for {}",
            access.repository
        ))
    })?;
    Ok(Client::new(endpoint, Deadline::after(limits::TOOL_DEADLINE)))
}

/// A registry's failure as a command's.
pub fn failed(unavailable: Unavailable) -> Failure {
    Failure::undecided(unavailable.detail)
}
