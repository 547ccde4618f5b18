//! What this node itself has about an image: local specifications and the layout, as the hook would use them.

use std::path::PathBuf;

use super::report::{ArtifactReport, Report};
use super::{Args, Validation};
use crate::artifact::Artifact;
use crate::artifact::layout::{Checker, Layout};
use crate::artifact::local::{self, Compiler};
use crate::artifact::lookup::Lookup;
use crate::deadline::Deadline;
use crate::limits;
use crate::oci::{Digest, Reference};
use crate::paths::Paths;
use crate::policy::Policy;
use crate::tasks::{check, compile};
use crate::verdict::{Cause, Verdict};
use crate::worker::process::WorkerError;
use crate::worker::protocol::{CheckAnswer, CompileAnswer};

/// Where to look.
pub(super) struct NodeSources {
    /// The layout.
    pub(super) layout: Option<PathBuf>,
    /// The directory of local specifications.
    specs: Option<PathBuf>,
    cache: PathBuf,
}

/// The tool has no rights to lose, so it decodes by itself.
struct InProcess;

impl Checker for InProcess {
    fn check(&self, bytes: &[u8], _: &Deadline) -> Result<CheckAnswer, WorkerError> {
        Ok(check::check(bytes))
    }
}

impl Compiler for InProcess {
    fn compile(&self, bytes: &[u8], _: &Deadline) -> Result<CompileAnswer, WorkerError> {
        Ok(compile::compile(bytes))
    }
}

impl NodeSources {
    /// This node's, unless what is attached is all that counts, or another node's features do.
    pub(super) fn of(args: &Args) -> Self {
        let paths = Paths::below(&args.root);
        let another = args.features.is_some() || args.host_root.is_some();
        if args.attached_only || another {
            let layout = args.layout.clone();
            return NodeSources { layout, specs: None, cache: paths.cache() };
        }
        let layout = args.layout.clone().or_else(|| match Policy::load(&paths) {
            Ok(policy) => policy.artifacts.layout,
            Err(error) => {
                eprintln!("imgcompat: warning: this node's policy cannot be read: {error}");
                None
            }
        });
        NodeSources { layout, specs: Some(paths.specs_dir()), cache: paths.cache() }
    }

    /// What the local specifications for the image say, and whether one of them stands in place of the image's own.
    pub(super) fn local_reports(
        &self,
        reference: &Reference,
        validation: &Validation<'_>,
    ) -> (Vec<Report>, bool) {
        let Some(directory) = &self.specs else { return (Vec::new(), false) };
        let deadline = Deadline::after(limits::TOOL_DEADLINE);
        let name = reference.to_string();
        let found = local::find(directory, &self.cache, &[name.as_str()], &InProcess, &deadline);
        for problem in &found.problems {
            let problem = crate::sanitize::bounded_line(problem, limits::REFUSAL_BYTES);
            eprintln!("imgcompat: warning: {problem}");
        }
        let reports = found.artifacts.iter().map(|artifact| judged(artifact, validation));
        (reports.collect(), found.replace)
    }

    /// What the layout says; `None` if it does not speak of the image.
    pub(super) fn by_layout(
        &self,
        reference: &Reference,
        subjects: &[Digest],
        validation: &Validation<'_>,
    ) -> Option<Report> {
        let directory = self.layout.as_deref()?;
        let deadline = Deadline::after(limits::TOOL_DEADLINE);
        let (cache_root, checker) = (self.cache.as_path(), &InProcess);
        let layout = Layout { directory, cache_root, checker, deadline: &deadline };
        let mut notes = Vec::new();
        let lookup = layout.find(&reference.repository, subjects, &mut notes);
        for note in notes {
            eprintln!("imgcompat: warning: {note}");
        }
        Some(report(lookup?, reference, validation))
    }
}

fn report(lookup: Lookup, reference: &Reference, validation: &Validation<'_>) -> Report {
    match lookup {
        Lookup::Found(artifact) => judged(&artifact, validation),
        Lookup::None => {
            let reason = format!("{reference} has no compatibility specification, the layout says");
            Report::without_sets(Verdict::NoArtifact, reason)
        }
        Lookup::Invalid { artifact, source, problem } => {
            let mut report = Report::undecided(Cause::InvalidSpecification, problem);
            report.artifact = Some(ArtifactReport {
                digest: artifact,
                source: source.as_str(),
                location: Some(source.location().to_owned()),
                subject: None,
                created: None,
            });
            report
        }
        Lookup::Unavailable(unavailable) => {
            Report::undecided(Cause::RegistryUnavailable, unavailable.detail)
        }
        Lookup::DeadlineExceeded => {
            let reason = "the layout could not be read in time".to_owned();
            Report::undecided(Cause::DeadlineExceeded, reason)
        }
        Lookup::Broken(problem) => Report::undecided(Cause::Internal, problem),
    }
}

fn judged(artifact: &Artifact, validation: &Validation<'_>) -> Report {
    let mut report = validation.evaluate(&artifact.specification);
    report.warnings.clone_from(&artifact.warnings);
    report.digest.clone_from(&artifact.subject);
    report.artifact = Some(ArtifactReport {
        digest: artifact.digest.clone(),
        source: artifact.source.as_str(),
        location: Some(artifact.source.location().to_owned()),
        subject: artifact.subject.clone(),
        created: artifact.created.clone(),
    });
    report
}
