//! `imgcompat doctor`: whether imgcompat works on this node, and what to do where it does not.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};

use super::{Failure, Outcome};
use crate::doctor::{self, Finding, Level};
use crate::paths::Paths;

/// Arguments of `doctor`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Also start a throw-away container, to see that the hook is really called
    #[arg(long)]
    probe: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The node's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// Forms of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For monitoring: a list of findings.
    Json,
}

/// Runs `doctor`. Exit code 1: there is a problem.
pub fn run(args: &Args) -> Outcome {
    let node = super::enable::node(&args.root);
    let paths = Paths::below(&args.root);
    let mut findings = doctor::examine(&node, &paths);
    if args.probe {
        findings.extend(doctor::probe::examine(&node, &paths));
    }
    let text = match args.output {
        Output::Text => text(&findings),
        Output::Json => {
            let json = serde_json::to_string_pretty(&findings);
            json.map(|json| format!("{json}\n")).map_err(|e| Failure::undecided(e.to_string()))?
        }
    };
    super::print(&text)?;
    let problem = findings.iter().any(|finding| finding.level == Level::Problem);
    Ok(ExitCode::from(u8::from(problem)))
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(
            text,
            "{:8} {:15} {}",
            finding.level.as_str(),
            finding.subject,
            finding.finding
        );
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "{:8} {:15} -> {remedy}", "", "");
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (warnings, problems) = (count(Level::Warning), count(Level::Problem));
    let _ = writeln!(text, "{problems} problems, {warnings} warnings");
    text
}
