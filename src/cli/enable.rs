//! `imgcompat enable ENGINE`: has an engine call imgcompat at every start.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};

use super::{Failure, Outcome};
use crate::doctor::running;
use crate::engine::ledger::{self, Change, Ledger};
use crate::engine::{self, Adapter, Node, Plan, plan};

/// Arguments of `enable`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Nothing is restarted unless --restart is given.\n\n\
    Exit codes: 0 done, though the service may have to be restarted; 1 not done, or a part is left for you to write; 2 usage error\n\n\
    Examples:\n  \
    imgcompat enable podman\n  \
    imgcompat enable containerd --dry-run\n  \
    imgcompat enable crio --via wrapper")]
pub struct Args {
    /// podman, crio, containerd, docker or nerdctl
    #[arg(value_name = "ENGINE")]
    engine: String,
    /// As an OCI hook, or as the engine's runtime [default: what the engine has]
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// Show what would change, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Restart the engine's service if its configuration changed since it was started
    #[arg(long)]
    restart: bool,
    /// The node's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// Ways of being called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Via {
    /// As an OCI hook.
    Hook,
    /// As the runtime.
    Wrapper,
}

/// Runs `enable`. Exit code 1: something is left for a person to do.
pub fn run(args: &Args) -> Outcome {
    let adapter = adapter(&args.engine)?;
    let via = match args.via {
        Some(Via::Hook) => engine::Via::Hook,
        Some(Via::Wrapper) => engine::Via::Wrapper,
        None => adapter.usual(),
    };
    let node = node(&args.root);
    let lock = (!args.dry_run).then(|| ledger::lock(&node)).transpose().map_err(failed)?;
    let ledger = Ledger::load(&node, adapter.name()).map_err(failed)?;
    let without_us = ledger.without_us(&node);
    let node = node.without_us(without_us);
    let plan = adapter.plan(&node, via).map_err(failed)?;
    let changes = ledger.changes(&node, &plan).map_err(failed)?;
    if !args.dry_run {
        ledger.apply(&node, adapter.name(), &plan, &changes).map_err(failed)?;
    }
    drop(lock);
    super::print(&report(adapter, &plan, &changes, args.dry_run))?;
    // Also if it was changed earlier and the daemon has not read it since.
    let waiting = is_read_at_start(adapter, &changes)
        || running::is_older_than_its_configuration(&node, adapter).is_some();
    restart(adapter, !args.dry_run && waiting, args.restart && node.is_running())?;
    Ok(ExitCode::from(u8::from(!plan.by_hand.is_empty())))
}

pub(super) fn adapter(name: &str) -> Result<&'static dyn Adapter, Failure> {
    let names: Vec<&str> = engine::ENGINES.iter().map(|engine| engine.name()).collect();
    engine::find(name).ok_or_else(|| {
        Failure::usage(format!("there is no engine `{name}`; the engines are {}", names.join(", ")))
    })
}

pub(super) fn node(root: &Path) -> Node {
    Node::new(root, &std::env::current_exe().unwrap_or_default())
}

pub(super) fn failed(message: String) -> Failure {
    Failure { message, code: 1 }
}

fn report(adapter: &dyn Adapter, plan: &Plan, changes: &[Change], dry_run: bool) -> String {
    let mut text = shown(changes, dry_run);
    for (link, target) in &plan.links {
        let _ = writeln!(text, "link       {link} -> {target}");
    }
    if changes.is_empty() && plan.links.is_empty() && plan.by_hand.is_empty() {
        let done = !plan.files.is_empty();
        let what =
            if done { "is enabled already" } else { "has nothing that could call imgcompat" };
        let _ = writeln!(text, "unchanged  {} {what}", adapter.name());
    }
    for left in &plan.by_hand {
        let _ = writeln!(
            text,
            "\n{} is left alone: {}.\nAdd these lines to it:\n\n{}",
            left.file, left.reason, left.lines
        );
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// The changes: the whole difference if nothing was done yet, else one line each.
pub(super) fn shown(changes: &[Change], dry_run: bool) -> String {
    let mut text = String::new();
    for change in changes {
        if dry_run {
            text.push_str(&plan::diff(
                &change.path,
                change.before.as_deref(),
                change.after.as_deref(),
            ));
            continue;
        }
        let word = match (&change.before, &change.after) {
            (_, None) => "removed",
            (None, _) => "made",
            _ => "changed",
        };
        let _ = writeln!(text, "{word:10} {}", change.path);
    }
    text
}

/// True if the engine's service has to be restarted for a change to count.
pub(super) fn is_read_at_start(adapter: &dyn Adapter, changes: &[Change]) -> bool {
    changes.iter().any(|change| adapter.read_at_start(&change.path))
}

/// Restarts the service if that was asked for; else says that it is needed.
pub(super) fn restart(adapter: &dyn Adapter, changed: bool, wanted: bool) -> Outcome {
    let Some(service) = adapter.service().filter(|_| changed) else { return Ok(ExitCode::SUCCESS) };
    if !wanted {
        return super::print(&format!(
            "Nothing was restarted. In force once the service is: systemctl restart {service}\n"
        ));
    }
    let status = std::process::Command::new("systemctl").args(["restart", service]).status();
    match status {
        Ok(status) if status.success() => super::print(&format!("restarted  {service}\n")),
        Ok(status) => Err(failed(format!("`systemctl restart {service}` ended with {status}"))),
        Err(error) => Err(failed(format!("`systemctl restart {service}` cannot be run: {error}"))),
    }
}
