//! `imgcompat attach-spec`: attaches a specification to an image in its registry.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;

use crate::limits;
use crate::oci::media_type;
use crate::registry::attach::{Artifact, Attached};
use crate::registry::client::Client;
use crate::spec::lint::lint;
use crate::spec::{self, Diagnostic, Severity};

use super::image_subjects::{self, PlatformArgs, Subject, failed};
use super::output::Output;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::{Failure, Outcome};

/// Attaches a specification to an image
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The specification becomes an artifact in the image's repository that refers to the image, which stays as it is. For images whose \
    platforms need different things, name one: --platform.\n\n\
    Exit codes: 0 attached, 2 usage error, 4 not attached: no node could use the specification, or the registry gave no answer\n\n\
    Examples:\n  \
    imgcompat attach-spec registry.example/ml:2 spec.yaml\n  \
    imgcompat attach-spec registry.example/db:7 spec.yaml --platform linux/amd64\n  \
    imgcompat attach-spec registry.example/ml:2 spec.yaml --replace"
)]
pub struct Args {
    /// The image, registry included
    image: String,
    /// The specification's file, or - for standard input
    spec: String,
    #[command(flatten)]
    platforms: PlatformArgs,
    /// Remove the specifications that are attached now, once the new one is
    #[arg(long)]
    replace: bool,
    /// Attach although parts of it are not read as they look (unquoted values, duplicate keys, no version)
    #[arg(long)]
    force: bool,
    /// An annotation of the artifact; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<(String, String)>,
    /// Say what would be attached, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    image: String,
    dry_run: bool,
    attached: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(flatten)]
    attached: Attached,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<crate::oci::Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<serde_json::Value>,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("an annotation is KEY=VALUE".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let reference = image_subjects::reference(&args.image).map_err(|wrong| swapped(args, wrong))?;
    let specification = read_specification(&args.spec, &args.registry)?;
    validate(&args.spec, &specification, args.force)?;
    let access = args.registry.access_for_writing(&reference.repository)?;
    let client = image_subjects::client(&access)?;
    let artifact = Artifact {
        specification: &specification,
        title: Path::new(&args.spec).file_name().and_then(|n| n.to_str()).filter(|n| *n != "-"),
        annotations: annotations(&args.annotation),
    };
    let mut report =
        Report { image: reference.to_string(), dry_run: args.dry_run, attached: vec![] };
    let subjects = args.platforms.subjects(&client, &reference)?;
    let mut progress = Progress::on_stderr(subjects.len());
    for subject in subjects {
        progress.next(subject.platform.as_deref().unwrap_or(&args.image));
        let entry = if args.dry_run {
            would_attach(subject, &artifact)
        } else {
            attach(&client, subject, &artifact, args.replace)?
        };
        report.attached.push(entry);
    }
    drop(progress);
    let line = |entry| line(&report, entry);
    args.output.print(&report, || report.attached.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// A file where the image belongs is what was meant to come second.
fn swapped(args: &Args, wrong: Failure) -> Failure {
    if !Path::new(&args.image).is_file() {
        return wrong;
    }
    let message =
        format!("{} is a file; the image comes first, then the specification", args.image);
    Failure::usage(message)
}

fn read_specification(path: &str, registry: &RegistryArgs) -> Result<Vec<u8>, Failure> {
    let limit = limits::SPECIFICATION_BYTES;
    if path == "-" && registry.reads_stdin() {
        return Err(Failure::usage(
            "standard input cannot hold both the specification and the registry's secret",
        ));
    }
    let unreadable = |e: std::io::Error| Failure::usage(format!("cannot read {path}: {e}"));
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match path {
        "-" => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).map_err(unreadable)?),
    };
    source.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!(
            "{path} is larger than {limit} bytes, the limit for a specification"
        )));
    }
    Ok(bytes)
}

/// Nothing is attached that would be refused on every node. What decodes in an odd way has to be accepted by hand;
/// what is only unwise is said.
fn validate(path: &str, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let lines = |findings: &[Diagnostic]| {
        findings.iter().map(|d| format!("{path}: {d}")).collect::<Vec<_>>().join("\n")
    };
    let refuse = |findings: &[Diagnostic], reason: &str| {
        Err(Failure::undecided(format!("{}\nnothing was attached: {reason}", lines(findings))))
    };
    let decoded = match spec::decode(bytes) {
        Ok(decoded) => decoded,
        Err(invalid) => return refuse(&invalid.errors, "this is not a valid specification"),
    };
    let (errors, unwise): (Vec<Diagnostic>, Vec<Diagnostic>) = lint(&decoded.specification)
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    if !errors.is_empty() {
        return refuse(&errors, "no node could evaluate it");
    }
    if !decoded.warnings.is_empty() && !force {
        return refuse(&decoded.warnings, "change it, or attach it as it is with --force");
    }
    let warnings = [decoded.warnings, unwise].concat();
    if !warnings.is_empty() {
        for warning in &warnings {
            let _ = writeln!(std::io::stderr(), "imgcompat: warning: {path}: {warning}");
        }
    }
    Ok(())
}

/// The time with fractions of a second: of two artifacts made in the same second the later one must count.
fn annotations(given: &[(String, String)]) -> BTreeMap<String, String> {
    let mut annotations: BTreeMap<String, String> = given.iter().cloned().collect();
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
    if let Ok(text) = now.format(&time::format_description::well_known::Rfc3339) {
        annotations.entry(media_type::CREATED.to_owned()).or_insert(text);
    }
    annotations
}

fn would_attach(subject: Subject, artifact: &Artifact<'_>) -> Entry {
    let bytes = artifact.manifest(&subject.descriptor);
    let digest = crate::oci::Digest::of(&bytes);
    Entry {
        platform: subject.platform,
        attached: Attached {
            subject: subject.descriptor.digest,
            digest,
            changed: true,
            listed: "no",
        },
        removed: Vec::new(),
        manifest: serde_json::from_slice(&bytes).ok(),
    }
}

fn attach(
    client: &Client<'_>,
    subject: Subject,
    artifact: &Artifact<'_>,
    replace: bool,
) -> Result<Entry, Failure> {
    let attached = client.attach(&subject.descriptor, artifact).map_err(failed)?;
    let mut removed = Vec::new();
    let listed = client.list(&attached.subject).map_err(failed)?;
    if replace {
        removed = listed.into_iter().map(|l| l.digest).filter(|d| *d != attached.digest).collect();
        if !removed.is_empty() {
            client.detach(&attached.subject, &removed).map_err(failed)?;
        }
    } else if let Some(other) = listed.iter().find(|l| l.counts && l.digest != attached.digest) {
        let newer = other.created.as_deref().unwrap_or("no time");
        let _ = writeln!(
            std::io::stderr(),
            "imgcompat: warning: {} counts, not what was attached now: it says it was made at {newer}",
            other.digest
        );
    }
    Ok(Entry { platform: subject.platform, attached, removed, manifest: None })
}

fn line(report: &Report, entry: &Entry) -> String {
    let Attached { subject, digest, changed, listed } = &entry.attached;
    let platform = entry.platform.as_deref().map_or(String::new(), |p| format!(" ({p})"));
    let how = match (*changed, *listed) {
        _ if report.dry_run => "would attach",
        (false, _) => "is attached already:",
        (true, _) => "attached",
    };
    let place = if *listed == "tag" && *changed {
        ", listed under a tag, since the registry has no referrers API"
    } else {
        ""
    };
    let mut line = format!("{how} {digest} to {subject}{platform}{place}");
    for removed in &entry.removed {
        line.push_str(&format!("\nremoved {removed}"));
    }
    if report.dry_run
        && let Some(manifest) = &entry.manifest
    {
        line.push_str(&format!("\n{manifest:#}"));
    }
    line
}
