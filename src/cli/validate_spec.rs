//! `imgcompat validate-spec`: reads a specification and says what is wrong or suspicious about it.
//!
//! The work is [`crate::spec::lint`]'s; here are the arguments, the reading, and three ways to print. Exit codes:
//! 0 for none or warnings only, 1 for errors (with `--strict` for warnings too), 2 for what cannot be read; of an
//! image, 3 if it has no specification and 4 if that cannot be found out.

mod sarif;
mod text;

use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::image_subjects::{self, failed};
use super::paint::Paint;
use super::registry_args::RegistryArgs;
use super::{Failure, Outcome, print};
use crate::artifact::check;
use crate::deadline::Deadline;
use crate::limits;
use crate::registry::fetch::fetch_until;
use crate::registry::resolve::{Wanted, resolve};
use crate::spec::diagnostic::{Diagnostic, Severity};
use crate::spec::lint::{self, Checked};
use crate::worker::protocol::FetchOutcome;

/// Arguments of `validate-spec`.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("source").required(true)),
    after_help = "Exit codes: 0 no errors, 1 errors (with --strict also warnings), 2 usage error, 3 the image has no specification, 4 the registry gave no answer"
)]
pub struct Args {
    /// The specification; - is standard input
    #[arg(value_name = "FILE", group = "source")]
    file: Option<String>,
    /// Check the specification that is attached to this image
    #[arg(long, value_name = "REFERENCE", group = "source")]
    image: Option<String>,
    /// Of a multi-platform image, the one for this platform, os[/arch[/variant]][:os_version] [default: this host's]
    #[arg(long, value_name = "PLATFORM", requires = "image")]
    platform: Option<Wanted>,
    /// The file is an administrator's own, for /etc/imgcompat/specs.d, with `images` and `combine`
    #[arg(long, conflicts_with = "image")]
    local: bool,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The ways to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, for code hosting sites.
    Sarif,
}

/// Runs `validate-spec`.
pub fn run(arguments: &Args) -> Outcome {
    let (name, bytes) = match (&arguments.image, arguments.file.as_deref()) {
        (Some(image), _) => (image.as_str(), attached(image, arguments)?),
        (None, Some("-")) => ("<stdin>", read(io::stdin().lock(), "standard input")?),
        (None, file) => read_file(file.unwrap_or_default())?,
    };
    let checked = if arguments.local { lint::check_local(&bytes) } else { lint::check(&bytes) };
    let report = Report::new(name, &checked);
    print(&match arguments.output {
        Format::Text => text::render(&report, &bytes, Paint::for_stdout()),
        Format::Json => json(&report)?,
        Format::Sarif => sarif::render(&report).map_err(unprintable)?,
    })?;
    let failed = report.errors > 0 || (arguments.strict && report.warnings > 0);
    Ok(ExitCode::from(u8::from(failed)))
}

/// What is printed; the JSON's keys are stable.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    file: &'a str,
    /// Whether there are no errors.
    valid: bool,
    errors: usize,
    warnings: usize,
    /// The lowest NFD that understands it; null if it does not decode.
    needs: Option<&'a lint::Needs>,
    findings: Vec<Finding<'a>>,
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    severity: Severity,
    code: &'a str,
    line: u32,
    column: u32,
    rule: Option<&'a str>,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn new(file: &'a str, checked: &'a Checked) -> Self {
        let errors = checked.findings.iter().filter(|it| it.severity == Severity::Error).count();
        Report {
            file,
            valid: errors == 0,
            errors: errors + checked.omitted,
            warnings: checked.findings.len() - errors,
            needs: checked.needs.as_ref(),
            findings: checked.findings.iter().map(Finding::from).collect(),
        }
    }
}

impl<'a> From<&'a Diagnostic> for Finding<'a> {
    fn from(diagnostic: &'a Diagnostic) -> Self {
        Finding {
            severity: diagnostic.severity,
            code: &diagnostic.code,
            line: diagnostic.position.line,
            column: diagnostic.position.column,
            rule: diagnostic.rule.as_deref(),
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
        }
    }
}

fn read_file(file: &str) -> Result<(&str, Vec<u8>), Failure> {
    let opened = std::fs::File::open(Path::new(file))
        .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
    Ok((file, read(opened, file)?))
}

/// One byte more than a specification may have is enough to see that it has too many.
fn read(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(limits::SPECIFICATION_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    Ok(bytes)
}

/// The bytes of the specification that counts for an image, whether they decode or not.
fn attached(image: &str, arguments: &Args) -> Result<Vec<u8>, Failure> {
    let reference = image_subjects::reference(image)?;
    let access = arguments.registry.access(&reference.repository)?;
    let deadline = Deadline::after(limits::TOOL_DEADLINE);
    let wanted = arguments.platform.clone().unwrap_or_else(Wanted::host);
    let resolved = resolve(&reference, &wanted, &access, deadline).map_err(failed)?;
    let (artifact, subject) = match fetch_until(&resolved.subjects(), &access, deadline) {
        FetchOutcome::Found(found) => (found.digest, found.subject),
        FetchOutcome::Invalid { artifact, subject, .. } => (artifact, subject),
        FetchOutcome::None => {
            let message = format!("{image} has no compatibility specification");
            return Err(Failure { message, code: 3 });
        }
        FetchOutcome::Unavailable(unavailable) => return Err(failed(unavailable)),
    };
    let client = image_subjects::client(&access)?;
    let unverifiable = |problem: String| Failure::undecided(format!("{artifact}: {problem}"));
    let stored = client.manifest(&artifact).map_err(failed)?;
    let stored = stored.ok_or_else(|| unverifiable("the registry does not have it".to_owned()))?;
    let checked = check::manifest(&stored.bytes, &artifact, &[subject])
        .map_err(|problem| unverifiable(problem.to_string()))?;
    client.blob(&checked.layer, limits::SPECIFICATION_BYTES).map_err(failed)
}

fn json(report: &Report<'_>) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(report).map_err(unprintable)? + "\n")
}

fn unprintable(error: serde_json::Error) -> Failure {
    Failure::undecided(format!("cannot print the report: {error}"))
}
