//! How subcommands print, and where those that look at a node find its files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, Outcome};

/// Arguments of `why` and `doctor`.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl Output {
    /// Prints a result: as JSON on one line, or as what `text` says of it.
    pub fn print(self, result: &impl Serialize, text: impl FnOnce() -> String) -> Outcome {
        let printed = match self {
            Output::Json => serde_json::to_string(result).map_err(|error| {
                Failure::undecided(format!("the result cannot be printed: {error}"))
            })?,
            Output::Text => text(),
        };
        super::print(&format!("{printed}\n"))
    }
}
