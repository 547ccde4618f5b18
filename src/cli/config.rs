//! `imgcompat config check|show`: the policy as the hook will read it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::{Failure, Outcome};
use crate::paths::Paths;
use crate::policy::config::{EffectivePolicy, Outcomes};
use crate::policy::{Action, DEFAULTS, Policy, decide};
use crate::verdict::Verdict;

/// Arguments of `config`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Exit codes: 0 the policy can be read, 1 it cannot, 2 usage error")]
pub struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, global = true, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read all policy files; say what is wrong, with file, line and column
    Check,
    /// Print the policy that results from all files
    Show,
}

/// Runs `config`. Exit code 1: the configuration cannot be used.
pub fn run(args: &Args) -> Outcome {
    let policy = match Policy::load(&Paths::below(&args.root)) {
        Ok(policy) => policy,
        Err(error) => return Err(Failure { message: error.to_string(), code: 1 }),
    };
    match args.command {
        ConfigCommand::Check => super::print(&format!("{}\n", read_from(&policy)))?,
        ConfigCommand::Show => {
            let text = toml::to_string(&with_defaults(policy.clone())?).map_err(|error| {
                Failure::undecided(format!("the policy cannot be shown: {error}"))
            })?;
            super::print(&format!("# {}\n{text}", read_from(&policy)))?
        }
    };
    Ok(ExitCode::SUCCESS)
}

/// The policy with an action for every outcome, those of the profile where nobody set one.
fn with_defaults(policy: Policy) -> Result<Policy, Failure> {
    let unset = EffectivePolicy { profile: policy.profile, ..EffectivePolicy::default() };
    let action = |verdict: Verdict| decide(verdict, &unset).under_enforce;
    let mut on: BTreeMap<String, Action> = DEFAULTS
        .iter()
        .map(|(verdict, _)| (verdict.outcome().to_owned(), action(*verdict)))
        .collect();
    on.extend(BTreeMap::from(policy.on.clone()));
    Ok(Policy { on: Outcomes::try_from(on).map_err(Failure::undecided)?, ..policy })
}

fn read_from(policy: &Policy) -> String {
    if policy.files.is_empty() {
        return "ok: there are no policy files; the defaults apply".to_owned();
    }
    let files: Vec<String> = policy.files.iter().map(|file| file.display().to_string()).collect();
    format!("ok: {}", files.join(", "))
}
