//! A registry that can be scripted, and what the lookup makes of it over time.

use std::cell::{Cell, RefCell};

use super::*;

/// Answers what it is told, and counts.
struct Registry {
    outcome: RefCell<FetchOutcome>,
    asked: Cell<u32>,
}

impl Fetcher for Registry {
    fn fetch(&self, _: &FetchRequest, _: &Deadline) -> Result<FetchOutcome, WorkerError> {
        self.asked.set(self.asked.get() + 1);
        Ok(self.outcome.borrow().clone())
    }
}

struct Lab {
    dir: tempfile::TempDir,
    times: CacheTimes,
    registry: Registry,
}

fn subjects() -> Vec<Digest> {
    vec![Digest::of(b"image")]
}

fn repository(path: &str) -> Repository {
    Repository { registry: "r.example".to_owned(), path: path.to_owned() }
}

fn found(subject: &Digest) -> FetchOutcome {
    let specification = b"version: v1alpha1\n".to_vec();
    let manifest = serde_json::json!({
        "artifactType": crate::oci::media_type::ARTIFACT_TYPE,
        "config": {"mediaType": crate::oci::media_type::EMPTY, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": crate::oci::media_type::SPECIFICATION,
                    "digest": Digest::of(&specification), "size": specification.len()}],
        "subject": {"mediaType": crate::oci::media_type::IMAGE_MANIFEST, "digest": subject, "size": 5},
    })
    .to_string()
    .into_bytes();
    FetchOutcome::Found(FoundArtifact {
        subject: subject.clone(),
        digest: Digest::of(&manifest),
        created: None,
        endpoint: "r.example".to_owned(),
        warnings: vec![],
        manifest,
        specification,
        checked: br#"{"version":"v1alpha1","compatibilities":[]}"#.to_vec(),
    })
}

fn unavailable(kind: UnavailableKind, retry_after: Option<u64>) -> FetchOutcome {
    FetchOutcome::Unavailable(Unavailable { kind, detail: "trouble".to_owned(), retry_after })
}

impl Lab {
    fn new(outcome: FetchOutcome) -> Self {
        let registry = Registry { outcome: RefCell::new(outcome), asked: Cell::new(0) };
        Lab { dir: tempfile::tempdir().unwrap(), times: CacheTimes::default(), registry }
    }

    fn find_in(&self, path: &str) -> Lookup {
        let deadline = Deadline::after(Duration::from_secs(60));
        let lookups = Lookups {
            cache_root: &self.dir.path().join("cache"),
            times: &self.times,
            credentials: &CredentialSources::default(),
            fetcher: &self.registry,
            deadline: &deadline,
        };
        lookups.find(&repository(path), &subjects(), &mut Vec::new())
    }

    fn find(&self) -> Lookup {
        self.find_in("a")
    }

    fn answers(&self, outcome: FetchOutcome) {
        *self.registry.outcome.borrow_mut() = outcome;
    }
}

fn source(lookup: &Lookup) -> &'static str {
    match lookup {
        Lookup::Found(artifact) => artifact.source.as_str(),
        Lookup::None => "none",
        Lookup::Unavailable(_) => "unavailable",
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_asked_for_once() {
    for (outcome, first, second) in
        [(found(&subjects()[0]), "registry", "cache"), (FetchOutcome::None, "none", "none")]
    {
        let lab = Lab::new(outcome);
        assert_eq!(source(&lab.find()), first);
        assert_eq!(source(&lab.find()), second);
        assert_eq!(lab.registry.asked.get(), 1);
    }
}

#[test]
fn another_repository_is_another_question() {
    let lab = Lab::new(FetchOutcome::None);
    lab.find_in("a");
    lab.answers(found(&subjects()[0]));
    assert_eq!(source(&lab.find_in("b")), "registry");
    assert_eq!(source(&lab.find_in("a")), "none");
}

#[test]
fn an_old_answer_serves_while_the_registry_does_not() {
    let mut lab = Lab::new(found(&subjects()[0]));
    lab.find();
    lab.times.artifact = Duration::ZERO;
    lab.answers(unavailable(UnavailableKind::Server, None));
    assert_eq!(source(&lab.find()), "stale-cache");
    assert_eq!(source(&lab.find()), "stale-cache");
    assert_eq!(lab.registry.asked.get(), 2, "no second request during the back-off");
    lab.times.stale = Duration::ZERO;
    assert_eq!(source(&lab.find()), "unavailable");
}

#[test]
fn trouble_without_an_old_answer_is_remembered_too() {
    let lab = Lab::new(unavailable(UnavailableKind::Connection, None));
    for _ in 0..3 {
        assert_eq!(source(&lab.find()), "unavailable");
    }
    assert_eq!(lab.registry.asked.get(), 1);
}

#[test]
fn back_off_follows_the_registry_and_the_kind_of_trouble() {
    let key = Key { repository: repository("a"), subjects: subjects() };
    let times = CacheTimes::default();
    let seconds = |kind, retry_after| {
        back_off(&Unavailable { kind, detail: String::new(), retry_after }, &times, &key)
    };
    assert!((27..=30).contains(&seconds(UnavailableKind::Server, None)));
    assert!((540..=600).contains(&seconds(UnavailableKind::Denied, None)));
    assert!((90..=100).contains(&seconds(UnavailableKind::RateLimited, Some(100))));
    assert!(seconds(UnavailableKind::RateLimited, Some(u64::MAX)) <= LONGEST_BACK_OFF);
    assert_eq!(seconds(UnavailableKind::RateLimited, Some(0)), 1);
}

#[test]
fn what_cannot_be_verified_is_no_answer() {
    let lab = Lab::new(found(&Digest::of(b"another image")));
    match lab.find() {
        Lookup::Unavailable(unavailable) => {
            assert_eq!(unavailable.kind, UnavailableKind::Unverifiable);
            assert!(unavailable.detail.contains("subject"), "{unavailable}");
        }
        other => panic!("{other:?}"),
    }
    let FetchOutcome::Found(mut forged) = found(&subjects()[0]) else { panic!("not found") };
    forged.specification.push(b' ');
    lab.answers(FetchOutcome::Found(forged));
    assert_eq!(source(&lab.find_in("b")), "unavailable");
}

#[test]
fn without_a_cache_every_start_asks() {
    let lab = Lab::new(FetchOutcome::None);
    std::fs::write(lab.dir.path().join("cache"), "not a directory").unwrap();
    let deadline = Deadline::after(Duration::from_secs(60));
    let cache_root = lab.dir.path().join("cache");
    let lookups = Lookups {
        cache_root: &cache_root,
        times: &lab.times,
        credentials: &CredentialSources::default(),
        fetcher: &lab.registry,
        deadline: &deadline,
    };
    let mut notes = Vec::new();
    for _ in 0..2 {
        assert!(matches!(lookups.find(&repository("a"), &subjects(), &mut notes), Lookup::None));
    }
    assert_eq!(lab.registry.asked.get(), 2);
    assert_eq!(notes.len(), 2);
}
