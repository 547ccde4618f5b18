//! Manifests and blobs: reading them, verified.
//!
//! Source: OCI distribution specification 1.1, "Pulling manifests", "Pulling blobs". What is asked for by digest is
//! hashed here; what is asked for by tag is hashed too, and the registry's own idea of the digest must agree.

use ureq::http::Method;

use crate::limits;
use crate::oci::{Descriptor, Digest, Document, media_type};
use crate::worker::protocol::Unavailable;

use super::client::{Call, Client};
use super::failure;
use super::transport::Answer;

/// What is accepted for an image or index.
const ACCEPT: [&str; 4] = [
    media_type::IMAGE_INDEX,
    media_type::IMAGE_MANIFEST,
    media_type::DOCKER_LIST,
    media_type::DOCKER_MANIFEST,
];

/// A manifest or index with its bytes, its digest verified.
pub struct Stored {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The media type: the document's own word, else the answer's.
    pub media_type: String,
    /// The bytes as the registry sent them.
    pub bytes: Vec<u8>,
    /// What they say.
    pub document: Document,
}

impl Stored {
    /// A descriptor of this document.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            artifact_type: None,
            platform: None,
            annotations: None,
        }
    }
}

impl Client<'_> {
    /// The manifest a digest names; `None` if the repository has none.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Stored>, Unavailable> {
        let what = format!("the manifest {digest}");
        let Some(answer) = self.manifest_answer(&what, digest.as_str())? else { return Ok(None) };
        let found = Digest::of(&answer.body);
        if found != *digest {
            let problem = format!("its content has the digest {found}");
            return Err(failure::unverifiable(self.host(), &what, problem));
        }
        self.stored(&what, answer, found).map(Some)
    }

    /// The manifest a tag names; `None` if there is no such tag.
    pub fn tagged(&self, tag: &str) -> Result<Option<Stored>, Unavailable> {
        let what = format!("the tag {tag}");
        let Some(answer) = self.manifest_answer(&what, tag)? else { return Ok(None) };
        let found = Digest::of(&answer.body);
        if let Some(named) = answer.header("docker-content-digest")
            && named.starts_with("sha256:")
            && named != found.as_str()
        {
            let problem = format!(
                "it names the digest {}, its content has {found}",
                failure::printable(named)
            );
            return Err(failure::unverifiable(self.host(), &what, problem));
        }
        self.stored(&what, answer, found).map(Some)
    }

    /// The raw answer for a manifest, `None` for 404.
    pub(super) fn manifest_answer(
        &self,
        what: &str,
        reference: &str,
    ) -> Result<Option<Answer>, Unavailable> {
        let answer = self.manifest_or_404(what, reference)?;
        Ok(Some(answer).filter(|answer| answer.status == 200))
    }

    /// The raw answer for a manifest: 200 or 404.
    pub(super) fn manifest_or_404(
        &self,
        what: &str,
        reference: &str,
    ) -> Result<Answer, Unavailable> {
        let below = format!("manifests/{reference}");
        let accept = ACCEPT.join(", ");
        let mut call = Call::get(what, &below, limits::MANIFEST_BYTES);
        call.headers.push(("accept", &accept));
        let answer = self.expect(&call, &[200, 404])?;
        let unknown =
            answer.status == 404 && failure::error_code(&answer).as_deref() == Some("NAME_UNKNOWN");
        if unknown { Err(self.name_unknown(what)) } else { Ok(answer) }
    }

    /// A repository that is not there may be one that is hidden from us: that is not "nothing attached".
    pub(super) fn name_unknown(&self, what: &str) -> Unavailable {
        let problem = format!(
            "does not know the repository {} (NAME_UNKNOWN): it was removed, or needs credentials to be seen",
            self.endpoint().path
        );
        let failed = failure::senseless(self.host(), what, problem);
        Unavailable { kind: crate::worker::protocol::UnavailableKind::Denied, ..failed }
    }

    fn stored(&self, what: &str, answer: Answer, digest: Digest) -> Result<Stored, Unavailable> {
        let sent = answer.media_type();
        if sent == "text/html" {
            return Err(failure::senseless(self.host(), what, "answered with a web page"));
        }
        let document = Document::parse(&answer.body).map_err(|problem| {
            failure::unverifiable(self.host(), what, failure::printable(&problem.to_string()))
        })?;
        let own = match &document {
            Document::Manifest(manifest) => manifest.media_type.clone(),
            Document::Index(index) => index.media_type.clone(),
        };
        let known = |t: &str| media_type::is_index(t) || media_type::is_manifest(t);
        let named = own.clone().filter(|own| !own.is_empty());
        if let Some(own) = &named
            && known(&sent)
            && *own != sent
        {
            let problem =
                format!("it is sent as {sent} and says it is {}", failure::printable(own));
            return Err(failure::unverifiable(self.host(), what, problem));
        }
        let by_content = match &document {
            Document::Manifest(_) => media_type::IMAGE_MANIFEST,
            Document::Index(_) => media_type::IMAGE_INDEX,
        };
        let media_type =
            named.unwrap_or_else(|| if known(&sent) { sent } else { by_content.to_owned() });
        Ok(Stored { digest, media_type, bytes: answer.body, document })
    }

    /// A blob, exactly as long as its descriptor says and with its digest.
    pub fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, Unavailable> {
        let what = format!("the blob {}", descriptor.digest);
        let size = descriptor.size;
        if size > limit {
            let problem = format!("its descriptor says {size} bytes, and at most {limit} are read");
            return Err(failure::unverifiable(self.host(), &what, problem));
        }
        let below = format!("blobs/{}", descriptor.digest);
        let answer = self.expect(&Call::get(&what, &below, size), &[200])?;
        let received = answer.body.len() as u64;
        if received != size {
            let problem = format!("it has {received} bytes, and its descriptor says {size}");
            return Err(failure::unverifiable(self.host(), &what, problem));
        }
        let found = Digest::of(&answer.body);
        if found != descriptor.digest {
            let problem = format!("its content has the digest {found}");
            return Err(failure::unverifiable(self.host(), &what, problem));
        }
        Ok(answer.body)
    }

    /// True if the repository has the blob.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, Unavailable> {
        let what = format!("whether it has the blob {digest}");
        let below = format!("blobs/{digest}");
        let mut call = Call::get(&what, &below, limits::ERROR_BODY_BYTES);
        call.method = Method::HEAD;
        let answer = self.call(&call)?;
        Ok(answer.status == 200)
    }
}
