//! The real hook, run the way a runtime runs it, against a registry on loopback: what starts, what does not, what is
//! written down, and what every bad input leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/attached.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod attached;
#[path = "support/faulty_server.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod faulty_server;
#[path = "support/node.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod node;

use std::fs;
use std::time::{Duration, Instant};

use attached::{FAILS, FITS, Registry, attached, manifest, specification};
use faulty_server::{Reply, Server};
use imgcompat::oci::Digest;
use imgcompat::policy::Action;
use imgcompat::verdict::Cause;
use node::Node;

#[test]
fn a_compatible_image_starts_and_an_incompatible_one_does_not() {
    let (node, _registry, _server) = attached(&specification(FITS));
    let ended = node.start();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let record = node.record();
    assert_eq!((record.verdict.as_str(), record.decision), ("compatible", Action::Allow));

    let (node, _registry, server) = attached(&specification(FAILS));
    let ended = node.start();
    assert_eq!(ended.code, 1);
    let host = record.judgements[0].sets[0].rules[0].expressions[0].host.clone();
    let Some(imgcompat::rules::HostValue::Value(major)) = host else { panic!("{host:?}") };
    let expected = format!(
        "imgcompat: refused: {}/ml:2 needs kernel.version major (Gt 1000); this host has {major} [test]. See: imgcompat why 3f2a6265a16c\n",
        server.authority
    );
    assert_eq!(ended.stderr, expected);
    let record = node.record();
    assert_eq!((record.verdict.as_str(), record.decision), ("incompatible", Action::Deny));
    assert_eq!(record.engine.as_deref(), Some("podman"));
}

#[test]
fn the_platform_manifests_artifact_wins_over_the_indexs() {
    let registry = Registry::default();
    let server = registry.serve();
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    let (fails, fits) = (specification(FAILS), specification(FITS));
    registry.attach(&node.index, &manifest(&node.index, &fails), &fails);
    assert_eq!(node.start().code, 1, "an artifact on the index counts");
    registry.attach(&node.manifest, &manifest(&node.manifest, &fits), &fits);
    fs::remove_dir_all(node.root().join("var/cache")).unwrap();
    assert_eq!(node.start().code, 0, "one on the platform manifest counts more");
}

#[test]
fn audit_records_and_off_does_not() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    node.write("etc/imgcompat/config.toml", "mode = 'audit'\n");
    let ended = node.start();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(node.record().under_enforce, Action::Deny);
    node.write("etc/imgcompat/config.toml", "mode = 'off'\n");
    assert_eq!(node.start().code, 0);
    assert_eq!(node.records().len(), 1);
}

#[test]
fn a_start_that_is_allowed_unread_is_read_to_its_end() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    // Larger than a pipe holds, so that a hook that ends early would be seen.
    let state = format!("{}{}", node.state(), " ".repeat(300_000));
    for policy in ["mode = 'off'\n", "no-such-key = 1\n"] {
        node.write("etc/imgcompat/config.toml", policy);
        assert_eq!(node.run(&[], state.as_bytes()).code, 0, "{policy}");
    }
    node.write("etc/imgcompat/config.toml", "");
    assert_eq!(node.run(&["--no-such-argument"], state.as_bytes()).code, 0);
    let endless = " ".repeat(10 << 20);
    assert_eq!(node.run(&[], endless.as_bytes()).code, 0);
}

#[test]
fn a_second_start_needs_no_registry_and_a_first_one_follows_the_policy() {
    let (node, _registry, server) = attached(&specification(FAILS));
    assert_eq!(node.start().code, 1);
    let asked = server.asked().len();
    let authority = server.authority.clone();
    drop(server);
    assert_eq!(node.start().code, 1);
    assert!(asked > 0);
    let cold = Node::with_image(&format!("{authority}/other:1"));
    assert_eq!(cold.start().code, 0);
    let record = cold.record();
    assert_eq!(record.cause, Some(Cause::RegistryUnavailable));
    cold.write("etc/imgcompat/config.toml", "[on]\nregistry-unavailable = 'deny'\n");
    let ended = cold.start();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot be found out (connection)"), "{}", ended.stderr);
}

#[test]
fn a_registry_that_never_answers_costs_the_deadline_and_no_more() {
    let server = Server::start(|_| Reply::Silence);
    let node = Node::with_image(&format!("{}/ml:2", server.authority));
    node.write("etc/imgcompat/config.toml", "deadline = '1s'\n");
    let began = Instant::now();
    assert_eq!(node.start().code, 0);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let cause = node.record().cause;
    let expected = [Some(Cause::DeadlineExceeded), Some(Cause::RegistryUnavailable)];
    assert!(expected.contains(&cause), "{cause:?}");
}

#[test]
fn parallel_cold_starts_make_one_set_of_requests() {
    let (node, _registry, server) = attached(&specification(FAILS));
    node.write("etc/imgcompat/config.toml", "deadline = '9s'\n");
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..20).map(|_| scope.spawn(|| node.start().code)).collect();
        for start in starts {
            assert_eq!(start.join().unwrap(), 1);
        }
    });
    let referrers = server.asked().iter().filter(|a| a.target.contains("/referrers/")).count();
    assert_eq!(referrers, 1, "{:?}", server.asked());
}

#[test]
fn a_repeated_refusal_is_said_every_time_and_written_once() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    for _ in 0..5 {
        assert!(node.start().stderr.contains("refused"));
    }
    assert_eq!(node.records().len(), 1);
}

#[test]
fn local_specifications_need_no_registry() {
    let node = Node::with_image("localhost/bb:1");
    assert_eq!(node.start().code, 0);
    assert_eq!(node.record().verdict, "no-artifact");
    let text = format!("images: ['localhost/*']\n{}", specification(FAILS));
    node.write("etc/imgcompat/specs.d/10-site.yaml", &text);
    assert_eq!(node.start().code, 1);
    let record = node.record();
    assert_eq!(record.judgements[0].artifact.source, "local");
    node.write("etc/imgcompat/specs.d/05-broken.yaml", "imagse: [x]\n");
    assert_eq!(node.start().code, 1, "a broken file does not keep the others from working");
}

#[test]
fn an_override_is_the_administrators_and_stands_in_the_record() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    let text = "[[override]]\nimage = '**/ml'\naction = 'allow'\nreason = 'ticket 7'\nuntil = '2999-01-01'\n";
    node.write("etc/imgcompat/config.toml", text);
    assert_eq!(node.start().code, 0);
    assert_eq!(node.record().overridden.as_deref(), Some("ticket 7"));
}

/// One specification after another as the artifact, and what the record says.
#[test]
fn what_is_no_specification_is_refused_with_its_place() {
    let misspelt = specification(FITS).replace("matchExpressions", "matchExpression");
    let operator = specification(FITS).replace("op: Gt", "op: GT");
    let table = [
        (misspelt.as_str(), Cause::InvalidSpecification, "line 8, column 7"),
        (
            operator.as_str(),
            Cause::EvaluationFailed,
            "unknown operator \"GT\"; did you mean Gt? (line 8, column 26)",
        ),
        ("version: v1alpha1\n---\nversion: v1alpha1\n", Cause::InvalidSpecification, "line 2"),
        (
            "version: v2\ncompatibilities: [{rules: [{name: r}]}]\n",
            Cause::InvalidSpecification,
            "v2",
        ),
        ("", Cause::InvalidSpecification, "the document is empty"),
    ];
    for (text, cause, expected) in table {
        let (node, _registry, _server) = attached(text);
        let ended = node.start();
        assert_eq!(ended.code, 1, "{text}");
        assert_eq!(node.record().cause, Some(cause), "{text}");
        assert!(ended.stderr.contains(expected), "{}\n  should contain {expected}", ended.stderr);
    }
}

/// One lie after another in the artifact's manifest.
#[test]
fn an_artifact_that_is_not_what_it_should_be_is_never_no_artifact() {
    let text = specification(FITS);
    let layer = |node: &Node| manifest(&node.manifest, &text)["layers"][0].clone();
    type Change<'a> = Box<dyn Fn(&Node, &mut serde_json::Value) + 'a>;
    let table: [(&str, Change<'_>); 5] = [
        (
            "subject",
            Box::new(|_, m| m["subject"]["digest"] = serde_json::json!(Digest::of(b"other"))),
        ),
        ("media type", Box::new(|_, m| m["layers"][0]["mediaType"] = "text/yaml".into())),
        (
            "2 layers",
            Box::new(|node, m| m["layers"] = serde_json::json!([layer(node), layer(node)])),
        ),
        ("0 layers", Box::new(|_, m| m["layers"] = serde_json::json!([]))),
        (
            "digest",
            Box::new(|_, m| m["layers"][0]["digest"] = serde_json::json!(Digest::of(b"other"))),
        ),
    ];
    for (expected, change) in table {
        let registry = Registry::default();
        let server = registry.serve();
        let node = Node::with_image(&format!("{}/ml:2", server.authority));
        let mut lie = manifest(&node.manifest, &text);
        change(&node, &mut lie);
        registry.attach(&node.manifest, &lie, &text);
        node.start();
        let record = node.record();
        assert_eq!(record.verdict, "undecided", "{expected}: {record:?}");
        let known = [Some(Cause::RegistryUnavailable), Some(Cause::InvalidSpecification)];
        assert!(known.contains(&record.cause), "{expected}: {record:?}");
    }
}

/// What a runtime never sends.
#[test]
fn bad_input_is_an_internal_error_that_is_recorded_and_follows_the_policy() {
    let node = Node::with_image("localhost/bb:1");
    let state = node.state();
    let missing = state.replace("userdata", "nowhere");
    let large = vec![b'x'; 34 << 20];
    let table: [(&[u8], &str); 5] = [
        (b"", "is empty"),
        (&state.as_bytes()[..state.len() / 2], "not valid JSON"),
        (&large, "larger than 32 MiB"),
        (missing.as_bytes(), "cannot be read"),
        (b"null", "not valid JSON"),
    ];
    for (input, expected) in table {
        assert_eq!(node.run(&[], input).code, 0);
        let record = node.record();
        assert_eq!(record.cause, Some(Cause::Internal));
        assert!(record.reason.contains(expected), "{}", record.reason);
    }
    node.write("etc/imgcompat/config.toml", "[on]\ninternal = 'deny'\n");
    assert_eq!(node.run(&[], b"").code, 1);
}

#[test]
fn a_configuration_that_is_no_plain_file_is_not_read() {
    let node = Node::with_image("localhost/bb:1");
    let config = node.bundle().join("config.json");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    node.start();
    assert!(node.record().reason.contains("config.json cannot be read"));
    fs::remove_dir(&config).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &config).unwrap();
    node.start();
    assert!(node.record().reason.contains("config.json cannot be read"));
}

#[test]
fn a_broken_policy_allows_and_says_so_unless_told_to_fail_closed() {
    let node = Node::with_image("localhost/bb:1");
    node.write("etc/imgcompat/config.toml", "mode = 'enforce'\nmoed = 'audit'\n");
    assert_eq!(node.start().code, 0);
    let record = node.record();
    assert_eq!(record.cause, Some(Cause::Internal));
    assert!(record.reason.contains("config.toml:2:1: unknown field `moed`"), "{}", record.reason);
    let ended = node.run(&["--fail-closed"], node.state().as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("unknown field `moed`"), "{}", ended.stderr);
}

#[test]
fn a_container_from_a_directory_is_not_judged() {
    let node = Node::with_image("localhost/bb:1");
    from_directory(&node);
    let records = node.bundle().join("../../containers.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&fs::read(&records).unwrap()).unwrap();
    record[0]["image"] = "".into();
    record[0]["metadata"] = r#"{"image-name":"","image-id":"","name":"c"}"#.into();
    fs::write(records, record.to_string()).unwrap();
    assert_eq!(node.start().code, 0);
    let record = node.record();
    assert_eq!((record.verdict.as_str(), record.engine.as_deref()), ("not-judged", Some("podman")));
}

#[test]
fn a_container_without_a_record_is_not_identified_wherever_its_root_is() {
    let node = Node::with_image("localhost/bb:1");
    from_directory(&node);
    fs::write(node.bundle().join("../../containers.json"), "[]").unwrap();
    node.write("etc/imgcompat/config.toml", "[on]\nimage-unidentified = \"deny\"\n");
    assert_eq!(node.start().code, 1);
    let record = node.record();
    assert_eq!(record.cause, Some(Cause::ImageUnidentified));
    assert_eq!(record.engine.as_deref(), Some("unknown"));
}

/// The root file system becomes a directory outside every store.
fn from_directory(node: &Node) {
    let mut config = node.bundle_config();
    config["root"]["path"] = "/srv/rootfs".into();
    node.write_bundle(&config);
}

/// Makes the node's container one of CRI-O's, in a pod of this namespace.
fn put_into_pod(node: &Node, namespace: &str) {
    let file = node.storage().join("overlay-containers/containers.json");
    let mut records: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let metadata: String = serde_json::from_value(records[0]["metadata"].clone()).unwrap();
    let mut metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    metadata["pod-id"] = "sandbox1".into();
    metadata["pod-name"] = format!("k8s_dns-7_{namespace}_6a1f_0").into();
    metadata["metadata-name"] = "main".into();
    records[0]["metadata"] = metadata.to_string().into();
    fs::write(file, records.to_string()).unwrap();
}

#[test]
fn an_exempt_namespace_is_exempt_even_where_the_image_is_not_known() {
    for (namespace, code) in [("shop", 1), ("kube-system", 0)] {
        let node = Node::with_image("r.example/dns:1");
        put_into_pod(&node, namespace);
        fs::write(node.storage().join("overlay-images/images.json"), "[]").unwrap();
        let policy = "[on]\nimage-unidentified = 'deny'\n[[exempt]]\nnamespace = 'kube-system'\n";
        node.write("etc/imgcompat/config.toml", policy);
        assert_eq!(node.start().code, code, "{namespace}");
        let record = node.record();
        assert_eq!(record.cause, Some(Cause::ImageUnidentified));
        assert_eq!(record.under_enforce, imgcompat::policy::Action::Deny);
    }
}

#[test]
fn a_record_has_the_names_that_the_engines_records_have() {
    let (node, _registry, _server) = attached(&specification(FAILS));
    // The pod's author says what they like.
    let mut config = node.bundle_config();
    config["annotations"]["io.kubernetes.pod.namespace"] = "kube-system".into();
    config["annotations"]["io.kubernetes.cri-o.Namespace"] = "kube-system".into();
    node.write_bundle(&config);
    put_into_pod(&node, "shop");
    assert_eq!(node.start().code, 1);
    let record = node.record();
    let names = [record.name, record.pod, record.namespace].map(Option::unwrap_or_default);
    assert_eq!(names, ["main", "dns-7", "shop"]);
}
