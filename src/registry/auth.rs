//! Which credentials the node has for a repository.
//!
//! Sources: containers-auth.json(5) for the order of files and the keys, Docker's config.json for the entries and
//! helpers, the kubelet's legacy file. In one file a helper set for the host wins over an entry, and an entry over
//! the store for everything (`credsStore`). The first file that knows the repository decides.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::limits;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::access::Options;
use super::credential_helper;
use super::failure;
use super::node_files::{self, NodeFiles, Read, unusable};
use super::secret::{Credentials, Secret};

/// Docker's config.json and containers' auth.json.
#[derive(Deserialize, Default)]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
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

/// The name that Docker files Docker Hub's credentials under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The credentials for a repository on a server; `None` is anonymous.
pub fn for_place(
    authority: &str,
    path: &str,
    options: &Options,
) -> Result<Option<Credentials>, Unavailable> {
    let files = &options.files;
    if let Some(only) = options.authfile.as_ref().or(files.auth_file.as_ref()) {
        let read = node_files::read(only, limits::AUTH_FILE_BYTES)?
            .ok_or_else(|| unusable(only, "there is no such file"))?;
        return from_file(&read, authority, path, files);
    }
    for place in search(files) {
        let Some(read) = node_files::read(&place, limits::AUTH_FILE_BYTES)? else { continue };
        if let Some(found) = from_file(&read, authority, path, files)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn search(files: &NodeFiles) -> Vec<PathBuf> {
    let runtime = match &files.runtime {
        Some(runtime) => runtime.join("containers/auth.json"),
        None => files.system(&format!("run/containers/{}/auth.json", files.uid)),
    };
    let config = files.config_home.as_ref().map(|home| home.join("containers/auth.json"));
    let docker = match &files.docker_config {
        Some(folder) => Some(folder.join("config.json")),
        None => files.home.as_ref().map(|home| home.join(".docker/config.json")),
    };
    let legacy = files.home.as_ref().map(|home| home.join(".dockercfg"));
    let kubelet = (files.uid == 0).then(|| files.system("var/lib/kubelet/config.json"));
    [Some(runtime), config, docker, legacy, kubelet].into_iter().flatten().collect()
}

fn from_file(
    read: &Read,
    authority: &str,
    path: &str,
    files: &NodeFiles,
) -> Result<Option<Credentials>, Unavailable> {
    let file = parse(read)?;
    let keys = keys(authority, path);
    let server = if is_docker_hub(authority) { DOCKER_HUB_KEY } else { authority };
    let helper =
        file.helpers.iter().find(|(key, _)| same_host(key, authority)).map(|(_, name)| name);
    if let Some(name) = helper {
        return credential_helper::get(name, server, read, files);
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
        Some(name) if !name.is_empty() => credential_helper::get(name, server, read, files),
        _ => Ok(None),
    }
}

/// The old `.dockercfg` is the `auths` map alone.
fn parse(read: &Read) -> Result<AuthFile, Unavailable> {
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

fn is_docker_hub(authority: &str) -> bool {
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

    fn shown(found: Result<Option<Credentials>, Unavailable>) -> String {
        match found {
            Ok(None) => "anonymous".to_owned(),
            Ok(Some(Credentials::Basic { username, password })) => {
                format!("{username}:{}", password.expose())
            }
            Ok(Some(Credentials::Identity(token))) => format!("identity {}", token.expose()),
            Ok(Some(Credentials::Bearer(token))) => format!("bearer {}", token.expose()),
            Err(error) => format!("error {error}"),
        }
    }

    fn entry(pair: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, BASE64.encode(pair))
    }

    fn node(files: &[(&str, String)]) -> (tempfile::TempDir, Options) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let options = Options { files: NodeFiles::of_root(folder.path()), ..Options::default() };
        (folder, options)
    }

    #[test]
    fn the_most_specific_key_counts() {
        let auths = format!(
            r#"{{"auths":{{"r.example":{},"r.example/team":{},"r.example/team/app":{}}}}}"#,
            entry("host:1"),
            entry("team:2"),
            entry("app:3")
        );
        let (_folder, options) = node(&[("run/containers/0/auth.json", auths)]);
        for (path, expected) in [
            ("team/app", "app:3"),
            ("team/other", "team:2"),
            ("teams/x", "host:1"),
            ("x", "host:1"),
        ] {
            assert_eq!(shown(for_place("r.example", path, &options)), expected, "{path}");
        }
        assert_eq!(shown(for_place("r.example:5000", "x", &options)), "anonymous");
    }

    #[test]
    fn files_are_asked_in_the_order_of_the_manual() {
        let file = |who: &str| format!(r#"{{"auths":{{"r.example":{}}}}}"#, entry(who));
        let places = [
            "run/containers/0/auth.json",
            "root/.config/containers/auth.json",
            "root/.docker/config.json",
            "var/lib/kubelet/config.json",
        ];
        for first in 0..places.len() {
            let files: Vec<_> =
                places.iter().skip(first).map(|p| (*p, file(&format!("{p}:x")))).collect();
            let (_folder, options) = node(&files);
            assert_eq!(
                shown(for_place("r.example", "a", &options)),
                format!("{}:x", places[first])
            );
        }
        let (_folder, options) =
            node(&[("root/.dockercfg", format!(r#"{{"r.example":{}}}"#, entry("old:x")))]);
        assert_eq!(shown(for_place("r.example", "a", &options)), "old:x");
    }

    #[test]
    fn an_explicit_file_ends_the_search() {
        let other = format!(r#"{{"auths":{{"r.example":{}}}}}"#, entry("other:x"));
        let (folder, mut options) =
            node(&[("run/containers/0/auth.json", other), ("only.json", "{}".to_owned())]);
        options.authfile = Some(folder.path().join("only.json"));
        assert_eq!(shown(for_place("r.example", "a", &options)), "anonymous");
        options.authfile = Some(folder.path().join("missing.json"));
        assert!(shown(for_place("r.example", "a", &options)).contains("there is no such file"));
    }

    #[test]
    fn entries_of_every_kind_are_read() {
        for (entry, expected) in [
            (r#"{"identitytoken":"i"}"#.to_owned(), "identity i"),
            (r#"{"registrytoken":"b"}"#.to_owned(), "bearer b"),
            (r#"{"username":"u","password":"p:q"}"#.to_owned(), "u:p:q"),
            (entry("u:p:q\0\0"), "u:p:q"),
            ("{}".to_owned(), "anonymous"),
        ] {
            let auths = format!(r#"{{"auths":{{"r.example":{entry}}},"unknown":1}}"#);
            let (_folder, options) = node(&[("run/containers/0/auth.json", auths)]);
            assert_eq!(shown(for_place("r.example", "a", &options)), expected, "{entry}");
        }
    }

    #[test]
    fn docker_hub_has_many_names() {
        for key in ["docker.io", "index.docker.io", DOCKER_HUB_KEY, "https://registry-1.docker.io"]
        {
            let auths = format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("hub:x"));
            let (_folder, options) = node(&[("root/.docker/config.json", auths)]);
            assert_eq!(shown(for_place("docker.io", "library/a", &options)), "hub:x", "{key}");
            assert_eq!(shown(for_place("docker.io.evil.example", "a", &options)), "anonymous");
        }
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        for broken in [
            r#"{"auths": hunter2"#,
            r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#,
            r#"{"auths":"hunter2"}"#,
        ] {
            let (_folder, options) = node(&[("run/containers/0/auth.json", broken.to_owned())]);
            let text = shown(for_place("r.example", "a", &options));
            assert!(text.contains("auth.json") && !text.contains("hunter2"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(text in "\\PC{0,200}", json in "[{}\\[\\]\":,a-z]{0,100}") {
            for bytes in [text, json] {
                let read = Read { path: "auth.json".into(), bytes: bytes.into_bytes(), trusted: false };
                let _ = from_file(&read, "r.example", "a/b", &NodeFiles::of_root(Path::new("/nonexistent")));
            }
        }
    }
}
