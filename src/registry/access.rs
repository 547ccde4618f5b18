//! What the node's configuration says about reaching one repository: which servers to ask, in which order, how to
//! speak to each, and with which credentials.
//!
//! Everything is read here, at once, while the worker still has its rights: afterwards only the network is needed.
//! Sources: containers-registries.conf(5), containers-certs.d(5), containers-auth.json(5), Docker's config.json and
//! certs.d, containerd's hosts.toml.

use std::path::PathBuf;
use std::sync::Arc;

use crate::oci::{Reference, Repository};
use crate::worker::protocol::{CredentialSources, Unavailable, UnavailableKind};

use super::failure;
use super::node_files::NodeFiles;
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

/// What a server may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// By digest, as referrers and their content are.
    pub digest: bool,
    /// By tag.
    pub tag: bool,
}

impl By {
    /// Both.
    pub const ANY: By = By { digest: true, tag: true };
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

/// What the caller wants on top of, or instead of, the node's configuration.
#[derive(Clone, Default)]
pub struct Options {
    /// Where configuration files are.
    pub files: NodeFiles,
    /// The one auth file to read.
    pub authfile: Option<PathBuf>,
    /// Where credentials are besides the usual places.
    pub credential_sources: CredentialSources,
    /// A folder with `*.crt`, `*.cert` and `*.key` for this registry.
    pub cert_dir: Option<PathBuf>,
    /// Whether TLS certificates are verified; `None` leaves it to the configuration.
    pub tls_verify: Option<bool>,
    /// Speak plain HTTP.
    pub plain_http: bool,
    /// Credentials given by hand.
    pub credentials: Option<Credentials>,
    /// The proxy for every endpoint whose configuration names none.
    pub proxy: Option<ureq::Proxy>,
    /// For writing: the registry itself, never a mirror.
    pub primary_only: bool,
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
            let credentials = access.credentials(&place, options)?;
            access.endpoints.push(endpoint(place, credentials, options, &system)?);
        }
        Ok(access)
    }

    /// What to show at one place; secrets that everybody can read are worth a warning.
    fn credentials(
        &mut self,
        place: &Place,
        options: &Options,
    ) -> Result<Option<Credentials>, Unavailable> {
        if let (Some(given), false) = (&options.credentials, place.mirror) {
            return Ok(Some(given.clone()));
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
        Ok(Some(known.credentials))
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

/// One place to look, before TLS settings and credentials are known.
pub(super) struct Place {
    /// Host and port as configured; certificates and credentials are filed under it.
    pub authority: String,
    /// `/v2` or what overrides it.
    pub base: String,
    /// The repository's path there.
    pub path: String,
    /// `true` for a server declared insecure.
    pub insecure: bool,
    /// `Some(false)` for an address that was written with `http://`, `Some(true)` for `https://`.
    pub tls: Option<bool>,
    /// True for a mirror.
    pub mirror: bool,
    /// What it may be asked for.
    pub by: By,
    /// False where the configuration says that it knows of no referrers.
    pub referrers: bool,
    /// The proxy the configuration names.
    pub proxy: Option<String>,
    /// containerd's `ns=`.
    pub namespace: Option<String>,
    /// Headers the configuration adds.
    pub headers: Vec<(String, Secret)>,
    /// Certificates the configuration names, instead of those filed under the authority.
    pub certificates: Option<certificates::Found>,
}

impl Place {
    /// The registry itself, as the reference names it.
    pub fn primary(repository: &Repository) -> Self {
        Place {
            authority: repository.registry.clone(),
            base: "/v2".to_owned(),
            path: repository.path.clone(),
            insecure: false,
            tls: None,
            mirror: false,
            by: By::ANY,
            referrers: true,
            proxy: None,
            namespace: None,
            headers: Vec::new(),
            certificates: None,
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
    credentials: Option<Credentials>,
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
