//! podman: a file in its hook directory, or a runtime in a drop-in of `containers.conf`.
//!
//! Source: `containers.conf(5)`. Everything is read at every start of a container.

use super::hooks_dir;
use super::node::Node;
use super::plan::Plan;
use super::{Adapter, Effect, Via};

/// Where our drop-in is.
const DROP_IN: &str = "/etc/containers/containers.conf.d/60-imgcompat.conf";
/// Our runtime's script.
const SCRIPT: &str = "/etc/imgcompat/runtimes/podman";

/// The adapter.
pub struct Podman;

/// The configuration files that are there and can be read, later ones over earlier ones; ours is not among them.
fn documents(node: &Node) -> Result<Vec<(String, toml::Table)>, String> {
    let mut paths = vec![
        "/usr/share/containers/containers.conf".to_owned(),
        "/etc/containers/containers.conf".to_owned(),
    ];
    paths.extend(node.drop_ins("/etc/containers/containers.conf.d", "conf"));
    parse_all(node, paths.into_iter().filter(|path| path != DROP_IN))
}

/// Parses TOML files; a missing one is skipped, a broken one is an error.
pub(super) fn parse_all(
    node: &Node,
    paths: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, toml::Table)>, String> {
    let mut documents = Vec::new();
    for path in paths {
        let Some(text) = node.text(&path)? else { continue };
        let document = text.parse().map_err(|error: toml::de::Error| {
            format!("{path} is not valid TOML, so what it says is not known: {}", error.message())
        })?;
        documents.push((path, document));
    }
    Ok(documents)
}

/// The runtime that podman uses without us.
fn runtime(node: &Node, documents: &[(String, toml::Table)]) -> Option<String> {
    let named = documents.iter().rev().find_map(|(_, document)| {
        document.get("engine")?.as_table()?.get("runtime")?.as_str().map(str::to_owned)
    });
    match named {
        Some(path) if path.starts_with('/') => Some(path),
        Some(name) => node.program(&name),
        None => node.program("crun").or_else(|| node.program("runc")),
    }
}

impl Adapter for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn program(&self) -> &'static str {
        "podman"
    }

    fn usual(&self) -> Via {
        Via::Hook
    }

    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String> {
        let documents = documents(node)?;
        let mut plan = Plan::default();
        if via == Via::Hook {
            let directories = hooks_dir::configured(&documents, &["engine"]);
            plan.file(hooks_dir::own_file(&directories), hooks_dir::text(node), 0o644);
            return Ok(plan);
        }
        let runtime = runtime(node, &documents)
            .ok_or("neither crun nor runc is installed where podman finds it")?;
        plan.file(SCRIPT, node.script(&runtime), 0o755);
        plan.file(
            DROP_IN,
            format!(
                "[engine]\nruntime = \"imgcompat\"\n[engine.runtimes]\nimgcompat = [\"{SCRIPT}\"]\n"
            ),
            0o644,
        );
        plan.note("`podman --runtime` still chooses another runtime; root can always do so");
        Ok(plan)
    }

    fn own_files(&self, node: &Node) -> Vec<String> {
        let directories =
            documents(node).map(|documents| hooks_dir::configured(&documents, &["engine"]));
        vec![hooks_dir::own_file(&directories.unwrap_or_default())]
    }

    fn effects(&self, node: &Node) -> Vec<Effect> {
        let handler = "containers".to_owned();
        if node.current(DROP_IN).ok().flatten().is_some_and(|text| text.contains(SCRIPT)) {
            let detail = node.wrapper();
            return vec![Effect { handler, via: Some(Via::Wrapper), detail }];
        }
        let directories = match documents(node) {
            Ok(documents) => hooks_dir::configured(&documents, &["engine"]),
            Err(problem) => return vec![Effect { handler, via: None, detail: problem }],
        };
        vec![by_hook_directories(node, handler, &directories)]
    }

    fn service(&self) -> Option<&'static str> {
        None
    }
}

/// What hook directories make of one handler.
pub(super) fn by_hook_directories(node: &Node, handler: String, directories: &[String]) -> Effect {
    let program = directories.iter().find_map(|directory| hooks_dir::look(node, directory).program);
    match program {
        Some(detail) => Effect { handler, via: Some(Via::Hook), detail },
        None => {
            let detail = format!("no {} in {}", hooks_dir::FILE, directories.join(", "));
            Effect { handler, via: None, detail }
        }
    }
}

/// The hook directories that podman reads.
pub fn hook_directories(node: &Node) -> Vec<String> {
    documents(node).map(|d| hooks_dir::configured(&d, &["engine"])).unwrap_or_default()
}
