//! Throw-away containers, to see that imgcompat is really called and really obeyed.
//!
//! | file | what |
//! |---|---|
//! | `stage.rs` | what the probe puts on the node, and takes away again |
//! | `archive.rs` | two images in one file, made from nothing but the hook's own program |
//! | `command.rs` | programs of the engines, run with a time limit |
//! | `docker_like.rs`, `cri.rs`, `ctr.rs` | how each engine is asked for a container |
//!
//! Two images are loaded into each engine; no registry is asked. A local specification that no node satisfies speaks for
//! the one, so it must be refused, and nothing speaks for the other. What was decided stands in the decision log, what the
//! engine made of it is its exit code; only both together show that a refusal holds.

mod archive;
mod command;
mod cri;
mod ctr;
mod docker_like;
mod stage;

use super::{Finding, Level};
use crate::audit::Record;
use crate::engine::{self, Adapter, Node};
use crate::paths::Paths;
use crate::policy::{Action, Mode, Policy};
use crate::sanitize;

use command::Ended;
use stage::Stage;

/// Longest text of an engine that is shown.
const SAID: usize = 300;

/// One engine's way of starting a container.
trait Engine {
    /// Loads both images.
    fn load(&self, stage: &Stage) -> Result<(), String>;
    /// Starts a container of an image and waits for its end, or for the refusal.
    fn start(&self, stage: &Stage, image: &str) -> Result<Ended, String>;
    /// Removes everything that was made.
    fn clean(&self, stage: &Stage);
}

/// Probes every engine that is installed.
pub fn examine(node: &Node, paths: &Paths) -> Vec<Finding> {
    if !node.is_running() {
        let remedy = "run doctor --probe on the node itself";
        return vec![Finding::warning("probe", "a directory starts no containers", remedy)];
    }
    let installed = super::engines::present(node);
    if installed.is_empty() {
        return vec![Finding::warning("probe", "no engine is installed here", "imgcompat doctor")];
    }
    installed.into_iter().flat_map(|adapter| probe(node, paths, adapter)).collect()
}

fn probe(node: &Node, paths: &Paths, adapter: &dyn Adapter) -> Vec<Finding> {
    let name = adapter.name();
    let engine: Result<Box<dyn Engine>, String> = match name {
        "podman" | "docker" => docker_like::DockerLike::of(node, name).map(|e| Box::new(e) as _),
        "nerdctl" => ctr::Ctr::of(node).map(|e| Box::new(e) as _),
        _ => cri::Cri::of(node, name).map(|e| Box::new(e) as _),
    };
    let outcome = engine.and_then(|engine| {
        let stage = Stage::set(node, paths, name).map_err(|error| error.to_string())?;
        let findings = engine.load(&stage).map(|()| both(adapter, engine.as_ref(), &stage, paths));
        engine.clean(&stage);
        findings
    });
    outcome.unwrap_or_else(|problem| {
        let text = format!("{name} cannot be probed: {}", sanitize::bounded_line(&problem, SAID));
        vec![Finding::warning("probe", text, "start a container, and imgcompat why --last 1")]
    })
}

/// What must be refused first; what may start only if imgcompat is called at all.
fn both(adapter: &dyn Adapter, engine: &dyn Engine, stage: &Stage, paths: &Paths) -> Vec<Finding> {
    let refused = start(engine, stage, &stage.refused());
    let first = match &refused {
        (ended, Some(record)) => of_refused(adapter, ended, record),
        (ended, None) => of_unasked(adapter, ended, paths),
    };
    if first.level == Level::Problem || refused.1.is_none() {
        return vec![first];
    }
    let allowed = start(engine, stage, &stage.allowed());
    vec![first, of_allowed(adapter, &allowed)]
}

type Start = (Result<Ended, String>, Option<Record>);

fn start(engine: &dyn Engine, stage: &Stage, image: &str) -> Start {
    let mark = stage.log_mark();
    let ended = engine.start(stage, image);
    (ended, stage.decision_since(mark, image))
}

/// No decision was recorded.
fn of_unasked(adapter: &dyn Adapter, ended: &Result<Ended, String>, paths: &Paths) -> Finding {
    let name = adapter.name();
    let (ok, said) = outcome(ended);
    if Policy::load(paths).is_ok_and(|policy| policy.mode == Mode::Off) {
        let text = format!("{name}: mode = \"off\", so nothing is judged and nothing can be seen");
        return Finding::warning("probe", text, "imgcompat config show");
    }
    if ok {
        let text = format!(
            "{name} started a container without asking imgcompat: everything starts unjudged"
        );
        return Finding::problem("probe", text, mend(adapter));
    }
    let text = format!("{name} did not start a container, and imgcompat was not asked: {said}");
    Finding::warning("probe", text, format!("start a container by {name}"))
}

/// What was decided about the container that must be refused, and what the engine made of it.
fn of_refused(adapter: &dyn Adapter, ended: &Result<Ended, String>, record: &Record) -> Finding {
    let name = adapter.name();
    let (ok, said) = outcome(ended);
    match (record.decision, record.under_enforce) {
        (Action::Deny, _) if ok => {
            let text = format!("{name} started a container that imgcompat had refused");
            Finding::problem("probe", text, mend(adapter))
        }
        (Action::Deny, _) if record.verdict == "incompatible" => {
            let shown = said.contains("imgcompat: refused: ");
            let whole = if shown { ", and shows why" } else { "; why is in the decision log only" };
            Finding::ok("probe", format!("{name} refused what must be refused{whole}"))
        }
        (Action::Allow, Action::Deny) => {
            let text = format!(
                "{name} asks imgcompat, which refuses nothing (mode = \"{}\")",
                record.mode.as_str()
            );
            Finding::ok("probe", text)
        }
        _ => {
            let reason = sanitize::bounded_line(&record.reason, SAID);
            let text = format!(
                "{name} asks imgcompat, which took what must be refused for {}: {reason}",
                record.verdict
            );
            Finding::warning("probe", text, format!("imgcompat why {}", record.container))
        }
    }
}

fn of_allowed(adapter: &dyn Adapter, (ended, record): &Start) -> Finding {
    let name = adapter.name();
    let (ok, said) = outcome(ended);
    match record.as_ref().map(|record| (record.decision, record)) {
        Some((Action::Deny, record)) => {
            let text = format!(
                "{name} refused a container without a specification, as policy says: {}",
                record.verdict
            );
            Finding::ok("probe", text)
        }
        _ if ok => Finding::ok("probe", format!("{name} started what may start")),
        _ => {
            let text = format!("{name} did not start what imgcompat allowed: {said}");
            Finding::warning("probe", text, format!("start a container by {name}"))
        }
    }
}

/// Whether the container ran to a good end, and what the engine said.
fn outcome(ended: &Result<Ended, String>) -> (bool, String) {
    match ended {
        Ok(ended) => (ended.ok, sanitize::bounded_line(&ended.said, SAID)),
        Err(problem) => (false, sanitize::bounded_line(problem, SAID)),
    }
}

fn mend(adapter: &dyn Adapter) -> String {
    let enable = format!("imgcompat enable {}", adapter.name());
    match adapter.service() {
        Some(service) => format!("{enable}; systemctl restart {service}"),
        None => enable,
    }
}

/// The engine's socket, as its configuration has it. A client would wait for one that is not there.
fn socket(node: &Node, engine: &str) -> Result<String, String> {
    let socket = match engine {
        "crio" => engine::crio::socket(node),
        _ => engine::containerd::socket(node),
    };
    match std::os::unix::net::UnixStream::connect(node.at(&socket)) {
        Ok(_) => Ok(socket),
        Err(error) => Err(format!("{socket}: {error}")),
    }
}
