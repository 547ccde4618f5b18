//! The worker's errand for images of which the node keeps no manifest: the index or manifest they were pulled by, and
//! of an index the manifest of the image.
//!
//! Source: OCI distribution specification 1.1, "Pulling manifests". The documents go to the hook as they came; the
//! hook hashes them and follows the chain itself.

use crate::deadline::Deadline;
use crate::oci::{Descriptor, Digest, Document};
use crate::worker::protocol::{DocumentsAnswer, DocumentsRequest, Unavailable};

use super::access::Access;
use super::client::Client;
use super::fetch::share;
use super::resolve::Wanted;

/// Manifests of one index that are fetched in search of the image's; the first is almost always it.
const MOST_CHILDREN: usize = 8;

/// Fetches the documents, from the first server that has them.
pub fn documents(
    request: &DocumentsRequest,
    access: &Access,
    deadline: Deadline,
) -> DocumentsAnswer {
    let endpoints: Vec<_> = access.endpoints.iter().filter(|e| e.by.digest).collect();
    let mut answer = DocumentsAnswer::Documents { documents: Vec::new() };
    for (at, endpoint) in endpoints.iter().enumerate() {
        let client = Client::new(endpoint, share(deadline, endpoints.len() - at - 1));
        answer = match from_server(request, &client) {
            Ok(documents) => DocumentsAnswer::Documents { documents },
            Err(unavailable) => DocumentsAnswer::Unavailable(unavailable),
        };
        if matches!(&answer, DocumentsAnswer::Documents { documents } if !documents.is_empty()) {
            break;
        }
    }
    answer
}

fn from_server(
    request: &DocumentsRequest,
    client: &Client<'_>,
) -> Result<Vec<String>, Unavailable> {
    let mut documents = Vec::new();
    for digest in &request.digests {
        let Some(stored) = client.manifest(digest)? else { continue };
        documents.extend(String::from_utf8(stored.bytes));
        if let Document::Index(index) = stored.document {
            documents.extend(of_image(index.manifests, &request.image_id, client)?);
        }
    }
    Ok(documents)
}

/// The manifest whose configuration is the image, this machine's platform first.
fn of_image(
    mut children: Vec<Descriptor>,
    image_id: &Digest,
    client: &Client<'_>,
) -> Result<Option<String>, Unavailable> {
    let host = Wanted::host();
    let own = |child: &Descriptor| child.platform.as_ref().is_some_and(|p| host.matches(p));
    children.sort_by_key(|child| !own(child));
    for child in children.into_iter().take(MOST_CHILDREN) {
        let Some(stored) = client.manifest(&child.digest)? else { continue };
        if matches!(&stored.document, Document::Manifest(m) if m.config.digest == *image_id) {
            return Ok(String::from_utf8(stored.bytes).ok());
        }
    }
    Ok(None)
}
