//! Certificates beside a registry's name: `HOST[:PORT]/*.crt` are roots, `*.cert` with its `*.key` is what we show.
//!
//! Sources: containers-certs.d(5) and Docker's "Use client certificates". And where distributions keep their bundle
//! of roots (the places that openssl-probe and Go's crypto/x509 know).

use std::path::Path;
use std::sync::Arc;

use crate::limits;
use crate::worker::protocol::Unavailable;

use super::node_files::{self, NodeFiles, unusable};
use super::tls::{self, ClientPair};

/// What was found for one server.
#[derive(Clone, Default)]
pub struct Found {
    /// Roots.
    pub authorities: Vec<rustls::pki_types::CertificateDer<'static>>,
    /// The pair to show.
    pub client: Option<Arc<ClientPair>>,
}

const BUNDLES: [&str; 6] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
    "var/lib/ca-certificates/ca-bundle.pem",
];

const FOLDERS: [&str; 3] =
    ["etc/containers/certs.d", "usr/share/containers/certs.d", "etc/docker/certs.d"];

/// The machine's roots, or nothing: then only servers with configured roots can be verified.
pub fn system_bundle(files: &NodeFiles) -> Vec<u8> {
    let named = files.certificate_file.clone().into_iter();
    named
        .chain(BUNDLES.iter().map(|path| files.system(path)))
        .find_map(|path| node_files::read(&path, limits::CERTIFICATES_BYTES).ok().flatten())
        .map(|read| read.bytes)
        .unwrap_or_default()
}

/// What is filed under a server's host and port, in the first folder that has it.
pub fn for_host(authority: &str, files: &NodeFiles) -> Result<Found, Unavailable> {
    let own = files.config_home.as_ref().map(|home| home.join("containers/certs.d"));
    let folders = own.into_iter().chain(FOLDERS.iter().map(|folder| files.system(folder)));
    for folder in folders.map(|folder| folder.join(authority)) {
        if folder.is_dir() {
            return in_folder(&folder);
        }
    }
    Ok(Found::default())
}

/// What lies in one folder.
pub fn in_folder(folder: &Path) -> Result<Found, Unavailable> {
    let mut found = Found::default();
    for path in node_files::list(folder, "crt")? {
        found.authorities.extend(authorities(&path)?);
    }
    let certificates = node_files::list(folder, "cert")?;
    if let Some(certificate) = certificates.first() {
        found.client = Some(client_pair(certificate, &certificate.with_extension("key"))?);
    }
    Ok(found)
}

/// The roots in a file; a file without any is a mistake that would otherwise show as "unknown authority".
pub fn authorities(
    path: &Path,
) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, Unavailable> {
    let read = node_files::read(path, limits::CERTIFICATES_BYTES)?;
    let found = read.map(|read| tls::certificates(&read.bytes)).unwrap_or_default();
    if found.is_empty() {
        return Err(unusable(path, "there is no certificate (PEM) in it"));
    }
    Ok(found)
}

/// A client's certificate and key.
pub fn client_pair(certificate: &Path, key: &Path) -> Result<Arc<ClientPair>, Unavailable> {
    let chain = authorities(certificate)?;
    let read = node_files::read(key, limits::CERTIFICATES_BYTES)?;
    let key_found = read.and_then(|read| tls::private_key(&read.bytes));
    let key = key_found.ok_or_else(|| unusable(key, "there is no private key (PEM) in it"))?;
    Ok(Arc::new(ClientPair { chain, key }))
}
