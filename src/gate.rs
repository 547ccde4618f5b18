//! The gate: a container start goes in, an action comes out. The only place that sees every room.
//!
//! ```text
//! start ─▶ identity ─▶ specifications ─▶ rules × host ─▶ verdict ─▶ policy ─▶ decision ─▶ record, message
//! ```
//!
//! [`Gate::decide`] is the flow. Each step that cannot give an answer gives a verdict instead; what a verdict leads to
//! is the policy's matter alone.

pub mod judge;
mod report;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::time::Instant;

use time::OffsetDateTime;

use crate::audit::listener::Listener;
use crate::deadline::Deadline;
use crate::host::{Host, HostRoot};
use crate::image::{self, Identification, ImageIdentity};
use crate::paths::Paths;
use crate::policy::config::EffectivePolicy;
use crate::policy::{self, Action, Mode, Policy};
use crate::start::{ContainerStart, StartError};
use crate::verdict::{Cause, Verdict};
use crate::worker::process::Worker;
use crate::{limits, sanitize};

use judge::{Conclusion, Judge};
use report::Subject;

/// One run of the gate: where its files are, what it judges by, who asks registries for it.
pub struct Gate {
    /// imgcompat's own files.
    pub paths: Paths,
    /// The host to judge by.
    pub host: HostRoot,
    /// The tool, for what root should not do itself.
    pub worker: Worker,
    /// Refuse starts while the configuration is broken.
    pub fail_closed: bool,
    /// Who is told why a start is refused.
    pub listener: Listener,
    /// When the program began; the deadline counts from here.
    pub began: Instant,
}

impl Gate {
    /// Decides; a defect of this program is recorded as `internal` and follows the policy, and if even that fails,
    /// `--fail-closed`.
    pub fn decide_in_any_case(
        &self,
        program: &str,
        read: impl FnOnce(&Deadline) -> Result<ContainerStart, StartError>,
    ) -> Action {
        panic::catch_unwind(AssertUnwindSafe(|| self.decide(read))).unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref());
            let reason = format!("{program} has a defect; please report it: {text}");
            panic::catch_unwind(AssertUnwindSafe(|| self.after_defect(&reason)))
                .unwrap_or(if self.fail_closed { Action::Deny } else { Action::Allow })
        })
    }

    /// Decides about the start that `read` finds announced, writes the record, and tells the person.
    pub fn decide(
        &self,
        read: impl FnOnce(&Deadline) -> Result<ContainerStart, StartError>,
    ) -> Action {
        let policy = match Policy::load(&self.paths) {
            Ok(policy) => policy,
            Err(error) => return self.without_policy(&error.to_string()),
        };
        if policy.mode == Mode::Off && policy.image.iter().all(|entry| entry.mode.is_none()) {
            return Action::Allow;
        }
        let deadline = Deadline::from(self.began, policy.deadline);
        let start = match read(&deadline) {
            Ok(start) => start,
            Err(error) => {
                let conclusion = Conclusion::undecided(Cause::Internal, error.to_string());
                return self.conclude(&policy, Subject::unknown(), conclusion);
            }
        };
        let memory = image::Memory::below(self.paths.cache());
        let identified = image::identify(&start, &memory, &self.worker, &deadline);
        let container = Subject::container(&start, &identified.known_as);
        match identified.image {
            Ok(Identification::Image(identity)) => {
                self.decide_image(&policy, container, &identity, &deadline)
            }
            Ok(Identification::NotJudged(kind)) if !policy.include.contains(&kind) => {
                report::not_judged(self, &policy, &container, kind);
                Action::Allow
            }
            Ok(Identification::NotJudged(kind)) => {
                let reason = format!("the container is a {} and carries no image", kind.as_str());
                let conclusion = Conclusion::undecided(Cause::ImageUnidentified, reason);
                self.conclude(&policy, container, conclusion)
            }
            Err(error) => {
                let conclusion = Conclusion::undecided(Cause::ImageUnidentified, error.to_string());
                self.conclude(&policy, container, conclusion)
            }
        }
    }

    fn decide_image(
        &self,
        policy: &Policy,
        container: Subject<'_>,
        identity: &ImageIdentity,
        deadline: &Deadline,
    ) -> Action {
        let effective = effective_policy(policy, container, Some(identity));
        if effective.mode == Mode::Off {
            return Action::Allow;
        }
        let host = Host::new(self.host.clone()).remembering(&self.paths.cache());
        let judge =
            Judge { gate: self, policy, effective: &effective, identity, host: &host, deadline };
        let conclusion = judge.judge();
        let action = self.conclude_with(&effective, container.with_image(identity), conclusion);
        host.remember();
        // As in `report::publish`.
        std::mem::forget(host);
        action
    }

    fn conclude(&self, policy: &Policy, subject: Subject<'_>, conclusion: Conclusion) -> Action {
        self.conclude_with(&effective_policy(policy, subject, None), subject, conclusion)
    }

    /// Verdict and policy make the decision; it is written down and said.
    fn conclude_with(
        &self,
        policy: &EffectivePolicy,
        subject: Subject<'_>,
        conclusion: Conclusion,
    ) -> Action {
        let decision = policy::decide(conclusion.verdict, policy);
        let terminal = subject.terminal();
        let record = report::record(self, policy, &decision, subject, conclusion);
        report::publish(self, record, terminal);
        decision.action
    }

    /// A defect of this program is the verdict `internal`, and the policy's matter like any other.
    fn after_defect(&self, reason: &str) -> Action {
        match Policy::load(&self.paths) {
            Ok(policy) => {
                let conclusion = Conclusion::undecided(Cause::Internal, reason.to_owned());
                self.conclude(&policy, Subject::unknown(), conclusion)
            }
            Err(_) => self.without_policy(reason),
        }
    }

    /// A configuration that cannot be used must not take the node down, unless the administrator said so in the
    /// hook's own arguments.
    pub fn without_policy(&self, reason: &str) -> Action {
        let verdict = Verdict::Undecided(Cause::Internal);
        let refused = if self.fail_closed { Action::Deny } else { Action::Allow };
        let on = std::collections::BTreeMap::from([(verdict.outcome().to_owned(), refused)]);
        let policy = EffectivePolicy { on, ..EffectivePolicy::default() };
        let decision = policy::decide(verdict, &policy);
        let conclusion = Conclusion::undecided(
            Cause::Internal,
            sanitize::bounded_line(reason, limits::REFUSAL_BYTES),
        );
        let record = report::record(self, &policy, &decision, Subject::unknown(), conclusion);
        report::publish(self, record, false);
        decision.action
    }
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

/// The policy for a container and, where it is known, its image. An exempt namespace is exempt even where it is not.
fn effective_policy(
    policy: &Policy,
    subject: Subject<'_>,
    identity: Option<&ImageIdentity>,
) -> EffectivePolicy {
    let now = OffsetDateTime::now_utc();
    let effective = match identity {
        Some(identity) => {
            let digests: Vec<_> = identity
                .manifests
                .iter()
                .chain(&identity.indexes)
                .chain([&identity.image_id])
                .collect();
            let names = identity.policy_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            policy.for_image(&names, &digests, now)
        }
        None => policy.for_image(&[], &[], now),
    };
    effective.in_namespace(policy, subject.namespace())
}
