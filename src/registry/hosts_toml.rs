//! containerd's hosts.toml: mirrors of one registry, in order, and the registry's own server.
//!
//! Source: containerd docs/hosts.md and core/remotes/docker/config. Folder: `HOST_PORT_`, else `HOST:PORT`, else
//! `_default`, below /etc/containerd/certs.d. A folder without hosts.toml holds certificates as Docker's does.
//! A host whose `capabilities` are listed without `referrers` is not asked for them, as in containerd itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::limits;
use crate::oci::Repository;
use crate::worker::protocol::Unavailable;

use super::certificates::{self, Found};
use super::node_files::{self, NodeFiles, unusable};
use super::place::{By, Place};
use super::secret::Secret;
use super::url::Url;

const FOLDER: &str = "etc/containerd/certs.d";

#[derive(Deserialize, Default)]
struct Document {
    #[serde(default)]
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<toml::Spanned<String>, Host>,
    #[serde(flatten)]
    own: Host,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Host {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany>,
    client: Option<toml::Value>,
    skip_verify: Option<bool>,
    header: BTreeMap<String, OneOrMany>,
    override_path: bool,
    proxy: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// The places to look for a repository, in order; `None` if containerd's folder does not speak of its registry.
pub(super) fn places(
    repository: &Repository,
    files: &NodeFiles,
) -> Result<Option<Vec<Place>>, Unavailable> {
    let Some(folder) = folder(repository, files) else { return Ok(None) };
    let path = folder.join("hosts.toml");
    let Some(read) = node_files::read(&path, limits::CONFIG_BYTES)? else {
        let found = certificates::in_folder(&folder)?;
        return Ok(Some(vec![Place { certificates: Some(found), ..Place::primary(repository) }]));
    };
    let text = String::from_utf8(read.bytes).map_err(|_| unusable(&path, "it is not UTF-8"))?;
    let document: Document =
        toml::from_str(&text).map_err(|error| unusable(&path, error.message()))?;
    from_document(document, repository, &path).map(Some)
}

fn folder(repository: &Repository, files: &NodeFiles) -> Option<PathBuf> {
    let registry = &repository.registry;
    let with_port = registry.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    let names = with_port.into_iter().chain([registry.clone(), "_default".to_owned()]);
    let base = files.system(FOLDER);
    names.map(|name| base.join(name)).find(|folder| folder.is_dir())
}

fn from_document(
    document: Document,
    repository: &Repository,
    path: &Path,
) -> Result<Vec<Place>, Unavailable> {
    // The order in the file is the order to ask in; the map has lost it, the places of the keys have not.
    let mut hosts: Vec<(toml::Spanned<String>, Host)> = document.host.into_iter().collect();
    hosts.sort_by_key(|(address, _)| address.span().start);
    let mut places = Vec::new();
    for (address, host) in hosts {
        let mirror = place(address.get_ref(), host, repository, path)?;
        places.push(Place { mirror: true, ..mirror });
    }
    let server = document.server.filter(|server| !server.is_empty());
    places.push(match server {
        Some(server) => place(&server, document.own, repository, path)?,
        None => settings(Place::primary(repository), document.own, path)?,
    });
    places.retain(|place| place.by.digest || place.by.tag);
    Ok(places)
}

fn place(
    address: &str,
    host: Host,
    repository: &Repository,
    path: &Path,
) -> Result<Place, Unavailable> {
    let full =
        if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
    let url = Url::parse(&full)
        .ok_or_else(|| unusable(path, format!("`{address}` is not the address of a server")))?;
    let folder = url.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let base = if host.override_path || folder.ends_with("/v2") {
        folder.to_owned()
    } else {
        format!("{folder}/v2")
    };
    let registry = repository.registry.as_str();
    let stands_in = url.authority != registry
        && !(registry == "docker.io" && url.authority == "registry-1.docker.io");
    let place = Place {
        base,
        tls: Some(url.tls),
        namespace: stands_in.then(|| registry.to_owned()),
        authority: url.authority,
        ..Place::primary(repository)
    };
    settings(place, host, path)
}

fn settings(place: Place, host: Host, path: &Path) -> Result<Place, Unavailable> {
    let able = |what: &str| host.capabilities.as_ref().is_none_or(|c| c.iter().any(|c| c == what));
    let by = By { digest: able("pull"), tag: able("resolve") && able("pull") };
    let referrers = able("referrers");
    let headers = host.header.into_iter().flat_map(|(name, values)| {
        values.into_vec().into_iter().map(move |value| (name.clone(), Secret::new(value)))
    });
    Ok(Place {
        by,
        referrers,
        insecure: host.skip_verify.unwrap_or(false),
        headers: headers.collect(),
        proxy: host.proxy,
        certificates: certificates(host.ca, host.client, path)?,
        ..place
    })
}

/// `ca` is a file or several; `client` is a file with both, several, or pairs of certificate and key.
fn certificates(
    ca: Option<OneOrMany>,
    client: Option<toml::Value>,
    path: &Path,
) -> Result<Option<Found>, Unavailable> {
    if ca.is_none() && client.is_none() {
        return Ok(None);
    }
    let beside = |name: &str| path.parent().unwrap_or(Path::new("/")).join(name);
    let mut found = Found::default();
    for name in ca.map(OneOrMany::into_vec).unwrap_or_default() {
        found.authorities.extend(certificates::authorities(&beside(&name))?);
    }
    let pair = client.as_ref().and_then(first_pair);
    match (client, pair) {
        (Some(_), None) => return Err(unusable(path, "`client` names no certificate")),
        (_, Some((certificate, key))) => {
            found.client = Some(certificates::client_pair(&beside(&certificate), &beside(&key))?);
        }
        (None, None) => {}
    }
    Ok(Some(found))
}

fn first_pair(client: &toml::Value) -> Option<(String, String)> {
    match client {
        toml::Value::String(file) => Some((file.clone(), file.clone())),
        toml::Value::Array(entries) => match entries.first()? {
            toml::Value::String(file) => Some((file.clone(), file.clone())),
            toml::Value::Array(pair) => {
                let certificate = pair.first()?.as_str()?;
                let key = pair.get(1).and_then(toml::Value::as_str).unwrap_or(certificate);
                Some((certificate.to_owned(), key.to_owned()))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(folder: &str, text: Option<&str>) -> (tempfile::TempDir, NodeFiles) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(text) = text {
            std::fs::write(folder.join("hosts.toml"), text).unwrap();
        }
        let files = NodeFiles::of_root(root.path());
        (root, files)
    }

    fn repository(name: &str) -> Repository {
        name.parse::<crate::oci::Reference>().unwrap().repository
    }

    fn shown(name: &str, files: &NodeFiles) -> Vec<String> {
        let show = |p: &Place| {
            let scheme = if p.tls == Some(false) { "http://" } else { "" };
            let flags = [
                (p.insecure, "~"),
                (p.mirror, "(m)"),
                (p.namespace.is_some(), "(ns)"),
                (!p.referrers, "(no referrers)"),
            ];
            let flags: String =
                flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
            format!("{scheme}{}{}/{}{flags}", p.authority, p.base, p.path)
        };
        places(&repository(name), files).unwrap().unwrap().iter().map(show).collect()
    }

    #[test]
    fn hosts_are_asked_in_the_order_of_the_file_and_the_server_last() {
        let (_root, files) = node(
            "docker.io",
            Some(
                r#"
server = "https://registry-1.docker.io"
[host."https://zebra.example"]
capabilities = ["pull", "resolve", "referrers"]
skip_verify = true
[host."http://alpha.example:5000/cache"]
[host."https://harbor.example/v2/proxy"]
override_path = true
capabilities = ["pull", "resolve"]
[host."https://push-only.example"]
capabilities = ["push"]
"#,
            ),
        );
        assert_eq!(
            shown("docker.io/library/a", &files),
            [
                "zebra.example/v2/library/a~(m)(ns)",
                "http://alpha.example:5000/cache/v2/library/a(m)(ns)",
                "harbor.example/v2/proxy/library/a(m)(ns)(no referrers)",
                "registry-1.docker.io/v2/library/a",
            ]
        );
        assert!(places(&repository("r.example/a"), &files).unwrap().is_none());
    }

    #[test]
    fn folders_are_tried_in_containerds_order() {
        for folder in ["r.example_5000_", "r.example:5000", "_default"] {
            let (_root, files) = node(folder, Some("[host.'m.example']"));
            assert_eq!(
                shown("r.example:5000/a", &files),
                ["m.example/v2/a(m)(ns)", "r.example:5000/v2/a"]
            );
        }
        let (_root, files) = node("r.example", None);
        assert_eq!(shown("r.example/a", &files), ["r.example/v2/a"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, expected) in [
            ("server = 3", "hosts.toml"),
            ("server = 'ftp://x'", "is not the address of a server"),
            ("[host.'https://u:p@x']", "is not the address of a server"),
            ("ca = 'missing.pem'", "missing.pem"),
            ("client = 3", "names no certificate"),
        ] {
            let (_root, files) = node("r.example", Some(text));
            let error = places(&repository("r.example/a"), &files).err().unwrap();
            assert!(error.detail.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
            if let Ok(document) = toml::from_str::<Document>(&text) {
                let _ = from_document(document, &repository("r.example/a"), Path::new("/x/hosts.toml"));
            }
        }
    }
}
