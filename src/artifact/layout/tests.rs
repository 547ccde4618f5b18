//! Layouts as `mirror` and as oras write them, and everything that can be wrong with one.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const SPECIFICATION: &[u8] = b"version: v1alpha1\ncompatibilities: [{rules: [{name: r}]}]\n";

/// Decodes where the test runs, and counts.
struct InProcess(Cell<u32>);

impl Checker for InProcess {
    fn check(&self, bytes: &[u8], _: &Deadline) -> Result<CheckAnswer, WorkerError> {
        self.0.set(self.0.get() + 1);
        Ok(crate::tasks::check::check(bytes))
    }
}

struct Scratch {
    dir: tempfile::TempDir,
    checker: InProcess,
    entries: Vec<Value>,
}

fn repository(path: &str) -> Repository {
    Repository { registry: "r.example".to_owned(), path: path.to_owned() }
}

fn image() -> Digest {
    Digest::of(b"image")
}

fn index() -> Digest {
    Digest::of(b"index")
}

fn manifest(subject: &Digest, specification: &[u8], created: &str) -> Vec<u8> {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::IMAGE_MANIFEST,
        "artifactType": media_type::ARTIFACT_TYPE,
        "config": {"mediaType": media_type::EMPTY, "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": media_type::SPECIFICATION,
                    "digest": Digest::of(specification), "size": specification.len()}],
        "subject": {"mediaType": media_type::IMAGE_MANIFEST, "digest": subject, "size": 5},
        "annotations": {media_type::CREATED: created},
    })
    .to_string()
    .into_bytes()
}

/// An entry without annotations.
fn plain(bytes: &[u8]) -> Value {
    json!({"mediaType": media_type::IMAGE_MANIFEST, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// An entry as `mirror` writes it.
fn ours(bytes: &[u8], path: &str, subject: &Digest) -> Value {
    let mut entry = plain(bytes);
    entry["artifactType"] = media_type::ARTIFACT_TYPE.into();
    entry["annotations"] = json!({
        media_type::REPOSITORY: repository(path).to_string(),
        media_type::SUBJECT: subject,
        media_type::BINDING: binding(&repository(path), subject, &Digest::of(bytes)),
    });
    entry
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("layout").join(BLOBS)).unwrap();
        let scratch = Scratch { dir, checker: InProcess(Cell::new(0)), entries: Vec::new() };
        fs::write(scratch.path(MARKER), json!({"imageLayoutVersion": VERSION}).to_string())
            .unwrap();
        scratch.write_index();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("layout").join(name)
    }

    fn blob_path(&self, bytes: &[u8]) -> PathBuf {
        self.path(BLOBS).join(Digest::of(bytes).hex())
    }

    fn blob(&self, bytes: &[u8]) {
        fs::write(self.blob_path(bytes), bytes).unwrap();
    }

    fn write_index(&self) {
        let index = json!({"schemaVersion": 2, "manifests": self.entries});
        fs::write(self.path(INDEX), index.to_string()).unwrap();
    }

    /// Adds an artifact's blobs and the entry made of its manifest; returns the manifest's digest.
    fn add(&mut self, manifest: &[u8], specification: &[u8], entry: Value) -> Digest {
        self.blob(manifest);
        self.blob(specification);
        self.entries.push(entry);
        self.write_index();
        Digest::of(manifest)
    }

    fn find(&self, path: &str) -> Option<Lookup> {
        self.find_noting(path, &mut Vec::new())
    }

    fn find_noting(&self, path: &str, notes: &mut Vec<String>) -> Option<Lookup> {
        let layout = Layout {
            directory: &self.path(""),
            cache_root: &self.dir.path().join("cache"),
            checker: &self.checker,
            deadline: &Deadline::after(Duration::from_secs(60)),
        };
        layout.find(&repository(path), &[image(), index()], notes)
    }

    #[track_caller]
    fn found(&self, path: &str) -> Digest {
        match self.find(path) {
            Some(Lookup::Found(artifact)) => {
                assert_eq!(artifact.source.as_str(), "layout");
                artifact.digest
            }
            other => panic!("{other:?}"),
        }
    }

    /// The layout cannot be believed, and the message names `says`.
    #[track_caller]
    fn refused(&self, says: &str) {
        match self.find("ml") {
            Some(Lookup::Unavailable(unavailable)) => {
                assert!(unavailable.detail.contains(says), "{unavailable}\n  should name {says}");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn mirrored() -> (Scratch, Vec<u8>) {
    let mut scratch = Scratch::new();
    let manifest = manifest(&image(), SPECIFICATION, "2026-01-01T00:00:00Z");
    scratch.add(&manifest, SPECIFICATION, ours(&manifest, "ml", &image()));
    (scratch, manifest)
}

#[test]
fn what_was_mirrored_from_a_repository_counts_for_that_one_only() {
    let (scratch, manifest) = mirrored();
    assert_eq!(scratch.found("ml"), Digest::of(&manifest));
    assert!(scratch.find("other").is_none());
    assert!(scratch.find("ml/x").is_none());
}

#[test]
fn what_others_copied_counts_for_every_repository_and_its_own_subject_decides() {
    let mut scratch = Scratch::new();
    let for_another = manifest(&Digest::of(b"another"), SPECIFICATION, "2026-01-01T00:00:00Z");
    scratch.add(&for_another, SPECIFICATION, plain(&for_another));
    assert!(scratch.find("ml").is_none());
    let good = manifest(&image(), SPECIFICATION, "2026-01-01T00:00:00Z");
    scratch.add(&good, SPECIFICATION, plain(&good));
    assert_eq!(scratch.found("ml"), Digest::of(&good));
    assert_eq!(scratch.found("other"), Digest::of(&good));
}

#[test]
fn a_list_of_the_tag_schema_leads_to_the_artifact() {
    let mut scratch = Scratch::new();
    let good = manifest(&image(), SPECIFICATION, "2026-01-01T00:00:00Z");
    scratch.blob(&good);
    let mut member = plain(&good);
    member["artifactType"] = media_type::ARTIFACT_TYPE.into();
    let list = json!({"schemaVersion": 2, "manifests": [member]}).to_string();
    let mut entry = plain(list.as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "sha256-0"});
    scratch.add(list.as_bytes(), SPECIFICATION, entry);
    assert_eq!(scratch.found("ml"), Digest::of(&good));
}

#[test]
fn the_newest_counts_and_the_platforms_before_the_indexs() {
    let mut scratch = Scratch::new();
    let [old, new] = ["2025", "2026"].map(|year| format!("{year}-01-01T00:00:00Z"));
    let of_index = manifest(&index(), SPECIFICATION, &new);
    scratch.add(&of_index, SPECIFICATION, ours(&of_index, "ml", &index()));
    assert_eq!(scratch.found("ml"), Digest::of(&of_index));
    let older = manifest(&image(), SPECIFICATION, &old);
    let entry = ours(&older, "ml", &image());
    assert_eq!(scratch.add(&older, SPECIFICATION, entry), scratch.found("ml"));
    let newer = manifest(&image(), SPECIFICATION, &new);
    let entry = ours(&newer, "ml", &image());
    scratch.entries.insert(0, entry.clone());
    assert_eq!(scratch.add(&newer, SPECIFICATION, entry), scratch.found("ml"));
}

#[test]
fn a_specification_is_decoded_once() {
    let (scratch, _) = mirrored();
    for _ in 0..3 {
        scratch.found("ml");
    }
    assert_eq!(scratch.checker.0.get(), 1);
}

#[test]
fn what_is_no_specification_is_invalid_and_not_absent() {
    let mut scratch = Scratch::new();
    let bad = b"version: v1alpha1\ncompatibilities: [{rules: [{nam: r}]}]\n";
    let manifest = manifest(&image(), bad, "2026-01-01T00:00:00Z");
    scratch.add(&manifest, bad, ours(&manifest, "ml", &image()));
    match scratch.find("ml") {
        Some(Lookup::Invalid { problem, .. }) => {
            assert!(problem.contains("line 2, column 29"), "{problem}")
        }
        other => panic!("{other:?}"),
    }
}

/// Every byte of every file, of a layout that was mirrored and of one that was copied.
#[test]
fn a_flipped_bit_never_hides_or_changes_a_specification_or_lends_it_to_another_repository() {
    let manifest = manifest(&image(), SPECIFICATION, "2026-01-01T00:00:00Z");
    for mirrored in [true, false] {
        let mut scratch = Scratch::new();
        let entry = if mirrored { ours(&manifest, "ml", &image()) } else { plain(&manifest) };
        let digest = scratch.add(&manifest, SPECIFICATION, entry);
        let Some(Lookup::Found(whole)) = scratch.find("ml") else { panic!() };
        let blobs = [&manifest[..], SPECIFICATION].map(|bytes| scratch.blob_path(bytes));
        for file in [scratch.path(INDEX), scratch.path(MARKER)].into_iter().chain(blobs) {
            with_each_bit_flipped(&file, |case| {
                match scratch.find("ml") {
                    Some(Lookup::Unavailable(_)) => {}
                    // What an index.json says beyond its digests changes nothing.
                    Some(Lookup::Found(found)) if found.digest == digest => {
                        assert_eq!(found.specification, whole.specification, "{case}");
                    }
                    other => panic!("{case}: {other:?}"),
                }
                let lent = mirrored && matches!(scratch.find("other"), Some(Lookup::Found(_)));
                assert!(!lent, "{case}");
            });
        }
    }
}

/// Two bits of each byte, and the file as it was at the end.
fn with_each_bit_flipped(file: &Path, check: impl Fn(&str)) {
    let good = fs::read(file).unwrap();
    for (at, bit) in (0..good.len()).flat_map(|at| [0, 5].map(|bit| (at, bit))) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << bit;
        fs::write(file, &flipped).unwrap();
        check(&format!("bit {bit} of byte {at} of {}", file.display()));
    }
    fs::write(file, &good).unwrap();
}

#[test]
fn damage_is_named_by_the_digest_that_fails() {
    for of_manifest in [true, false] {
        let (scratch, manifest) = mirrored();
        let bytes: &[u8] = if of_manifest { &manifest } else { SPECIFICATION };
        let (path, digest) = (scratch.blob_path(bytes), Digest::of(bytes));
        let mut flipped = bytes.to_vec();
        flipped[7] ^= 1;
        fs::write(&path, flipped).unwrap();
        scratch.refused(digest.as_str());
        fs::write(&path, [bytes, b" "].concat()).unwrap();
        scratch.refused(digest.as_str());
        fs::remove_file(&path).unwrap();
        scratch.refused(digest.as_str());
        // The right content behind a link is refused all the same.
        fs::write(scratch.path("elsewhere"), bytes).unwrap();
        std::os::unix::fs::symlink("../../elsewhere", &path).unwrap();
        scratch.refused(digest.as_str());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        scratch.refused(digest.as_str());
    }
}

#[test]
fn an_index_that_is_cut_anywhere_is_refused() {
    let (scratch, _) = mirrored();
    let path = scratch.path(INDEX);
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        scratch.refused(INDEX);
    }
    fs::remove_file(&path).unwrap();
    scratch.refused(INDEX);
}

#[test]
fn a_link_in_the_way_to_the_blobs_is_refused() {
    let (scratch, manifest) = mirrored();
    fs::rename(scratch.path("blobs"), scratch.path("moved")).unwrap();
    std::os::unix::fs::symlink("moved", scratch.path("blobs")).unwrap();
    scratch.refused(Digest::of(&manifest).as_str());
}

#[test]
fn a_layout_that_others_can_change_is_not_read_and_one_that_is_missing_is_a_note() {
    use std::os::unix::fs::PermissionsExt;
    for name in ["", INDEX, MARKER] {
        let (scratch, _) = mirrored();
        fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o777)).unwrap();
        scratch.refused("can be changed by others than root");
    }
    let (scratch, _) = mirrored();
    fs::remove_dir_all(scratch.path("")).unwrap();
    let mut notes = Vec::new();
    assert!(scratch.find_noting("ml", &mut notes).is_none());
    assert!(notes[0].contains("is not there"), "{notes:?}");
}

#[test]
fn what_an_entry_lies_about_is_refused() {
    let mut scratch = Scratch::new();
    let for_another = manifest(&Digest::of(b"another"), SPECIFICATION, "2026-01-01T00:00:00Z");
    let digest = scratch.add(&for_another, SPECIFICATION, ours(&for_another, "ml", &image()));
    scratch.refused(digest.as_str());
    let mut entry = ours(&for_another, "ml", &image());
    entry["annotations"][media_type::REPOSITORY] = "r.example/mx".into();
    scratch.entries = vec![entry];
    scratch.write_index();
    scratch.refused("was changed since it was mirrored");
}

#[test]
fn the_number_of_manifests_opened_is_bounded() {
    let mut scratch = Scratch::new();
    for number in 0..=limits::LAYOUT_OPENED {
        let bytes = number.to_string();
        scratch.blob(bytes.as_bytes());
        scratch.entries.push(plain(bytes.as_bytes()));
    }
    scratch.write_index();
    scratch.refused("more than 1000");
}
