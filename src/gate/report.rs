//! From a decision to its record and its message.

use time::OffsetDateTime;

use super::Gate;
use super::judge::Conclusion;
use crate::audit::record::now;
use crate::audit::repeats::{self, Repeat};
use crate::audit::{self, Record, message};
use crate::image::{self, Engine, ImageIdentity, KnownAs, NotJudged};
use crate::policy::config::EffectivePolicy;
use crate::policy::{Action, Decision, Policy};
use crate::start::ContainerStart;
use crate::verdict::Cause;

/// What a decision is about, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The container's id.
    pub container: &'a str,
    start: Option<&'a ContainerStart>,
    known_as: Option<&'a KnownAs>,
    identity: Option<&'a ImageIdentity>,
}

impl<'a> Subject<'a> {
    /// Not even the container is known.
    pub fn unknown() -> Self {
        Subject { container: "", start: None, known_as: None, identity: None }
    }

    /// The container is known, and what it is called.
    pub fn container(start: &'a ContainerStart, known_as: &'a KnownAs) -> Self {
        let (start, known_as) = (Some(start), Some(known_as));
        Subject { container: start.map_or("", |start| &start.id), start, known_as, identity: None }
    }

    /// The image is known too.
    pub fn with_image(self, identity: &'a ImageIdentity) -> Self {
        Subject { identity: Some(identity), ..self }
    }

    /// The namespace of the container's pod.
    pub fn namespace(&self) -> Option<&'a str> {
        self.known_as?.namespace.as_deref()
    }

    /// The engine by what is known of the image, else by the bundle's place.
    fn engine(&self) -> &'static str {
        let known = self.identity.map(|identity| identity.engine);
        engine_name(known.or_else(|| image::engine_of(self.start?)))
    }

    /// True if the container has a terminal.
    pub fn terminal(&self) -> bool {
        self.start.is_some_and(|start| start.terminal)
    }
}

/// The word in records.
fn engine_name(engine: Option<Engine>) -> &'static str {
    engine.map_or("unknown", Engine::as_str)
}

/// The record of a decision.
pub fn record(
    gate: &Gate,
    policy: &EffectivePolicy,
    decision: &Decision,
    subject: Subject<'_>,
    conclusion: Conclusion,
) -> Record {
    Record {
        time: now(),
        container: subject.container.to_owned(),
        name: subject.known_as.and_then(|known_as| known_as.name.clone()),
        pod: subject.known_as.and_then(|known_as| known_as.pod.clone()),
        namespace: subject.known_as.and_then(|known_as| known_as.namespace.clone()),
        engine: Some(subject.engine().to_owned()),
        image: subject.identity.map(ImageIdentity::display_name),
        image_id: subject.identity.map(|identity| identity.image_id.clone()),
        mode: policy.mode,
        verdict: conclusion.verdict.as_str().to_owned(),
        cause: conclusion.verdict.cause(),
        not_judged: None,
        decision: decision.action,
        under_enforce: decision.under_enforce,
        reason: conclusion.reason,
        overridden: decision.overridden.clone(),
        policy_entries: policy.entries.clone(),
        judgements: conclusion.judgements,
        notes: conclusion.notes,
        repeated: 0,
        shortened: false,
        duration_us: u64::try_from(gate.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Writes the record and, for a refusal, says why. A refusal that repeats within a minute is said but not written.
pub fn publish(gate: &Gate, mut record: Record, terminal: bool) {
    if record.decision == Action::Allow {
        audit::write(&mut record, &gate.paths);
        // The process ends with its start, or becomes the runtime: to take a large value apart first costs time only.
        std::mem::forget(record);
        return;
    }
    let line = match count(gate, &record) {
        Repeat::Write(left_out) => {
            record.repeated = left_out;
            let line = message::refusal(&record, &record.container);
            audit::write(&mut record, &gate.paths);
            line
        }
        Repeat::LeaveOut(recorded) => message::refusal(&record, &recorded),
    };
    gate.listener.tell(&line, terminal);
}

fn count(gate: &Gate, record: &Record) -> Repeat {
    let outcome = record.cause.map_or(record.verdict.as_str(), |cause| cause.as_str());
    let image = record.image.as_deref().unwrap_or_default();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    repeats::count(&gate.paths.cache(), &record.container, image, outcome, now)
}

/// A container that is not judged leaves a line in the decision log, so that `why` can say so, and none elsewhere.
pub fn not_judged(gate: &Gate, policy: &Policy, subject: &Subject<'_>, kind: NotJudged) {
    let reason = match kind {
        NotJudged::Sandbox => "the container is a pod's sandbox",
        NotJudged::Rootfs => "the container is made from a directory, not from an image",
        NotJudged::Build => "the container is a step of an image build",
    };
    let reason = format!("{reason}; it is not judged");
    let policy = EffectivePolicy { mode: policy.mode, ..EffectivePolicy::default() };
    let decision =
        Decision { action: Action::Allow, under_enforce: Action::Allow, overridden: None };
    // A record has a verdict; here it gives way to the word for having none.
    let conclusion = Conclusion::undecided(Cause::Internal, reason);
    let record = Record {
        verdict: "not-judged".to_owned(),
        cause: None,
        not_judged: Some(kind),
        ..record(gate, &policy, &decision, *subject, conclusion)
    };
    // Nothing was decided, so nothing is lost if this cannot be written.
    let _ = audit::log::append(&gate.paths.log_dir(), &record.to_line());
}
