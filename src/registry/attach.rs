//! Attaching a specification to an image, listing what is attached, and taking it away.
//!
//! The artifact is what NFD's documentation shows and `oras attach` makes: a manifest with the artifact type, the
//! empty configuration, one layer and a subject. Where the registry does not list it by itself, the list under the
//! tag `sha256-<hex>` is updated (OCI distribution specification 1.1, "Pushing Manifests with Subject").
//!
//! That list has no owner: two writers can read it, and the later one overwrites what the earlier one added. So a
//! writer says what it replaces (`If-Match`, for the registries that heed it), looks again after a pause longer than
//! it took itself from reading to writing, and starts over if its entry is gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::limits;
use crate::oci::{Descriptor, Digest, Document, Platform, media_type};
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::client::Client;
use super::failure;
use super::referrers::fallback_tag;
use super::upload::Removed;

/// An artifact to attach.
pub struct Artifact<'a> {
    /// The specification's bytes.
    pub specification: &'a [u8],
    /// A name for the layer, as oras gives files (`org.opencontainers.image.title`).
    pub title: Option<&'a str>,
    /// Annotations of the manifest, `org.opencontainers.image.created` among them.
    pub annotations: BTreeMap<String, String>,
}

/// What came of attaching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// The manifest it is attached to.
    pub subject: Digest,
    /// The artifact manifest.
    pub digest: Digest,
    /// False if the same specification was attached already.
    pub changed: bool,
    /// Where it is listed: `api` or `tag`.
    pub listed: &'static str,
}

/// One attached artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The artifact manifest.
    pub digest: Digest,
    /// When it says it was made.
    pub created: Option<String>,
    /// True for the one that counts.
    pub counts: bool,
    /// The specification's digest, where the manifest is in order.
    pub specification: Option<Digest>,
    /// What is wrong with it, where something is.
    pub problem: Option<String>,
}

impl Artifact<'_> {
    /// The manifest, for one subject.
    pub fn manifest(&self, subject: &Descriptor) -> Vec<u8> {
        let mut layer = json!({
            "mediaType": media_type::SPECIFICATION,
            "digest": Digest::of(self.specification),
            "size": self.specification.len(),
        });
        if let (Some(title), Some(layer)) = (self.title, layer.as_object_mut()) {
            layer.insert("annotations".to_owned(), json!({ TITLE: title }));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::IMAGE_MANIFEST,
            "artifactType": media_type::ARTIFACT_TYPE,
            "config": { "mediaType": media_type::EMPTY, "digest": Digest::of(EMPTY), "size": EMPTY.len() },
            "layers": [layer],
            "subject": {
                "mediaType": subject.media_type, "digest": subject.digest, "size": subject.size,
            },
            "annotations": self.annotations,
        });
        manifest.to_string().into_bytes()
    }
}

const TITLE: &str = "org.opencontainers.image.title";
const EMPTY: &[u8] = b"{}";
/// How often the list is written before giving up.
const ROUNDS: u32 = 40;
/// The least pause before looking again whether an entry is still listed.
const SETTLE: Duration = Duration::from_millis(250);
/// How often a request that failed for a passing reason is tried again.
const ATTEMPTS: u32 = 8;
/// How many looks in a row must find an entry listed.
const SEEN_RIGHT: u32 = 2;
/// How often an API that promised to list something is asked for it.
const PROBES: u32 = 3;

impl Client<'_> {
    /// Attaches a specification; the same bytes again change nothing.
    pub fn attach(
        &self,
        subject: &Descriptor,
        artifact: &Artifact<'_>,
    ) -> Result<Attached, Unavailable> {
        if let Some(unchanged) = self.attached_already(&subject.digest, artifact)? {
            return Ok(unchanged);
        }
        let bytes = artifact.manifest(subject);
        let digest = Digest::of(&bytes);
        let pushed = self.patiently(|| {
            self.push_blob(EMPTY)?;
            self.push_blob(artifact.specification)?;
            self.push_manifest(digest.as_str(), media_type::IMAGE_MANIFEST, &bytes, None)
        })?;
        let entry = Descriptor {
            media_type: media_type::IMAGE_MANIFEST.to_owned(),
            digest: digest.clone(),
            size: bytes.len() as u64,
            artifact_type: Some(media_type::ARTIFACT_TYPE.to_owned()),
            platform: None,
            annotations: Some(artifact.annotations.clone()),
        };
        let promised = pushed.is_some_and(|pushed| pushed.lists_referrers);
        let listed = self.make_listed(&subject.digest, &entry, promised)?;
        Ok(Attached { subject: subject.digest.clone(), digest, changed: true, listed })
    }

    /// The artifact that counts, if it holds the same specification.
    fn attached_already(
        &self,
        subject: &Digest,
        artifact: &Artifact<'_>,
    ) -> Result<Option<Attached>, Unavailable> {
        let referrers = self.patiently(|| self.referrers(subject))?;
        let specification = Some(Digest::of(artifact.specification));
        let described = self.describe(subject, &referrers.artifacts)?;
        let same = described.into_iter().find(|l| l.counts && l.specification == specification);
        Ok(same.map(|listed| Attached {
            subject: subject.clone(),
            digest: listed.digest,
            changed: false,
            listed: if referrers.api { "api" } else { "tag" },
        }))
    }

    /// A registry's promise (`OCI-Subject`) is not believed: some gave it before they had the API. But one that
    /// promised and has the API may need a moment.
    fn make_listed(
        &self,
        subject: &Digest,
        entry: &Descriptor,
        promised: bool,
    ) -> Result<&'static str, Unavailable> {
        for _ in 0..if promised { PROBES } else { 1 } {
            let Some(listed) = self.listed_by_api(subject)? else { break };
            if listed.iter().any(|d| d.digest == entry.digest) {
                return Ok("api");
            }
            std::thread::sleep(SETTLE.min(self.deadline().remaining()));
        }
        let entry_value = serde_json::to_value(entry).unwrap_or_default();
        self.update_list(subject, Some(&entry_value), &[])?;
        Ok("tag")
    }

    /// Adds and removes entries of the list under the fallback tag until a later look finds them so.
    fn update_list(
        &self,
        subject: &Digest,
        add: Option<&Value>,
        remove: &[Digest],
    ) -> Result<(), Unavailable> {
        let tag = fallback_tag(subject);
        let mut seen_right = 0;
        let mut slowest = Duration::ZERO;
        let mut failed = 0;
        for round in 0..ROUNDS {
            let list = self.patiently(|| self.list_under(&tag, subject))?;
            match list.changed(add, remove) {
                Some(changed) => {
                    seen_right = 0;
                    let etag = list.etag.as_deref();
                    // A failed write is not repeated as it is: the list may be another one by then.
                    match self.push_manifest(&tag, media_type::IMAGE_INDEX, &changed, etag) {
                        Err(failure) if failed < ATTEMPTS && may_pass(&failure) => failed += 1,
                        Err(failure) => return Err(failure),
                        Ok(_) => {}
                    }
                    slowest = slowest.max(list.read_at.elapsed());
                }
                None if round == 0 => return Ok(()),
                None => seen_right += 1,
            }
            if seen_right == SEEN_RIGHT {
                return Ok(());
            }
            pause(slowest, round, self.deadline())?;
        }
        let detail = format!(
            "{} keeps losing the entry in the tag {tag}: others are writing it at the same time; try again",
            self.host()
        );
        Err(failure::unavailable(UnavailableKind::Server, detail))
    }

    /// Tries again what a busy registry failed at. Everything written here is named by its content, so writing it
    /// twice does no harm; what was refused is not asked for again.
    fn patiently<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        for round in 0..ATTEMPTS {
            match attempt() {
                Err(failure) if may_pass(&failure) => {
                    pause(Duration::ZERO, round, self.deadline()).map_err(|_| failure)?
                }
                decided => return decided,
            }
        }
        attempt()
    }

    fn list_under(&self, tag: &str, subject: &Digest) -> Result<TagList, Unavailable> {
        let what = format!("the tag {tag} (the list of what is attached)");
        let read_at = Instant::now();
        let Some(answer) = self.manifest_answer(&what, tag)? else {
            return Ok(TagList { read_at, etag: None, document: None });
        };
        if Digest::of(&answer.body) == *subject {
            let problem = "resolves it to the image itself; nothing can be listed there";
            return Err(failure::senseless(self.host(), &what, problem));
        }
        let document: Value = serde_json::from_slice(&answer.body)
            .map_err(|problem| failure::unverifiable(self.host(), &what, problem))?;
        if !document.get("manifests").is_some_and(|m| m.is_array() || m.is_null()) {
            return Err(failure::unverifiable(self.host(), &what, "it is not an image index"));
        }
        let etag = answer.header("etag").map(str::to_owned);
        Ok(TagList { read_at, etag, document: Some(document) })
    }

    /// What is attached, the one that counts marked.
    pub fn list(&self, subject: &Digest) -> Result<Vec<Listed>, Unavailable> {
        let referrers = self.referrers(subject)?;
        self.describe(subject, &referrers.artifacts)
    }

    fn describe(
        &self,
        subject: &Digest,
        artifacts: &[Descriptor],
    ) -> Result<Vec<Listed>, Unavailable> {
        let mut artifacts = artifacts.to_vec();
        if artifacts.len() > 1 {
            super::fetch::fill_in_times(self, &mut artifacts)?;
        }
        let counts = crate::artifact::select::newest(&artifacts).map(|d| d.digest.clone());
        let mut listed = Vec::new();
        for artifact in artifacts.iter().take(limits::UNTYPED_REFERRERS) {
            let checked = match self.manifest(&artifact.digest)? {
                Some(stored) => crate::artifact::check::manifest(
                    &stored.bytes,
                    &artifact.digest,
                    std::slice::from_ref(subject),
                )
                .map_err(|problem| failure::printable(&problem.to_string())),
                None => Err("it is listed, and not there".to_owned()),
            };
            let created = crate::artifact::select::created(artifact.annotations.as_ref());
            listed.push(Listed {
                digest: artifact.digest.clone(),
                created: created.map(failure::printable),
                counts: counts.as_ref() == Some(&artifact.digest),
                specification: checked.as_ref().ok().map(|c| c.layer.digest.clone()),
                problem: checked.err(),
            });
        }
        Ok(listed)
    }

    /// Takes artifacts away: out of the list under the tag, and the manifests themselves where that is allowed.
    pub fn detach(&self, subject: &Digest, artifacts: &[Digest]) -> Result<(), Unavailable> {
        let tag = fallback_tag(subject);
        let what = format!("the tag {tag}");
        if self.manifest_answer(&what, &tag)?.is_some_and(|a| Digest::of(&a.body) != *subject) {
            self.update_list(subject, None, artifacts)?;
        }
        let mut not_allowed = false;
        for artifact in artifacts {
            not_allowed |= self.delete_manifest(artifact)? == Removed::NotAllowed;
        }
        if not_allowed
            && self
                .listed_by_api(subject)?
                .is_some_and(|l| l.iter().any(|d| artifacts.contains(&d.digest)))
        {
            let detail = format!(
                "{} does not allow manifests to be removed, and still lists them",
                self.host()
            );
            return Err(failure::unavailable(UnavailableKind::Server, detail));
        }
        Ok(())
    }
}

/// docker-registry answers 500 while another writer is in the middle of the same file.
fn may_pass(failure: &Unavailable) -> bool {
    let kinds =
        [UnavailableKind::Server, UnavailableKind::Connection, UnavailableKind::RateLimited];
    kinds.contains(&failure.kind)
}

/// A pause longer than this writer took from reading to writing, and of a different length each time.
fn pause(
    took: Duration,
    round: u32,
    deadline: crate::deadline::Deadline,
) -> Result<(), Unavailable> {
    let least = SETTLE.max(took * 3);
    let spread = u64::try_from(least.as_millis()).unwrap_or(u64::MAX).max(1);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |d| u64::from(d.subsec_nanos()));
    let jitter = (nanos ^ u64::from(std::process::id())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let jitter = jitter.rotate_left(round) >> 32;
    let time = least + Duration::from_millis(jitter % spread);
    if time >= deadline.remaining() {
        let detail =
            "the time is used up before the list of attached artifacts was seen to be right";
        return Err(failure::unavailable(UnavailableKind::Timeout, detail));
    }
    std::thread::sleep(time);
    Ok(())
}

/// The list under a fallback tag, kept as JSON so that what others wrote into it survives.
struct TagList {
    /// When reading it began: a writer's window for losing another's entry.
    read_at: Instant,
    etag: Option<String>,
    document: Option<Value>,
}

impl TagList {
    /// The list with an entry added and others removed; `None` if it is so already.
    fn changed(&self, add: Option<&Value>, remove: &[Digest]) -> Option<Vec<u8>> {
        let mut document = self.document.clone().unwrap_or_else(
            || json!({ "schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": [] }),
        );
        let digest_of =
            |entry: &Value| entry.get("digest").and_then(Value::as_str).map(str::to_owned);
        let list = document.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut entries = list.clone();
        entries.retain(|e| !digest_of(e).is_some_and(|d| remove.iter().any(|r| r.as_str() == d)));
        if let Some(add) = add
            && !entries.iter().any(|entry| digest_of(entry) == digest_of(add))
        {
            entries.push(add.clone());
        }
        if entries.len() == list.len() && entries == list {
            return None;
        }
        document.as_object_mut()?.insert("manifests".to_owned(), Value::Array(entries));
        Some(document.to_string().into_bytes())
    }
}

/// The manifests of an image that a specification can be attached to: what the reference names, or of an index the
/// manifests of its platforms.
pub fn platforms(document: &Document) -> Vec<(Platform, Descriptor)> {
    let Document::Index(index) = document else { return Vec::new() };
    let is_image = |platform: &Platform| platform.os != "unknown";
    index
        .manifests
        .iter()
        .filter_map(|d| Some((d.platform.clone()?, d.clone())))
        .filter(|(platform, _)| is_image(platform))
        .collect()
}
