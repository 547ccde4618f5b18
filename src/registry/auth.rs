//! Which credentials the node has for a repository: the files, helpers and plugins that are asked, and their order.
//!
//! Sources: containers-auth.json(5) for the order of files, containers-registries.conf(5) for `credential-helpers`,
//! crio.conf(5) for CRI-O's files, the kubelet's documentation for its own. The first that knows the repository decides.
//! What it knows may be wrong, and is then refused by the registry: nobody is asked after it, and nothing goes on
//! without credentials.

use std::path::PathBuf;

use crate::limits;
use crate::oci::Repository;
use crate::worker::protocol::Unavailable;

use super::node_files::{self, NodeFiles, Read, unusable};
use super::place::Options;
use super::secret::Credentials;
use super::{auth_file, credential_helper, credential_provider, crio_conf, registries_conf};

/// Credentials, and where they came from.
pub struct Known {
    /// What to show.
    pub credentials: Credentials,
    /// The file, helper or plugin, for messages.
    pub from: String,
    /// True if every user of this machine can read the file.
    pub exposed: bool,
}

/// One place where credentials may be, for `doctor`. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The file, or the helper or plugin with the file that names it.
    pub place: String,
    /// What is there.
    pub state: State,
    /// Whether it decides about the repository that was asked about: it has an entry, or names a helper that is asked.
    pub speaks_of_it: bool,
}

/// What is at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing; the next place is looked at.
    Absent,
    /// Something that cannot be used, and why. No registry is asked as long as it is there.
    Unusable(String),
    /// An auth file.
    File {
        /// The hosts and repositories it has entries for.
        entries: Vec<String>,
        /// The credential helpers it names.
        helpers: Vec<String>,
        /// True if every user of this machine can read it.
        everyone_can_read: bool,
    },
    /// A program that is asked when it is needed.
    Program,
}

/// Where a repository is looked for: a server and its path there, and the name that images have.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Host and port of the server.
    pub authority: &'a str,
    /// The path there.
    pub path: &'a str,
    /// The repository as images are named by it.
    pub repository: &'a Repository,
}

/// One place to look for credentials.
enum Source {
    /// An auth file; one that the configuration names must be there.
    File { path: PathBuf, required: bool },
    /// A credential helper of registries.conf.
    Helper { name: String, named_by: Read },
    /// The kubelet's credential provider plugins.
    Plugins { config: PathBuf, folder: PathBuf },
}

/// What registries.conf calls the auth files among its helpers.
const AUTH_FILES: &str = "containers-auth.json";

/// The credentials for a repository on a server; `None` is anonymous.
pub fn for_place(asked: Asked<'_>, options: &Options) -> Result<Option<Known>, Unavailable> {
    let mut failed = None;
    for source in sources(asked.repository, options)? {
        match source.ask(asked, options) {
            Ok(Some(known)) => return Ok(Some(known)),
            Ok(None) => {}
            // Another helper of the same list may know; that this one failed is not forgotten.
            Err(failure) if matches!(source, Source::Helper { .. }) => {
                failed.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    failed.map_or(Ok(None), Err)
}

/// Every place that is looked at for a repository of this registry, in order, and what is there. Asks no program.
pub fn accounts(repository: &Repository, options: &Options) -> Result<Vec<Account>, Unavailable> {
    let sources = sources(repository, options)?;
    Ok(sources.iter().map(|source| source.account(repository)).collect())
}

fn sources(repository: &Repository, options: &Options) -> Result<Vec<Source>, Unavailable> {
    let files = &options.files;
    let optional = |path| Source::File { path, required: false };
    let required = |path| Source::File { path, required: true };
    if let Some(only) = options.authfile.as_ref().or(files.auth_file.as_ref()) {
        return Ok(vec![required(only.clone())]);
    }
    let configured = &options.credential_sources;
    let mut sources: Vec<Source> = configured.authfile.iter().cloned().map(required).collect();
    let users = || users_files(files).into_iter().map(optional);
    match registries_conf::credential_helpers(files)? {
        None => sources.extend(users()),
        Some(list) => {
            for (name, named_by) in list {
                match name.as_str() {
                    AUTH_FILES => sources.extend(users()),
                    _ => sources.push(Source::Helper { name, named_by }),
                }
            }
        }
    }
    if files.uid == 0 {
        sources.extend(crio_conf::auth_files(repository, files)?.into_iter().map(optional));
        sources.push(optional(files.system("var/lib/kubelet/config.json")));
    }
    if let (Some(config), Some(folder)) =
        (&configured.kubelet_provider_config, &configured.kubelet_provider_bin_dir)
    {
        sources.push(Source::Plugins { config: config.clone(), folder: folder.clone() });
    }
    Ok(sources)
}

/// The files of containers-auth.json(5) and Docker's.
fn users_files(files: &NodeFiles) -> Vec<PathBuf> {
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
    [Some(runtime), config, docker, legacy].into_iter().flatten().collect()
}

impl Source {
    fn ask(&self, asked: Asked<'_>, options: &Options) -> Result<Option<Known>, Unavailable> {
        let Asked { authority, path, .. } = asked;
        let (files, deadline) = (&options.files, options.deadline);
        let mut exposed = false;
        let credentials = match self {
            Source::File { .. } => match self.read()? {
                Some(read) => {
                    exposed = read.everyone_can_read;
                    auth_file::credentials_for(&read, authority, path, files, deadline)?
                }
                None => None,
            },
            Source::Helper { name, named_by } => {
                credential_helper::get(name, authority, named_by, files, deadline)?
            }
            Source::Plugins { config, folder } => {
                let image = format!("{authority}/{path}");
                credential_provider::get(config, folder, &image, files, deadline)?
            }
        };
        Ok(credentials.map(|credentials| Known { credentials, from: self.place(), exposed }))
    }

    fn read(&self) -> Result<Option<Read>, Unavailable> {
        let Source::File { path, required } = self else { return Ok(None) };
        match node_files::read(path, limits::AUTH_FILE_BYTES)? {
            None if *required => Err(unusable(path, "there is no such file")),
            read => Ok(read),
        }
    }

    fn place(&self) -> String {
        match self {
            Source::File { path, .. } => path.display().to_string(),
            Source::Helper { name, named_by } => {
                format!("docker-credential-{name}, named by {}", named_by.path.display())
            }
            Source::Plugins { config, .. } => format!("the plugins of {}", config.display()),
        }
    }

    fn account(&self, repository: &Repository) -> Account {
        let (state, speaks_of_it) = match self {
            Source::File { .. } => self.file_state(repository),
            Source::Helper { .. } => (State::Program, true),
            Source::Plugins { config, folder } => {
                match credential_provider::matching(config, folder, &repository.to_string()) {
                    Ok(matching) => (State::Program, matching),
                    Err(unavailable) => (State::Unusable(unavailable.detail), false),
                }
            }
        };
        Account { place: self.place(), state, speaks_of_it }
    }

    fn file_state(&self, repository: &Repository) -> (State, bool) {
        let file = match self.read() {
            Ok(None) => return (State::Absent, false),
            Ok(Some(read)) => auth_file::parse(&read).map(|file| (file, read.everyone_can_read)),
            Err(unavailable) => Err(unavailable),
        };
        match file {
            Ok((file, everyone_can_read)) => {
                let speaks = file.speaks_of(&repository.registry, &repository.path);
                let (entries, helpers) = (file.keys(), file.helpers());
                (State::File { entries, helpers, everyone_can_read }, speaks)
            }
            Err(unavailable) => (State::Unusable(unavailable.detail), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::super::auth_file::DOCKER_HUB_KEY;
    use super::super::credential_program::script::write_script;
    use super::*;

    fn for_place(
        authority: &str,
        path: &str,
        options: &Options,
    ) -> Result<Option<Credentials>, Unavailable> {
        let repository = Repository { registry: authority.to_owned(), path: path.to_owned() };
        let asked = Asked { authority, path, repository: &repository };
        Ok(super::for_place(asked, options)?.map(|known| known.credentials))
    }

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

    #[test]
    fn helpers_of_registries_conf_are_asked_in_their_order_among_the_auth_files() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root, whose helpers come from the system's folders");
            return;
        }
        let knows = r#"read host; case $host in r.example) echo '{"Username":"h","Secret":"1"}';; *) echo credentials not found; exit 1;; esac"#;
        let auths =
            format!(r#"{{"auths":{{"r.example":{},"f.example":{}}}}}"#, entry("f:2"), entry("f:3"));
        let bin = |folder: &tempfile::TempDir, name: &str| {
            folder.path().join(format!("usr/bin/docker-credential-{name}"))
        };
        for (list, of_both) in [
            (r#"["containers-auth.json", "test"]"#, "f:2"),
            (r#"["test", "containers-auth.json"]"#, "h:1"),
            (r#"["broken", "test", "containers-auth.json"]"#, "h:1"),
        ] {
            let (folder, options) = node(&[
                ("run/containers/0/auth.json", auths.clone()),
                ("etc/containers/registries.conf", format!("credential-helpers = {list}\n")),
            ]);
            write_script(&bin(&folder, "test"), knows, 0o755);
            write_script(&bin(&folder, "broken"), "exit 1", 0o755);
            assert_eq!(shown(for_place("r.example", "a", &options)), of_both, "{list}");
            assert_eq!(shown(for_place("f.example", "a", &options)), "f:3", "{list}");
        }
        // Without the auth files in the list they are not read; a helper that failed is not "anonymous".
        let conf = |list: &str| format!("credential-helpers = {list}\n");
        let (folder, options) = node(&[
            ("run/containers/0/auth.json", auths),
            ("etc/containers/registries.conf", conf(r#"["containers-auth.json"]"#)),
            ("etc/containers/registries.conf.d/50-x.conf", conf(r#"["test", "broken"]"#)),
        ]);
        write_script(&bin(&folder, "test"), knows, 0o755);
        write_script(&bin(&folder, "broken"), "exit 1", 0o755);
        let text = shown(for_place("f.example", "a", &options));
        assert!(text.contains("50-x.conf") && text.contains("it failed"), "{text}");
    }

    #[test]
    fn crio_and_kubelet_have_files_of_their_own() {
        let file = |who: &str| format!(r#"{{"auths":{{"r.example":{}}}}}"#, entry(who));
        let hash = crate::oci::Digest::of(b"r.example/team/app").hex().to_owned();
        let conf = "[crio.image]\nglobal_auth_file = '/etc/crio/first.json'\n".to_owned();
        let later = "[crio.image]\nglobal_auth_file = '/srv/second.json'\nnamespaced_auth_dir = '/srv/auth'\n";
        let (folder, options) = node(&[
            ("etc/crio/crio.conf", conf),
            ("etc/crio/crio.conf.d/10-x.conf", later.to_owned()),
            ("etc/crio/first.json", file("first:x")),
            ("srv/second.json", file("second:x")),
            (&format!("srv/auth/prod-{hash}.json"), file("namespaced:x")),
            ("var/lib/kubelet/config.json", file("kubelet:x")),
        ]);
        assert_eq!(shown(for_place("r.example", "team/app", &options)), "namespaced:x");
        assert_eq!(shown(for_place("r.example", "other", &options)), "second:x");
        std::fs::remove_dir_all(folder.path().join("etc/crio/crio.conf.d")).unwrap();
        assert_eq!(shown(for_place("r.example", "team/app", &options)), "first:x");
        std::fs::remove_file(folder.path().join("etc/crio/crio.conf")).unwrap();
        assert_eq!(shown(for_place("r.example", "team/app", &options)), "kubelet:x");
        std::fs::write(folder.path().join("etc/crio/crio.conf"), "[crio").unwrap();
        assert!(shown(for_place("r.example", "a", &options)).contains("crio.conf cannot be used"));
    }

    #[test]
    fn what_the_policy_names_comes_first_and_must_be_there() {
        let file = |who: &str| format!(r#"{{"auths":{{"r.example":{}}}}}"#, entry(who));
        let (folder, mut options) =
            node(&[("run/containers/0/auth.json", file("user:x")), ("own.json", file("own:x"))]);
        options.credential_sources.authfile = Some(folder.path().join("own.json"));
        assert_eq!(shown(for_place("r.example", "a", &options)), "own:x");
        options.credential_sources.authfile = Some(folder.path().join("missing.json"));
        assert!(shown(for_place("r.example", "a", &options)).contains("there is no such file"));
    }

    #[test]
    fn the_account_names_every_place_and_no_secret() {
        let auths = format!(
            r#"{{"auths":{{"r.example/team":{}}},"credHelpers":{{"h.example":"test"}}}}"#,
            entry("user:hunter2")
        );
        let (folder, options) = node(&[
            ("run/containers/0/auth.json", auths),
            ("root/.docker/config.json", r#"{"auths": hunter2"#.to_owned()),
        ]);
        let readable = folder.path().join("run/containers/0/auth.json");
        for (mode, everyone) in [(0o600, false), (0o644, true)] {
            std::fs::set_permissions(&readable, std::fs::Permissions::from_mode(mode)).unwrap();
            let of = |path: &str| {
                let repository =
                    Repository { registry: "r.example".to_owned(), path: path.to_owned() };
                accounts(&repository, &options).unwrap()
            };
            let found = of("team/app");
            let expected = State::File {
                entries: vec!["r.example/team".to_owned()],
                helpers: vec!["test".to_owned()],
                everyone_can_read: everyone,
            };
            assert_eq!((&found[0].state, found[0].speaks_of_it), (&expected, true));
            assert_eq!(found[1].state, State::Absent);
            assert!(matches!(&found[2].state, State::Unusable(why) if why.contains("line 1")));
            assert!(!of("other")[0].speaks_of_it);
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }
}
