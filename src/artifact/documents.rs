//! The manifest of an image of which the node keeps none: Docker's older store knows the digest that the image was
//! pulled by, and not what it leads to.
//!
//! The registry is asked once for the documents; they are kept in the cache, and hashed whenever they are read, so
//! that neither the registry nor the file has to be believed.

use std::path::Path;

use super::lookup::{Lookup, milliseconds_for_worker};
use crate::deadline::Deadline;
use crate::image::ImageIdentity;
use crate::oci::{Digest, Document, Repository};
use crate::worker::process::{Worker, WorkerError};
use crate::worker::protocol::{CredentialSources, DocumentsAnswer, DocumentsRequest};
use crate::{files, limits};

/// Directory within the cache.
const DIRECTORY: &str = "manifests";

/// Whoever asks registries; the hook's worker, or a test.
pub trait DocumentFetcher {
    /// Asks for the documents.
    fn documents(
        &self,
        request: &DocumentsRequest,
        deadline: &Deadline,
    ) -> Result<DocumentsAnswer, WorkerError>;
}

impl DocumentFetcher for Worker {
    fn documents(
        &self,
        request: &DocumentsRequest,
        deadline: &Deadline,
    ) -> Result<DocumentsAnswer, WorkerError> {
        Worker::documents(self, request, deadline)
    }
}

/// Where to look for the documents.
pub struct Documents<'a> {
    /// The cache's directory.
    pub cache_root: &'a Path,
    /// Where credentials are besides the usual places.
    pub credentials: &'a CredentialSources,
    /// Who asks registries.
    pub fetcher: &'a dyn DocumentFetcher,
    /// The time for the whole start.
    pub deadline: &'a Deadline,
}

impl Documents<'_> {
    /// What artifacts of the image may be attached to in `repository`: its manifest, as far as it can be found out,
    /// and the digests it was pulled by. Where the node keeps the manifest, nothing is asked.
    pub fn subjects(
        &self,
        repository: &Repository,
        identity: &ImageIdentity,
    ) -> Result<Vec<Digest>, Box<Lookup>> {
        if identity.pulled_by.is_empty() {
            return Ok(identity.subjects());
        }
        let request = DocumentsRequest {
            repository: repository.clone(),
            digests: identity.pulled_by.iter().take(limits::PULLED_DIGESTS).cloned().collect(),
            image_id: identity.image_id.clone(),
            deadline_ms: milliseconds_for_worker(self.deadline),
            credentials: self.credentials.clone(),
        };
        let kept = load(self.cache_root, &request).unwrap_or_default();
        let mut manifests = confirmed(&kept, &request);
        if manifests.is_empty() {
            let documents = self.fetch(&request)?;
            manifests = confirmed(&documents, &request);
            if !manifests.is_empty() {
                // Without it the registry is asked again.
                let _ = store(self.cache_root, &request, &documents);
            }
        }
        let rest = request.digests.into_iter().filter(|digest| !manifests.contains(digest));
        Ok(manifests.iter().cloned().chain(rest).collect())
    }

    fn fetch(&self, request: &DocumentsRequest) -> Result<Vec<String>, Box<Lookup>> {
        let no_answer = match self.fetcher.documents(request, self.deadline) {
            Ok(DocumentsAnswer::Documents { documents }) => return Ok(documents),
            Ok(DocumentsAnswer::Unavailable(why)) => Lookup::Unavailable(why),
            Err(WorkerError::DeadlineExceeded) => Lookup::DeadlineExceeded,
            Err(error) => Lookup::Broken(error.to_string()),
        };
        Err(Box::new(no_answer))
    }
}

/// The manifests of the image that the digests lead to: each hashed, its configuration the image, and itself one of
/// the digests or listed by an index that is one.
fn confirmed(documents: &[String], request: &DocumentsRequest) -> Vec<Digest> {
    let (mut manifests, mut listed) = (Vec::new(), request.digests.clone());
    for text in documents {
        let digest = Digest::of(text.as_bytes());
        match Document::parse(text.as_bytes()) {
            Ok(Document::Manifest(m)) if m.config.digest == request.image_id => {
                manifests.push(digest)
            }
            Ok(Document::Index(index)) if request.digests.contains(&digest) => {
                listed.extend(index.manifests.into_iter().map(|child| child.digest));
            }
            _ => {}
        }
    }
    manifests.retain(|manifest| listed.contains(manifest));
    manifests
}

fn file_name(request: &DocumentsRequest) -> String {
    let digests = request.digests.iter().map(Digest::as_str);
    let text: Vec<&str> = [request.image_id.as_str()].into_iter().chain(digests).collect();
    Digest::of(text.join("\n").as_bytes()).hex().to_owned()
}

fn load(cache: &Path, request: &DocumentsRequest) -> Option<Vec<String>> {
    let path = cache.join(DIRECTORY).join(file_name(request));
    serde_json::from_slice(&files::read(&path, limits::CACHE_FILE_BYTES).ok()?).ok()
}

fn store(cache: &Path, request: &DocumentsRequest, documents: &[String]) -> std::io::Result<()> {
    let directory = cache.join(DIRECTORY);
    files::own_directory(cache)?;
    files::own_directory(&directory)?;
    files::replace(&directory, &file_name(request), &serde_json::to_vec(documents)?, 0o600)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::image::Engine;

    struct Registry {
        answer: DocumentsAnswer,
        asked: Cell<u32>,
    }

    impl DocumentFetcher for Registry {
        fn documents(
            &self,
            _: &DocumentsRequest,
            _: &Deadline,
        ) -> Result<DocumentsAnswer, WorkerError> {
            self.asked.set(self.asked.get() + 1);
            Ok(self.answer.clone())
        }
    }

    fn manifest(config: &Digest) -> String {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
        )
    }

    fn index(child: &str) -> String {
        let digest = Digest::of(child.as_bytes());
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2}}]}}"#
        )
    }

    fn identity(image_id: &Digest, pulled_by: &str) -> ImageIdentity {
        ImageIdentity {
            engine: Engine::Docker,
            image_id: image_id.clone(),
            reference: None,
            repositories: Vec::new(),
            manifests: Vec::new(),
            indexes: Vec::new(),
            pulled_by: vec![Digest::of(pulled_by.as_bytes())],
            names: Vec::new(),
        }
    }

    fn find(cache_root: &Path, identity: &ImageIdentity, registry: &Registry) -> Vec<Digest> {
        let repository = Repository { registry: "r.example".to_owned(), path: "a".to_owned() };
        let (credentials, deadline) =
            (&CredentialSources::default(), &Deadline::after(Duration::from_secs(5)));
        let documents = Documents { cache_root, credentials, fetcher: registry, deadline };
        documents.subjects(&repository, identity).unwrap()
    }

    #[test]
    fn the_manifest_is_asked_for_once_and_comes_first() {
        let cache = tempfile::tempdir().unwrap();
        let config = Digest::of(b"config");
        let (manifest, index) = (manifest(&config), index(&manifest(&config)));
        let documents = vec![index.clone(), manifest.clone()];
        let registry =
            Registry { answer: DocumentsAnswer::Documents { documents }, asked: Cell::new(0) };
        let identity = identity(&config, &index);
        let expected = [Digest::of(manifest.as_bytes()), Digest::of(index.as_bytes())];
        for _ in 0..2 {
            assert_eq!(find(cache.path(), &identity, &registry), expected);
        }
        assert_eq!(registry.asked.get(), 1);
    }

    #[test]
    fn documents_that_do_not_lead_to_the_image_say_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let config = Digest::of(b"config");
        let real = index(&manifest(&config));
        let foreign = manifest(&Digest::of(b"another"));
        for documents in [vec![manifest(&config)], vec![real.clone(), foreign], vec![]] {
            let registry =
                Registry { answer: DocumentsAnswer::Documents { documents }, asked: Cell::new(0) };
            let identity = identity(&config, &real);
            assert_eq!(find(cache.path(), &identity, &registry), identity.pulled_by);
        }
    }
}
