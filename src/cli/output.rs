//! What `why` and `doctor` have in common on the command line: where the node's files are, and how to print.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of subcommands that look at a node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// The node's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    pub root: PathBuf,
}

/// Forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}
