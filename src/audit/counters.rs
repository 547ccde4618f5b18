//! What the decision log amounts to since somebody began to count, kept between runs: the counters of
//! `imgcompat metrics`.
//!
//! A counter must not go down, and the log is rotated. So the counts are kept in the cache directory together with the
//! place up to which the log is in them: the file's inode, a checksum of its beginning (inodes are used again), and an
//! offset. The next run finds that file whatever its name is now, reads on from there, then the logs that came after
//! it. If rotation has removed or compressed the file meanwhile, its rest is lost to the counters; if the cache was
//! removed, they begin at zero, which Prometheus takes for a restart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::history::{self, Line, Lines};
use super::log;
use super::record::Record;
use crate::files;
use crate::kept::{self, Folder};
use crate::policy::Action;

/// Directory within the cache.
const DIRECTORY: &str = "metrics";
/// File in it.
const FILE_NAME: &str = "state";
/// Largest state.
const STATE_BYTES: u64 = 1 << 20;
/// Different kinds of decisions; every word in them is from a closed list, so real logs stay far below.
const KINDS: usize = 1_000;
/// Bytes of a log by which it is recognised.
const HEAD_BYTES: u64 = 256;

/// Upper bounds of the classes of durations, in microseconds; above the last there is one more class.
pub const DURATIONS: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// What decisions are counted by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// The verdict.
    pub verdict: String,
    /// The cause of an undecided one, or nothing.
    pub cause: String,
    /// The policy's mode.
    pub mode: String,
    /// The engine, or nothing.
    pub engine: String,
    /// What happened.
    pub decision: String,
}

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    place: Option<Place>,
    /// Decisions; a refusal that was left out of the log counts by the next record's `repeated`.
    #[serde(with = "pairs")]
    pub decisions: BTreeMap<Kind, u64>,
    /// Starts that audit mode let through.
    pub would_be_refused: u64,
    /// Specifications by where they came from.
    pub sources: BTreeMap<String, u64>,
    /// Records by the class of their duration; one more than [`DURATIONS`].
    pub durations: Vec<u64>,
    /// All durations together, in microseconds.
    pub duration_us: u64,
    /// Lines that are no records.
    pub unreadable: u64,
    /// The time of the newest decision, in seconds since 1970.
    pub newest: i64,
    /// The time of the newest decision without an answer, in the same way.
    #[serde(default)]
    pub newest_undecided: i64,
}

/// How far a log was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    inode: u64,
    offset: u64,
    head: String,
}

impl Counters {
    /// The counts that the last run left in the cache; none if there was none.
    pub fn load(cache: &Path) -> Self {
        let bytes = Folder::open(cache, DIRECTORY).ok();
        let bytes = bytes.and_then(|folder| folder.load(FILE_NAME, STATE_BYTES));
        let kept: Option<Counters> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.filter(|kept| kept.durations.len() == DURATIONS.len() + 1).unwrap_or_else(|| {
            Counters { durations: vec![0; DURATIONS.len() + 1], ..Counters::default() }
        })
    }

    /// Keeps the counts for the next run.
    pub fn store(&self, cache: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        Folder::open(cache, DIRECTORY)?.store(FILE_NAME, &bytes)
    }

    /// Counts what was decided since the last run.
    pub fn catch_up(&mut self, logs: &Path) -> io::Result<()> {
        let current = logs.join(log::FILE_NAME);
        if let Some(place) = self.place.take() {
            let all = history::logs(logs)?;
            let left = all.iter().position(|(_, path)| place.is_in(path));
            if let Some(path) = left.and_then(|left| all.get(left)).map(|(_, path)| path) {
                self.read(path, place.offset)?;
                if *path == current {
                    return Ok(());
                }
            }
            let since = left.map_or(all.len(), |left| left + 1);
            for (_, path) in all.iter().skip(since).filter(|(_, path)| *path != current) {
                if path.extension().is_none_or(|extension| extension != "gz") {
                    self.read(path, 0)?;
                }
            }
        }
        self.read(&current, 0)
    }

    fn read(&mut self, path: &Path, offset: u64) -> io::Result<()> {
        let mut file = match files::open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let inode = file.metadata()?.ino();
        file.seek(SeekFrom::Start(offset))?;
        let mut lines = Lines::new(BufReader::new(file.try_clone()?));
        while let Some(line) = lines.next_line()? {
            match line {
                Line::Record(record) => self.add(&record),
                Line::Unreadable => self.unreadable += 1,
                Line::Unfinished => break,
            }
        }
        let offset = offset + lines.bytes();
        self.place = Some(Place { inode, offset, head: head(&mut file, offset)? });
        Ok(())
    }

    fn add(&mut self, record: &Record) {
        let kind = Kind {
            verdict: record.verdict.clone(),
            cause: record.cause.map_or("", |cause| cause.as_str()).to_owned(),
            mode: record.mode.as_str().to_owned(),
            engine: record.engine.clone().unwrap_or_default(),
            decision: record.decision.as_str().to_owned(),
        };
        let known = self.decisions.len() < KINDS || self.decisions.contains_key(&kind);
        let count = record.repeated.saturating_add(1);
        let place = self.decisions.entry(if known { kind } else { Kind::default() }).or_default();
        *place = place.saturating_add(count);
        if (record.decision, record.under_enforce) == (Action::Allow, Action::Deny) {
            self.would_be_refused += 1;
        }
        for judgement in &record.judgements {
            let source = match judgement.artifact.source.as_str() {
                source @ ("registry" | "cache" | "stale-cache" | "layout" | "local") => source,
                _ => "other",
            };
            *self.sources.entry(source.to_owned()).or_default() += 1;
        }
        let class = DURATIONS.iter().filter(|bound| **bound < record.duration_us).count();
        if let Some(place) = self.durations.get_mut(class) {
            *place += 1;
        }
        self.duration_us = self.duration_us.saturating_add(record.duration_us);
        if let Ok(time) = OffsetDateTime::parse(&record.time, &Rfc3339) {
            // A clock that was wrong for a while must not hide for years that nothing is decided.
            let time = time.unix_timestamp().min(OffsetDateTime::now_utc().unix_timestamp());
            self.newest = self.newest.max(time);
            if record.cause.is_some() {
                self.newest_undecided = self.newest_undecided.max(time);
            }
        }
    }
}

impl Place {
    /// True if the file is the one that was read, and still has what was read of it.
    fn is_in(&self, path: &Path) -> bool {
        let same = |mut file: File| -> io::Result<bool> {
            let metadata = file.metadata()?;
            Ok(metadata.ino() == self.inode
                && metadata.len() >= self.offset
                && head(&mut file, self.offset)? == self.head)
        };
        files::open_regular(path).and_then(same).unwrap_or(false)
    }
}

/// A checksum of the file's beginning, as far as it was read.
fn head(file: &mut File, offset: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(offset.min(HEAD_BYTES)).read_to_end(&mut bytes)?;
    Ok(kept::name_for(&[&bytes]))
}

/// A map whose keys are no strings, as JSON can hold it.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Kind;

    pub fn serialize<S: Serializer>(
        map: &BTreeMap<Kind, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Kind, u64>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Node(tempfile::TempDir);

    impl Node {
        fn new() -> Self {
            Node(tempfile::tempdir().unwrap())
        }

        fn append(&self, numbers: std::ops::Range<usize>) {
            for number in numbers {
                let record = format!(
                    r#"{{"time":"2026-11-24T12:00:00.000Z","container":"{number}","engine":"podman","image":"a","mode":"audit","verdict":"incompatible","cause":null,"decision":"allow","under_enforce":"deny","reason":"x","duration_us":{number},"version":"0.1.0"}}"#
                );
                log::append(self.0.path(), &record).unwrap();
            }
        }

        fn rotate(&self, from: &str, to: &str) {
            let path = |suffix: &str| self.0.path().join(format!("{}{suffix}", log::FILE_NAME));
            fs::rename(path(from), path(to)).unwrap();
        }

        /// One run of the command: what was counted in the end.
        fn run(&self) -> u64 {
            let cache = self.0.path().join("cache");
            let mut counters = Counters::load(&cache);
            counters.catch_up(self.0.path()).unwrap();
            counters.store(&cache).unwrap();
            counters.decisions.values().sum()
        }
    }

    #[test]
    fn every_decision_is_counted_once_over_runs_and_rotations() {
        let node = Node::new();
        assert_eq!(node.run(), 0);
        node.append(0..10);
        assert_eq!((node.run(), node.run()), (10, 10));
        node.append(10..15);
        node.rotate("", ".1");
        assert_eq!(node.run(), 15, "the rest of a log that was renamed");
        node.append(20..23);
        assert_eq!(node.run(), 18);
        node.append(30..32);
        node.rotate(".1", ".2");
        node.rotate("", ".1");
        node.append(40..44);
        assert_eq!((node.run(), node.run()), (24, 24));
    }

    #[test]
    fn counters_never_go_down() {
        let node = Node::new();
        node.append(0..10);
        assert_eq!(node.run(), 10);
        let path = node.0.path().join(log::FILE_NAME);
        fs::write(&path, "").unwrap();
        assert_eq!(node.run(), 10, "emptied in place");
        node.append(0..3);
        assert_eq!(node.run(), 13);
        let text = fs::read_to_string(&path).unwrap().replace("podman", "crio\u{20}\u{20}");
        fs::write(&path, text).unwrap();
        assert_eq!(node.run(), 16, "the same inode with another beginning is another log");
        fs::remove_file(&path).unwrap();
        assert_eq!(node.run(), 16, "removed");
    }

    #[test]
    fn a_line_that_is_being_written_is_counted_when_it_is_whole() {
        let node = Node::new();
        node.append(0..2);
        let path = node.0.path().join(log::FILE_NAME);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        assert_eq!(node.run(), 1);
        fs::write(&path, &whole).unwrap();
        assert_eq!(node.run(), 2);
    }

    #[test]
    fn a_record_from_the_future_is_as_new_as_now() {
        let node = Node::new();
        node.append(0..1);
        let path = node.0.path().join(log::FILE_NAME);
        let text = fs::read_to_string(&path).unwrap().replace("2026-", "2926-");
        fs::write(&path, text).unwrap();
        let mut counters = Counters::load(&node.0.path().join("cache"));
        counters.catch_up(node.0.path()).unwrap();
        assert!(counters.newest <= OffsetDateTime::now_utc().unix_timestamp());
    }

    #[test]
    fn a_duration_belongs_to_the_class_whose_bound_it_does_not_exceed() {
        let node = Node::new();
        node.append(1_000..1_002);
        let mut counters = Counters::load(&node.0.path().join("cache"));
        counters.catch_up(node.0.path()).unwrap();
        assert_eq!(counters.durations[..3], [1, 1, 0]);
        assert_eq!((counters.duration_us, counters.would_be_refused), (2_001, 2));
    }
}
