//! CRI-O: a file in its hook directory, which it watches, or a runtime path for every handler in a drop-in.
//!
//! Source: `crio.conf(5)`, `crio.conf.d(5)`. A handler's table in a later file replaces it whole, so our drop-in
//! repeats what the handler had.

use super::hooks_dir;
use super::node::Node;
use super::plan::Plan;
use super::podman::{by_hook_directories, parse_all};
use super::{Adapter, Effect, Via};

/// Where our drop-in is; its name is late, since the last file counts.
const DROP_IN: &str = "/etc/crio/crio.conf.d/99-imgcompat.conf";

/// The adapter.
pub struct Crio;

fn documents(node: &Node) -> Result<Vec<(String, toml::Table)>, String> {
    let drop_ins = node.drop_ins("/etc/crio/crio.conf.d", "conf");
    parse_all(node, std::iter::once("/etc/crio/crio.conf".to_owned()).chain(drop_ins))
}

/// The handlers as the files have them together. CRI-O has one of its own where none is named.
fn handlers(documents: &[(String, toml::Table)]) -> toml::Table {
    let mut all = toml::Table::new();
    for (_, document) in documents {
        let runtime = document.get("crio").and_then(|crio| crio.get("runtime"));
        let tables = runtime.and_then(|r| r.get("runtimes")).and_then(|r| r.as_table());
        all.extend(tables.into_iter().flatten().map(|(name, table)| (name.clone(), table.clone())));
    }
    if all.is_empty() {
        let name = documents.iter().rev().find_map(|(_, document)| {
            document.get("crio")?.get("runtime")?.get("default_runtime")?.as_str()
        });
        all.insert(name.unwrap_or("crun").to_owned(), toml::Table::new().into());
    }
    all
}

fn runtime_path(node: &Node, name: &str, handler: &toml::Value) -> Option<String> {
    let path = handler.get("runtime_path").and_then(|path| path.as_str());
    path.filter(|path| !path.is_empty()).map(str::to_owned).or_else(|| node.program(name))
}

/// Handlers of virtual machines and pods have a shim of their own in place of an OCI runtime.
fn is_oci(handler: &toml::Value) -> bool {
    handler
        .get("runtime_type")
        .and_then(|kind| kind.as_str())
        .is_none_or(|kind| kind.is_empty() || kind == "oci")
}

impl Adapter for Crio {
    fn name(&self) -> &'static str {
        "crio"
    }

    fn program(&self) -> &'static str {
        "crio"
    }

    fn usual(&self) -> Via {
        Via::Hook
    }

    fn plan(&self, node: &Node, via: Via) -> Result<Plan, String> {
        let mut documents = documents(node)?;
        documents.retain(|(path, _)| path != DROP_IN);
        let mut plan = Plan::default();
        if via == Via::Hook {
            let directories = hooks_dir::configured(&documents, &["crio", "runtime"]);
            plan.file(hooks_dir::own_file(&directories), hooks_dir::text(node), 0o644);
            plan.note(
                "CRI-O watches the directory: the hook is in force from the next container on",
            );
            return Ok(plan);
        }
        let mut ours = toml::Table::new();
        for (name, handler) in handlers(&documents) {
            let Some(path) = runtime_path(node, &name, &handler).filter(|_| is_oci(&handler))
            else {
                plan.note(format!("the handler {name} has no OCI runtime here and is left alone"));
                continue;
            };
            let script = format!("/etc/imgcompat/runtimes/crio-{name}");
            let mut table = handler.as_table().cloned().unwrap_or_default();
            table.insert("runtime_path".to_owned(), script.clone().into());
            plan.file(script, node.script(&path), 0o755);
            ours.insert(name, table.into());
        }
        if ours.is_empty() {
            return Ok(plan);
        }
        let nested = |key: &str, inner: toml::Table| {
            toml::Table::from_iter([(key.to_owned(), inner.into())])
        };
        let document = nested("crio", nested("runtime", nested("runtimes", ours)));
        let text = toml::to_string(&document).map_err(|error| error.to_string())?;
        plan.file(
            DROP_IN,
            format!("# Made by imgcompat enable; imgcompat disable crio removes it.\n{text}"),
            0o644,
        );
        Ok(plan)
    }

    fn own_files(&self, node: &Node) -> Vec<String> {
        vec![hooks_dir::own_file(&hook_directories(node))]
    }

    fn effects(&self, node: &Node) -> Vec<Effect> {
        let documents = match documents(node) {
            Ok(documents) => documents,
            Err(detail) => return vec![Effect { handler: "all".to_owned(), via: None, detail }],
        };
        let directories = hooks_dir::configured(&documents, &["crio", "runtime"]);
        let effect = |(name, handler): (String, toml::Value)| {
            let path = runtime_path(node, &name, &handler).filter(|path| node.is_ours(path));
            match path {
                Some(detail) => Effect { handler: name, via: Some(Via::Wrapper), detail },
                None => by_hook_directories(node, name, &directories),
            }
        };
        handlers(&documents).into_iter().map(effect).collect()
    }

    fn service(&self) -> Option<&'static str> {
        Some("crio")
    }

    /// It watches hook directories, and runs scripts whenever it starts a container.
    fn read_at_start(&self, path: &str) -> bool {
        path.starts_with("/etc/crio/")
    }
}

/// A text under `[crio]`, or one of its tables, of the last file that has it.
fn setting(node: &Node, table: Option<&str>, key: &str) -> Option<String> {
    let documents = documents(node).ok()?;
    documents.iter().rev().find_map(|(_, document)| {
        let crio = document.get("crio")?;
        let at = table.map_or(Some(crio), |table| crio.get(table))?;
        let text = at.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    })
}

/// Where CRI-O listens.
pub fn socket(node: &Node) -> String {
    setting(node, Some("api"), "listen").unwrap_or_else(|| "/var/run/crio/crio.sock".to_owned())
}

/// Where CRI-O's images are, as `containers-storage:` names have it: `[driver@root+runroot]`.
pub fn storage(node: &Node) -> String {
    let of = |key, usual: &str| setting(node, None, key).unwrap_or_else(|| usual.to_owned());
    let driver = of("storage_driver", "overlay");
    let root = of("root", "/var/lib/containers/storage");
    format!("[{driver}@{root}+{}]", of("runroot", "/run/containers/storage"))
}

/// The hook directories that CRI-O reads.
pub fn hook_directories(node: &Node) -> Vec<String> {
    documents(node).map(|d| hooks_dir::configured(&d, &["crio", "runtime"])).unwrap_or_default()
}
