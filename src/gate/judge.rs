//! From an image to a verdict: every specification that speaks for it, evaluated on this host.

use super::Gate;
use crate::artifact::documents::Documents;
use crate::artifact::layout::Layout;
use crate::artifact::lookup::{Lookup, Lookups};
use crate::artifact::{Artifact, local};
use crate::audit::message;
use crate::audit::{ArtifactNote, Judgement};
use crate::deadline::Deadline;
use crate::host::Host;
use crate::image::ImageIdentity;
use crate::oci::{Digest, Repository};
use crate::policy::Policy;
use crate::policy::config::EffectivePolicy;
use crate::rules::{self, Options, SetVerdict};
use crate::verdict::{Cause, Verdict};

/// The verdict on an image, with everything that led to it.
#[derive(Debug)]
pub struct Conclusion {
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence: why.
    pub reason: String,
    /// The specifications that were evaluated.
    pub judgements: Vec<Judgement>,
    /// Troubles that did not decide.
    pub notes: Vec<String>,
}

impl Conclusion {
    /// No answer, with the reason.
    pub fn undecided(cause: Cause, reason: String) -> Self {
        let verdict = Verdict::Undecided(cause);
        Conclusion { verdict, reason, judgements: Vec::new(), notes: Vec::new() }
    }

    /// Takes in one more finding; the worst one decides, and its reason stands.
    fn add(&mut self, verdict: Verdict, reason: String) {
        if rank(verdict) < rank(self.verdict) {
            self.verdict = verdict;
            self.reason = reason;
        }
    }
}

/// All specifications must hold, so the worst verdict is that of the whole. A real answer outweighs a missing one.
pub fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Incompatible => 0,
        Verdict::Undecided(Cause::InvalidSpecification) => 1,
        Verdict::Undecided(Cause::EvaluationFailed) => 2,
        Verdict::Undecided(Cause::ImageUnidentified) => 3,
        Verdict::Undecided(Cause::Internal) => 4,
        Verdict::Undecided(Cause::RegistryUnavailable) => 5,
        Verdict::Undecided(Cause::DeadlineExceeded) => 6,
        Verdict::Compatible => 7,
        Verdict::NoArtifact => 8,
    }
}

/// What an image is judged with.
pub struct Judge<'a> {
    /// Where files are, and who asks registries.
    pub gate: &'a Gate,
    /// The policy of the node.
    pub policy: &'a Policy,
    /// What of it applies to this image.
    pub effective: &'a EffectivePolicy,
    /// The image.
    pub identity: &'a ImageIdentity,
    /// The host.
    pub host: &'a Host,
    /// The time for the start.
    pub deadline: &'a Deadline,
}

impl Judge<'_> {
    /// Judges by the administrator's specifications for the image and by its own.
    pub fn judge(&self) -> Conclusion {
        let mut conclusion = Conclusion {
            verdict: Verdict::NoArtifact,
            reason: format!("{} has no compatibility specification", self.name()),
            judgements: Vec::new(),
            notes: Vec::new(),
        };
        let names = self.identity.policy_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (specs, cache) = (self.gate.paths.specs_dir(), self.gate.paths.cache());
        let locals = local::find(&specs, &cache, &names, &self.gate.worker, self.deadline);
        conclusion.notes.extend(locals.problems);
        for artifact in &locals.artifacts {
            self.evaluate(artifact, &mut conclusion);
        }
        std::mem::forget(locals.artifacts);
        if !locals.replace {
            self.attached(&mut conclusion);
        }
        conclusion
    }

    fn name(&self) -> String {
        self.identity.display_name()
    }

    /// Judges by what is attached to the image in the repositories it may have come from.
    fn attached(&self, conclusion: &mut Conclusion) {
        let subjects = self.identity.subjects();
        if subjects.is_empty() && !self.identity.repositories.is_empty() {
            let reason = format!(
                "none of the manifests stored for {} is that of image {}",
                self.name(),
                self.identity.image_id
            );
            return conclusion.add(Verdict::Undecided(Cause::ImageUnidentified), reason);
        }
        for repository in &self.identity.repositories {
            let lookup = self.find(repository, &subjects, &mut conclusion.notes);
            self.take(lookup, conclusion);
        }
    }

    /// Asks the layout on disk, where there is one, and then the cache and the registry.
    fn find(
        &self,
        repository: &Repository,
        subjects: &[Digest],
        notes: &mut Vec<String>,
    ) -> Lookup {
        let (worker, deadline) = (&self.gate.worker, self.deadline);
        let cache_root = &self.gate.paths.cache();
        if let Some(directory) = self.policy.artifacts.layout.as_deref()
            && let Some(found) = (Layout { directory, cache_root, checker: worker, deadline })
                .find(repository, subjects, notes)
            && !self.speaks_of_less(&found)
        {
            return found;
        }
        let credentials = &self.policy.credentials;
        let times = &self.policy.cache;
        let lookups = Lookups { cache_root, times, credentials, fetcher: worker, deadline };
        let documents = Documents { cache_root, credentials, fetcher: worker, deadline };
        match documents.subjects(repository, self.identity) {
            Ok(subjects) => lookups.find(repository, &subjects, notes),
            Err(no_answer) => *no_answer,
        }
    }

    /// "Nothing is attached" to an index says nothing about its manifests, and of some images only the index is known.
    fn speaks_of_less(&self, found: &Lookup) -> bool {
        matches!(found, Lookup::None) && self.identity.manifests.is_empty()
    }

    fn take(&self, lookup: Lookup, conclusion: &mut Conclusion) {
        let name = self.name();
        let (cause, reason) = match lookup {
            Lookup::Found(artifact) => {
                self.evaluate(&artifact, conclusion);
                // As in `report::publish`.
                return std::mem::forget(artifact);
            }
            Lookup::None => return,
            Lookup::Invalid { artifact, problem, source } => (
                Cause::InvalidSpecification,
                format!(
                    "what is attached to {name} is no specification: {problem} (artifact {} in {})",
                    artifact.short(),
                    source.location(),
                ),
            ),
            Lookup::Unavailable(unavailable) => (
                Cause::RegistryUnavailable,
                format!(
                    "whether {name} has a specification cannot be found out ({}): {}",
                    unavailable.kind.as_str(),
                    unavailable.detail
                ),
            ),
            Lookup::DeadlineExceeded => (
                Cause::DeadlineExceeded,
                format!("the specification of {name} was not found within the deadline"),
            ),
            Lookup::Broken(problem) => (Cause::Internal, problem),
        };
        conclusion.add(Verdict::Undecided(cause), reason);
    }

    fn evaluate(&self, artifact: &Artifact, conclusion: &mut Conclusion) {
        let options = Options { tags: self.effective.tags.clone() };
        let evaluation = rules::evaluate(&artifact.specification, self.host, &options);
        let judgement = Judgement {
            artifact: note(artifact),
            verdict: evaluation.verdict,
            set: evaluation.set,
            sets: evaluation.sets,
        };
        conclusion.notes.extend(artifact.warnings.iter().cloned());
        let (verdict, reason) = self.verdict_of(&judgement);
        conclusion.add(verdict, reason);
        conclusion.judgements.push(judgement);
    }

    fn verdict_of(&self, judgement: &Judgement) -> (Verdict, String) {
        let name = self.name();
        let verdict = match judgement.verdict {
            SetVerdict::Compatible => Verdict::Compatible,
            SetVerdict::Incompatible => Verdict::Incompatible,
            SetVerdict::Undecided => Verdict::Undecided(Cause::EvaluationFailed),
        };
        let reason = match (&self.effective.tags, judgement.sets.is_empty()) {
            (Some(tags), true) => {
                format!("no compatibility set of {name} has one of the tags {}", tags.join(", "))
            }
            _ if verdict == Verdict::Compatible => format!("{name} is compatible with this host"),
            _ => message::reason(&name, judgement, self.host),
        };
        (verdict, reason)
    }
}

fn note(artifact: &Artifact) -> ArtifactNote {
    ArtifactNote {
        digest: Some(artifact.digest.clone()),
        source: artifact.source.as_str().to_owned(),
        location: Some(artifact.source.location().to_owned()),
        subject: artifact.subject.clone(),
        created: artifact.created.clone(),
        age_seconds: artifact.source.age_seconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_answer_outweighs_a_missing_one_and_a_refusal_everything() {
        let mut conclusion = Conclusion::undecided(Cause::DeadlineExceeded, "late".to_owned());
        conclusion.add(Verdict::Compatible, "fits".to_owned());
        assert_eq!(conclusion.reason, "late");
        conclusion.add(Verdict::Undecided(Cause::EvaluationFailed), "odd".to_owned());
        assert_eq!(conclusion.reason, "odd");
        conclusion.add(Verdict::Incompatible, "misfit".to_owned());
        conclusion.add(Verdict::Undecided(Cause::Internal), "bug".to_owned());
        assert_eq!(
            (conclusion.verdict, conclusion.reason.as_str()),
            (Verdict::Incompatible, "misfit")
        );
    }
}
