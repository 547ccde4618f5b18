//! Each engine found: whether every way of starting containers calls us.

use std::process::Command;

use super::Finding;
use crate::audit::sanitize;
use crate::engine::{self, Adapter, HookDirectory, Node, Via, crio, podman};

/// Longest version shown.
const VERSION_BYTES: usize = 80;

/// Looks at the engines that are installed.
pub fn examine(node: &Node) -> Vec<Finding> {
    let installed: Vec<&dyn Adapter> = engine::ENGINES
        .iter()
        .copied()
        .filter(|engine| node.program(engine.program()).is_some())
        .collect();
    if installed.is_empty() {
        let names: Vec<&str> = engine::ENGINES.iter().map(|engine| engine.name()).collect();
        let finding = format!("none of {} is installed here", names.join(", "));
        return vec![Finding::warning(
            "engines",
            finding,
            "run doctor on the node, not in a container",
        )];
    }
    installed.into_iter().flat_map(|engine| one(node, engine)).collect()
}

fn one(node: &Node, engine: &dyn Adapter) -> Vec<Finding> {
    let name = engine.name();
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(version) = version(node, engine) {
        findings.push(Finding::ok(name, version));
    }
    for effect in engine.effects(node) {
        findings.push(match effect.via {
            Some(via) => called(node, name, &effect.handler, via, &effect.detail),
            None => Finding::problem(
                name,
                format!("{}: its containers are not judged: {}", effect.handler, effect.detail),
                format!("imgcompat enable {name}"),
            ),
        });
    }
    let read = match name {
        "podman" => podman::hook_directories(node),
        "crio" => crio::hook_directories(node),
        _ => return findings,
    };
    for directory in &read {
        findings.extend(broken(name, &HookDirectory::of(node, directory)));
    }
    findings.extend(unread(node, name, &read));
    findings
}

/// A handler calls us; but is the program that it calls there?
fn called(node: &Node, engine: &str, handler: &str, via: Via, program: &str) -> Finding {
    if !node.at(program).is_file() {
        let finding = format!(
            "{handler}: {program}, which it is told to call, is missing: {}",
            match via {
                Via::Hook => "everything starts unjudged",
                Via::Wrapper => "nothing starts",
            }
        );
        return Finding::problem(engine, finding, "sudo ./install.sh");
    }
    let how = match via {
        Via::Hook => "the hook",
        Via::Wrapper => "the wrapper runtime",
    };
    if via == Via::Hook && program != node.hook() {
        let finding = format!(
            "{handler}: judged by the hook {program}, which is not the installed {}",
            node.hook()
        );
        return Finding::warning(engine, finding, format!("imgcompat enable {engine}"));
    }
    Finding::ok(engine, format!("{handler}: judged by {how}, {program}"))
}

/// Files that stop every start.
fn broken(engine: &str, directory: &HookDirectory) -> Vec<Finding> {
    let finding = |(file, problem): &(String, String)| {
        let problem = sanitize::bounded_line(problem, 200);
        let text = format!(
            "{file} is no valid hook file, and {engine} refuses every start because of it: {problem}"
        );
        Finding::problem(engine, text, format!("mv {file} {file}.broken"))
    };
    directory.broken.iter().map(finding).collect()
}

/// Our file in a directory that the engine does not read says nothing.
fn unread(node: &Node, engine: &str, read: &[String]) -> Option<Finding> {
    let usual = ["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"];
    let unread = usual.iter().find(|directory| {
        !read.iter().any(|known| known.trim_end_matches('/') == **directory)
            && HookDirectory::of(node, directory).program.is_some()
    })?;
    let finding = format!("{unread} has our file, but {engine} reads {} only", read.join(", "));
    Some(Finding::warning(engine, finding, format!("imgcompat enable {engine}")))
}

/// What the engine says of itself; a tree that stands for a node is not executed.
fn version(node: &Node, engine: &dyn Adapter) -> Option<String> {
    let program = node.program(engine.program()).filter(|_| node.is_running())?;
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| sanitize::bounded_line(line, VERSION_BYTES))
}
