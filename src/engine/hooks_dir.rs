//! The hook directories of podman and CRI-O, and our file in them.
//!
//! Source: containers-common's `oci-hooks(5)`, `containers.conf(5)` (`hooks_dir` under `[engine]`), `crio.conf(5)`
//! (`hooks_dir` under `[crio.runtime]`). One directory is the default; a list in the configuration replaces it.

use serde::Deserialize;

use super::node::Node;

/// The default directory.
pub const DEFAULT: &str = "/usr/share/containers/oci/hooks.d";
/// Our file's name.
pub const FILE: &str = "imgcompat.json";
/// The file as it is shipped.
const SHIPPED: &str = include_str!("../../hooks.d/imgcompat.json");

/// One hook directory of an engine, as `doctor` looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDirectory {
    /// The directory.
    pub path: String,
    /// The program that our file there names; none if there is no such file.
    pub program: Option<String>,
    /// Files there that are not valid, with what is wrong with them: they stop every start.
    pub broken: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct HookFile {
    hook: Hook,
}

#[derive(Deserialize)]
struct Hook {
    path: String,
}

/// Our file's text for this node.
pub fn text(node: &Node) -> String {
    let arguments: Vec<String> =
        node.hook_arguments().iter().map(|word| format!("{word:?}")).collect();
    SHIPPED
        .replace("\"/usr/libexec/imgcompat/imgcompat-hook\"", &format!("{:?}", node.hook()))
        .replace("[\"imgcompat-hook\"]", &format!("[{}]", arguments.join(", ")))
}

impl HookDirectory {
    /// What is in a hook directory.
    pub fn of(node: &Node, directory: &str) -> Self {
        look(node, directory)
    }
}

/// What is in a hook directory.
pub fn look(node: &Node, directory: &str) -> HookDirectory {
    let mut found = HookDirectory { path: directory.to_owned(), program: None, broken: Vec::new() };
    for file in node.drop_ins(directory, "json") {
        let text = node.current(&file).map(Option::unwrap_or_default);
        let parsed = text.and_then(|text| {
            serde_json::from_str::<HookFile>(&text).map_err(|error| error.to_string())
        });
        match parsed {
            Ok(parsed) if file.ends_with(&format!("/{FILE}")) => {
                found.program = Some(parsed.hook.path)
            }
            Ok(_) => {}
            Err(problem) => found.broken.push((file, problem)),
        }
    }
    found
}

/// The directories that the last of several configuration files names, else the default.
pub fn configured(texts: &[(String, toml::Table)], table: &[&str]) -> Vec<String> {
    let of_file = |document: &toml::Table| {
        let mut at = document;
        for name in table {
            at = at.get(*name)?.as_table()?;
        }
        let list = at.get("hooks_dir")?.as_array()?;
        Some(list.iter().filter_map(|d| d.as_str().map(str::to_owned)).collect::<Vec<_>>())
    };
    let last = texts.iter().rev().find_map(|(_, document)| of_file(document));
    last.filter(|list| !list.is_empty()).unwrap_or_else(|| vec![DEFAULT.to_owned()])
}

/// Where our file goes: the default directory if it is read, else the first that is.
pub fn own_file(directories: &[String]) -> String {
    let default = directories.iter().find(|directory| directory.as_str() == DEFAULT);
    let directory = default.or_else(|| directories.first()).map_or(DEFAULT, String::as_str);
    format!("{}/{FILE}", directory.trim_end_matches('/'))
}
