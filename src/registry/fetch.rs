//! The worker's errand: find what is attached to an image, verify it, and decode it.
//!
//! Subjects are asked about in order, the platform manifest before the index, and the next one counts only if the
//! one before certainly has nothing. For each, the configured servers are asked in order; that a mirror has nothing
//! is not the last word, because mirrors copy images without what is attached to them.

use crate::artifact::check::{self, Checked, Problem};
use crate::artifact::select;
use crate::deadline::Deadline;
use crate::limits;
use crate::oci::{Digest, Document};
use crate::spec;
use crate::worker::protocol::{
    FetchOutcome, FetchRequest, FoundArtifact, Unavailable, UnavailableKind,
};

use super::access::{Access, Endpoint};
use super::client::Client;
use super::failure;

/// Warnings that are handed on.
const WARNINGS: usize = 20;

/// Fetches the specification attached to one of the request's subjects.
pub fn fetch(request: &FetchRequest, access: &Access) -> FetchOutcome {
    let time = std::time::Duration::from_millis(request.deadline_ms);
    fetch_until(&request.subjects, access, Deadline::after(time))
}

/// The same with a deadline that is already running.
pub fn fetch_until(subjects: &[Digest], access: &Access, deadline: Deadline) -> FetchOutcome {
    // The registry itself is asked even where containerd's file denies it the capability: there is nobody else.
    let usable = |e: &&Endpoint| e.by.digest && (e.referrers || !e.mirror);
    let endpoints: Vec<&Endpoint> = access.endpoints.iter().filter(usable).collect();
    if endpoints.is_empty() {
        let detail = format!(
            "this node's configuration leaves no server to ask what is attached to images of {}",
            access.repository
        );
        return FetchOutcome::Unavailable(failure::unavailable(UnavailableKind::Blocked, detail));
    }
    let clients: Vec<Client<'_>> = endpoints
        .iter()
        .enumerate()
        .map(|(at, endpoint)| Client::new(endpoint, share(deadline, endpoints.len() - at - 1)))
        .collect();
    for subject in subjects {
        match of_subject(subject, &clients) {
            FetchOutcome::None => {}
            FetchOutcome::Found(mut found) => {
                found.warnings.extend(access.warnings.iter().cloned());
                return FetchOutcome::Found(found);
            }
            decided => return decided,
        }
    }
    FetchOutcome::None
}

/// A server that does not answer may use up only its share of the time, so that the others are still asked.
pub(super) fn share(deadline: Deadline, others: usize) -> Deadline {
    let parts = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
    if parts == 1 { deadline } else { Deadline::after(deadline.remaining() / parts) }
}

/// Asks one server after the other. Where none has anything the registry's own word counts, and where there are
/// only mirrors that of all of them.
fn of_subject(subject: &Digest, clients: &[Client<'_>]) -> FetchOutcome {
    let mut failures: Vec<Unavailable> = Vec::new();
    for client in clients {
        match from_server(subject, client) {
            Ok(Some(outcome)) => return outcome,
            Ok(None) if !client.endpoint().mirror => return FetchOutcome::None,
            Ok(None) => {}
            Err(failure) => failures.push(failure),
        }
    }
    match failures.pop() {
        None => FetchOutcome::None,
        Some(last) => FetchOutcome::Unavailable(with_others(last, &failures)),
    }
}

/// The last failure, and after it those of the servers asked before.
fn with_others(mut failure: Unavailable, before: &[Unavailable]) -> Unavailable {
    for other in before.iter().rev().take(4) {
        failure.detail.push_str("; before that, ");
        failure.detail.push_str(&other.detail);
    }
    failure
}

fn from_server(subject: &Digest, client: &Client<'_>) -> Result<Option<FetchOutcome>, Unavailable> {
    let mut referrers = client.referrers(subject)?;
    if referrers.artifacts.len() > 1 {
        fill_in_times(client, &mut referrers.artifacts)?;
    }
    let Some(chosen) = select::newest(&referrers.artifacts) else { return Ok(None) };
    let what = format!("the artifact {}", chosen.digest);
    let unverifiable =
        |problem: Problem| failure::unverifiable(client.host(), &what, printable(problem));
    let stored = client.manifest(&chosen.digest)?.ok_or_else(|| {
        failure::senseless(client.host(), &what, "lists it, and does not have it")
    })?;
    let size = stored.bytes.len() as u64;
    if size != chosen.size {
        let (part, expected) = ("manifest", chosen.size);
        return Err(unverifiable(Problem::Size { part, expected, found: size }));
    }
    let checked = check::manifest(&stored.bytes, &chosen.digest, std::slice::from_ref(subject))
        .map_err(unverifiable)?;
    if checked.layer.size > limits::SPECIFICATION_BYTES {
        let found = checked.layer.size;
        let limit = limits::SPECIFICATION_BYTES;
        let problem = Problem::TooLarge { part: "specification", found, limit };
        return Ok(Some(invalid(checked, problem.to_string())));
    }
    let specification = client.blob(&checked.layer, limits::SPECIFICATION_BYTES)?;
    check::specification(&specification, &checked.layer).map_err(unverifiable)?;
    Ok(Some(decoded(client.host(), checked, stored.bytes, specification)))
}

fn printable(problem: Problem) -> String {
    failure::printable(&problem.to_string())
}

fn invalid(checked: Checked, problem: String) -> FetchOutcome {
    FetchOutcome::Invalid { subject: checked.subject, artifact: checked.digest, problem }
}

fn decoded(
    endpoint: &str,
    checked: Checked,
    manifest: Vec<u8>,
    specification: Vec<u8>,
) -> FetchOutcome {
    let decoded = match spec::decode(&specification) {
        Ok(decoded) => decoded,
        Err(errors) => {
            let first = errors
                .errors
                .first()
                .map_or("it is not a specification".to_owned(), |e| e.to_string());
            return invalid(checked, first);
        }
    };
    let warnings = decoded.warnings.iter().take(WARNINGS).map(|w| w.to_string()).collect();
    let checked_form = match serde_json::to_vec(&decoded.specification) {
        Ok(bytes) if bytes.len() as u64 <= limits::CACHE_FILE_BYTES => bytes,
        Ok(_) => return invalid(checked, "its checked form is too large".to_owned()),
        Err(error) => return invalid(checked, error.to_string()),
    };
    FetchOutcome::Found(FoundArtifact {
        subject: checked.subject,
        digest: checked.digest,
        created: checked.created,
        endpoint: endpoint.to_owned(),
        warnings,
        manifest,
        specification,
        checked: checked_form,
    })
}

/// Where several artifacts are attached and a list leaves their annotations out (Quay did), the manifests say
/// which is the newest.
pub(super) fn fill_in_times(
    client: &Client<'_>,
    artifacts: &mut [crate::oci::Descriptor],
) -> Result<(), Unavailable> {
    let silent = artifacts.iter_mut().filter(|a| select::created(a.annotations.as_ref()).is_none());
    for artifact in silent.take(limits::UNTYPED_REFERRERS) {
        let Some(stored) = client.manifest(&artifact.digest)? else { continue };
        if let Document::Manifest(manifest) = stored.document {
            artifact.annotations = manifest.annotations;
        }
    }
    Ok(())
}
