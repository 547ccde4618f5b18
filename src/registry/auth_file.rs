//! One auth file: Docker's config.json, containers' auth.json, and those of the kubelet and CRI-O, which have the same form.
//!
//! Sources: containers-auth.json(5) for the keys, Docker's config.json for the entries and helpers. In one file a helper
//! set for the host wins over an entry, and an entry over the store for everything (`credsStore`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::deadline::Deadline;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::credential_helper;
use super::failure;
use super::node_files::{NodeFiles, Read, unusable};
use super::secret::{Credentials, Secret};

/// Docker's config.json and containers' auth.json.
#[derive(Deserialize, Default)]
pub(super) struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

impl AuthFile {
    /// The hosts and repositories it has entries for; nothing of it is secret.
    pub(super) fn keys(&self) -> Vec<String> {
        self.auths.keys().map(|key| failure::printable(key)).collect()
    }

    /// The credential helpers it names, the store last.
    pub(super) fn helpers(&self) -> Vec<String> {
        let named = self.helpers.values().chain(&self.store).filter(|name| !name.is_empty());
        named.map(|name| failure::printable(name)).collect()
    }

    /// Whether it would be asked no further for a repository: an entry, or a helper of which nobody knows what it says.
    pub(super) fn speaks_of(&self, authority: &str, path: &str) -> bool {
        let keys = keys(authority, path);
        let named = |key: &String| keys.contains(key) || same_host(key, authority);
        self.auths.iter().any(|(key, entry)| named(key) && !entry.is_empty())
            || self.helpers.keys().any(|key| same_host(key, authority))
            || self.store.as_ref().is_some_and(|store| !store.is_empty())
    }
}

/// One registry's entry. It holds secrets, so it has no `Debug`.
#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

impl Entry {
    /// Docker leaves entries without content for what is in its credential store.
    fn is_empty(&self) -> bool {
        let all =
            [&self.auth, &self.username, &self.password, &self.identitytoken, &self.registrytoken];
        all.into_iter().flatten().all(String::is_empty)
    }
}

/// The name that Docker files Docker Hub's credentials under.
pub(super) const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a file has for a repository on a server.
pub(super) fn credentials_for(
    read: &Read,
    authority: &str,
    path: &str,
    files: &NodeFiles,
    deadline: Option<Deadline>,
) -> Result<Option<Credentials>, Unavailable> {
    let file = parse(read)?;
    let keys = keys(authority, path);
    let server = if is_docker_hub(authority) { DOCKER_HUB_KEY } else { authority };
    let helper =
        file.helpers.iter().find(|(key, _)| same_host(key, authority)).map(|(_, name)| name);
    if let Some(name) = helper {
        return credential_helper::get(name, server, read, files, deadline);
    }
    for key in &keys {
        if let Some(entry) = file.auths.get(key)
            && let Some(found) = credentials(entry, read)?
        {
            return Ok(Some(found));
        }
    }
    let legacy = |key: &&String| !keys.contains(*key) && same_host(key, authority);
    for key in file.auths.keys().filter(legacy) {
        if let Some(entry) = file.auths.get(key)
            && let Some(found) = credentials(entry, read)?
        {
            return Ok(Some(found));
        }
    }
    match &file.store {
        Some(name) if !name.is_empty() => {
            credential_helper::get(name, server, read, files, deadline)
        }
        _ => Ok(None),
    }
}

/// Reads a file's bytes. The old `.dockercfg` is the `auths` map alone.
pub(super) fn parse(read: &Read) -> Result<AuthFile, Unavailable> {
    // serde's message could quote the file, and the file is full of secrets: only the place is named.
    let broken = |e: serde_json::Error| {
        unusable(
            &read.path,
            format!("it is not an auth file (line {}, column {})", e.line(), e.column()),
        )
    };
    if read.bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(AuthFile::default());
    }
    if read.path.file_name().is_some_and(|name| name == ".dockercfg") {
        let auths = serde_json::from_slice(&read.bytes).map_err(broken)?;
        return Ok(AuthFile { auths, ..AuthFile::default() });
    }
    serde_json::from_slice(&read.bytes).map_err(broken)
}

/// The keys a repository's credentials may be filed under, the most specific first.
fn keys(authority: &str, path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut key = format!("{authority}/{path}");
    keys.push(key.clone());
    while let Some((shorter, _)) = key.rsplit_once('/') {
        key = shorter.to_owned();
        keys.push(key.clone());
    }
    if is_docker_hub(authority) {
        keys.push(DOCKER_HUB_KEY.to_owned());
    }
    keys
}

pub(super) fn is_docker_hub(authority: &str) -> bool {
    matches!(authority, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// Docker writes some hosts as addresses: `https://host/v1/`. A key with a repository in it is not for the host.
fn same_host(key: &str, authority: &str) -> bool {
    let bare = key.strip_prefix("https://").or(key.strip_prefix("http://"));
    let host = match bare {
        Some(address) => address.split('/').next().unwrap_or(address),
        None => key,
    };
    host == authority || (is_docker_hub(host) && is_docker_hub(authority))
}

fn credentials(entry: &Entry, read: &Read) -> Result<Option<Credentials>, Unavailable> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(token) = given(&entry.identitytoken) {
        return Ok(Some(Credentials::Identity(Secret::new(token))));
    }
    if let Some(token) = given(&entry.registrytoken) {
        return Ok(Some(Credentials::Bearer(Secret::new(token))));
    }
    if let (Some(username), Some(password)) = (given(&entry.username), given(&entry.password)) {
        return Ok(Some(Credentials::Basic { username, password: Secret::new(password) }));
    }
    let Some(encoded) = given(&entry.auth) else { return Ok(None) };
    let broken = || {
        let detail = format!("{}: an `auth` is not base64 of USER:PASSWORD", read.path.display());
        failure::unavailable(UnavailableKind::Configuration, detail)
    };
    let decoded = BASE64.decode(encoded.trim()).map_err(|_| broken())?;
    let pair = Secret::new(String::from_utf8(decoded).map_err(|_| broken())?);
    let (username, password) = pair.expose().split_once(':').ok_or_else(broken)?;
    // Old Dockers padded the password with NUL.
    let password = password.trim_end_matches('\0').to_owned();
    Ok(Some(Credentials::Basic { username: username.to_owned(), password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(text in "\\PC{0,200}", json in "[{}\\[\\]\":,a-z]{0,100}") {
            for bytes in [text, json] {
                let read = Read::for_test("auth.json", bytes.into_bytes(), false);
                let _ = credentials_for(&read, "r.example", "a/b", &NodeFiles::of_root(Path::new("/nonexistent")), None);
            }
        }
    }
}
