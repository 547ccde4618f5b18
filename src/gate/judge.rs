//! From an image to a verdict: every specification that speaks for it, evaluated on this host.

use super::Gate;
use crate::artifact::layout::Layout;
use crate::artifact::lookup::{Lookup, Lookups};
use crate::artifact::{Artifact, documents, local};
use crate::audit::message;
use crate::audit::{ArtifactNote, Judgement};
use crate::deadline::Deadline;
use crate::host::Host;
use crate::image::ImageIdentity;
use crate::policy::Policy;
use crate::policy::config::EffectivePolicy;
use crate::rules::{self, Options, SetVerdict};
use crate::verdict::{Cause, Verdict};

/// A verdict with everything that led to it.
#[derive(Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence: why.
    pub reason: String,
    /// The specifications that were evaluated.
    pub judgements: Vec<Judgement>,
    /// Troubles that did not decide.
    pub notes: Vec<String>,
}

impl Judged {
    /// No answer, with the reason.
    pub fn undecided(cause: Cause, reason: String) -> Self {
        let verdict = Verdict::Undecided(cause);
        Judged { verdict, reason, judgements: Vec::new(), notes: Vec::new() }
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
fn rank(verdict: Verdict) -> u8 {
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

/// Judges an image by the administrator's specifications for it and by its own.
pub fn image(
    gate: &Gate,
    policy: &Policy,
    effective: &EffectivePolicy,
    identity: &ImageIdentity,
    host: &Host,
    deadline: &Deadline,
) -> Judged {
    let name = identity.display_name();
    let mut judged = Judged {
        verdict: Verdict::NoArtifact,
        reason: format!("{name} has no compatibility specification"),
        judgements: Vec::new(),
        notes: Vec::new(),
    };
    let names = identity.policy_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (specs, cache) = (gate.paths.specs_dir(), gate.paths.cache());
    let locals = local::find(&specs, &cache, &names, &gate.worker, deadline);
    judged.notes.extend(locals.problems);
    for artifact in &locals.artifacts {
        evaluate(&mut judged, &name, artifact, effective, host);
    }
    if !locals.replace {
        attached(&mut judged, gate, policy, effective, identity, host, deadline);
    }
    judged
}

/// Judges by what is attached to the image in the repositories it may have come from.
fn attached(
    judged: &mut Judged,
    gate: &Gate,
    policy: &Policy,
    effective: &EffectivePolicy,
    identity: &ImageIdentity,
    host: &Host,
    deadline: &Deadline,
) {
    let name = identity.display_name();
    let subjects = identity.subjects();
    let cache_root = gate.paths.cache();
    if subjects.is_empty() && !identity.repositories.is_empty() {
        let reason = format!(
            "none of the manifests stored for {name} is that of image {}",
            identity.image_id
        );
        return judged.add(Verdict::Undecided(Cause::ImageUnidentified), reason);
    }
    let layout = policy.artifacts.layout.as_deref().map(|directory| Layout {
        directory,
        cache_root: &cache_root,
        checker: &gate.worker,
        deadline,
    });
    let lookups =
        Lookups { cache_root: &cache_root, times: &policy.cache, fetcher: &gate.worker, deadline };
    for repository in &identity.repositories {
        let notes = &mut judged.notes;
        let found = layout.as_ref().and_then(|layout| layout.find(repository, &subjects, notes));
        let lookup = found.unwrap_or_else(|| {
            match documents::subjects(&cache_root, repository, identity, &gate.worker, deadline) {
                Ok(subjects) => lookups.find(repository, &subjects, notes),
                Err(no_answer) => *no_answer,
            }
        });
        take(judged, &name, lookup, effective, host);
    }
}

fn take(judged: &mut Judged, name: &str, lookup: Lookup, effective: &EffectivePolicy, host: &Host) {
    match lookup {
        Lookup::Found(artifact) => evaluate(judged, name, &artifact, effective, host),
        Lookup::None => {}
        Lookup::Invalid { artifact, problem, source } => {
            let reason = format!(
                "what is attached to {name} is no specification: {problem} (artifact {} in {})",
                artifact.short(),
                source.location(),
            );
            judged.add(Verdict::Undecided(Cause::InvalidSpecification), reason);
        }
        Lookup::Unavailable(unavailable) => {
            let reason = format!(
                "whether {name} has a specification cannot be found out ({}): {}",
                unavailable.kind.as_str(),
                unavailable.detail
            );
            judged.add(Verdict::Undecided(Cause::RegistryUnavailable), reason);
        }
        Lookup::DeadlineExceeded => {
            let reason = format!("the specification of {name} was not found within the deadline");
            judged.add(Verdict::Undecided(Cause::DeadlineExceeded), reason);
        }
        Lookup::Broken(problem) => judged.add(Verdict::Undecided(Cause::Internal), problem),
    }
}

fn evaluate(
    judged: &mut Judged,
    name: &str,
    artifact: &Artifact,
    effective: &EffectivePolicy,
    host: &Host,
) {
    let options = Options { tags: effective.tags.clone() };
    let evaluation = rules::evaluate(&artifact.specification, host, &options);
    let judgement = Judgement {
        artifact: note(artifact),
        verdict: evaluation.verdict,
        set: evaluation.set,
        sets: evaluation.sets,
    };
    judged.notes.extend(artifact.warnings.iter().cloned());
    let (verdict, reason) = conclusion(name, &judgement, effective, host);
    judged.add(verdict, reason);
    judged.judgements.push(judgement);
}

fn conclusion(
    name: &str,
    judgement: &Judgement,
    effective: &EffectivePolicy,
    host: &Host,
) -> (Verdict, String) {
    let verdict = match judgement.verdict {
        SetVerdict::Compatible => Verdict::Compatible,
        SetVerdict::Incompatible => Verdict::Incompatible,
        SetVerdict::Undecided => Verdict::Undecided(Cause::EvaluationFailed),
    };
    let reason = match (&effective.tags, judgement.sets.is_empty()) {
        (Some(tags), true) => {
            format!("no compatibility set of {name} has one of the tags {}", tags.join(", "))
        }
        _ if verdict == Verdict::Compatible => format!("{name} is compatible with this host"),
        _ => message::reason(name, judgement, host),
    };
    (verdict, reason)
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
        let mut judged = Judged::undecided(Cause::DeadlineExceeded, "late".to_owned());
        judged.add(Verdict::Compatible, "fits".to_owned());
        assert_eq!(judged.reason, "late");
        judged.add(Verdict::Undecided(Cause::EvaluationFailed), "odd".to_owned());
        assert_eq!(judged.reason, "odd");
        judged.add(Verdict::Incompatible, "misfit".to_owned());
        judged.add(Verdict::Undecided(Cause::Internal), "bug".to_owned());
        assert_eq!((judged.verdict, judged.reason.as_str()), (Verdict::Incompatible, "misfit"));
    }
}
