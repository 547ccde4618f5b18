//! The library as another program uses it: the example of an admission webhook, run against a registry and the features of
//! recorded nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../examples/admission.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod admission;
#[path = "support/attached.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod attached;
#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;

use attached::{Registry, manifest, specification};
use faulty_server::{Server, answer};
use imgcompat::oci::{Digest, media_type};

const NODE: &str = "tests/hosts/intel-two-sockets/features.json";

/// A registry with one image, and this specification attached to it.
fn serve(text: Option<&str>) -> Server {
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"layers":[]}}"#,
        media_type::IMAGE_MANIFEST,
        Digest::of(b"{}")
    );
    let registry = Registry::default();
    if let Some(text) = text {
        let subject = Digest::of(image.as_bytes());
        registry.attach(&subject, &manifest(&subject, text), text);
    }
    Server::start(move |asked| {
        if asked.target.ends_with("/manifests/1") {
            answer(200, media_type::IMAGE_MANIFEST, image.clone())
        } else {
            attached::reply(&registry.0.lock().unwrap(), asked)
        }
    })
}

fn admit(server: &Server) -> String {
    let features = format!("{}/{NODE}", env!("CARGO_MANIFEST_DIR"));
    let answer = admission::admit(&format!("{}/ml:1", server.authority), &[features]);
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn an_image_is_admitted_refused_or_left_alone_with_the_reason() {
    let holds = specification(r#"{kernel.version: {major: {op: Gt, value: ["1"]}}}"#);
    let fails = specification(r#"{kernel.version: {major: {op: Gt, value: ["1000"]}}}"#);
    for (text, says) in [
        (Some(holds.as_str()), r#"Nodes([(Compatible, "it fits")])"#),
        (
            Some(fails.as_str()),
            "Nodes([(Incompatible, \"needs kernel.version major (Gt 1000); this host has",
        ),
        (Some("nonsense: 1"), "error: line 1"),
        (None, "AsksForNothing"),
    ] {
        let said = admit(&serve(text));
        assert!(said.starts_with(says), "{said}");
    }
    let said = admit(&Server::start(|_| answer(503, "text/plain", "")));
    assert!(said.contains("HTTP 503"), "{said}");
}
