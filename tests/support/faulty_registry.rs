//! A registry with one image and one artifact, whose answers a test replaces one by one; and what a test expects of
//! asking it.

use std::path::Path;

use imgcompat::oci::{Digest, Repository, media_type};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::fetch::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::registry::secret::{Credentials, Secret};
use imgcompat::worker::protocol::{FetchOutcome, FetchRequest, UnavailableKind};

use super::faulty_server::{Asked, Reply, Server, answer};

/// The secret that must never appear anywhere but in `Authorization` to the right server.
pub const CANARY: &str = "hunter2-canary";
pub const SPECIFICATION: &str = "version: v1alpha1\ncompatibilities:\n- rules: []\n";

/// A registry's content: one image with one artifact.
#[derive(Clone)]
pub struct Content {
    /// The image.
    pub subject: Digest,
    /// The artifact's manifest.
    pub manifest: String,
    /// The artifact's layer.
    pub specification: String,
}

impl Content {
    pub fn good() -> Self {
        Content::with(&Digest::of(b"image"), SPECIFICATION, |manifest| manifest)
    }

    /// An artifact whose manifest is changed before its digest is taken: a lie that is told consistently.
    pub fn with(subject: &Digest, specification: &str, change: impl Fn(String) -> String) -> Self {
        let layer = Digest::of(specification.as_bytes());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[{{"mediaType":"{}","digest":"{layer}","size":{}}}],"subject":{{"mediaType":"{}","digest":"{subject}","size":5}}}}"#,
            media_type::IMAGE_MANIFEST,
            media_type::ARTIFACT_TYPE,
            media_type::EMPTY,
            Digest::of(b"{}"),
            media_type::SPECIFICATION,
            specification.len(),
            media_type::IMAGE_MANIFEST
        );
        Content {
            subject: subject.clone(),
            manifest: change(manifest),
            specification: specification.to_owned(),
        }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.manifest.as_bytes())
    }

    pub fn entry(&self) -> String {
        self.entry_typed(&format!(r#""artifactType":"{}","#, media_type::ARTIFACT_TYPE))
    }

    pub fn entry_typed(&self, typed: &str) -> String {
        format!(
            r#"{{{typed}"mediaType":"{}","digest":"{}","size":{}}}"#,
            media_type::IMAGE_MANIFEST,
            self.digest(),
            self.manifest.len()
        )
    }

    pub fn reply(&self, asked: &Asked) -> Reply {
        let path = asked.target.split('?').next().unwrap();
        let layer = Digest::of(self.specification.as_bytes());
        if path == format!("/v2/a/referrers/{}", self.subject) {
            list(&[self.entry()])
        } else if path == format!("/v2/a/manifests/{}", self.digest()) {
            answer(200, media_type::IMAGE_MANIFEST, self.manifest.clone())
        } else if path == format!("/v2/a/blobs/{layer}") {
            answer(200, "application/octet-stream", self.specification.clone())
        } else {
            not_found("MANIFEST_UNKNOWN")
        }
    }
}

pub fn list(entries: &[String]) -> Reply {
    let entries = entries.join(",");
    let body = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{entries}]}}"#,
        media_type::IMAGE_INDEX
    );
    answer(200, media_type::IMAGE_INDEX, body)
}

pub fn error(status: u16, code: &str) -> Reply {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"because"}}]}}"#);
    answer(status, "application/json", body)
}

pub fn not_found(code: &str) -> Reply {
    error(404, code)
}

pub fn redirect(status: u16, to: &str) -> Reply {
    Reply::Answer(status, vec![("Location".to_owned(), to.to_owned())], vec![])
}

pub const REFERRERS: &str = "/referrers/";
pub const MANIFEST: &str = "/manifests/sha256:";
pub const BLOB: &str = "/blobs/";
pub const TAG: &str = "/manifests/sha256-";

/// A good registry that answers requests for some part as a case says.
pub fn except(part: &'static str, reply: Reply) -> Server {
    let content = Content::good();
    Server::start(
        move |asked| {
            if asked.target.contains(part) { reply.clone() } else { content.reply(asked) }
        },
    )
}

pub fn of(content: Content) -> Server {
    Server::start(move |asked| content.reply(asked))
}

pub fn options() -> Options {
    let files = NodeFiles::of_root(Path::new("/nonexistent"));
    Options { files, plain_http: true, ..Options::default() }
}

pub fn secret_options() -> Options {
    let password = Secret::new(CANARY.to_owned());
    let credentials = Some(Credentials::Basic { username: "user".to_owned(), password });
    Options { credentials, ..options() }
}

pub fn ask_with(authority: &str, options: &Options, milliseconds: u64) -> FetchOutcome {
    let repository = Repository { registry: authority.to_owned(), path: "a".to_owned() };
    let subjects = vec![Digest::of(b"image")];
    let access = match Access::for_repository(&repository, options) {
        Ok(access) => access,
        Err(unavailable) => return FetchOutcome::Unavailable(unavailable),
    };
    fetch(
        &FetchRequest {
            repository,
            subjects,
            deadline_ms: milliseconds,
            credentials: Default::default(),
        },
        &access,
    )
}

pub fn ask(server: &Server) -> FetchOutcome {
    ask_with(&server.authority, &options(), 5_000)
}

#[track_caller]
pub fn must_fail(case: &str, outcome: FetchOutcome, kind: UnavailableKind, says: &str) {
    match outcome {
        FetchOutcome::Unavailable(unavailable) => {
            assert_eq!(unavailable.kind, kind, "{case}: {unavailable}");
            assert!(unavailable.detail.contains(says), "{case}: {unavailable}");
            assert!(
                unavailable.detail.contains("127.0.0.1"),
                "{case} names no host: {unavailable}"
            );
        }
        other => panic!("{case}: {other:?}"),
    }
}

#[track_caller]
pub fn must_be_found(case: &str, outcome: FetchOutcome) {
    match outcome {
        FetchOutcome::Found(found) => {
            assert_eq!(found.specification, SPECIFICATION.as_bytes(), "{case}");
        }
        other => panic!("{case}: {other:?}"),
    }
}
