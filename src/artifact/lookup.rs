//! The specification attached to an image: from the cache while it is fresh, else from the registry, else from the
//! cache again if the registry does not answer.
//!
//! Of many equal starts one asks the registry and the others wait for its answer. An answer, "nothing attached" and
//! a refusal to answer are all remembered, each for its time, so that a container that is started again every ten
//! seconds costs no request. Lifetimes are spread by a tenth, so that a fleet does not ask in step.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cache::{Answer, Cache, Content, Entry, Found, Key, Trouble};
use super::{Artifact, CacheTimes, Source, check};
use crate::clock::Moment;
use crate::deadline::Deadline;
use crate::oci::{Digest, Repository};
use crate::spec::Specification;
use crate::worker::process::WorkerError;
use crate::worker::protocol::{
    CredentialSources, FetchOutcome, FetchRequest, FoundArtifact, Unavailable, UnavailableKind,
};

/// Seconds in which a registry that gave no answer is not asked again.
const BACK_OFF: u64 = 30;
/// The longest back-off a registry can ask for.
const LONGEST_BACK_OFF: u64 = 3600;
/// What the worker has less than the hook: it is to give up by itself, with the cause, before it is killed without one, and
/// to end what it started.
const TIME_TO_ANSWER: Duration = Duration::from_millis(200);

/// Whoever asks registries; the hook's worker, or a test.
pub trait Fetcher {
    /// Asks for what is attached to the subjects.
    fn fetch(
        &self,
        request: &FetchRequest,
        deadline: &Deadline,
    ) -> Result<FetchOutcome, WorkerError>;
}

impl Fetcher for crate::worker::process::Worker {
    fn fetch(
        &self,
        request: &FetchRequest,
        deadline: &Deadline,
    ) -> Result<FetchOutcome, WorkerError> {
        crate::worker::process::Worker::fetch(self, request, deadline)
    }
}

/// What is known about an image's own specification.
#[derive(Debug)]
pub enum Lookup {
    /// It has one.
    Found(Artifact),
    /// It has none.
    None,
    /// What is attached is no specification.
    Invalid {
        /// The artifact's manifest.
        artifact: Digest,
        /// Where it came from.
        source: Source,
        /// What is wrong with it.
        problem: String,
    },
    /// No answer, and none of before that is fresh enough to serve.
    Unavailable(Unavailable),
    /// The deadline passed first.
    DeadlineExceeded,
    /// The worker cannot be used.
    Broken(String),
}

/// Where to look and for how long answers count.
pub struct Lookups<'a> {
    /// The cache's directory.
    pub cache_root: &'a Path,
    /// Lifetimes.
    pub times: &'a CacheTimes,
    /// Where credentials are besides the usual places.
    pub credentials: &'a CredentialSources,
    /// Who asks registries.
    pub fetcher: &'a dyn Fetcher,
    /// The time for the whole start.
    pub deadline: &'a Deadline,
}

impl Lookups<'_> {
    /// Looks for what is attached to any of `subjects` in `repository`. Troubles that do not change the answer go
    /// to `notes`.
    pub fn find(
        &self,
        repository: &Repository,
        subjects: &[Digest],
        notes: &mut Vec<String>,
    ) -> Lookup {
        let key = Key { repository: repository.clone(), subjects: subjects.to_vec() };
        let cache = match Cache::open(self.cache_root) {
            Ok(cache) => cache,
            Err(error) => {
                notes.push(format!(
                    "the cache {} cannot be used: {error}",
                    self.cache_root.display()
                ));
                return self.ask(&key, None, None, notes);
            }
        };
        let entry = cache.load(&key);
        if let Some(known) = entry.as_ref().and_then(|entry| self.known(entry)) {
            return known;
        }
        let lock = match cache.lock(&key, self.deadline) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => return self.stale_or(entry, Lookup::DeadlineExceeded),
            Err(error) => {
                notes.push(format!("the cache cannot be locked: {error}"));
                None
            }
        };
        // Whoever held the lock before may have stored the answer.
        let entry = cache.load(&key);
        if let Some(known) = entry.as_ref().and_then(|entry| self.known(entry)) {
            return known;
        }
        let answer = self.ask(&key, entry, Some(&cache), notes);
        drop(lock);
        answer
    }

    /// What an entry says without asking anybody: a fresh answer, or, during a back-off, an old one or the trouble.
    fn known(&self, entry: &Entry) -> Option<Lookup> {
        let now = Moment::now();
        if let Some(answer) = &entry.answer
            && let Some(age) = answer.at.age(&now)
            && age < self.lifetime(entry, &answer.content)
        {
            return Some(serve(entry, answer, age, Source::Cache));
        }
        let trouble = entry.trouble.as_ref()?;
        let since = trouble.at.age(&now)?;
        if since >= Duration::from_secs(trouble.back_off) {
            return None;
        }
        Some(self.stale(entry).unwrap_or_else(|| Lookup::Unavailable(trouble.unavailable.clone())))
    }

    fn lifetime(&self, entry: &Entry, content: &Content) -> Duration {
        let full = match content {
            Content::Found(_) | Content::Invalid { .. } => self.times.artifact,
            Content::None => self.times.none,
        };
        spread(full, &entry.key)
    }

    /// An answer that is too old to be trusted but not too old to serve.
    fn stale(&self, entry: &Entry) -> Option<Lookup> {
        let answer = entry.answer.as_ref()?;
        let age = answer.at.age(&Moment::now())?;
        (age < self.times.stale).then(|| serve(entry, answer, age, Source::StaleCache))
    }

    fn stale_or(&self, entry: Option<Entry>, otherwise: Lookup) -> Lookup {
        entry.and_then(|entry| self.stale(&entry)).unwrap_or(otherwise)
    }

    /// Asks the registry and remembers what comes of it.
    fn ask(
        &self,
        key: &Key,
        old: Option<Entry>,
        cache: Option<&Cache>,
        notes: &mut Vec<String>,
    ) -> Lookup {
        let asked = Moment::now();
        let outcome = match self.fetch(key) {
            Ok(outcome) => outcome,
            Err(WorkerError::DeadlineExceeded) => FetchOutcome::Unavailable(Unavailable {
                kind: UnavailableKind::Timeout,
                detail: format!("{} did not answer within the deadline", key.repository.registry),
                retry_after: None,
            }),
            Err(error) => return self.stale_or(old, Lookup::Broken(error.to_string())),
        };
        let (lookup, entry) = self.take(key, old, asked, outcome);
        if let Some(cache) = cache
            && let Err(error) = cache.store(&entry).and_then(|()| cache.trim())
        {
            notes.push(format!("the answer cannot be kept in the cache: {error}"));
        }
        lookup
    }

    fn fetch(&self, key: &Key) -> Result<FetchOutcome, WorkerError> {
        let request = FetchRequest {
            repository: key.repository.clone(),
            subjects: key.subjects.clone(),
            deadline_ms: milliseconds_for_worker(self.deadline),
            credentials: self.credentials.clone(),
        };
        self.fetcher.fetch(&request, self.deadline)
    }

    /// Turns an outcome into an answer and the entry to remember.
    fn take(
        &self,
        key: &Key,
        old: Option<Entry>,
        asked: Moment,
        outcome: FetchOutcome,
    ) -> (Lookup, Entry) {
        let content = match outcome {
            FetchOutcome::Found(found) => match verify(found, &key.subjects) {
                Ok(found) => Content::Found(Box::new(found)),
                Err(unavailable) => return self.trouble(key, old, asked, unavailable),
            },
            FetchOutcome::None => Content::None,
            FetchOutcome::Invalid { subject, artifact, problem } => {
                Content::Invalid { subject, artifact, problem }
            }
            FetchOutcome::Unavailable(unavailable) => {
                return self.trouble(key, old, asked, unavailable);
            }
        };
        let lookup = lookup(&content, Source::Registry(key.repository.to_string()));
        let answer = Some(Answer { at: asked, content });
        (lookup, Entry { key: key.clone(), answer, trouble: None })
    }

    fn trouble(
        &self,
        key: &Key,
        old: Option<Entry>,
        asked: Moment,
        unavailable: Unavailable,
    ) -> (Lookup, Entry) {
        let back_off = back_off(&unavailable, self.times, key);
        let timed_out = unavailable.kind == UnavailableKind::Timeout && self.deadline.has_passed();
        let trouble = Trouble { at: asked, unavailable: unavailable.clone(), back_off };
        let answer = old.and_then(|entry| entry.answer);
        let entry = Entry { key: key.clone(), answer, trouble: Some(trouble) };
        let otherwise =
            if timed_out { Lookup::DeadlineExceeded } else { Lookup::Unavailable(unavailable) };
        (self.stale(&entry).unwrap_or(otherwise), entry)
    }
}

/// What the hook's deadline leaves to a worker.
pub(super) fn milliseconds_for_worker(deadline: &Deadline) -> u64 {
    let left = deadline.remaining().saturating_sub(TIME_TO_ANSWER);
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

/// Checks everything that can be checked about what the worker hands over.
fn verify(found: FoundArtifact, subjects: &[Digest]) -> Result<Found, Unavailable> {
    let unverifiable = |detail: String| Unavailable {
        kind: UnavailableKind::Unverifiable,
        detail: format!("what {} answered cannot be verified: {detail}", found.endpoint),
        retry_after: None,
    };
    let checked = check::manifest(&found.manifest, &found.digest, subjects)
        .map_err(|problem| unverifiable(problem.to_string()))?;
    check::specification(&found.specification, &checked.layer)
        .map_err(|problem| unverifiable(problem.to_string()))?;
    let specification: Specification = serde_json::from_slice(&found.checked)
        .map_err(|error| unverifiable(format!("the checked form is broken: {error}")))?;
    Ok(Found {
        subject: checked.subject,
        digest: checked.digest,
        created: checked.created,
        warnings: found.warnings,
        specification: Arc::new(specification),
    })
}

/// Refusals are as lasting as "nothing attached"; other trouble is short unless the registry names a time.
fn back_off(unavailable: &Unavailable, times: &CacheTimes, key: &Key) -> u64 {
    let wanted = match (unavailable.kind, unavailable.retry_after) {
        (_, Some(seconds)) => seconds.clamp(1, LONGEST_BACK_OFF),
        (UnavailableKind::Denied | UnavailableKind::Blocked, None) => times.none.as_secs(),
        _ => BACK_OFF,
    };
    spread(Duration::from_secs(wanted), key).as_secs().max(1)
}

/// Shortens a time by up to a tenth, differently for each key.
fn spread(full: Duration, key: &Key) -> Duration {
    let seed = key.subjects.first().map_or("", |digest| digest.hex());
    let byte = seed.get(..2).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0);
    full - full / 10 * byte / 256
}

/// A kept answer, with the word for where it was kept.
fn serve(
    entry: &Entry,
    answer: &Answer,
    age: Duration,
    source: fn(String, u64) -> Source,
) -> Lookup {
    lookup(&answer.content, source(entry.key.repository.to_string(), age.as_secs()))
}

fn lookup(content: &Content, source: Source) -> Lookup {
    match content {
        Content::Found(found) => Lookup::Found(Artifact {
            specification: Arc::clone(&found.specification),
            source,
            digest: found.digest.clone(),
            subject: Some(found.subject.clone()),
            created: found.created.clone(),
            warnings: found.warnings.clone(),
        }),
        Content::None => Lookup::None,
        Content::Invalid { artifact, problem, .. } => {
            Lookup::Invalid { artifact: artifact.clone(), source, problem: problem.clone() }
        }
    }
}

#[cfg(test)]
mod tests;
