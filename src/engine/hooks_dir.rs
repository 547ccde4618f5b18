//! The hook directories of podman and CRI-O, and our file in them.
//!
//! Source: containers-common's `oci-hooks(5)`, `containers.conf(5)` (`hooks_dir` under `[engine]`), `crio.conf(5)`
//! (`hooks_dir` under `[crio.runtime]`). One directory is the default; a list in the configuration replaces it.

use serde_json::Value;

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

/// Stages that podman knows; CRI-O knows all but `precreate`.
const STAGES: [&str; 7] = [
    "createContainer",
    "createRuntime",
    "prestart",
    "poststart",
    "poststop",
    "startContainer",
    "precreate",
];

/// The program that a hook file names, or why every start fails because of it. As containers-common's `pkg/hooks` reads
/// it: version 1.0.0, and 0.1.0, which is also that of files without a version.
fn program_of(text: &str) -> Result<String, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let version = file.get("version").map_or(Some(""), Value::as_str);
    let hook = file.get("hook");
    let (program, stages) = match version {
        Some("1.0.0") => (hook.and_then(|hook| hook.get("path")), file.get("stages")),
        Some("" | "0.1.0") => (hook, file.get("stages").or_else(|| file.get("stage"))),
        _ => return Err("its version is unknown".to_owned()),
    };
    let program =
        program.and_then(Value::as_str).ok_or("it names no program in the way of its version")?;
    let stages = stages.and_then(Value::as_array).filter(|stages| !stages.is_empty());
    let stages = stages.ok_or("it has no stages")?;
    match stages.iter().find(|stage| !stage.as_str().is_some_and(|stage| STAGES.contains(&stage))) {
        Some(stage) => Err(format!("there is no stage {stage}")),
        None => Ok(program.to_owned()),
    }
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
        match text.and_then(|text| program_of(&text)) {
            Ok(program) if file.ends_with(&format!("/{FILE}")) => found.program = Some(program),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_refuses_is_told_from_what_it_takes() {
        // Each was given to podman 4.3.1.
        for text in [
            r#"{"hook":"/bin/true","stages":["prestart"],"cmds":[".*"]}"#,
            r#"{"version":"0.1.0","hook":"/bin/true","stages":["prestart"]}"#,
            r#"{"version":"1.0.0","hook":{"path":"/bin/true"},"when":{},"stages":["prestart"],"extra":1}"#,
        ] {
            assert_eq!(program_of(text).as_deref(), Ok("/bin/true"), "{text}");
        }
        for (text, problem) in [
            (r#"{"version":"2.0.0","hook":{"path":"/bin/true"},"stages":["prestart"]}"#, "version"),
            (r#"{"version":"1.0.0","hook":{"path":"/bin/true"},"stages":["bogus"]}"#, "bogus"),
            (r#"{"version":"1.0.0","hook":{"path":"/bin/true"}}"#, "no stages"),
            (r#"{"hook":{"path":"/bin/true"},"stages":["prestart"]}"#, "no program"),
            ("", "EOF"),
        ] {
            assert!(program_of(text).unwrap_err().contains(problem), "{text}");
        }
    }
}
