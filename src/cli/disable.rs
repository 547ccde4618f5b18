//! `imgcompat disable ENGINE`: puts an engine's configuration back as it was before `enable`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::Outcome;
use super::enable::{adapter, failed, is_read_at_start, node, restart, shown};
use crate::doctor::running;
use crate::engine::ledger::{self, Change, Ledger, Undone, put};
use crate::engine::{Adapter, ENGINES, Node};

/// Arguments of `disable`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 done, though the service may have to be restarted; 1 not done, or a part is left for you to take out; 2 usage error"
)]
pub struct Args {
    /// podman, crio, containerd, docker or nerdctl
    #[arg(value_name = "ENGINE")]
    engine: String,
    /// Show what would change, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Restart the engine's service if its configuration changed
    #[arg(long)]
    restart: bool,
    /// The node's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// Runs `disable`. Exit code 1: something is left for a person to do.
pub fn run(args: &Args) -> Outcome {
    let adapter = adapter(&args.engine)?;
    let node = node(&args.root);
    let lock = (!args.dry_run).then(|| ledger::lock(&node)).transpose().map_err(failed)?;
    let ledger = Ledger::load(&node, adapter.name()).map_err(failed)?;
    let mut undone = ledger.undo(&node).map_err(failed)?;
    let others = undone.keep_named(&node, &adapter.others_files(&node));
    let scripts = undone.take_scripts();
    let own = own_files(adapter, &node, &undone)?;
    if !args.dry_run {
        ledger.restore(&node, adapter.name(), &undone, true).map_err(failed)?;
        own.iter().try_for_each(|change| put(&node, change, 0o644)).map_err(failed)?;
    }
    let mut text = said(&node, &ledger, &undone, &own, args.dry_run);
    for file in &others {
        let lines = our_lines(&node, file);
        let _ = writeln!(
            text,
            "{file} still names what imgcompat made. Take these lines out of it:\n{lines}"
        );
    }
    for other in also_reading(adapter, &node, undone.changes.iter().chain(&own)) {
        let _ = writeln!(
            text,
            "note: {other} read the same file, and does not call imgcompat any more either"
        );
    }
    super::print(&text)?;
    let waiting = is_read_at_start(adapter, &undone.changes)
        || running::is_older_than_its_configuration(&node, adapter).is_some();
    restart(adapter, !args.dry_run && waiting, args.restart && node.is_running())?;
    // The record stays too: who removes the programs sees by it that they are still called.
    let called = !ledger.is_empty() && !args.dry_run && running::may_call_us(&node, adapter);
    if called && !scripts.changes.is_empty() {
        super::print(&format!(
            "{} stays until {name} was restarted, which runs what is there; then: imgcompat disable {name}\n",
            ledger::SCRIPTS,
            name = adapter.name()
        ))?;
    } else {
        if !args.dry_run {
            ledger.restore(&node, adapter.name(), &scripts, called).map_err(failed)?;
        }
        super::print(&shown(&scripts.changes, args.dry_run))?;
    }
    drop(lock);
    let nothing =
        [&undone.changes, &scripts.changes, &own].iter().all(|changes| changes.is_empty());
    let nothing = nothing
        && !waiting
        && [&undone.links, &undone.changed_since, &others].iter().all(|list| list.is_empty());
    let left = nothing && still_calls_us(adapter, &node)?;
    Ok(ExitCode::from(u8::from(left || !undone.changed_since.is_empty() || !others.is_empty())))
}

/// Engines here that read a removed file of ours too: podman and CRI-O share a hook directory.
fn also_reading<'a>(
    adapter: &dyn Adapter,
    node: &Node,
    changes: impl Iterator<Item = &'a Change>,
) -> Vec<&'static str> {
    let gone: Vec<&str> = changes
        .filter(|change| change.after.is_none())
        .map(|change| change.path.as_str())
        .collect();
    let others = ENGINES.iter().filter(|other| other.name() != adapter.name());
    let here = others.filter(|other| node.program(other.program()).is_some());
    let reading =
        here.filter(|other| other.own_files(node).iter().any(|file| gone.contains(&file.as_str())));
    reading.map(|other| other.name()).collect()
}

/// What was done, and what is left to do.
fn said(node: &Node, ledger: &Ledger, undone: &Undone, own: &[Change], dry_run: bool) -> String {
    let mut text = shown(&undone.changes, dry_run);
    text.push_str(&shown(own, dry_run));
    for link in &undone.links {
        let _ = writeln!(text, "{:10} {link}", "removed");
    }
    for file in &undone.changed_since {
        let _ = writeln!(
            text,
            "{file} was changed after imgcompat had changed it, and is left alone. Take these lines out of it:\n{}",
            our_lines(node, file)
        );
        let lost: String =
            ledger.lost_lines(node, file).iter().map(|line| format!("{line}\n")).collect();
        if !lost.is_empty() {
            let _ = writeln!(
                text,
                "Before imgcompat it had these, which may have to come back:\n{lost}"
            );
        }
    }
    for file in &undone.needed {
        let _ = writeln!(
            text,
            "kept       {file}, until no file names it any more: then imgcompat disable again"
        );
    }
    text
}

/// Where nothing is on record: is that right? The record may be lost, and then nobody but a person can undo it.
fn still_calls_us(adapter: &dyn Adapter, node: &Node) -> Result<bool, super::Failure> {
    let name = adapter.name();
    let effects = adapter.effects(node);
    let calling: Vec<String> =
        effects.into_iter().filter(|effect| effect.via.is_some()).map(|e| e.handler).collect();
    if calling.is_empty() {
        super::print(&format!("unchanged  {name} was not enabled\n"))?;
        return Ok(false);
    }
    super::print(&format!(
        "{name} calls imgcompat ({}), but what it was before is not on record in /var/lib/imgcompat: take the lines that name imgcompat out of its configuration by hand\n",
        calling.join(", ")
    ))?;
    Ok(true)
}

/// Files that are ours alone and that an installer made; those of others are left.
fn own_files(
    adapter: &dyn Adapter,
    node: &Node,
    undone: &Undone,
) -> Result<Vec<Change>, super::Failure> {
    let mut changes = Vec::new();
    for path in adapter.own_files(node) {
        let before = node.current(&path).map_err(failed)?;
        let ours = before.as_ref().is_some_and(|text| text.contains("imgcompat-hook"));
        if ours && !undone.changes.iter().any(|change| change.path == path) {
            changes.push(Change { path, before, after: None });
        }
    }
    Ok(changes)
}

fn our_lines(node: &Node, file: &str) -> String {
    let text = node.current(file).ok().flatten().unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("imgcompat"))
        .map(|line| format!("  {line}\n"))
        .collect()
}
