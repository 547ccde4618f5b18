//! Whom to believe over TLS: the roots of the machine, those an administrator put beside a registry's name, and the
//! reason in plain words when neither vouches for a server.
//!
//! Every file is read before the worker gives up its rights, so this works on bytes only. The machine's bundle
//! holds 140 certificates and takes milliseconds to parse, so that is put off until a server needs it.
//!
//! rustls refuses a self-signed CA certificate that a server shows as its own (`CaUsedAsEndEntity`), although
//! `openssl req -x509` makes exactly that and Go's clients accept it. Such a certificate is accepted here when it
//! is, byte for byte, one that the administrator configured for this registry, and its dates and names are right.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// How to speak TLS with one server.
#[derive(Clone)]
pub struct TlsSettings {
    /// False only where a person or the administrator said so for this very server.
    pub verify: bool,
    /// Roots configured for this server.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The certificate and key this client shows.
    pub client: Option<Arc<ClientPair>>,
    /// The machine's own roots.
    pub system: Arc<SystemRoots>,
}

/// A client's certificate chain and its key.
pub struct ClientPair {
    /// The chain, its own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

/// The machine's bundle of root certificates, parsed when first needed.
#[derive(Default)]
pub struct SystemRoots {
    pem: Vec<u8>,
    verifier: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl SystemRoots {
    /// Takes the bundle's bytes (PEM).
    pub fn new(pem: Vec<u8>) -> Self {
        SystemRoots { pem, verifier: OnceLock::new() }
    }

    fn verifier(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let load = || verifier_for(certificates(&self.pem));
        self.verifier.get_or_init(load).as_ref()
    }
}

/// The certificates in PEM text; what cannot be read is left out.
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).flatten().collect()
}

/// The first private key in PEM text.
pub fn private_key(pem: &[u8]) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).ok()
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

fn verifier_for(roots: Vec<CertificateDer<'static>>) -> Option<Arc<WebPkiServerVerifier>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build().ok()
}

impl TlsSettings {
    /// Verification by the machine's roots, and nothing else.
    pub fn system(system: Arc<SystemRoots>) -> Self {
        TlsSettings { verify: true, authorities: Vec::new(), client: None, system }
    }

    /// The same for a server that this one sends us to: its certificate still may come from the configured
    /// authorities, but neither "do not verify" nor the client's own certificate was meant for it.
    pub fn for_others(&self) -> Self {
        TlsSettings { verify: true, client: None, ..self.clone() }
    }

    /// rustls' configuration for these settings.
    pub fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let verifier: Arc<dyn ServerCertVerifier> = if self.verify {
            let own = (!self.authorities.is_empty())
                .then(|| verifier_for(self.authorities.clone()))
                .flatten();
            Arc::new(Verifier {
                authorities: self.authorities.clone(),
                own,
                system: self.system.clone(),
            })
        } else {
            Arc::new(Unverified)
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match &self.client {
            Some(pair) => builder.with_client_auth_cert(pair.chain.clone(), pair.key.clone_key()),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

struct Verifier {
    authorities: Vec<CertificateDer<'static>>,
    own: Option<Arc<WebPkiServerVerifier>>,
    system: Arc<SystemRoots>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

/// rustls wraps webpki's error here; only its name can be asked for.
fn is_authority_as_server(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if other.to_string().contains("CaUsedAsEndEntity"))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ask = |verifier: &WebPkiServerVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        if let Some(own) = &self.own {
            match ask(own) {
                Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                // webpki checks the dates before it looks at what a certificate may be used for.
                Err(error)
                    if is_authority_as_server(&error) && self.authorities.contains(end_entity) =>
                {
                    let certificate = ParsedCertificate::try_from(end_entity)?;
                    rustls::client::verify_server_name(&certificate, server_name)?;
                    return Ok(ServerCertVerified::assertion());
                }
                decided => return decided,
            }
        }
        match self.system.verifier() {
            Some(system) => ask(system),
            None => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// For `insecure = true` and `--tls-verify=false`: whoever answers is believed.
#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Why TLS failed, in words that name the cure where there is one.
pub fn explain(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return match error {
            rustls::Error::InvalidMessage(_) => {
                "the server does not speak TLS on this port".to_owned()
            }
            rustls::Error::AlertReceived(alert) => {
                format!("the server ended TLS with the alert {alert:?}")
            }
            other => format!("TLS failed: {other}"),
        };
    };
    match reason {
        CertificateError::UnknownIssuer => "its certificate is signed by an authority this machine does not know; \
             put that authority's certificate beside the registry's name under /etc/containers/certs.d"
            .to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is made out to another name".to_owned()
        }
        _ if is_authority_as_server(error) => "it shows a certificate authority's certificate as its own \
             (`openssl req -x509` makes such ones), and that very certificate is not among those configured for \
             it; put it beside the registry's name under /etc/containers/certs.d"
            .to_owned(),
        _ => format!("its certificate is refused: {error}"),
    }
}
