//! The command line as a whole: what was typed becomes one subcommand, its result an exit code.
//!
//! The hook's worker is recognised before the command tree is built, which costs more than the worker's own work.
//! Called by the name `nfd`, the program answers to NFD's command lines.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::{
    Failure, Outcome, allow, attach_spec, cache, config, disable, doctor, enable, export,
    list_specs, metrics, mirror, remove_spec, report, schema, validate_node, validate_spec, why,
    worker,
};

/// Holds nodes to what container images say they need: validates nodes, attaches and checks image compatibility
/// specifications (Node Feature Discovery), explains decisions.
#[derive(Debug, Parser)]
#[command(name = "imgcompat", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Say on standard error what registries are asked and what they answer
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether an image, or a specification, is compatible with this node
    ValidateNode(validate_node::Args),
    /// Check a specification for errors, and for what hardly means what its author thinks
    ValidateSpec(validate_spec::Args),
    /// Attach a specification to an image in its registry
    AttachSpec(attach_spec::Args),
    /// List the specifications attached to an image
    ListSpecs(list_specs::Args),
    /// Remove specifications from an image
    RemoveSpec(remove_spec::Args),
    /// Copy the specifications of images into a directory, for nodes that reach no registry
    Mirror(mirror::Args),
    /// Write what this node has, as NFD does
    Export(export::Export),
    /// Say why a container was refused or allowed
    Why(why::Args),
    /// Sum up the decision log: what was refused, and what enforcing would refuse
    Report(report::Args),
    /// Print figures for Prometheus, or write them for node_exporter
    Metrics(metrics::Args),
    /// Make an exception for an image, with a reason and an end
    Allow(allow::Args),
    /// Show or check the policy
    Config(config::Args),
    /// List what is remembered of registries' answers, or forget it
    Cache(cache::Args),
    /// Say whether imgcompat works on this node, and what to do where it does not
    Doctor(doctor::Args),
    /// Have a container engine call imgcompat at every start
    Enable(enable::Args),
    /// Put a container engine's configuration back as it was
    Disable(disable::Args),
    /// Print the JSON Schema of a specification, for editors
    Schema,
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The command lines of Node Feature Discovery's client
    Compat {
        #[command(subcommand)]
        command: Compat,
    },
}

#[derive(Debug, Subcommand)]
enum Compat {
    /// As `nfd compat validate-node`; with exit codes, see --nfd-exit-codes
    ValidateNode(validate_node::CompatArgs),
    /// Attach a specification to an image in its registry
    AttachSpec(attach_spec::Args),
}

/// The command line, for manual pages.
pub fn tree() -> clap::Command {
    Cli::command()
}

/// Runs the tool.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|word| word == "worker") {
        return worker::main(arguments.get(2).and_then(|word| word.to_str()));
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            let name = called_as(&arguments);
            let _ = writeln!(io::stderr(), "{name}: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// `nfd`, or `imgcompat`.
fn called_as(arguments: &[OsString]) -> &'static str {
    let program = arguments.first().map(std::path::Path::new).and_then(|path| path.file_name());
    if program.is_some_and(|name| name == "nfd") { "nfd" } else { "imgcompat" }
}

fn run(arguments: &[OsString]) -> Outcome {
    let name = called_as(arguments);
    let matches = match Cli::command().name(name).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match <Cli as clap::FromArgMatches>::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if cli.verbose {
        super::verbose::enable();
    }
    match cli.command {
        Command::ValidateNode(args) => validate_node::run(&args),
        Command::ValidateSpec(args) => validate_spec::run(&args),
        Command::AttachSpec(args) => attach_spec::run(&args),
        Command::ListSpecs(args) => list_specs::run(&args),
        Command::RemoveSpec(args) => remove_spec::run(&args),
        Command::Mirror(args) => mirror::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Allow(args) => allow::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Enable(args) => enable::run(&args),
        Command::Disable(args) => disable::run(&args),
        Command::Schema => schema::run(),
        Command::Completion { shell } => completion(shell, name),
        Command::Compat { command } => match command {
            Compat::ValidateNode(args) => validate_node::run_compat(&args),
            Compat::AttachSpec(args) => attach_spec::run(&args),
        },
    }
}

/// Help and version go to standard output with code 0, mistakes to standard error with code 2.
fn usage(error: &clap::Error) -> Outcome {
    match error.print() {
        Err(unprinted) if unprinted.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::undecided(format!("the help cannot be printed: {unprinted}")));
        }
        _ => {}
    }
    Ok(ExitCode::from(if error.use_stderr() { 2 } else { 0 }))
}

fn completion(shell: clap_complete::Shell, name: &str) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), name, &mut script);
    super::print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
