//! `imgcompat export features|labels`: what this program, and NFD, would see of a host, as NFD's JSON.
//!
//! The text is exactly that of `nfd export`: sorted keys, four spaces, a newline at the end on a terminal and none in a
//! file. `--features` of other subcommands reads it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{Failure, Outcome};
use crate::host::{Host, labels};

/// Export what a host has, as JSON in the format of `nfd export`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is exported can be judged elsewhere: imgcompat validate-node --features FILE.\n\n\
    Examples:\n  \
    imgcompat export features --path features.json\n  \
    imgcompat export labels"
)]
pub struct Export {
    /// What to export.
    #[arg(value_enum)]
    what: What,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// Where the host's files are: a directory that holds proc, sys ..., or the start of paths such as /host-sys
    /// [default: /, or /host- where /host-sys is mounted, as in NFD's images]
    #[arg(long, value_name = "PREFIX")]
    host_root: Option<String>,
}

/// What `export` can write.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// All features that rules can name.
    Features,
    /// The node labels that NFD makes of them.
    Labels,
}

/// Runs `imgcompat export`.
pub fn run(arguments: &Export) -> Outcome {
    let host = Host::new(super::host_root(arguments.host_root.as_deref())?);
    let text = match arguments.what {
        What::Features => json(&host.export()),
        What::Labels => json(&labels::labels(&host)),
    };
    let text = text.map_err(|error| Failure::undecided(format!("export: {error}")))?;
    match &arguments.path {
        None => {
            super::print(&format!("{text}\n"))?;
        }
        Some(path) => fs::write(path, text).map_err(|error| {
            Failure::undecided(format!("cannot write {}: {error}", path.display()))
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON as Go's `json.MarshalIndent` writes it with four spaces, which escapes what is special in
/// HTML, and what is not UTF-8.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
    let mut escaped = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(&text).chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{fffd}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Attributes;

    #[test]
    fn text_is_what_go_writes() {
        let value = Attributes::from([("a".to_owned(), "<&>\"\u{2028}\n".to_owned())]);
        let wanted = "{\n    \"a\": \"\\u003c\\u0026\\u003e\\\"\\u2028\\n\"\n}";
        assert_eq!(json(&value).unwrap(), wanted);
        assert_eq!(json(&Attributes::new()).unwrap(), "{}");
    }
}
