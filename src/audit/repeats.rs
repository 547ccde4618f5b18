//! Repeated refusals: kubelet starts a refused pod again every ten seconds, for ever; the logs get one record a
//! minute for each image and verdict, with a count.
//!
//! A small file in the cache directory for each pair holds when the last record was written and how many refusals
//! have been left out since. If it cannot be used, every refusal is written: too much is better than nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::kept::{self, Folder};

/// Seconds between two records of the same refusal.
const INTERVAL: i64 = 60;
/// Directory within the cache.
const DIRECTORY: &str = "refusals";
/// Files above which the oldest are removed.
const MAX_FILES: usize = 10_000;
/// Largest file: an image's name and a few words.
const STATE_BYTES: u64 = 64 << 10;

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    written_at: i64,
    left_out: u64,
    /// The container whose refusal was written down.
    container: String,
    /// What the file is about.
    image: String,
    outcome: String,
}

/// What to do with a refusal.
#[derive(Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Write it down; so many were left out since the last one.
    Write(u64),
    /// Leave it out: it is explained by the record of this container.
    LeaveOut(String),
}

/// Counts a refusal of `container`, made from `image`, with `outcome`, at `now` (seconds since 1970).
pub fn count(cache: &Path, container: &str, image: &str, outcome: &str, now: i64) -> Repeat {
    let Ok(folder) = Folder::open(cache, DIRECTORY) else { return Repeat::Write(0) };
    let name = kept::name_for(&[image.as_bytes(), outcome.as_bytes()]);
    let old: Option<State> = folder
        .load(&name, STATE_BYTES)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .filter(|state: &State| (state.image.as_str(), state.outcome.as_str()) == (image, outcome));
    let (repeat, new) = match old {
        Some(state) if (0..INTERVAL).contains(&now.saturating_sub(state.written_at)) => {
            let left_out = state.left_out.saturating_add(1);
            (Repeat::LeaveOut(state.container.clone()), State { left_out, ..state })
        }
        old => {
            let left_out = old.map_or(0, |state| state.left_out);
            let (container, image) = (container.to_owned(), image.to_owned());
            let outcome = outcome.to_owned();
            (
                Repeat::Write(left_out),
                State { written_at: now, left_out: 0, container, image, outcome },
            )
        }
    };
    let written = serde_json::to_vec(&new)
        .map_err(std::io::Error::other)
        .and_then(|bytes| folder.store(&name, &bytes).and_then(|()| folder.trim(MAX_FILES)));
    match written {
        Ok(()) => repeat,
        Err(_) => Repeat::Write(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_retries_leaves_sixty_records() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let mut written = Vec::new();
        for second in (0..3600).step_by(10) {
            if let Repeat::Write(left_out) = count(&cache, "c", "a", "incompatible", 1000 + second)
            {
                written.push(left_out);
            }
        }
        assert_eq!(written.len(), 60);
        assert_eq!(written.iter().sum::<u64>() + 60 + 5, 360);
    }

    #[test]
    fn images_verdicts_and_clocks_going_back_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        assert_eq!(count(&cache, "c1000", "a", "x", 1000), Repeat::Write(0));
        assert_eq!(count(&cache, "c1000", "b", "x", 1000), Repeat::Write(0));
        assert_eq!(count(&cache, "c1000", "a", "y", 1000), Repeat::Write(0));
        assert_eq!(count(&cache, "c1001", "a", "x", 1001), Repeat::LeaveOut("c1000".to_owned()));
        assert_eq!(count(&cache, "c10", "a", "x", 10), Repeat::Write(1));
    }

    #[test]
    fn without_a_cache_everything_is_written() {
        let path = Path::new("/proc/nonexistent/cache");
        assert_eq!(count(path, "c", "a", "x", 1), Repeat::Write(0));
        assert_eq!(count(path, "c", "a", "x", 2), Repeat::Write(0));
    }
}
