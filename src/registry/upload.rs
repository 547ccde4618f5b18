//! Writing to a repository: blobs, manifests, and their removal.
//!
//! Source: OCI distribution specification 1.1, "Pushing blobs" (POST, then PUT), "Pushing manifests" and "Deleting
//! manifests". What is written is small, so nothing is sent in chunks.

use ureq::http::Method;

use crate::limits;
use crate::oci::Digest;
use crate::worker::protocol::Unavailable;

use super::client::{Call, Client, Redirects, Target};
use super::token::Action;

/// What a registry said to a manifest.
pub struct Pushed {
    /// True if it says that it lists the manifest as a referrer (`OCI-Subject`).
    pub lists_referrers: bool,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// The registry does not allow manifests to be removed.
    NotAllowed,
}

impl Client<'_> {
    /// Uploads a blob unless the repository has it.
    pub fn push_blob(&self, bytes: &[u8]) -> Result<Digest, Unavailable> {
        let digest = Digest::of(bytes);
        if self.has_blob(&digest)? {
            return Ok(digest);
        }
        let what = format!("a place for the blob {digest}");
        let call = writing(&what, Method::POST, Target::Below("blobs/uploads/"), Some(&[]));
        let answer = self.expect(&call, &[201, 202])?;
        if answer.status == 201 {
            return Ok(digest);
        }
        let location = answer.header("location").unwrap_or_default();
        let place = self.address(&answer, location, &what)?;
        let place = place.with_query(&format!("digest={}", super::url::encode(digest.as_str())));
        let what = format!("storing the blob {digest}");
        let mut call = writing(&what, Method::PUT, Target::Address(&place), Some(bytes));
        call.headers.push(("content-type", "application/octet-stream"));
        self.expect(&call, &[201, 204])?;
        Ok(digest)
    }

    /// Stores a manifest under a digest or tag. With `replaces`, only if it is still that one (where the registry
    /// heeds `If-Match`); `None` is returned when it is not.
    pub fn push_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
        replaces: Option<&str>,
    ) -> Result<Option<Pushed>, Unavailable> {
        let what = format!("storing the manifest {reference}");
        let below = format!("manifests/{reference}");
        let mut call = writing(&what, Method::PUT, Target::Below(&below), Some(bytes));
        call.headers.push(("content-type", media_type));
        if let Some(etag) = replaces {
            call.headers.push(("if-match", etag));
        }
        let answer = self.expect(&call, &[200, 201, 202, 204, 409, 412])?;
        match answer.status {
            412 => Ok(None),
            409 => Err(self.refused(&what, &answer)),
            _ => Ok(Some(Pushed { lists_referrers: answer.header("oci-subject").is_some() })),
        }
    }

    /// Removes a manifest.
    pub fn delete_manifest(&self, digest: &Digest) -> Result<Removed, Unavailable> {
        let what = format!("removing the manifest {digest}");
        let below = format!("manifests/{digest}");
        let mut call = writing(&what, Method::DELETE, Target::Below(&below), None);
        call.action = Action::Delete;
        let answer = self.expect(&call, &[200, 202, 204, 400, 404, 405])?;
        match answer.status {
            400 | 405 => Ok(Removed::NotAllowed),
            _ => Ok(Removed::Gone),
        }
    }
}

fn writing<'a>(
    what: &'a str,
    method: Method,
    target: Target<'a>,
    body: Option<&'a [u8]>,
) -> Call<'a> {
    Call {
        what,
        method,
        target,
        action: Action::Push,
        headers: Vec::new(),
        body,
        limit: limits::ERROR_BODY_BYTES,
        redirects: Redirects::No,
    }
}
