//! Docker's daemon.json: mirrors of Docker Hub, and registries without (good) TLS.
//!
//! Source: dockerd's reference, `registry-mirrors` and `insecure-registries`; moby `registry/config.go`. Read where
//! neither registries.conf nor containerd's folder speaks of the registry, as on a node that has Docker alone. A
//! mirror stands in for Docker Hub only, and images keep their path there. An insecure registry is a host with its
//! port, or a network of addresses.

use std::net::IpAddr;

use serde::Deserialize;

use crate::limits;
use crate::oci::Repository;
use crate::worker::protocol::Unavailable;

use super::node_files::{self, NodeFiles, unusable};
use super::place::Place;
use super::url::Url;

const FILE: &str = "etc/docker/daemon.json";

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Document {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

/// The places to look for a repository, in order; `None` if daemon.json does not speak of its registry.
pub(super) fn places(
    repository: &Repository,
    files: &NodeFiles,
) -> Result<Option<Vec<Place>>, Unavailable> {
    let path = files.system(FILE);
    let Some(read) = node_files::read(&path, limits::CONFIG_BYTES)? else { return Ok(None) };
    let document: Document = serde_json::from_slice(&read.bytes)
        .map_err(|e| unusable(&path, format!("line {}, column {}: {e}", e.line(), e.column())))?;
    let mut places = Vec::new();
    if repository.registry == "docker.io" {
        for address in &document.registry_mirrors {
            let url = Url::parse(address).ok_or_else(|| {
                unusable(&path, format!("`{address}` is not the address of a mirror"))
            })?;
            places.push(mirror(url, repository, &document));
        }
    }
    let insecure = document.is_insecure(&repository.registry);
    if places.is_empty() && !insecure {
        return Ok(None);
    }
    places.push(Place { insecure, ..Place::primary(repository) });
    Ok(Some(places))
}

fn mirror(url: Url, repository: &Repository, document: &Document) -> Place {
    let folder = url.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    Place {
        base: format!("{folder}/v2"),
        tls: Some(url.tls),
        insecure: document.is_insecure(&url.authority),
        mirror: true,
        authority: url.authority,
        ..Place::primary(repository)
    }
}

impl Document {
    fn is_insecure(&self, registry: &str) -> bool {
        self.insecure_registries.iter().any(|entry| {
            // Docker takes an address here too, and only its host counts.
            let host = entry.split_once("://").map_or(entry.as_str(), |(_, host)| host);
            host.trim_end_matches('/') == registry || in_network(registry, entry)
        })
    }
}

/// True if the registry's host is an address of this network (`10.0.0.0/8`). Names are not resolved for it.
fn in_network(registry: &str, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let (Ok(base), Ok(address), Ok(length)) =
        (base.parse::<IpAddr>(), host.parse::<IpAddr>(), length.parse::<u32>())
    else {
        return false;
    };
    let same = |a: u128, b: u128, width: u32| {
        length <= width && (length == 0 || (a ^ b) >> (width - length) == 0)
    };
    match (base, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(name: &str, text: &str) -> Result<Option<Vec<String>>, Unavailable> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let repository = name.parse::<crate::oci::Reference>().unwrap().repository;
        let places = places(&repository, &NodeFiles::of_root(root.path()))?;
        let show = |p: &Place| {
            let flags = [(p.insecure, "~"), (p.mirror, "(m)"), (p.tls == Some(false), "(http)")];
            let flags: String =
                flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
            format!("{}{}/{}{flags}", p.authority, p.base, p.path)
        };
        Ok(places.map(|places| places.iter().map(show).collect()))
    }

    const FULL: &str = r#"{"registry-mirrors": ["https://mirror.example", "http://10.1.2.3:5000/hub/"],
        "insecure-registries": ["plain.example:5000", "http://odd.example", "10.0.0.0/8", "fd00::/8"], "debug": true}"#;

    #[test]
    fn mirrors_stand_in_for_docker_hub_alone() {
        assert_eq!(
            shown("docker.io/library/a", FULL).unwrap().unwrap(),
            [
                "mirror.example/v2/library/a(m)",
                "10.1.2.3:5000/hub/v2/library/a~(m)(http)",
                "docker.io/v2/library/a"
            ]
        );
        assert!(shown("quay.io/a", FULL).unwrap().is_none());
    }

    #[test]
    fn insecure_registries_are_hosts_or_networks() {
        for insecure in
            ["plain.example:5000/a", "odd.example/a", "10.9.8.7:5000/a", "[fd00::1]:80/a"]
        {
            let places = shown(insecure, FULL).unwrap().unwrap();
            assert!(places.len() == 1 && places[0].ends_with('~'), "{insecure}: {places:?}");
        }
        for secure in ["plain.example/a", "11.0.0.1:5000/a", "10.example/a", "[fe80::1]:80/a"] {
            assert!(shown(secure, FULL).unwrap().is_none(), "{secure}");
        }
    }

    #[test]
    fn a_broken_file_is_named() {
        for text in ["{", r#"{"registry-mirrors": 3}"#, r#"{"registry-mirrors": ["ftp://x"]}"#] {
            let error = shown("docker.io/library/a", text).unwrap_err();
            assert!(error.detail.contains("daemon.json cannot be used"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_network_is_read_without_panic(registry in "\\PC{0,40}", network in "[0-9a-f.:/]{0,40}") {
            let _ = in_network(&registry, &network);
        }
    }
}
