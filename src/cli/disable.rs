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
    let naming = undone.keep_named(&node, &adapter.others_files(&node));
    let scripts = undone.take_scripts();
    let own = own_files(adapter, &node, &undone)?;
    let disabling = Disabling { adapter, node: &node, ledger: &ledger, dry_run: args.dry_run };
    disabling.undo(&undone, &own)?;
    super::print(&disabling.said(&undone, &own, &naming))?;
    let waiting = is_read_at_start(adapter, &undone.changes)
        || running::is_older_than_its_configuration(&node, adapter).is_some();
    restart(adapter, !args.dry_run && waiting, args.restart && node.is_running())?;
    super::print(&disabling.remove_scripts(&scripts)?)?;
    drop(lock);
    let changed = [&undone.changes, &scripts.changes, &own].iter().any(|list| !list.is_empty());
    let left_alone = !undone.changed_since.is_empty() || !naming.is_empty();
    let nothing = !changed && !left_alone && !waiting && undone.links.is_empty();
    let still_called = nothing && still_calls_us(adapter, &node)?;
    Ok(ExitCode::from(u8::from(left_alone || still_called)))
}

/// One run of `disable`.
struct Disabling<'a> {
    adapter: &'a dyn Adapter,
    node: &'a Node,
    ledger: &'a Ledger,
    dry_run: bool,
}

impl Disabling<'_> {
    /// Everything but the scripts. The record stays for now: who removes the programs sees by it that they are called.
    fn undo(&self, undone: &Undone, own: &[Change]) -> Result<(), super::Failure> {
        if self.dry_run {
            return Ok(());
        }
        self.ledger.restore(self.node, self.adapter.name(), undone, true).map_err(failed)?;
        own.iter().try_for_each(|change| put(self.node, change, 0o644)).map_err(failed)
    }

    /// What was done, and what is left to do. `naming`: files of others that name what we made.
    fn said(&self, undone: &Undone, own: &[Change], naming: &[String]) -> String {
        let mut text = shown(&undone.changes, self.dry_run);
        text.push_str(&shown(own, self.dry_run));
        for link in &undone.links {
            let _ = writeln!(text, "{:10} {link}", "removed");
        }
        for file in &undone.changed_since {
            text.push_str(&self.left_alone(file));
        }
        for file in &undone.needed {
            let _ = writeln!(
                text,
                "kept       {file}, until no file names it any more: then imgcompat disable again"
            );
        }
        for file in naming {
            let lines = our_lines(self.node, file);
            let _ = writeln!(
                text,
                "{file} still names what imgcompat made. Take these lines out of it:\n{lines}"
            );
        }
        for other in also_reading(self.adapter, self.node, undone.changes.iter().chain(own)) {
            let _ = writeln!(
                text,
                "note: {other} read the same file, and does not call imgcompat any more either"
            );
        }
        text
    }

    /// What a person does with a file that somebody else changed too.
    fn left_alone(&self, file: &str) -> String {
        let mut text = format!(
            "{file} was changed after imgcompat had changed it, and is left alone. Take these lines out of it:\n{}\n",
            our_lines(self.node, file)
        );
        let lost = self.ledger.lost_lines(self.node, file);
        if !lost.is_empty() {
            text.push_str("Before imgcompat it had these, which may have to come back:\n");
            lost.iter().for_each(|line| text.extend([line, "\n"]));
            text.push('\n');
        }
        text
    }

    /// Removes the scripts, unless a daemon may still run them, and with them the record of what was changed.
    fn remove_scripts(&self, scripts: &Undone) -> Result<String, super::Failure> {
        let name = self.adapter.name();
        let called = !self.ledger.is_empty()
            && !self.dry_run
            && running::may_call_us(self.node, self.adapter);
        if called && !scripts.changes.is_empty() {
            return Ok(format!(
                "{} stays until {name} was restarted, which runs what is there; then: imgcompat disable {name}\n",
                ledger::SCRIPTS
            ));
        }
        if !self.dry_run {
            self.ledger.restore(self.node, name, scripts, called).map_err(failed)?;
        }
        Ok(shown(&scripts.changes, self.dry_run))
    }
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
