//! `imgcompat list-specs`: which specifications are attached to an image, and which of them counts.

use serde::Serialize;

use crate::oci::Digest;
use crate::registry::attach::Listed;

use super::Outcome;
use super::image_subjects::{self, failed};
use super::output::Output;
use super::registry_args::RegistryArgs;

/// Lists the specifications attached to an image and to its platforms
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is attached to the image and to each of its platforms, and which of several counts.\n\n\
    Exit codes: 0 listed, also if there is none; 2 usage error; 4 the registry gave no answer\n\n\
    Examples:\n  \
    imgcompat list-specs registry.example/ml:2\n  \
    imgcompat list-specs registry.example/ml:2 --output json"
)]
pub struct Args {
    /// The image, registry included
    image: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    image: String,
    subjects: Vec<OfSubject>,
}

#[derive(Serialize)]
struct OfSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    subject: Digest,
    artifacts: Vec<Listed>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let reference = image_subjects::reference(&args.image)?;
    let access = args.registry.access_for_writing(&reference.repository)?;
    let client = image_subjects::client(&access)?;
    let mut report = Report { image: reference.to_string(), subjects: Vec::new() };
    for subject in image_subjects::all(&client, &reference)? {
        let digest = subject.descriptor.digest;
        let artifacts = client.list(&digest).map_err(failed)?;
        report.subjects.push(OfSubject { platform: subject.platform, subject: digest, artifacts });
    }
    args.output.print(&report, || text(&report))
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for of in &report.subjects {
        let platform = of.platform.as_deref().map_or(String::new(), |p| format!(" ({p})"));
        for artifact in &of.artifacts {
            let created = artifact.created.as_deref().unwrap_or("at an unknown time");
            let note = match (&artifact.problem, artifact.counts) {
                (Some(problem), _) => format!(", cannot be used: {problem}"),
                (None, true) => String::new(),
                (None, false) => ", does not count: a newer one is attached".to_owned(),
            };
            lines.push(format!(
                "{} attached to {}{platform}, made {created}{note}",
                artifact.digest, of.subject
            ));
        }
    }
    if lines.is_empty() {
        return format!("no specification is attached to {}", report.image);
    }
    lines.join("\n")
}
