//! `imgcompat validate-node`: an image's specification, or one from a file, against this node or another's features.
//!
//! An image is judged as the hook judges it: by this node's local specifications and layout too (`node_sources.rs`),
//! unless it is another node's features that count.
//!
//! The exit code is the verdict's: 0 compatible, 1 incompatible, 3 no specification, 4 undecided; 2 is a usage error.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

mod node_sources;
mod report;

use node_sources::NodeSources;
use report::{ArtifactReport, Report};

use super::registry_args::RegistryArgs;
use super::{Failure, Outcome};
use crate::deadline::Deadline;
use crate::host::{FeatureSet, Features, Host};
use crate::oci::Reference;
use crate::registry::resolve::{Resolved, Wanted, resolve};
use crate::registry::{access::Access, fetch};
use crate::rules::{self, Evaluation, Options, SetVerdict};
use crate::spec::{self, Specification};
use crate::verdict::{Cause, Verdict};
use crate::worker::protocol::{FetchOutcome, UnavailableKind};
use crate::{files, limits};

/// The time for asking a registry; NFD's client allows as much.
const REGISTRY_TIME: Duration = Duration::from_secs(60);

/// Arguments of `validate-node`.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 compatible, 1 incompatible, 2 usage error, 3 no specification, 4 undecided"
)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// Only sets with one of these tags (an empty tag stands for sets without one)
    #[arg(long, value_name = "TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// Judge the image for this platform, os[/arch[/variant]][:os_version] [default: this host's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Wanted>,
    /// Judge by the features in this file, as `export features` writes them, instead of this host
    #[arg(long, value_name = "FILE", conflicts_with = "host_root")]
    features: Option<PathBuf>,
    /// Where the host's files are: a directory that holds proc, sys ..., or the start of paths such as /host-sys
    /// [default: /, or /host- where /host-sys is mounted, as in NFD's images]
    #[arg(long, value_name = "PREFIX")]
    host_root: Option<String>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Print the array that NFD's client prints
    #[arg(long, conflicts_with = "output")]
    output_json: bool,
    /// Judge by what is attached to the image only, not by this node's local specifications and layout
    #[arg(long)]
    attached_only: bool,
    /// Look into this OCI layout before a registry is asked [default: what this node's policy says]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "attached_only")]
    layout: Option<PathBuf>,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Clone, ClapArgs)]
#[group(required = true, multiple = false)]
struct SourceArgs {
    /// The image whose specification to use, for example registry.example/ml:2
    #[arg(long, value_name = "REFERENCE")]
    image: Option<String>,
    /// A specification in a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
}

/// Arguments of NFD's `compat validate-node`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 compatible, 1 incompatible, 2 usage error, 3 no specification, 4 undecided. With --nfd-exit-codes: 0 compatible or incompatible, 1 no specification or undecided, 2 usage error"
)]
pub struct CompatArgs {
    /// Exit 0 if the image is compatible or not, and 1 if that cannot be said, as NFD's client does
    #[arg(long)]
    nfd_exit_codes: bool,
    #[command(flatten)]
    args: Args,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Runs `validate-node`.
pub fn run(args: &Args) -> Outcome {
    let report = validate(args)?;
    report::print(&report, args)?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}

/// Runs NFD's `compat validate-node`.
pub fn run_compat(compat: &CompatArgs) -> Outcome {
    let report = validate(&Args { attached_only: true, ..compat.args.clone() })?;
    report::print(&report, &compat.args)?;
    let code = match (compat.nfd_exit_codes, report.outcome) {
        (false, outcome) => outcome.exit_code(),
        (true, Verdict::Compatible | Verdict::Incompatible) => 0,
        (true, Verdict::NoArtifact | Verdict::Undecided(_)) => 1,
    };
    Ok(ExitCode::from(code))
}

fn validate(args: &Args) -> Result<Report, Failure> {
    let validation = Validation { args, features: features(args)? };
    match (&args.source.spec, &args.source.image) {
        (Some(path), _) => validation.of_file(path),
        (None, Some(image)) => validation.of_image(image),
        (None, None) => Err(Failure::usage("give --image or --spec")),
    }
}

/// What to judge by: a file, another root, or this host.
fn features(args: &Args) -> Result<Box<dyn Features>, Failure> {
    if let Some(path) = &args.features {
        let bytes = read_input(path, limits::FEATURES_FILE_BYTES)?;
        let set: FeatureSet = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::usage(format!(
                "{} is not a features file as `imgcompat export features` writes it: {error}",
                path.display()
            ))
        })?;
        return Ok(Box::new(set));
    }
    Ok(Box::new(Host::new(super::host_root(args.host_root.as_deref())?)))
}

/// Reads a file, or standard input for `-`.
fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().take(limit + 1).read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::File::open(path).and_then(|file| files::read_open(file, limit))
    };
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

/// One validation: what was asked for, and what to judge by.
struct Validation<'a> {
    args: &'a Args,
    features: Box<dyn Features>,
}

impl Validation<'_> {
    /// A specification in a file.
    fn of_file(&self, path: &Path) -> Result<Report, Failure> {
        if path == Path::new("-") && self.args.registry.reads_stdin() {
            return Err(Failure::usage(
                "standard input cannot hold both the specification and a secret",
            ));
        }
        let bytes = read_input(path, limits::SPECIFICATION_BYTES)?;
        let decoded = match spec::decode::decode(&bytes) {
            Ok(decoded) => decoded,
            Err(invalid) => {
                let reason = format!("{}: {invalid}", path.display());
                return Ok(Report::undecided(Cause::InvalidSpecification, reason));
            }
        };
        let warnings = decoded.warnings.iter().map(ToString::to_string).collect();
        let mut report = self.evaluate(&decoded.specification);
        report.warnings = warnings;
        Ok(report)
    }

    /// An image, by everything that speaks for it.
    fn of_image(&self, image: &str) -> Result<Report, Failure> {
        let reference: Reference =
            image.parse().map_err(|error| Failure::usage(format!("--image: {error}")))?;
        if reference.tag.is_none() && reference.digest.is_none() {
            return Err(Failure::usage(format!(
                "--image: `{image}` has neither tag nor digest; add one, for example {image}:latest"
            )));
        }
        let node = NodeSources::of(self.args);
        let (mut reports, replaced) = node.local_reports(&reference, self);
        if !replaced {
            reports.push(self.of_attached(image, &reference, &node)?);
        }
        let mut report = Report::worst(reports);
        report.image = Some(image.to_owned());
        Ok(report)
    }

    /// By what is attached to the image: in the layout, else in the registry.
    fn of_attached(
        &self,
        image: &str,
        reference: &Reference,
        node: &NodeSources,
    ) -> Result<Report, Failure> {
        let access = self.args.registry.access(&reference.repository)?;
        let deadline = Deadline::after(REGISTRY_TIME);
        let wanted = self.args.platform.clone().unwrap_or_else(Wanted::host);
        let resolved = resolve(reference, &wanted, &access, deadline);
        let subjects = match &resolved {
            Ok(resolved) => resolved.subjects(),
            Err(_) => reference.digest.iter().cloned().collect(),
        };
        if let Some(report) = node.by_layout(reference, &subjects, self) {
            return Ok(report);
        }
        Ok(match resolved {
            Ok(resolved) => {
                let mut report = self.of_resolved(image, &resolved, &access, deadline);
                report.digest = Some(resolved.manifest);
                report
            }
            Err(unavailable) => {
                let hint = match (&node.layout, &reference.digest) {
                    (Some(_), None) => {
                        "; the layout knows images by digest, so write NAME@DIGEST of the image's manifest"
                    }
                    _ => "",
                };
                Report::undecided(cause(unavailable.kind), format!("{}{hint}", unavailable.detail))
            }
        })
    }

    /// By what the registry has attached to it.
    fn of_resolved(
        &self,
        image: &str,
        resolved: &Resolved,
        access: &Access,
        deadline: Deadline,
    ) -> Report {
        match fetch::fetch_until(&resolved.subjects(), access, deadline) {
            FetchOutcome::Found(found) => {
                let specification: Arc<Specification> = match serde_json::from_slice(&found.checked)
                {
                    Ok(specification) => Arc::new(specification),
                    Err(error) => return Report::undecided(Cause::Internal, error.to_string()),
                };
                let mut report = self.evaluate(&specification);
                report.warnings = found.warnings;
                report.artifact = Some(ArtifactReport {
                    digest: found.digest,
                    source: "registry",
                    location: None,
                    subject: Some(found.subject),
                    created: found.created,
                });
                report
            }
            FetchOutcome::None => {
                let reason = format!("{image} has no compatibility specification");
                Report::without_sets(Verdict::NoArtifact, reason)
            }
            FetchOutcome::Invalid { subject, artifact, problem } => {
                let mut report = Report::undecided(Cause::InvalidSpecification, problem);
                report.artifact = Some(ArtifactReport {
                    digest: artifact,
                    source: "registry",
                    location: None,
                    subject: Some(subject),
                    created: None,
                });
                report
            }
            FetchOutcome::Unavailable(unavailable) => {
                Report::undecided(cause(unavailable.kind), unavailable.detail)
            }
        }
    }

    fn evaluate(&self, specification: &Specification) -> Report {
        let options = Options { tags: self.args.tags.clone() };
        let evaluation = rules::evaluate(specification, self.features.as_ref(), &options);
        let outcome = match evaluation.verdict {
            SetVerdict::Compatible => Verdict::Compatible,
            SetVerdict::Incompatible => Verdict::Incompatible,
            SetVerdict::Undecided => Verdict::Undecided(Cause::EvaluationFailed),
        };
        let reason = reason(&evaluation, self.args);
        let Evaluation { set, sets, .. } = evaluation;
        let mut report = Report::without_sets(outcome, reason);
        (report.set, report.sets) = (set, sets);
        report
    }
}

fn reason(evaluation: &Evaluation, args: &Args) -> String {
    if let (Some(tags), true) = (&args.tags, evaluation.sets.is_empty()) {
        return format!("no compatibility set has one of the tags {}", tags.join(", "));
    }
    match (evaluation.verdict, evaluation.set) {
        (SetVerdict::Compatible, Some(set)) => format!("compatibility set {} holds", set + 1),
        (SetVerdict::Compatible, None) => "a compatibility set holds".to_owned(),
        (SetVerdict::Incompatible, _) => "no compatibility set holds".to_owned(),
        (SetVerdict::Undecided, _) => {
            "no compatibility set holds, and not all of them can be evaluated".to_owned()
        }
    }
}

fn cause(kind: UnavailableKind) -> Cause {
    match kind {
        UnavailableKind::Timeout => Cause::DeadlineExceeded,
        _ => Cause::RegistryUnavailable,
    }
}
