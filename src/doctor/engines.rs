//! Each engine found: whether every way of starting containers calls us.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::Finding;
use super::running::is_older_than_its_configuration;
use crate::engine::{self, Adapter, Effect, HookDirectory, Node, Via, crio, podman};
use crate::sanitize;

/// Longest version shown.
const VERSION_BYTES: usize = 80;

/// The engines that are installed, and those that call us although their usual program is not where it is looked for.
pub fn present(node: &Node) -> Vec<&'static dyn Adapter> {
    let enabled = |engine: &dyn Adapter| engine.effects(node).iter().any(|e| e.via.is_some());
    let engines = engine::ENGINES.iter().copied();
    let installed = |engine: &&'static dyn Adapter| {
        let program = node.program(engine.program()).is_some();
        program || (engine.name() == "nerdctl" && enabled(*engine))
    };
    engines.filter(installed).collect()
}

/// True if every start by this engine calls us, and the program that it calls can run.
pub fn is_judged(node: &Node, engine: &dyn Adapter) -> bool {
    let effects = engine.effects(node);
    let judged =
        |effect: &Effect| effect.via.is_some_and(|via| trouble(node, effect, via).is_none());
    !effects.is_empty() && effects.iter().all(judged)
}

/// Looks at the engines that are installed.
pub fn examine(node: &Node) -> Vec<Finding> {
    let installed = present(node);
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
    let effects = engine.effects(node);
    for effect in &effects {
        findings.push(match effect.via {
            Some(via) => called(node, name, effect, via),
            None => Finding::problem(
                name,
                format!("{}: its containers are not judged: {}", effect.handler, effect.detail),
                format!("imgcompat enable {name}"),
            ),
        });
    }
    if effects.is_empty() {
        findings.push(Finding::ok(name, "has no handlers: it starts no containers of its own"));
    }
    findings.extend(is_older_than_its_configuration(node, engine));
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

/// A handler calls us; but can the program that it calls there be run?
fn called(node: &Node, engine: &str, effect: &Effect, via: Via) -> Finding {
    let (handler, program) = (&effect.handler, &effect.detail);
    if let Some((program, problem)) = trouble(node, effect, via) {
        // podman skips a hook file whose program is missing (containers-common pkg/hooks, `New`). So does CRI-O when it
        // reads the directory, but it keeps what it has read before. All else is the runtime's to run, and what it
        // cannot run ends the start.
        let then = match engine {
            "podman" if problem == MISSING && via == Via::Hook => "everything starts unjudged",
            "crio" if problem == MISSING && via == Via::Hook => {
                "nothing starts until CRI-O reads its hooks again, and from then on everything starts unjudged"
            }
            _ => "nothing starts",
        };
        let finding = format!("{handler}: {program}, which it is told to call, {problem}: {then}");
        return Finding::problem(engine, finding, "sudo ./install.sh");
    }
    let how = match via {
        Via::Hook => "the hook",
        Via::Wrapper => "the wrapper runtime",
    };
    if via == Via::Hook && *program != node.hook() {
        let finding = format!(
            "{handler}: judged by the hook {program}, which is not the installed {}",
            node.hook()
        );
        return Finding::warning(engine, finding, format!("imgcompat enable {engine}"));
    }
    Finding::ok(engine, format!("{handler}: judged by {how}, {program}"))
}

const MISSING: &str = "is missing";

/// The first program on the way that cannot be run, and why. A script of ours leads on to the wrapper.
fn trouble(node: &Node, effect: &Effect, via: Via) -> Option<(String, &'static str)> {
    let wrapper = (via == Via::Wrapper).then(|| node.wrapper());
    let mut programs = [effect.detail.clone()].into_iter().chain(wrapper);
    programs.find_map(|program| cannot_run(node, &program).map(|problem| (program, problem)))
}

fn cannot_run(node: &Node, program: &str) -> Option<&'static str> {
    match std::fs::metadata(node.at(program)) {
        Ok(metadata) if !metadata.is_file() => Some("is no file"),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => Some("is not executable"),
        Ok(_) => None,
        Err(_) => Some(MISSING),
    }
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
