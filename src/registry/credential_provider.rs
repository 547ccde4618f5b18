//! The kubelet's credential provider plugins, where the policy names their configuration: nodes of clouds have no other
//! credentials for the cloud's own registry.
//!
//! Source: Kubernetes, "Configure a kubelet image credential provider" and `pkg/credentialprovider/plugin`: a file of kind
//! `CredentialProviderConfig`; a plugin is asked if one of its `matchImages` fits, by a `CredentialProviderRequest` on
//! standard input, and answers with credentials by patterns of the same kind. Plugins that want a pod's service account
//! token (`tokenAttributes`) cannot be asked here and are passed over. As root only what root alone can change is run, and
//! within the bounds of a credential helper. Nothing is kept: the answer about the image is, for an hour.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::deadline::Deadline;
use crate::files;
use crate::limits;
use crate::spec::yaml::{self, Document, NodeId, Value};
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::credential_helper::is_plain_name;
use super::credential_program;
use super::failure;
use super::node_files::{self, NodeFiles, Read, unusable};
use super::secret::{Credentials, Secret};

/// One plugin of the configuration.
#[derive(Debug, Default, PartialEq, Eq)]
struct Provider {
    name: String,
    match_images: Vec<String>,
    api_version: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wants_a_pods_token: bool,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    auth: Option<BTreeMap<String, Pair>>,
}

#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The credentials that the first fitting plugin has for an image (a name without tag).
pub(super) fn get(
    config: &Path,
    folder: &Path,
    image: &str,
    node: &NodeFiles,
    deadline: Option<Deadline>,
) -> Result<Option<Credentials>, Unavailable> {
    let Some((read, provider)) = fitting(config, image)? else { return Ok(None) };
    let failed = |problem: String| {
        let name = failure::printable(&provider.name);
        let detail = format!(
            "the credential provider `{name}` of {} cannot be used: {problem}",
            config.display()
        );
        failure::unavailable(UnavailableKind::Configuration, detail)
    };
    let command = command(&provider, &read, folder, node).map_err(failed)?;
    let question = serde_json::json!({
        "apiVersion": provider.api_version,
        "kind": "CredentialProviderRequest",
        "image": image,
    });
    let ended = credential_program::run(command, question.to_string().as_bytes(), deadline)
        .map_err(failed)?;
    if !ended.succeeded {
        return Err(failed("it failed".to_owned()));
    }
    let response: Response = serde_json::from_str(ended.output.expose())
        .map_err(|_| failed("it printed something else than credentials".to_owned()))?;
    Ok(chosen(response, image))
}

/// Whether some plugin would be asked about an image; asks none.
pub(super) fn matching(config: &Path, folder: &Path, image: &str) -> Result<bool, Unavailable> {
    let Some((_, provider)) = fitting(config, image)? else { return Ok(false) };
    let program = folder.join(&provider.name);
    if program.is_file() {
        return Ok(true);
    }
    Err(unusable(config, format!("there is no {}", program.display())))
}

fn fitting(config: &Path, image: &str) -> Result<Option<(Read, Provider)>, Unavailable> {
    let read = node_files::read(config, limits::CONFIG_BYTES)?
        .ok_or_else(|| unusable(config, "there is no such file"))?;
    let providers = parse(&read.bytes).map_err(|problem| unusable(config, problem))?;
    let fits = |provider: &Provider| {
        !provider.wants_a_pods_token && provider.match_images.iter().any(|p| matches(p, image))
    };
    Ok(providers.into_iter().find(fits).map(|provider| (read, provider)))
}

fn command(
    provider: &Provider,
    named_by: &Read,
    folder: &Path,
    node: &NodeFiles,
) -> Result<Command, String> {
    if !is_plain_name(&provider.name) {
        return Err("its name may have letters, digits, `.`, `_` and `-` only".to_owned());
    }
    let program = folder.join(&provider.name);
    let metadata = std::fs::metadata(&program)
        .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    if nix::unistd::geteuid().is_root() {
        if !named_by.trusted {
            return Err("others than root can change that file".to_owned());
        }
        if !files::is_trusted(&metadata) {
            return Err(format!("others than root can change {}", program.display()));
        }
    }
    let mut command = Command::new(program);
    credential_program::clean_environment(&mut command, node);
    command.args(&provider.arguments).envs(provider.environment.iter().cloned());
    Ok(command)
}

/// Of the patterns that fit the longest counts.
fn chosen(response: Response, image: &str) -> Option<Credentials> {
    let fitting = response.auth?.into_iter().filter(|(pattern, _)| matches(pattern, image));
    let (_, pair) = fitting.max_by_key(|(pattern, _)| pattern.len())?;
    if pair.password.is_empty() {
        return None;
    }
    Some(Credentials::Basic { username: pair.username, password: Secret::new(pair.password) })
}

/// The kubelet's patterns: `*` within one part of a host's name, the same port, and a path that the image's begins with.
fn matches(pattern: &str, image: &str) -> bool {
    let pattern = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
    let (pattern_host, pattern_path) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (host, path) = image.split_once('/').unwrap_or((image, ""));
    let split = |host: &'_ str| match host.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), port.to_owned()),
        None => (host.to_owned(), String::new()),
    };
    let ((pattern_host, pattern_port), (host, port)) = (split(pattern_host), split(host));
    let parts = |host: &str| host.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (pattern_parts, host_parts) = (parts(&pattern_host), parts(&host));
    pattern_port == port
        && pattern_parts.len() == host_parts.len()
        && pattern_parts.iter().zip(&host_parts).all(|(p, h)| wildcard(p, h))
        && path.starts_with(pattern_path.trim_end_matches('/'))
}

/// `*` stands for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn parse(bytes: &[u8]) -> Result<Vec<Provider>, String> {
    let text = yaml::text(bytes).map_err(|problem| problem.to_string())?;
    let document = Document::parse(&text).map_err(|problem| problem.to_string())?;
    let tree = Tree(&document);
    let root = document.root().ok_or("it is empty")?;
    if tree.text(root, "kind").as_deref() != Some("CredentialProviderConfig") {
        return Err("its kind is not CredentialProviderConfig".to_owned());
    }
    let provider = |id: &NodeId| Provider {
        name: tree.text(*id, "name").unwrap_or_default(),
        match_images: tree.texts(*id, "matchImages"),
        api_version: tree.text(*id, "apiVersion").unwrap_or_default(),
        arguments: tree.texts(*id, "args"),
        environment: tree
            .items(*id, "env")
            .iter()
            .filter_map(|pair| Some((tree.text(*pair, "name")?, tree.text(*pair, "value")?)))
            .collect(),
        wants_a_pods_token: tree.field(*id, "tokenAttributes").is_some(),
    };
    Ok(tree.items(root, "providers").iter().map(provider).collect())
}

/// A document, as far as this file asks: what has another shape than expected is as good as absent.
struct Tree<'a>(&'a Document);

impl Tree<'_> {
    fn field(&self, of: NodeId, name: &str) -> Option<NodeId> {
        let Value::Mapping(pairs) = self.0.value(of) else { return None };
        let is_name =
            |key: &NodeId| matches!(self.0.value(*key), Value::Scalar(s) if s.text == name);
        pairs.chunks_exact(2).find_map(|pair| match pair {
            [key, value] if is_name(key) => Some(*value),
            _ => None,
        })
    }

    fn text(&self, of: NodeId, name: &str) -> Option<String> {
        self.scalar(self.field(of, name)?)
    }

    fn scalar(&self, id: NodeId) -> Option<String> {
        match self.0.value(id) {
            Value::Scalar(scalar) => Some(scalar.text.to_owned()),
            _ => None,
        }
    }

    fn items(&self, of: NodeId, name: &str) -> Vec<NodeId> {
        match self.field(of, name).map(|id| self.0.value(id)) {
            Some(Value::Sequence(items)) => items.to_vec(),
            _ => Vec::new(),
        }
    }

    fn texts(&self, of: NodeId, name: &str) -> Vec<String> {
        self.items(of, name).iter().filter_map(|id| self.scalar(*id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: &str = r#"
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: pods-only
  matchImages: ["*.cloud.example"]
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  tokenAttributes: {requireServiceAccount: true}
- name: cloud-provider
  matchImages:
  - "*.cloud.example"
  - "*.*.cloud.example:8443/team"
  defaultCacheDuration: "12h"
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  args: [get-credentials]
  env:
  - {name: PROFILE, value: node}
"#;

    /// A node with the configuration and a plugin that is this script.
    fn ask(script: &str, image: &str, mode: u32) -> Result<Option<String>, Unavailable> {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("config.yaml");
        std::fs::write(&config, CONFIG).unwrap();
        let program = root.path().join("cloud-provider");
        credential_program::script::write_script(&program, script, mode);
        let found = get(&config, root.path(), image, &NodeFiles::of_root(root.path()), None)?;
        Ok(found.map(|credentials| match credentials {
            Credentials::Basic { username, password } => {
                format!("{username}:{}", password.expose())
            }
            _ => panic!("neither user name nor password"),
        }))
    }

    #[test]
    fn a_plugin_is_asked_as_the_kubelet_asks_it() {
        let script = r#"read question
case "$question" in *'"image":"a.cloud.example/x"'*'"kind":"CredentialProviderRequest"'*) ;; *) exit 1;; esac
echo "{\"kind\":\"CredentialProviderResponse\",\"cacheKeyType\":\"Registry\",\"auth\":{
  \"*.cloud.example\":{\"username\":\"$1\",\"password\":\"$PROFILE\"},
  \"other.example\":{\"username\":\"no\",\"password\":\"no\"}}}""#;
        let found = ask(script, "a.cloud.example/x", 0o755).unwrap();
        assert_eq!(found.as_deref(), Some("get-credentials:node"));
        assert_eq!(ask("exit 1", "elsewhere.example/x", 0o755).unwrap(), None);
        assert_eq!(ask(r#"echo '{"auth":null}'"#, "a.cloud.example/x", 0o755).unwrap(), None);
    }

    #[test]
    fn a_plugin_that_misbehaves_is_named_and_its_output_is_not() {
        for (script, mode, expected) in [
            ("sleep 30", 0o755, "it took longer than 2 s"),
            ("yes hunter2", 0o755, "it printed more than"),
            ("echo hunter2; exit 1", 0o755, "it failed"),
            ("echo hunter2", 0o755, "something else than credentials"),
            ("echo", 0o777, "others than root can change"),
        ] {
            if mode == 0o777 && !nix::unistd::geteuid().is_root() {
                continue;
            }
            let text = ask(script, "a.cloud.example/x", mode).unwrap_err().detail;
            assert!(text.contains(expected) && !text.contains("hunter2"), "{script}: {text}");
            assert!(text.contains("`cloud-provider`"), "{text}");
        }
    }

    #[test]
    fn patterns_are_the_kubelets() {
        for (pattern, image, expected) in [
            (
                "123456789.dkr.ecr.us-east-1.amazonaws.com",
                "123456789.dkr.ecr.us-east-1.amazonaws.com/a",
                true,
            ),
            ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com/a/b", true),
            ("*.dkr.ecr.*.amazonaws.com", "dkr.ecr.eu-west-1.amazonaws.com/a", false),
            ("*.cloud.example", "a.b.cloud.example/x", false),
            ("app*.k8s.example", "app1.k8s.example/x", true),
            ("*.registry.example/prod", "a.registry.example/prod/x", true),
            ("*.registry.example/prod", "a.registry.example/dev", false),
            ("registry.example:8080", "registry.example:8080/x", true),
            ("registry.example:8080", "registry.example/x", false),
            ("registry.example", "registry.example:8080/x", false),
            ("https://gcr.example", "gcr.example/x", true),
        ] {
            assert_eq!(matches(pattern, image), expected, "{pattern} {image}");
        }
    }

    #[test]
    fn a_configuration_that_is_none_is_refused() {
        for (text, expected) in [("", "empty"), ("kind: Pod\n", "kind"), ("a: [", "line")] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert!(problem.contains(expected), "{text:?}: {problem}");
        }
        assert_eq!(parse(CONFIG.as_bytes()).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn any_pattern_and_configuration_is_read_without_panic(a in "[a-c*./:]{0,20}", b in "[a-c./:]{0,20}", text in "\\PC{0,100}") {
            let _ = (matches(&a, &b), parse(text.as_bytes()));
        }
    }
}
