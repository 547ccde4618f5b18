//! What is said about one validation: the JSON that is printed, and the text for people.

use serde::Serialize;

use super::{Args, Output};
use crate::cli::paint::{Colour, Paint};
use crate::cli::{Failure, nfd_json, table};
use crate::gate::judge;
use crate::oci::Digest;
use crate::rules::SetReport;
use crate::verdict::{Cause, Verdict};
use crate::{limits, sanitize};

/// Longest place or warning that is shown.
const SHOWN_BYTES: usize = 300;

/// Everything that is said about one validation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) image: Option<String>,
    pub(super) digest: Option<Digest>,
    pub(super) artifact: Option<ArtifactReport>,
    pub(super) verdict: &'static str,
    pub(super) cause: Option<Cause>,
    pub(super) set: Option<usize>,
    pub(super) sets: Vec<SetReport>,
    pub(super) reason: String,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Other>,
    #[serde(skip)]
    pub(super) outcome: Verdict,
}

#[derive(Debug, Serialize)]
pub(super) struct ArtifactReport {
    pub(super) digest: Digest,
    pub(super) source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    pub(super) subject: Option<Digest>,
    pub(super) created: Option<String>,
}

impl Report {
    pub(super) fn undecided(cause: Cause, reason: String) -> Self {
        Report { cause: Some(cause), ..Report::without_sets(Verdict::Undecided(cause), reason) }
    }

    pub(super) fn without_sets(outcome: Verdict, reason: String) -> Self {
        Report {
            image: None,
            digest: None,
            artifact: None,
            verdict: outcome.as_str(),
            cause: outcome.cause(),
            set: None,
            sets: Vec::new(),
            reason,
            warnings: Vec::new(),
            others: Vec::new(),
            outcome,
        }
    }

    /// All specifications must hold, so the worst verdict is that of the whole; the others are named beside it.
    pub(super) fn worst(mut reports: Vec<Report>) -> Self {
        let worst = (0..reports.len())
            .min_by_key(|at| reports.get(*at).map(|report| judge::rank(report.outcome)));
        let Some(worst) = worst else {
            let reason = "no specification applies".to_owned();
            return Report::without_sets(Verdict::NoArtifact, reason);
        };
        let mut report = reports.swap_remove(worst);
        let judged = reports.into_iter().filter_map(|other| {
            let Report { artifact, verdict, reason, .. } = other;
            Some(Other { artifact: artifact?, verdict, reason })
        });
        report.others = judged.collect();
        report
    }
}

/// A specification that held, or did not decide.
#[derive(Debug, Serialize)]
struct Other {
    artifact: ArtifactReport,
    verdict: &'static str,
    reason: String,
}

/// Prints a report as the arguments say.
pub(super) fn print(report: &Report, args: &Args) -> Result<(), Failure> {
    let unprintable = |error: serde_json::Error| {
        Failure::undecided(format!("the result cannot be printed: {error}"))
    };
    let text = if args.output_json {
        if report.sets.is_empty() && report.outcome != Verdict::Compatible {
            eprintln!("{}: {}", report.outcome, report.reason);
        }
        serde_json::to_string(&nfd_json::array(&report.sets)).map_err(unprintable)? + "\n"
    } else if args.output == Output::Json {
        serde_json::to_string_pretty(report).map_err(unprintable)? + "\n"
    } else {
        table_text(report, Paint::for_stdout())
    };
    crate::cli::print(&text).map(drop)
}

fn table_text(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    if let Some(image) = &report.image {
        text.push_str(&format!("Image     {image}\n"));
    }
    if let Some(artifact) = &report.artifact {
        let from = artifact.location.as_deref().map_or(String::new(), |location| {
            let location = sanitize::bounded_line(location, SHOWN_BYTES);
            format!(", {}: {location}", artifact.source)
        });
        text.push_str(&format!("Artifact  {}{from}\n", artifact.digest));
    }
    for other in &report.others {
        let location = other.artifact.location.as_deref().unwrap_or("the registry");
        let location = sanitize::bounded_line(location, SHOWN_BYTES);
        text.push_str(&format!(
            "Besides   {}, {location}: {}\n",
            other.artifact.digest, other.verdict
        ));
    }
    for warning in &report.warnings {
        let warning = sanitize::bounded_line(warning, SHOWN_BYTES);
        text.push_str(&format!("{} {warning}\n", paint.paint(Colour::Yellow, "Warning  ")));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&table::sets(&report.sets, report.set, paint));
    let colour = match report.outcome {
        Verdict::Compatible => Colour::Green,
        Verdict::Incompatible => Colour::Red,
        Verdict::NoArtifact | Verdict::Undecided(_) => Colour::Yellow,
    };
    let verdict = paint.paint(colour, &report.outcome.to_string());
    let reason = sanitize::bounded_line(&report.reason, limits::REFUSAL_BYTES);
    text.push_str(&format!("{verdict}: {reason}\n"));
    text
}
