//! `imgcompat remove-spec`: takes specifications off an image.

use serde::Serialize;

use crate::oci::Digest;

use super::image_subjects::{self, PlatformArgs, Subject, failed};
use super::output::Output;
use super::registry_args::RegistryArgs;
use super::{Failure, Outcome};

/// Removes the specifications attached to an image
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 removed, 2 usage error, 3 nothing is attached, 4 the registry gave no answer\n\n\
    Examples:\n  \
    imgcompat remove-spec registry.example/ml:2\n  \
    imgcompat remove-spec registry.example/ml:2 --platform linux/arm64"
)]
pub struct Args {
    /// The image, registry included
    image: String,
    /// Only the artifact with this digest, wherever on the image it is attached
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["platform", "all_platforms"])]
    digest: Option<Digest>,
    #[command(flatten)]
    platforms: PlatformArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    image: String,
    removed: Vec<Removed>,
}

#[derive(Serialize)]
struct Removed {
    subject: Digest,
    digest: Digest,
}

/// The exit code of "no artifact".
const NOTHING_THERE: u8 = 3;

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let reference = image_subjects::reference(&args.image)?;
    let access = args.registry.access_for_writing(&reference.repository)?;
    let client = image_subjects::client(&access)?;
    let subjects: Vec<Subject> = match args.digest {
        Some(_) => image_subjects::all(&client, &reference)?,
        None => args.platforms.subjects(&client, &reference)?,
    };
    let mut report = Report { image: reference.to_string(), removed: Vec::new() };
    for subject in subjects {
        let subject = subject.descriptor.digest;
        let listed = client.list(&subject).map_err(failed)?.into_iter().map(|listed| listed.digest);
        let chosen: Vec<Digest> =
            listed.filter(|d| args.digest.as_ref().is_none_or(|wanted| wanted == d)).collect();
        if !chosen.is_empty() {
            client.detach(&subject, &chosen).map_err(failed)?;
        }
        let removed = chosen.into_iter().map(|digest| Removed { subject: subject.clone(), digest });
        report.removed.extend(removed);
    }
    if report.removed.is_empty() {
        let image = &report.image;
        let message = match &args.digest {
            None => format!("no specification is attached to {image}"),
            Some(digest) => {
                format!("{digest} is attached neither to {image} nor to one of its platforms")
            }
        };
        return Err(Failure { message, code: NOTHING_THERE });
    }
    let line = |r: &Removed| format!("removed {} from {}", r.digest, r.subject);
    args.output.print(&report, || report.removed.iter().map(line).collect::<Vec<_>>().join("\n"))
}
