//! One decision as it is written down: a JSON object a line, stable in its keys.
//!
//! The same record is what `imgcompat why` reads. Text from strangers is kept as it was (JSON escapes it); it is
//! cleaned where it is printed.

use std::io;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::image::NotJudged;
use crate::oci::Digest;
use crate::policy::{Action, Mode};
use crate::rules::{SetReport, SetVerdict};
use crate::verdict::Cause;

/// Largest record; above it the sets that decide nothing are dropped from it.
pub const MAX_RECORD_BYTES: usize = 16 << 10;

/// The time for a record: RFC 3339, UTC, with milliseconds.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let milliseconds = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    milliseconds.format(&Rfc3339).unwrap_or_default()
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// The container's id; empty if not even that was understood.
    pub container: String,
    /// What the engine's records call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of its pod, by the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The namespace of its pod, by the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The engine, where known: `podman`, `crio`, …
    pub engine: Option<String>,
    /// The image as people call it.
    pub image: Option<String>,
    /// The image id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<Digest>,
    /// The policy's mode for this image.
    pub mode: Mode,
    /// The verdict: `compatible`, `incompatible`, `no-artifact`, `undecided`, or `not-judged`.
    pub verdict: String,
    /// The cause of `undecided`.
    pub cause: Option<Cause>,
    /// Why a container was not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<NotJudged>,
    /// What happened.
    pub decision: Action,
    /// What would have happened under `mode = "enforce"`.
    pub under_enforce: Action,
    /// One sentence: why.
    pub reason: String,
    /// The reason of the override that changed the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,
    /// Patterns of the policy entries that applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_entries: Vec<String>,
    /// What was judged; several where a local specification adds to the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judgements: Vec<Judgement>,
    /// Remarks: warnings of the specification, troubles that did not change the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How often the same refusal happened since it was last written down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// True if parts were left out to keep the record small.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// Time from the hook's start to the decision, in microseconds.
    pub duration_us: u64,
    /// The version of this program.
    pub version: String,
}

/// One specification and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Where the specification came from.
    pub artifact: ArtifactNote,
    /// Its verdict on this host.
    pub verdict: SetVerdict,
    /// The compatible set that is reported.
    pub set: Option<usize>,
    /// Every set that was selected.
    pub sets: Vec<SetReport>,
}

/// Where a specification came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactNote {
    /// The artifact manifest's digest; for a local specification that of its file.
    pub digest: Option<Digest>,
    /// `registry`, `cache`, `stale-cache`, `layout`, or `local`.
    pub source: String,
    /// The repository, or the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The manifest it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// When it was made, as its author says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Seconds since the registry was asked, where the answer came from the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Record {
    /// The record as one line of JSON, within [`MAX_RECORD_BYTES`] as far as shortening allows.
    pub fn to_line(&self) -> String {
        if let Some(whole) = self.bounded_line() {
            return whole;
        }
        let mut short = self.clone();
        short.shortened = true;
        for judgement in &mut short.judgements {
            keep_what_failed(judgement);
        }
        if let Some(failed) = short.bounded_line() {
            return failed;
        }
        short.judgements.iter_mut().for_each(|judgement| judgement.sets.clear());
        short.notes.clear();
        serde_json::to_string(&short).unwrap_or_default()
    }

    /// `None` if it is longer than [`MAX_RECORD_BYTES`]; a long one is not written to its end.
    fn bounded_line(&self) -> Option<String> {
        let mut line = Bounded(Vec::with_capacity(2048));
        serde_json::to_writer(&mut line, self).ok()?;
        String::from_utf8(line.0).ok()
    }
}

/// Takes [`MAX_RECORD_BYTES`] and fails at the next.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RECORD_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Leaves in a report only the rows that do not hold, and of those a bounded number.
fn keep_what_failed(judgement: &mut Judgement) {
    use crate::rules::ExpressionVerdict::Match;
    const ROWS: usize = 8;
    judgement.sets.truncate(ROWS);
    for rule in judgement.sets.iter_mut().flat_map(|set| &mut set.rules) {
        rule.expressions.retain(|row| row.verdict != Match);
        rule.expressions.truncate(ROWS);
        rule.match_any.truncate(ROWS);
        for alternative in &mut rule.match_any {
            alternative.expressions.retain(|row| row.verdict != Match);
            alternative.expressions.truncate(ROWS);
        }
    }
    judgement.sets.iter_mut().for_each(|set| {
        set.rules.retain(|rule| rule.verdict != SetVerdict::Compatible);
        set.rules.truncate(ROWS);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_up_to_its_limit_and_shortened_beyond() {
        let empty: Record = serde_json::from_str(
            r#"{"time":"t","container":"c","engine":null,"image":null,"mode":"enforce","verdict":"compatible","cause":null,
                "decision":"allow","under_enforce":"allow","reason":"","duration_us":1,"version":"v"}"#,
        )
        .unwrap();
        let length = |note: usize| {
            let notes = vec!["n".repeat(note)];
            Record { notes, ..empty.clone() }.to_line().len()
        };
        let overhead = length(100) - 100;
        assert_eq!(length(MAX_RECORD_BYTES - overhead), MAX_RECORD_BYTES);
        assert!(length(MAX_RECORD_BYTES - overhead + 1) < 1000);
    }
}
