//! What is attached to a manifest: the referrers API, or the tag schema where there is none.
//!
//! Sources: OCI distribution specification 1.1, "Listing Referrers" and "Unavailable Referrers API"; and what real
//! registries do instead. The question that matters here is one the specification does not ask: is "nothing
//! attached" certain? So
//! - 404, 400, 405, 501, a redirect to another server (GHCR) and 200 with another media type (login pages) mean
//!   that there is no API; the tag `sha256-<hex>` is read;
//! - 401, 403, 429, 5xx and no answer at all are errors, for the API and for the tag;
//! - an empty list from the API is checked against the tag as well: artifacts attached by older clients, or before
//!   the registry had the API, are found only there;
//! - a tag that resolves to the subject itself (GitLab) is no list.

use serde::Deserialize;

use crate::limits;
use crate::oci::{Descriptor, Digest, Document, media_type};
use crate::worker::protocol::Unavailable;

use super::client::{Call, Client, Redirects, Target};
use super::transport::Answer;
use super::{failure, link, url};

/// The image compatibility artifacts attached to a subject.
pub struct Referrers {
    /// Their descriptors, as the registry lists them.
    pub artifacts: Vec<Descriptor>,
    /// True if the registry has a referrers API.
    pub api: bool,
}

/// A list as it is on the wire: entries are read one by one, since a list may hold what we cannot read.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    manifests: Option<Vec<serde_json::Value>>,
}

/// What the API said.
enum Api {
    /// A list, perhaps empty.
    Listed(Vec<Descriptor>),
    /// There is no API. `name_unknown` if the answer said that the repository itself is unknown; `for_all` if it was about
    /// no manifest or repository, and so is true for every other.
    Absent { name_unknown: bool, for_all: bool },
}

/// What the tag said.
enum Tagged {
    /// A list, perhaps empty.
    Listed(Vec<Descriptor>),
    /// There is no such tag; `known` if the answer shows that the repository is there all the same.
    NoTag { known: bool },
}

impl Client<'_> {
    /// The image compatibility artifacts attached to `subject`, by every way there is to find them.
    pub fn referrers(&self, subject: &Digest) -> Result<Referrers, Unavailable> {
        let (api, name_unknown) = match self.api_list_once(subject)? {
            Api::Listed(artifacts) if !artifacts.is_empty() => {
                return Ok(Referrers { artifacts, api: true });
            }
            Api::Listed(_) => (true, false),
            Api::Absent { name_unknown, .. } => (false, name_unknown),
        };
        match self.tag_list(subject)? {
            Tagged::Listed(artifacts) => Ok(Referrers { artifacts, api }),
            Tagged::NoTag { known: false } if name_unknown => {
                Err(self.name_unknown(&what(subject)))
            }
            Tagged::NoTag { .. } => Ok(Referrers { artifacts: Vec::new(), api }),
        }
    }

    /// Asks the API unless this errand knows that there is none: an image has two manifests to ask about, one of many
    /// platforms more. It is not remembered longer, so that a registry that gains the API is noticed at the next errand.
    fn api_list_once(&self, subject: &Digest) -> Result<Api, Unavailable> {
        if self.without_api.get() {
            return Ok(Api::Absent { name_unknown: false, for_all: true });
        }
        let answer = self.api_list(subject)?;
        self.without_api.set(matches!(answer, Api::Absent { for_all: true, .. }));
        Ok(answer)
    }

    /// What the API alone lists; `None` where there is no API.
    pub fn listed_by_api(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, Unavailable> {
        match self.api_list(subject)? {
            Api::Listed(artifacts) => Ok(Some(artifacts)),
            Api::Absent { .. } => Ok(None),
        }
    }

    fn api_list(&self, subject: &Digest) -> Result<Api, Unavailable> {
        let what = what(subject);
        let artifact_type = url::encode(media_type::ARTIFACT_TYPE);
        let below = format!("referrers/{subject}?artifactType={artifact_type}");
        let mut call = Call::get(&what, &below, limits::MANIFEST_BYTES);
        call.headers.push(("accept", media_type::IMAGE_INDEX));
        call.redirects = Redirects::SameOrigin;
        let mut answer = self.call(&call)?;
        if let Some(absent) = absent(&answer) {
            return Ok(absent);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        for page in 1.. {
            bytes += answer.body.len() as u64;
            if bytes > limits::MANIFEST_BYTES {
                let problem = format!("lists it in more than {} bytes", limits::MANIFEST_BYTES);
                return Err(failure::senseless(self.host(), &what, problem));
            }
            self.page(&call, &answer, &mut entries)?;
            let Some(next) = self.next_page(&answer, &what)? else { break };
            if page == limits::REFERRERS_PAGES {
                let problem = format!("lists it on more than {page} pages");
                return Err(failure::senseless(self.host(), &what, problem));
            }
            let target = Target::Address(&next);
            let headers = call.headers.clone();
            let page = Call { target, headers, ..Call::get(&what, "", limits::MANIFEST_BYTES) };
            answer = self.call(&Call { redirects: Redirects::SameOrigin, ..page })?;
        }
        self.ours(entries, &what).map(Api::Listed)
    }

    /// Adds one page's entries.
    fn page(
        &self,
        call: &Call<'_>,
        answer: &Answer,
        entries: &mut Vec<serde_json::Value>,
    ) -> Result<(), Unavailable> {
        if answer.status != 200 {
            return Err(self.refused(call.what, answer));
        }
        self.refuse_oversize(call, answer)?;
        let list: List = serde_json::from_slice(&answer.body).map_err(|problem| {
            let problem = failure::printable(&problem.to_string());
            failure::unverifiable(self.host(), call.what, problem)
        })?;
        entries.extend(list.manifests.unwrap_or_default());
        self.bounded(entries.len(), call.what)
    }

    fn bounded(&self, entries: usize, what: &str) -> Result<(), Unavailable> {
        if entries <= limits::REFERRERS {
            return Ok(());
        }
        let problem = format!("lists more than {} of them", limits::REFERRERS);
        Err(failure::senseless(self.host(), what, problem))
    }

    fn next_page(&self, answer: &Answer, what: &str) -> Result<Option<url::Url>, Unavailable> {
        let links = answer.headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        let Some(target) = links.filter_map(link::next).next() else { return Ok(None) };
        let next = self.address(answer, target, what)?;
        if next.origin() == answer.url.origin() {
            return Ok(Some(next));
        }
        let problem = format!(
            "continues its list on another server ({})",
            failure::printable(&next.authority)
        );
        Err(failure::senseless(self.host(), what, problem))
    }

    fn tag_list(&self, subject: &Digest) -> Result<Tagged, Unavailable> {
        let tag = fallback_tag(subject);
        let what = format!("the tag {tag} (the list of what is attached)");
        let answer = self.manifest_or_404(&what, &tag)?;
        if answer.status == 404 {
            let code = failure::error_code(&answer);
            return Ok(Tagged::NoTag { known: code.as_deref() == Some("MANIFEST_UNKNOWN") });
        }
        if Digest::of(&answer.body) == *subject {
            return Ok(Tagged::NoTag { known: true });
        }
        if answer.media_type() == "text/html" {
            return Err(failure::senseless(self.host(), &what, "answered with a web page"));
        }
        let unverifiable =
            |problem: &str| failure::unverifiable(self.host(), &what, failure::printable(problem));
        let members: List =
            serde_json::from_slice(&answer.body).map_err(|p| unverifiable(&p.to_string()))?;
        let is_list = members.manifests.is_some()
            || matches!(Document::parse(&answer.body), Ok(Document::Index(_)));
        if !is_list {
            return Err(unverifiable("it is not an image index"));
        }
        let entries = members.manifests.unwrap_or_default();
        self.bounded(entries.len(), &what)?;
        self.ours(entries, &what).map(Tagged::Listed)
    }

    /// Of a list's entries those that are image compatibility artifacts.
    fn ours(
        &self,
        entries: Vec<serde_json::Value>,
        what: &str,
    ) -> Result<Vec<Descriptor>, Unavailable> {
        let mut ours = Vec::new();
        let mut untyped = Vec::new();
        for entry in entries {
            let artifact_type =
                entry.get("artifactType").and_then(|t| t.as_str()).unwrap_or_default().to_owned();
            if !artifact_type.is_empty() && artifact_type != media_type::ARTIFACT_TYPE {
                continue;
            }
            let descriptor = serde_json::from_value::<Descriptor>(entry).map_err(|problem| {
                let problem = failure::printable(&format!("an entry cannot be read: {problem}"));
                failure::unverifiable(self.host(), what, problem)
            })?;
            let list = if artifact_type.is_empty() { &mut untyped } else { &mut ours };
            list.push(descriptor);
        }
        self.open_untyped(untyped, what, &mut ours)?;
        Ok(ours)
    }

    /// Some registries leave the type out of their lists; the manifest itself then has to say it.
    fn open_untyped(
        &self,
        untyped: Vec<Descriptor>,
        what: &str,
        ours: &mut Vec<Descriptor>,
    ) -> Result<(), Unavailable> {
        if untyped.len() > limits::UNTYPED_REFERRERS {
            let problem = format!(
                "lists {} entries without a type, and only {} are looked into",
                untyped.len(),
                limits::UNTYPED_REFERRERS
            );
            return Err(failure::senseless(self.host(), what, problem));
        }
        for descriptor in untyped {
            let Some(stored) = self.manifest(&descriptor.digest)? else { continue };
            if let Document::Manifest(manifest) = stored.document
                && manifest.effective_artifact_type() == media_type::ARTIFACT_TYPE
            {
                let annotations = manifest.annotations.or(descriptor.annotations);
                let artifact_type = Some(media_type::ARTIFACT_TYPE.to_owned());
                ours.push(Descriptor { artifact_type, annotations, ..descriptor });
            }
        }
        Ok(())
    }
}

fn what(subject: &Digest) -> String {
    format!("what is attached to {subject}")
}

/// The tag that lists a subject's referrers where there is no API.
pub fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// What an answer says about the API's existence; `None` if it is the API's own answer or an error.
fn absent(answer: &Answer) -> Option<Api> {
    let absent = match answer.status {
        200 => answer.media_type() != media_type::IMAGE_INDEX,
        400 | 404 | 405 | 501 => true,
        // A redirect that was not followed leads to another server.
        300..=399 => true,
        _ => false,
    };
    let code = failure::error_code(answer);
    let name_unknown = answer.status == 404 && code.as_deref() == Some("NAME_UNKNOWN");
    let for_all = matches!(code.as_deref(), None | Some("UNSUPPORTED"));
    absent.then_some(Api::Absent { name_unknown, for_all })
}
