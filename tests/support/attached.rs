//! A registry in memory that has specifications attached to images, and a node whose image came from it.

use std::sync::{Arc, Mutex};

use imgcompat::oci::{Digest, media_type};

use crate::faulty_server::{Asked, Reply, Server, answer};
use crate::node::Node;

/// Holds on every host.
pub const FITS: &str = r#"{kernel.version: {major: {op: Gt, value: ["1"]}}}"#;
/// Holds on none.
pub const FAILS: &str = r#"{kernel.version: {major: {op: Gt, value: ["1000"]}}}"#;

/// A specification with one rule.
pub fn specification(rule: &str) -> String {
    let (feature, rest) = rule.trim_start_matches('{').split_once(": {").unwrap();
    let expressions = format!("{{{}", rest.trim_end_matches("}}}").to_owned() + "}}");
    format!(
        "version: v1alpha1\ncompatibilities:\n- description: test\n  rules:\n  - name: rule\n    matchFeatures:\n    - feature: {feature}\n      matchExpressions: {expressions}\n"
    )
}

/// An artifact's manifest for a specification.
pub fn manifest(subject: &Digest, specification: &str) -> serde_json::Value {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "artifactType": media_type::ARTIFACT_TYPE,
        "config": {"mediaType": media_type::EMPTY, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{
            "mediaType": media_type::SPECIFICATION,
            "digest": Digest::of(specification.as_bytes()),
            "size": specification.len(),
        }],
        "subject": {"mediaType": media_type::IMAGE_MANIFEST, "digest": subject, "size": 5},
        "annotations": {media_type::CREATED: "2026-01-01T00:00:00Z"},
    })
}

/// What the registry has: artifacts (subject, manifest) and blobs.
#[derive(Default)]
pub struct Content {
    artifacts: Vec<(Digest, String)>,
    blobs: Vec<String>,
}

/// A registry in memory.
#[derive(Clone, Default)]
pub struct Registry(pub Arc<Mutex<Content>>);

impl Registry {
    /// Serves it.
    pub fn serve(&self) -> Server {
        let content = self.0.clone();
        Server::start(move |asked| reply(&content.lock().unwrap(), asked))
    }

    /// Attaches a specification.
    pub fn attach(&self, subject: &Digest, manifest: &serde_json::Value, specification: &str) {
        let mut content = self.0.lock().unwrap();
        content.artifacts.push((subject.clone(), manifest.to_string()));
        content.blobs.push(specification.to_owned());
    }
}

/// What a registry with this content answers.
pub fn reply(content: &Content, asked: &Asked) -> Reply {
    let path = asked.target.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let has = |text: &str| Digest::of(text.as_bytes()).as_str() == last;
    if path.contains("/referrers/") {
        let manifests: Vec<serde_json::Value> = content
            .artifacts
            .iter()
            .filter(|(subject, _)| subject.as_str() == last)
            .map(|(_, text)| {
                serde_json::json!({
                    "mediaType": media_type::IMAGE_MANIFEST,
                    "artifactType": media_type::ARTIFACT_TYPE,
                    "digest": Digest::of(text.as_bytes()),
                    "size": text.len(),
                })
            })
            .collect();
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::IMAGE_INDEX, "manifests": manifests});
        return answer(200, media_type::IMAGE_INDEX, index.to_string());
    }
    let manifest = content.artifacts.iter().map(|(_, text)| text).find(|text| has(text));
    if let Some(text) = manifest.filter(|_| path.contains("/manifests/")) {
        return answer(200, media_type::IMAGE_MANIFEST, text.as_bytes());
    }
    match content.blobs.iter().find(|text| has(text)).filter(|_| path.contains("/blobs/")) {
        Some(text) => answer(200, "application/octet-stream", text.as_bytes()),
        None => answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    }
}

/// A node with an image from a registry that has `specification` attached to its platform manifest.
pub fn attached(specification: &str) -> (Node, Registry, Server) {
    let registry = Registry::default();
    let server = registry.serve();
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    registry.attach(&node.manifest, &manifest(&node.manifest, specification), specification);
    (node, registry, server)
}
