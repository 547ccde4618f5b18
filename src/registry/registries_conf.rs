//! containers' registries.conf: mirrors, rewritten locations, insecure and blocked registries, as podman and CRI-O
//! read them.
//!
//! Source: containers-registries.conf(5), version 2. Which file: `CONTAINERS_REGISTRIES_CONF` alone, else the first of
//! the user's, /etc's and /usr/share's; then drop-ins, sorted by name, of which one hides its namesake in a later
//! folder. Short names and aliases do not matter here: references are fully qualified. `credential-helpers` is read
//! for [`super::auth`].
//!
//! `blocked` forbids the registry itself, not its mirrors: that is how OpenShift says "never contact the source",
//! and then the mirrors' word is the last.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::limits;
use crate::oci::Repository;
use crate::worker::protocol::Unavailable;

use super::node_files::{self, NodeFiles, Read, unusable};
use super::place::{By, Place};

#[derive(Debug, Deserialize, Default)]
struct Document {
    #[serde(default)]
    registry: Vec<Registry>,
    #[serde(default, rename = "credential-helpers")]
    credential_helpers: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    proxy: Option<String>,
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    proxy: Option<String>,
    pull_from_mirror: Option<PullFromMirror>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFromMirror {
    All,
    DigestOnly,
    TagOnly,
}

/// The places to look for a repository, in order; `None` if the configuration does not speak of it, an empty list if
/// it forbids all.
pub(super) fn places(
    repository: &Repository,
    files: &NodeFiles,
) -> Result<Option<Vec<Place>>, Unavailable> {
    let registries = load(files)?;
    let name = repository.to_string();
    let Some((registry, matched)) = find(&registries, &name) else { return Ok(None) };
    let mut places = Vec::new();
    for mirror in &registry.mirror {
        let Some((authority, path)) = rewrite(&name, matched, &mirror.location) else { continue };
        let own = find(&registries, &format!("{authority}/{path}")).map(|(own, _)| own);
        if own.is_some_and(|own| own.blocked) {
            continue;
        }
        places.push(Place {
            insecure: mirror.insecure || own.is_some_and(|own| own.insecure),
            mirror: true,
            by: by(registry, mirror),
            proxy: mirror.proxy.clone(),
            authority,
            path,
            ..Place::primary(repository)
        });
    }
    if !registry.blocked {
        let rewritten = rewrite(&name, matched, &registry.location);
        let place = Place {
            insecure: registry.insecure,
            proxy: registry.proxy.clone(),
            ..Place::primary(repository)
        };
        places.push(match rewritten {
            Some((authority, path)) => Place { authority, path, ..place },
            None => place,
        });
    }
    Ok(Some(places))
}

/// The names that the configuration speaks of, without those it blocks: hosts, or repositories below them. Patterns
/// of hosts are left out.
pub fn names(files: &NodeFiles) -> Result<Vec<String>, Unavailable> {
    let usable = |registry: &Registry| !registry.blocked || !registry.mirror.is_empty();
    let registries = load(files)?.into_iter().filter(usable).map(|registry| registry.prefix);
    Ok(registries.filter(|prefix| !prefix.starts_with('*')).collect())
}

fn by(registry: &Registry, mirror: &Mirror) -> By {
    match mirror.pull_from_mirror {
        Some(PullFromMirror::DigestOnly) => By { digest: true, tag: false },
        Some(PullFromMirror::TagOnly) => By { digest: false, tag: true },
        None if registry.mirror_by_digest_only => By { digest: true, tag: false },
        Some(PullFromMirror::All) | None => By::ANY,
    }
}

/// The entry with the longest prefix that fits, and how much of the name the prefix covers.
fn find<'a>(registries: &'a [Registry], name: &str) -> Option<(&'a Registry, usize)> {
    registries
        .iter()
        .filter_map(|registry| Some((registry, covered(name, &registry.prefix)?)))
        .max_by_key(|(registry, _)| registry.prefix.len())
}

/// How many bytes of `name` the prefix covers; it must end where a part of the name ends.
fn covered(name: &str, prefix: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split('/').next().unwrap_or(name);
        return (domain.starts_with('.') && host.ends_with(domain)).then_some(host.len());
    }
    let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// Host and path of a name whose covered part is replaced by a location; `None` without a location.
fn rewrite(name: &str, covered: usize, location: &str) -> Option<(String, String)> {
    if location.is_empty() {
        return None;
    }
    let rest = name.get(covered..)?;
    let rewritten = format!("{}{rest}", location.trim_end_matches('/'));
    let (authority, path) = rewritten.split_once('/')?;
    Some((authority.to_owned(), path.to_owned()))
}

fn load(files: &NodeFiles) -> Result<Vec<Registry>, Unavailable> {
    let mut registries = Vec::new();
    for (_, document) in documents(files)? {
        merge(&mut registries, document.registry);
    }
    Ok(registries)
}

/// `credential-helpers`: who is asked for credentials, each with the file that names it; `None` where no file says
/// so. Of several files that do the last counts.
pub(super) fn credential_helpers(
    files: &NodeFiles,
) -> Result<Option<Vec<(String, Read)>>, Unavailable> {
    let mut found = None;
    for (read, document) in documents(files)? {
        if let Some(helpers) = document.credential_helpers {
            found = Some((read, helpers));
        }
    }
    let Some((read, helpers)) = found else { return Ok(None) };
    // Only the file's name and whether it can be trusted matter of it.
    let named_by = || Read { path: read.path.clone(), bytes: Vec::new(), ..read };
    Ok(Some(helpers.into_iter().map(|name| (name, named_by())).collect()))
}

/// The files that count, in the order in which later ones overrule earlier ones.
fn documents(files: &NodeFiles) -> Result<Vec<(Read, Document)>, Unavailable> {
    if let Some(only) = &files.registries_conf {
        let named = read(only)?.ok_or_else(|| unusable(only, "there is no such file"))?;
        return Ok(vec![named]);
    }
    let folders = folders(files);
    let mut documents = Vec::new();
    for folder in &folders {
        if let Some(main) = read(&folder.join("registries.conf"))? {
            documents.push(main);
            break;
        }
    }
    for drop_in in drop_ins(&folders, files.uid)? {
        documents.extend(read(&drop_in)?);
    }
    Ok(documents)
}

fn folders(files: &NodeFiles) -> Vec<PathBuf> {
    let own = files.config_home.as_ref().map(|home| home.join("containers"));
    let system = ["etc/containers", "usr/share/containers"].map(|folder| files.system(folder));
    own.into_iter().chain(system).collect()
}

/// Drop-ins by name: of namesakes the one in the first folder counts.
fn drop_ins(folders: &[PathBuf], uid: u32) -> Result<Vec<PathBuf>, Unavailable> {
    let own: &[&str] = if uid == 0 {
        &["registries.conf.d", "registries.rootful.conf.d"]
    } else {
        &["registries.conf.d", "registries.rootless.conf.d"]
    };
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        for name in own {
            for path in node_files::list(&folder.join(name), "conf")? {
                if let Some(file) = path.file_name() {
                    found.entry(file.to_owned()).or_insert(path);
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

fn read(path: &Path) -> Result<Option<(Read, Document)>, Unavailable> {
    let Some(read) = node_files::read(path, limits::CONFIG_BYTES)? else { return Ok(None) };
    let text = str::from_utf8(&read.bytes).map_err(|_| unusable(path, "it is not UTF-8"))?;
    let document = parse(text).map_err(|problem| unusable(path, problem))?;
    Ok(Some((read, document)))
}

fn parse(text: &str) -> Result<Document, String> {
    let mut document: Document = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
        match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        }
    })?;
    for registry in &mut document.registry {
        if registry.prefix.is_empty() {
            registry.prefix = registry.location.clone();
        }
        if registry.prefix.is_empty() {
            return Err("a [[registry]] has neither prefix nor location".to_owned());
        }
        if registry.mirror.iter().any(|mirror| mirror.location.is_empty()) {
            return Err(format!("a mirror of {} has no location", registry.prefix));
        }
    }
    Ok(document)
}

/// A later file's entry replaces an earlier one with the same prefix.
fn merge(registries: &mut Vec<Registry>, later: Vec<Registry>) {
    registries.retain(|registry| !later.iter().any(|new| new.prefix == registry.prefix));
    registries.extend(later);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, NodeFiles) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let files = NodeFiles::of_root(folder.path());
        (folder, files)
    }

    /// `authority/path`, with `~` for insecure and `(m)` for a mirror.
    fn shown(name: &str, files: &NodeFiles) -> Option<String> {
        let reference: crate::oci::Reference = name.parse().unwrap();
        let places = places(&reference.repository, files).unwrap()?;
        let show = |p: &Place| {
            let flags = [
                (p.insecure, "~"),
                (p.mirror, "(m)"),
                (!p.by.tag, "(digest)"),
                (!p.by.digest, "(tag)"),
            ];
            let flags: String =
                flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
            format!("{}/{}{flags}", p.authority, p.path)
        };
        Some(places.iter().map(show).collect::<Vec<_>>().join(" "))
    }

    const MANUAL: &str = r#"
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"
[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true
[[registry]]
location = "registry.com"
[[registry.mirror]]
location = "mirror.registry.com"
[[registry]]
prefix = "*.wild.example"
location = "wild-mirror.example/x"
[[registry]]
location = "blocked.example"
blocked = true
[[registry]]
location = "never-contacted.example"
blocked = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.example:5000/all"
[[registry]]
location = "tags.example"
[[registry.mirror]]
location = "mirror.example/tags"
pull-from-mirror = "tag-only"
"#;

    #[test]
    fn the_manuals_examples_are_read_as_it_says() {
        let (_folder, files) = node(&[("etc/containers/registries.conf", MANUAL)]);
        for (name, expected) in [
            (
                "example.com/foo/image:latest",
                Some(
                    "example-mirror-0.local/mirror-for-foo/image(m) example-mirror-1.local/mirrors/foo/image~(m) internal-registry-for-example.com/bar/image",
                ),
            ),
            (
                "example.com/foo:1",
                Some(
                    "example-mirror-0.local/mirror-for-foo(m) example-mirror-1.local/mirrors/foo~(m) internal-registry-for-example.com/bar",
                ),
            ),
            ("registry.com/a", Some("mirror.registry.com/a(m) registry.com/a")),
            ("example.com/foobar", None),
            ("example.com/other/foo", None),
            ("a.wild.example/ns/b", Some("wild-mirror.example/x/ns/b")),
            ("wild.example/b", None),
            ("notwild.example/b", None),
            ("blocked.example/b", Some("")),
            ("never-contacted.example/b", Some("mirror.example:5000/all/b(m)(digest)")),
            ("tags.example/b", Some("mirror.example/tags/b(m)(tag) tags.example/b")),
            ("registry.com.evil.example/a", None),
        ] {
            assert_eq!(shown(name, &files).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_prefix_counts_and_drop_ins_replace() {
        let (_folder, files) = node(&[
            (
                "etc/containers/registries.conf",
                "[[registry]]\nlocation='r.example'\n[[registry]]\nprefix='r.example/a/b'\nlocation='deep.example/b'",
            ),
            ("usr/share/containers/registries.conf", "[[registry]]\nlocation='ignored.example'"),
            (
                "etc/containers/registries.conf.d/50-x.conf",
                "[[registry]]\nlocation='r.example'\ninsecure=true",
            ),
            (
                "usr/share/containers/registries.conf.d/50-x.conf",
                "[[registry]]\nlocation='hidden.example'",
            ),
            (
                "usr/share/containers/registries.conf.d/60-y.conf",
                "[[registry]]\nlocation='seen.example'",
            ),
            ("etc/containers/registries.conf.d/70.txt", "not read"),
        ]);
        assert_eq!(shown("r.example/a/b/c", &files).as_deref(), Some("deep.example/b/c"));
        assert_eq!(shown("r.example/a/x", &files).as_deref(), Some("r.example/a/x~"));
        assert_eq!(shown("ignored.example/a", &files), None);
        assert_eq!(shown("hidden.example/a", &files), None);
        assert_eq!(shown("seen.example/a", &files).as_deref(), Some("seen.example/a"));
    }

    #[test]
    fn a_mirror_that_is_itself_blocked_or_insecure_is_treated_so() {
        let (_folder, files) = node(&[(
            "etc/containers/registries.conf",
            "[[registry]]\nlocation='r.example'\n[[registry.mirror]]\nlocation='bad.example'\n[[registry.mirror]]\nlocation='plain.example'\n[[registry]]\nlocation='bad.example'\nblocked=true\n[[registry]]\nlocation='plain.example'\ninsecure=true",
        )]);
        assert_eq!(
            shown("r.example/a", &files).as_deref(),
            Some("plain.example/a~(m) r.example/a")
        );
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        for (text, expected) in [
            ("[[registry]]\ninsecure = 3", "line 2"),
            ("[[registry]]\n", "neither prefix nor location"),
            ("[[registry]]\nlocation='a'\n[[registry.mirror]]\ninsecure=true", "has no location"),
            ("x", "line 1"),
        ] {
            let (_folder, files) = node(&[("etc/containers/registries.conf", text)]);
            let reference: crate::oci::Reference = "r.example/a".parse().unwrap();
            let error = places(&reference.repository, &files).err().unwrap();
            assert!(
                error.detail.contains("registries.conf") && error.detail.contains(expected),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_rewritten_name_keeps_what_the_prefix_does_not_cover(
            prefix in "[a-z]{1,8}\\.example(/[a-z]{1,5}){0,2}",
            rest in "(/[a-z]{1,5}){1,3}",
            location in "[a-z]{1,8}\\.example:5000(/[a-z]{1,5}){0,2}",
        ) {
            let name = format!("{prefix}{rest}");
            let covered = covered(&name, &prefix).unwrap();
            let (authority, path) = rewrite(&name, covered, &location).unwrap();
            prop_assert_eq!(format!("{authority}/{path}"), format!("{location}{rest}"));
        }
    }
}
