//! Attaching and fetching against real registries: one without a referrers API (docker-registry) and one with it
//! (olareg); oras and NFD's own client as independent readers and writers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/real_registry.rs"]
mod real_registry;

use std::path::Path;
use std::time::Duration;

use imgcompat::deadline::Deadline;
use imgcompat::oci::{Digest, Reference, Repository};
use imgcompat::registry::access::{Access, Options};
use imgcompat::registry::attach::{Artifact, Attached};
use imgcompat::registry::client::Client;
use imgcompat::registry::fetch::fetch;
use imgcompat::registry::node_files::NodeFiles;
use imgcompat::registry::resolve::{Wanted, resolve};
use imgcompat::worker::protocol::{FetchOutcome, FetchRequest, FoundArtifact};
use real_registry::{Kind, Registry, Setup};

const SPECIFICATION: &[u8] = b"version: v1alpha1
compatibilities:
- rules:
  - name: kernel
    matchFeatures:
    - feature: kernel.version
      matchExpressions:
        major: {op: Exists}
";

fn options() -> Options {
    let nowhere = Path::new("/nonexistent");
    Options { files: NodeFiles::of_root(nowhere), plain_http: true, ..Options::default() }
}

fn repository(registry: &Registry, path: &str) -> Repository {
    Repository { registry: registry.authority.clone(), path: path.to_owned() }
}

fn access(registry: &Registry, path: &str) -> Access {
    Access::for_repository(&repository(registry, path), &options()).unwrap()
}

fn client(access: &Access) -> Client<'_> {
    Client::new(&access.endpoints[0], Deadline::after(Duration::from_secs(60)))
}

fn attach(client: &Client<'_>, tag: &str, specification: &[u8], created: &str) -> Attached {
    let access = &client.endpoint().authority;
    let reference: Reference =
        format!("{access}/{}:{tag}", client.endpoint().path).parse().unwrap();
    let subject = client.named(&reference).unwrap().descriptor();
    let annotations = [("org.opencontainers.image.created".to_owned(), created.to_owned())].into();
    client
        .attach(&subject, &Artifact { specification, title: Some("spec.yaml"), annotations })
        .unwrap()
}

fn ask(access: &Access, subjects: &[&str]) -> FetchOutcome {
    let request = FetchRequest {
        repository: access.repository.clone(),
        subjects: subjects.iter().map(|s| s.parse().unwrap()).collect(),
        deadline_ms: 10_000,
    };
    fetch(&request, access)
}

fn found(access: &Access, subjects: &[&str]) -> FoundArtifact {
    match ask(access, subjects) {
        FetchOutcome::Found(found) => found,
        other => panic!("{other:?}"),
    }
}

fn for_each_kind(test: impl Fn(Kind, &Registry)) {
    for kind in [Kind::DockerRegistry, Kind::Olareg] {
        if let Some(registry) = Registry::start(kind, &Setup::default()) {
            test(kind, &registry);
        }
    }
}

#[test]
fn what_is_attached_is_found_and_verified() {
    for_each_kind(|kind, registry| {
        let image = registry.push_image("ml/app", "1", "one");
        let access = access(registry, "ml/app");
        assert_eq!(ask(&access, &[&image]), FetchOutcome::None, "{kind:?}");
        let attached = attach(&client(&access), "1", SPECIFICATION, "2024-01-01T00:00:00Z");
        assert_eq!(attached.listed, if kind == Kind::Olareg { "api" } else { "tag" });
        let found = found(&access, &[&image]);
        assert_eq!(found.digest, attached.digest);
        assert_eq!(found.subject.as_str(), image);
        assert_eq!(found.specification, SPECIFICATION);
        assert_eq!(Digest::of(&found.manifest), attached.digest);
        assert_eq!(found.created.as_deref(), Some("2024-01-01T00:00:00Z"));
        let checked: imgcompat::spec::Specification =
            serde_json::from_slice(&found.checked).unwrap();
        assert_eq!(checked.compatibilities.len(), 1);
    });
}

#[test]
fn attaching_the_same_again_changes_nothing_and_the_newest_counts() {
    for_each_kind(|kind, registry| {
        let image = registry.push_image("app", "1", "one");
        let access = access(registry, "app");
        let client = client(&access);
        let first = attach(&client, "1", SPECIFICATION, "2024-01-01T00:00:00Z");
        let again = attach(&client, "1", SPECIFICATION, "2025-01-01T00:00:00Z");
        assert_eq!((again.changed, &again.digest), (false, &first.digest), "{kind:?}");
        let other = [SPECIFICATION, b"# newer\n"].concat();
        let newer = attach(&client, "1", &other, "2026-01-01T00:00:00Z");
        assert!(newer.changed);
        assert_eq!(found(&access, &[&image]).digest, newer.digest);
        let listed = client.list(&image.parse().unwrap()).unwrap();
        assert_eq!(listed.len(), 2);
        client.detach(&image.parse().unwrap(), std::slice::from_ref(&newer.digest)).unwrap();
        assert_eq!(found(&access, &[&image]).digest, first.digest);
        client.detach(&image.parse().unwrap(), &[first.digest]).unwrap();
        assert_eq!(ask(&access, &[&image]), FetchOutcome::None);
    });
}

#[test]
fn the_platforms_artifact_wins_over_the_indexs() {
    for_each_kind(|kind, registry| {
        let (index, [amd64, _]) = registry.push_index("multi", "1");
        let access = access(registry, "multi");
        let client = client(&access);
        let on_index = attach(&client, "1", SPECIFICATION, "2026-01-01T00:00:00Z");
        assert_eq!(on_index.subject.as_str(), index, "{kind:?}");
        assert_eq!(found(&access, &[&amd64, &index]).subject.as_str(), index);
        let on_manifest = attach(&client, "amd64", SPECIFICATION, "2020-01-01T00:00:00Z");
        let found = found(&access, &[&amd64, &index]);
        assert_eq!((found.subject.as_str(), found.digest), (amd64.as_str(), on_manifest.digest));
    });
}

#[test]
fn a_reference_resolves_to_index_manifest_and_configuration() {
    for_each_kind(|kind, registry| {
        let (index, [_, arm64]) = registry.push_index("multi", "1");
        let access = access(registry, "multi");
        let reference: Reference = format!("{}/multi:1", registry.authority).parse().unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        let wanted: Wanted = "linux/arm64".parse().unwrap();
        let resolved = resolve(&reference, &wanted, &access, deadline).unwrap();
        assert_eq!(
            resolved.subjects(),
            vec![arm64.parse().unwrap(), index.parse().unwrap()],
            "{kind:?}"
        );
        assert!(resolved.config.is_some());
        let wanted: Wanted = "linux/riscv64".parse().unwrap();
        let missing = resolve(&reference, &wanted, &access, deadline).unwrap_err();
        assert!(missing.detail.contains("has no manifest for linux/riscv64"), "{missing}");
    });
}
