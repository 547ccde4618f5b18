//! How to reach a registry, as written on a command line: the flags of NFD's client and of podman.
//!
//! Shared by every subcommand that asks a registry. Secrets come on standard input only: arguments can be read by
//! every process on the machine.

use std::io::Read;
use std::path::PathBuf;

use crate::limits;
use crate::oci::Repository;
use crate::registry::access::{self, Access, Options};
use crate::registry::node_files::NodeFiles;
use crate::registry::secret::{Credentials, Secret};
use crate::sanitize;
use crate::surroundings;

use super::Failure;

/// Flags about registries.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Speak plain HTTP to the registry
    #[arg(long)]
    pub plain_http: bool,
    /// User name for the registry; its password is read with --registry-password-stdin
    #[arg(long, value_name = "USER", requires = "registry_password_stdin")]
    pub registry_username: Option<String>,
    /// Read the password for the registry from standard input
    #[arg(long, requires = "registry_username", conflicts_with = "registry_token_stdin")]
    pub registry_password_stdin: bool,
    /// Read a bearer token for the registry from standard input
    #[arg(long)]
    pub registry_token_stdin: bool,
    /// Read credentials from this file only [default: where podman and Docker keep them]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// Folder with *.crt, *.cert and *.key for the registry [default: certs.d of containers and Docker]
    #[arg(long, value_name = "FOLDER")]
    pub cert_dir: Option<PathBuf>,
    /// Verify the registry's certificate [default: what registries.conf says, else true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_verify: Option<bool>,
}

/// Longest secret that is read.
const SECRET_BYTES: u64 = 64 << 10;

impl RegistryArgs {
    /// True if standard input holds a secret, and so cannot hold anything else.
    pub const fn reads_stdin(&self) -> bool {
        self.registry_password_stdin || self.registry_token_stdin
    }

    /// How to reach a repository for reading, mirrors included. Reads the secret, so call it once.
    pub fn access(&self, repository: &Repository) -> Result<Access, Failure> {
        self.access_as(repository, false)
    }

    /// The same for writing: the registry itself, never a mirror.
    pub fn access_for_writing(&self, repository: &Repository) -> Result<Access, Failure> {
        self.access_as(repository, true)
    }

    fn access_as(&self, repository: &Repository, primary_only: bool) -> Result<Access, Failure> {
        let options = Options { primary_only, ..self.options()? };
        let access = Access::for_repository(repository, &options)
            .map_err(|e| Failure::undecided(e.detail))?;
        warn(&access);
        Ok(access)
    }

    /// What the flags say, for reading from several repositories. Reads the secret, so call it once.
    pub fn options(&self) -> Result<Options, Failure> {
        surroundings::keep_out_of_core_dumps();
        if let Some(folder) = self.cert_dir.as_ref().filter(|folder| !folder.is_dir()) {
            let place = folder.display();
            return Err(Failure::usage(format!("--cert-dir: {place} is not a directory")));
        }
        Ok(Options {
            files: NodeFiles::of_user(),
            authfile: self.authfile.clone(),
            cert_dir: self.cert_dir.clone(),
            tls_verify: self.tls_verify,
            credential_sources: Default::default(),
            plain_http: self.plain_http,
            credentials: self.credentials()?,
            proxy: proxy_of_environment()?,
            primary_only: false,
            deadline: None,
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        if !self.reads_stdin() {
            return Ok(None);
        }
        let mut text = String::new();
        let read = std::io::stdin().take(SECRET_BYTES).read_to_string(&mut text);
        read.map_err(|e| {
            Failure::usage(format!("cannot read the secret from standard input: {e}"))
        })?;
        // As NFD's client does: one line end is not part of the secret.
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(Failure::usage("standard input has no secret"));
        }
        let secret = Secret::new(secret.to_owned());
        drop(Secret::new(text));
        Ok(Some(match &self.registry_username {
            Some(username) => Credentials::Basic { username: username.clone(), password: secret },
            None => Credentials::Bearer(secret),
        }))
    }
}

/// Says on standard error what somebody should know about the node's configuration.
pub fn warn(access: &Access) {
    for warning in &access.warnings {
        eprintln!("imgcompat: warning: {}", sanitize::bounded_line(warning, limits::REFUSAL_BYTES));
    }
}

/// `HTTPS_PROXY` and its relatives; a person's environment is a person's wish.
fn proxy_of_environment() -> Result<Option<ureq::Proxy>, Failure> {
    let Some(proxy) = ureq::Proxy::try_from_env() else { return Ok(None) };
    access::usable_proxy(proxy, "registries")
        .map(Some)
        .map_err(|unusable| Failure::usage(unusable.detail))
}
