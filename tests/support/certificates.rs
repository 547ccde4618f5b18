//! Certificates for tests, made fresh: an authority, servers signed by it, and the odd ones.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Certificate and key in PEM.
pub struct Pair {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Pair {
    /// What a registry's setup wants.
    pub fn files(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.certificate.clone(), self.key.clone()))
    }
}

/// An authority whose files lie in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// The authority's own certificate.
    pub certificate: PathBuf,
}

/// Parameters for a server of these names, valid from 2020.
pub fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2190, 1, 1);
    parameters
}

impl Authority {
    /// A new authority.
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = server(&[]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = folder.join("authority.crt");
        std::fs::write(&certificate, parameters.self_signed(&key).unwrap().pem()).unwrap();
        Authority { folder: folder.to_owned(), issuer: Issuer::new(parameters, key), certificate }
    }

    /// A certificate signed by this authority.
    pub fn sign(&self, name: &str, parameters: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        write(&self.folder, name, &certificate.pem(), &key)
    }
}

/// What `openssl req -x509` makes: signed by itself, and an authority by its own word.
pub fn self_signed(folder: &Path, name: &str, mut parameters: CertificateParams) -> Pair {
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    write(folder, name, &certificate.pem(), &key)
}

fn write(folder: &Path, name: &str, certificate: &str, key: &KeyPair) -> Pair {
    let pair = Pair {
        certificate: folder.join(format!("{name}.crt.pem")),
        key: folder.join(format!("{name}.key.pem")),
    };
    std::fs::write(&pair.certificate, certificate).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    pair
}
