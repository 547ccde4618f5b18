//! `imgcompat mirror`: copies what is attached to images into a layout on disk, for nodes that reach no registry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::deadline::Deadline;
use crate::limits;
use crate::oci::{Digest, Reference};
use crate::registry::access::{Access, Options};
use crate::registry::failure::printable;
use crate::registry::mirror::{Collected, MirrorError, Target, collect};
use crate::registry::resolve::platform_name;
use crate::sanitize;

use super::output::Output;
use super::progress::Progress;
use super::registry_args::{self, RegistryArgs};
use super::{Failure, Outcome, image_subjects};

/// Copies the specifications attached to images into an OCI image layout
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("source").required(true).multiple(true)),
    after_help = "Exit codes: 0 every image answered for, 2 usage error, 4 some could not be found out or written, or have something attached that is no specification"
)]
pub struct Args {
    /// Images, registry included; only what is attached to them is copied, for all platforms
    #[arg(value_name = "IMAGE", group = "source")]
    images: Vec<String>,
    /// The layout: a directory, made if it is missing, added to if it is there
    #[arg(long, value_name = "DIRECTORY")]
    to: PathBuf,
    /// Read images from this file too, one a line (# begins a comment), or - for standard input
    #[arg(long, value_name = "FILE", group = "source")]
    from_list: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    to: String,
    images: Vec<OfImage>,
}

#[derive(Serialize)]
struct OfImage {
    image: String,
    #[serde(flatten)]
    result: Mirrored,
}

/// What came of one image.
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
enum Mirrored {
    Found { changed: bool, artifacts: Vec<Copied> },
    None { changed: bool },
    Failed { problem: String },
}

impl Mirrored {
    /// True if somebody has to look: no answer, or something attached that is no specification.
    fn is_trouble(&self) -> bool {
        match self {
            Mirrored::Found { artifacts, .. } => artifacts.iter().any(|of| of.problem.is_some()),
            Mirrored::None { .. } => false,
            Mirrored::Failed { .. } => true,
        }
    }
}

#[derive(Serialize)]
struct Copied {
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    subject: Digest,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// Why it is no specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Copied {
    fn of(collected: Collected) -> Option<Self> {
        let Collected { platform, subject, artifact } = collected;
        let artifact = artifact?;
        Some(Copied {
            platform: platform.as_ref().map(platform_name),
            subject,
            digest: artifact.digest,
            created: artifact.created.as_deref().map(printable),
            problem: artifact.problem.as_deref().map(printable),
        })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let references = references(args)?;
    let options = args.registry.options()?;
    let target = Target::open(&args.to).map_err(unwritable)?;
    let mut progress = Progress::on_stderr(references.len());
    let mut images = Vec::new();
    for reference in &references {
        let image = reference.to_string();
        progress.next(&image);
        images.push(OfImage { image, result: mirror(reference, &options, &target) });
    }
    drop(progress);
    let failed = images.iter().any(|of| of.result.is_trouble());
    let report = Report { to: args.to.display().to_string(), images };
    args.output.print(&report, || text(&report))?;
    Ok(if failed { ExitCode::from(4) } else { ExitCode::SUCCESS })
}

fn mirror(reference: &Reference, options: &Options, target: &Target) -> Mirrored {
    let deadline = Deadline::after(limits::TOOL_DEADLINE);
    let collected = Access::for_repository(&reference.repository, options).and_then(|access| {
        registry_args::warn(&access);
        collect(reference, &access, deadline)
    });
    let collected = match collected {
        Ok(collected) => collected,
        Err(unavailable) => return Mirrored::Failed { problem: unavailable.detail },
    };
    match target.add(&reference.repository, &collected) {
        Ok(changed) => {
            let artifacts: Vec<Copied> = collected.into_iter().filter_map(Copied::of).collect();
            if artifacts.is_empty() {
                Mirrored::None { changed }
            } else {
                Mirrored::Found { changed, artifacts }
            }
        }
        Err(error) => Mirrored::Failed { problem: error.to_string() },
    }
}

fn unwritable(error: MirrorError) -> Failure {
    Failure::undecided(error.to_string())
}

/// The images of the command line and of the list, each once, in order.
fn references(args: &Args) -> Result<Vec<Reference>, Failure> {
    let mut all = Vec::new();
    for name in &args.images {
        all.push(image_subjects::reference(name)?);
    }
    if let Some(list) = &args.from_list {
        all.extend(listed(list, &args.registry)?);
    }
    let mut seen = BTreeSet::new();
    let mut references = Vec::new();
    for reference in all {
        if seen.insert(reference.to_string()) {
            references.push(reference);
        }
    }
    let registries: BTreeSet<&str> =
        references.iter().map(|of| of.repository.registry.as_str()).collect();
    if args.registry.reads_stdin() && registries.len() > 1 {
        return Err(Failure::usage(
            "a secret on standard input is for one registry, and the images are in several; mirror one after the other, or use an auth file",
        ));
    }
    Ok(references)
}

fn listed(path: &Path, registry: &RegistryArgs) -> Result<Vec<Reference>, Failure> {
    let stdin = path == Path::new("-");
    if stdin && registry.reads_stdin() {
        return Err(Failure::usage("standard input cannot hold both the list and a secret"));
    }
    let mut text = String::new();
    let limit = limits::IMAGE_LIST_BYTES + 1;
    let read = if stdin {
        io::stdin().take(limit).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    let place = path.display();
    let read =
        read.map_err(|e| Failure::usage(format!("--from-list: {place} cannot be read: {e}")))?;
    if read as u64 == limit {
        return Err(Failure::usage(format!(
            "--from-list: {place} is larger than {} bytes",
            limit - 1
        )));
    }
    let words = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let named = words.zip(1..).filter(|(word, _)| !word.is_empty());
    let read = |(word, line): (&str, usize)| {
        image_subjects::reference(word)
            .map_err(|wrong| Failure::usage(format!("--from-list: {place}, line {line}: {wrong}")))
    };
    named.map(read).collect()
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for OfImage { image, result } in &report.images {
        match result {
            Mirrored::None { .. } => {
                lines.push(format!("none    {image}: no specification is attached"));
            }
            Mirrored::Failed { problem } => {
                let problem = sanitize::bounded_line(problem, limits::REFUSAL_BYTES);
                lines.push(format!("failed  {image}: {problem}"));
            }
            Mirrored::Found { artifacts, .. } => {
                lines.extend(artifacts.iter().map(|copied| line(image, copied)));
            }
        }
    }
    lines.join("\n")
}

fn line(image: &str, copied: &Copied) -> String {
    let platform = copied.platform.as_deref().map_or(String::new(), |p| format!(" ({p})"));
    let what = format!("{image}: {} attached to {}{platform}", copied.digest, copied.subject);
    match &copied.problem {
        None => format!("found   {what}"),
        Some(problem) => {
            format!("invalid {what}, copied as it is: it is no specification: {problem}")
        }
    }
}
