//! `imgcompat disable ENGINE`: puts an engine's configuration back as it was before `enable`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::Outcome;
use super::enable::{adapter, failed, is_read_at_start, node, restart, shown};
use crate::engine::ledger::{Change, Ledger, put};
use crate::engine::{Adapter, Node};

/// Arguments of `disable`.
#[derive(Debug, ClapArgs)]
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
    let ledger = Ledger::load(&node, adapter.name()).map_err(failed)?;
    let undone = ledger.undo(&node).map_err(failed)?;
    let own = own_files(adapter, &node, &undone.changes)?;
    if !args.dry_run {
        ledger.restore(&node, adapter.name(), &undone).map_err(failed)?;
        own.iter().try_for_each(|change| put(&node, change, 0o644)).map_err(failed)?;
    }
    let mut text = shown(&undone.changes, args.dry_run);
    text.push_str(&shown(&own, args.dry_run));
    for link in &undone.links {
        let _ = writeln!(text, "{:10} {link}", "removed");
    }
    let nothing = undone.changes.is_empty() && own.is_empty() && undone.links.is_empty();
    if nothing && undone.changed_since.is_empty() {
        let _ = writeln!(text, "unchanged  {} was not enabled", adapter.name());
    }
    for file in &undone.changed_since {
        let _ = writeln!(
            text,
            "{file} was changed after imgcompat had changed it, and is left alone. Take these lines out of it:\n{}",
            our_lines(&node, file)
        );
    }
    super::print(&text)?;
    let changed = !args.dry_run && is_read_at_start(adapter, &undone.changes);
    restart(adapter, changed, args.restart && node.is_running())?;
    Ok(ExitCode::from(u8::from(!undone.changed_since.is_empty())))
}

/// Files that are ours alone and that an installer made; those of others are left.
fn own_files(
    adapter: &dyn Adapter,
    node: &Node,
    undone: &[Change],
) -> Result<Vec<Change>, super::Failure> {
    let mut changes = Vec::new();
    for path in adapter.own_files(node) {
        let before = node.current(&path).map_err(failed)?;
        let ours = before.as_ref().is_some_and(|text| text.contains("imgcompat-hook"));
        if ours && !undone.iter().any(|change| change.path == path) {
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
