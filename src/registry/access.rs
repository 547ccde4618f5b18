//! What the node's configuration says about reaching one repository: which servers to ask, in which order, how to
//! speak to each, and with which credentials.
//!
//! Everything is read here, at once, while the worker still has its rights: afterwards only the network is needed.
//! Sources: containers-registries.conf(5), containers-certs.d(5), containers-auth.json(5), Docker's config.json and
//! certs.d, containerd's hosts.toml.

use std::sync::Arc;

use crate::oci::{Reference, Repository};
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::failure;
use super::place::Place;
pub use super::place::{By, Options};
use super::secret::{Credentials, Secret};
use super::tls::{SystemRoots, TlsSettings};
use super::{auth, certificates, docker_daemon, hosts_toml, registries_conf, url};

/// How to speak to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS only.
    Https,
    /// Plain HTTP only.
    Http,
    /// TLS, and plain HTTP if that is what the server speaks: servers declared insecure, and this machine itself.
    HttpsElseHttp,
}

/// One server that may have the repository.
pub struct Endpoint {
    /// Host and port to connect to.
    pub authority: String,
    /// Path in front of every request, `/v2` unless the configuration overrides it.
    pub base: String,
    /// The repository's path on this server.
    pub path: String,
    /// How to speak to it.
    pub scheme: Scheme,
    /// TLS settings.
    pub tls: TlsSettings,
    /// The proxy to go through.
    pub proxy: Option<ureq::Proxy>,
    /// What to show when asked.
    pub credentials: Option<Credentials>,
    /// Where that is from, in words: the file, helper or plugin, or that it was given.
    pub credentials_from: Option<String>,
    /// containerd's `ns=`: the registry a mirror stands in for.
    pub namespace: Option<String>,
    /// Headers the configuration adds.
    pub headers: Vec<(String, Secret)>,
    /// True for a mirror: that it has nothing does not mean there is nothing.
    pub mirror: bool,
    /// Whether it is asked for content by digest, by tag.
    pub by: By,
    /// False where the configuration says that it knows of no referrers.
    pub referrers: bool,
}

/// The servers to ask about one repository, in order.
pub struct Access {
    /// The repository as the image's reference names it.
    pub repository: Repository,
    /// The servers.
    pub endpoints: Vec<Endpoint>,
    /// What somebody should know about this node's configuration.
    pub warnings: Vec<String>,
}

impl Access {
    /// Works out how to reach a repository. Reads files and may run a credential helper.
    pub fn for_repository(repository: &Repository, options: &Options) -> Result<Self, Unavailable> {
        must_be_a_name(repository)?;
        let system = Arc::new(SystemRoots::new(certificates::system_bundle(&options.files)));
        let places = places(repository, options)?;
        let mut access =
            Access { repository: repository.clone(), endpoints: Vec::new(), warnings: Vec::new() };
        for place in places {
            let credentials = access.credentials(&place, options)?.unzip();
            access.endpoints.push(endpoint(place, credentials, options, &system)?);
        }
        Ok(access)
    }

    /// What to show at one place, and where it is from; secrets that everybody can read are worth a warning.
    fn credentials(
        &mut self,
        place: &Place,
        options: &Options,
    ) -> Result<Option<(Credentials, String)>, Unavailable> {
        if let (Some(given), false) = (&options.credentials, place.mirror) {
            return Ok(Some((given.clone(), "that were given".to_owned())));
        }
        let (authority, path) = (place.authority.as_str(), place.path.as_str());
        let asked = auth::Asked { authority, path, repository: &self.repository };
        let Some(known) = auth::for_place(asked, options)? else { return Ok(None) };
        log::debug!("credentials for {authority} are from {}", known.from);
        let warning = format!(
            "{} holds credentials for {authority}, and every user can read it; run `chmod o-r` on it",
            known.from
        );
        if known.exposed && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
        Ok(Some((known.credentials, format!("from {}", known.from))))
    }
}

/// The parts become paths of files and addresses, so they are checked again, whoever made them.
fn must_be_a_name(repository: &Repository) -> Result<(), Unavailable> {
    match repository.to_string().parse::<Reference>() {
        Ok(parsed) if parsed.repository == *repository => Ok(()),
        _ => {
            let name = failure::printable(&repository.to_string());
            let detail = format!("`{name}` is not the name of a repository");
            Err(failure::unavailable(UnavailableKind::Configuration, detail))
        }
    }
}

/// registries.conf where it speaks of the repository, else containerd's files, else Docker's, else the registry itself.
fn places(repository: &Repository, options: &Options) -> Result<Vec<Place>, Unavailable> {
    let files = &options.files;
    let mut places = registries_conf::places(repository, files)?;
    for next in [hosts_toml::places, docker_daemon::places] {
        if places.is_none() {
            places = next(repository, files)?;
        }
    }
    let mut places = places.unwrap_or_else(|| vec![Place::primary(repository)]);
    if options.primary_only {
        places.retain(|place| !place.mirror);
    }
    if places.is_empty() {
        let detail = format!("this node's registries.conf blocks {repository}");
        return Err(failure::unavailable(UnavailableKind::Blocked, detail));
    }
    Ok(places)
}

fn endpoint(
    place: Place,
    (credentials, credentials_from): (Option<Credentials>, Option<String>),
    options: &Options,
    system: &Arc<SystemRoots>,
) -> Result<Endpoint, Unavailable> {
    let found = match (place.certificates, &options.cert_dir) {
        (_, Some(folder)) => certificates::in_folder(folder)?,
        (Some(found), None) => found,
        (None, None) => certificates::for_host(&place.authority, &options.files)?,
    };
    let verify = options.tls_verify.unwrap_or(!place.insecure);
    let tls = TlsSettings {
        verify,
        authorities: found.authorities,
        client: found.client,
        system: system.clone(),
    };
    let proxy = match &place.proxy {
        Some(text) => Some(proxy(text, &place.authority)?),
        None => options.proxy.clone(),
    };
    let (authority, path) = docker_hub(place.authority, place.path);
    Ok(Endpoint {
        scheme: scheme(&authority, place.tls, place.insecure, options),
        namespace: place.namespace,
        authority,
        base: place.base,
        path,
        tls,
        proxy,
        credentials,
        credentials_from,
        headers: place.headers,
        mirror: place.mirror,
        by: place.by,
        referrers: place.referrers,
    })
}

/// A node talks to itself in plain HTTP, as Docker and containerd do; anything else wants TLS unless it was declared
/// insecure.
fn scheme(authority: &str, tls: Option<bool>, insecure: bool, options: &Options) -> Scheme {
    match tls {
        _ if options.plain_http => Scheme::Http,
        Some(false) => Scheme::Http,
        Some(true) => Scheme::Https,
        None if options.tls_verify == Some(true) => Scheme::Https,
        None if insecure || options.tls_verify == Some(false) => Scheme::HttpsElseHttp,
        None if url::is_loopback(authority) => Scheme::HttpsElseHttp,
        None => Scheme::Https,
    }
}

/// Docker Hub's registry is not at the address its images are named by, and official images live in `library/`.
fn docker_hub(authority: String, path: String) -> (String, String) {
    if authority != "docker.io" && authority != "index.docker.io" {
        return (authority, path);
    }
    let path = if path.contains('/') { path } else { format!("library/{path}") };
    ("registry-1.docker.io".to_owned(), path)
}

/// A proxy's address.
fn proxy(text: &str, host: &str) -> Result<ureq::Proxy, Unavailable> {
    match ureq::Proxy::new(text) {
        Ok(proxy) => usable_proxy(proxy, host),
        Err(_) => Err(unusable_proxy(host, "it is no address of a proxy")),
    }
}

/// Only proxies that are spoken to with HTTP are of use; the library would pass others over without a word.
pub fn usable_proxy(proxy: ureq::Proxy, host: &str) -> Result<ureq::Proxy, Unavailable> {
    match proxy.protocol() {
        ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https => Ok(proxy),
        _ => Err(unusable_proxy(host, "SOCKS is not supported")),
    }
}

fn unusable_proxy(host: &str, problem: &str) -> Unavailable {
    let detail = format!("the proxy configured for {host} cannot be used: {problem}");
    failure::unavailable(UnavailableKind::Configuration, detail)
}
