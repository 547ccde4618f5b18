//! Where to look for a repository: what the caller wants, and what configuration files say of one server, before
//! certificates and credentials are known. The files' readers make places; `access.rs` makes servers of them.

use std::path::PathBuf;

use crate::deadline::Deadline;
use crate::oci::Repository;
use crate::worker::protocol::CredentialSources;

use super::certificates;
use super::node_files::NodeFiles;
use super::secret::{Credentials, Secret};

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
    /// When whoever waits for the answer gives up: a program that is asked for credentials must have ended by then.
    pub deadline: Option<Deadline>,
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
