//! `imgcompat doctor`: whether imgcompat works on this node, and what to do where it does not.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::output::{NodeArgs, Output};
use super::{Failure, Outcome};
use crate::doctor::{self, Finding, Level};
use crate::paths::Paths;

/// Arguments of `doctor`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Each line begins with ok, warning or problem; a problem says what to do.\n\n\
    Exit codes: 0 no problem, 1 a problem, 2 usage error\n\n\
    Examples:\n  \
    imgcompat doctor\n  \
    imgcompat doctor --output json"
)]
pub struct Args {
    /// Also start throw-away containers by every engine that is here, to see that imgcompat is really called and obeyed
    #[arg(long)]
    probe: bool,
    /// Ask no registry
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `doctor`. Exit code 1: there is a problem.
pub fn run(args: &Args) -> Outcome {
    let node = super::enable::node(&args.node.root);
    let paths = Paths::below(&args.node.root);
    let mut findings = doctor::examine(&node, &paths, args.offline);
    if args.probe {
        findings.extend(doctor::probe::examine(&node, &paths));
    }
    let text = match args.node.output {
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
    let count = |level: Level| {
        let number = findings.iter().filter(|finding| finding.level == level).count();
        super::counted(number, level.as_str())
    };
    let _ = writeln!(text, "{}, {}", count(Level::Problem), count(Level::Warning));
    text
}
