//! What a decision log amounts to: how many starts, what became of them, what enforcing would change; by image, by
//! the expression that decided, by cause, by engine and by the hour; and how long they took.
//!
//! Pure: records go in one by one, in any order; memory is bounded by [`GROUPS`] and [`HOURS`]. Used by `imgcompat report`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counters::DURATIONS;
use super::message;
use super::record::Record;
use crate::policy::{Action, Mode};
use crate::rules::SetVerdict;
use crate::sanitize;

/// Groups of one kind; what comes later is counted together.
pub const GROUPS: usize = 1_000;
/// Hours that are told apart: two years. What comes later counts in everything but the course of time.
pub const HOURS: usize = 2 * 366 * 24;
/// Name of the group for what came later.
pub const OTHERS: &str = "(others)";
/// Longest name of a group.
const NAME_BYTES: usize = 300;

/// Starts, and what became of them. A refusal that was left out of the log counts by the next record's `repeated`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All decisions.
    pub decisions: u64,
    /// Started.
    pub started: u64,
    /// Refused.
    pub refused: u64,
    /// Started, though enforcing would have refused them.
    pub would_be_refused: u64,
    /// Started without an answer about the image.
    pub undecided: u64,
}

/// The counts of some decisions, and their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first time.
    pub first: String,
    /// The last time.
    pub last: String,
    /// The last container that was refused or would be: `imgcompat why` tells its story.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// Why it was refused or would be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The first time that one was refused or would have been.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
}

/// Groups by name.
pub type Groups = BTreeMap<String, Group>;

/// How many starts took how long: one count for each of [`DURATIONS`], and one for what took longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations([u64; DURATIONS.len() + 1]);

impl Default for Durations {
    fn default() -> Self {
        Durations([0; DURATIONS.len() + 1])
    }
}

impl Durations {
    fn add(&mut self, duration_us: u64) {
        let class = DURATIONS.iter().filter(|bound| **bound < duration_us).count();
        if let Some(count) = self.0.get_mut(class) {
            *count += 1;
        }
    }

    /// Each class's upper bound in microseconds, `None` for the last, and its count.
    pub fn classes(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        DURATIONS.iter().copied().map(Some).chain([None]).zip(self.0.iter().copied())
    }

    /// The upper bound of the class in which the given hundredth of all starts lies.
    pub fn percentile(&self, hundredths: u64) -> Option<u64> {
        let all: u64 = self.0.iter().sum();
        let mut below = 0;
        let class = self.classes().find(|(_, count)| {
            below += count;
            below * 100 >= all * hundredths
        });
        class.and_then(|(bound, _)| bound)
    }
}

impl Serialize for Durations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Class {
            up_to_us: Option<u64>,
            decisions: u64,
        }
        let classes = self.classes().map(|(up_to_us, decisions)| Class { up_to_us, decisions });
        serializer.collect_seq(classes)
    }
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Statistics {
    /// Everything together.
    pub total: Group,
    /// Containers without an image, which are not judged and not counted above.
    pub not_judged: u64,
    /// Decisions by the policy's mode.
    pub by_mode: Groups,
    /// Decisions by engine.
    pub by_engine: Groups,
    /// Decisions by verdict; for undecided ones, by cause.
    pub by_outcome: Groups,
    /// Decisions by image.
    pub by_image: Groups,
    /// What was refused or would be, by the expression that decided.
    pub by_expression: Groups,
    /// What was started or refused by an exception, by its reason.
    pub by_exception: Groups,
    /// Counts by the hour in which decisions were made (UTC), written as `2026-11-24T12`.
    pub by_hour: BTreeMap<String, Counts>,
    /// How long decisions took.
    pub durations: Durations,
}

impl Statistics {
    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        if record.not_judged.is_some() {
            self.not_judged += 1;
            return;
        }
        self.total.add(record);
        add_to(&mut self.by_mode, record.mode.as_str(), record);
        add_to(&mut self.by_engine, record.engine.as_deref().unwrap_or("(unknown)"), record);
        add_to(&mut self.by_outcome, outcome(record), record);
        add_to(&mut self.by_image, record.image.as_deref().unwrap_or("(unknown)"), record);
        if record.under_enforce == Action::Deny {
            add_to(&mut self.by_expression, &deciding(record), record);
        }
        if let Some(reason) = &record.overridden {
            add_to(&mut self.by_exception, reason, record);
        }
        self.add_to_hour(record);
        self.durations.add(record.duration_us);
    }

    fn add_to_hour(&mut self, record: &Record) {
        let Some(hour) = record.time.get(..13) else { return };
        if self.by_hour.len() < HOURS || self.by_hour.contains_key(hour) {
            let counts = self.by_hour.entry(hour.to_owned()).or_default();
            counts.add(record, record.repeated.saturating_add(1));
        }
    }

    /// Images of which some start would be refused.
    pub fn images_at_risk(&self) -> usize {
        self.by_image.values().filter(|group| group.counts.would_be_refused > 0).count()
    }

    /// Decisions that were made in audit mode.
    pub fn audited(&self) -> u64 {
        self.by_mode.get(Mode::Audit.as_str()).map_or(0, |group| group.counts.decisions)
    }
}

impl Group {
    fn add(&mut self, record: &Record) {
        let count = record.repeated.saturating_add(1);
        self.counts.add(record, count);
        if self.first.is_empty() || record.time < self.first {
            self.first.clone_from(&record.time);
        }
        let newest = record.time >= self.last;
        if newest {
            self.last.clone_from(&record.time);
        }
        let at_stake = record.under_enforce == Action::Deny;
        if at_stake && (self.since.is_empty() || record.time < self.since) {
            self.since.clone_from(&record.time);
        }
        if at_stake && (newest || self.container.is_empty()) {
            self.container = record.container.get(..12).unwrap_or(&record.container).to_owned();
            self.why = sanitize::bounded_line(&record.reason, NAME_BYTES);
        }
    }
}

impl Counts {
    /// Refused, or would be.
    pub fn at_stake(&self) -> u64 {
        self.refused.saturating_add(self.would_be_refused)
    }

    /// Adds the counts of other decisions.
    pub fn merge(&mut self, other: &Counts) {
        self.decisions = self.decisions.saturating_add(other.decisions);
        self.started = self.started.saturating_add(other.started);
        self.refused = self.refused.saturating_add(other.refused);
        self.would_be_refused = self.would_be_refused.saturating_add(other.would_be_refused);
        self.undecided = self.undecided.saturating_add(other.undecided);
    }

    fn add(&mut self, record: &Record, count: u64) {
        let add = |place: &mut u64| *place = place.saturating_add(count);
        add(&mut self.decisions);
        match (record.decision, record.under_enforce) {
            (Action::Deny, _) => add(&mut self.refused),
            (Action::Allow, under_enforce) => {
                add(&mut self.started);
                if under_enforce == Action::Deny {
                    add(&mut self.would_be_refused);
                }
                if record.cause.is_some() {
                    add(&mut self.undecided);
                }
            }
        }
    }
}

fn add_to(groups: &mut Groups, name: &str, record: &Record) {
    let name = sanitize::bounded_line(name, NAME_BYTES);
    let known = groups.len() < GROUPS || groups.contains_key(&name);
    groups.entry(if known { name } else { OTHERS.to_owned() }).or_default().add(record);
}

fn outcome(record: &Record) -> &str {
    record.cause.map_or(record.verdict.as_str(), |cause| cause.as_str())
}

/// The rule and the expression that decided, or the cause, or the verdict.
fn deciding(record: &Record) -> String {
    let mut against = record.judgements.iter().filter(|j| j.verdict != SetVerdict::Compatible);
    let row = against.find_map(message::deciding);
    row.unwrap_or_else(|| outcome(record).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_percentile_is_the_one_that_reaches_it() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50), Some(1_000), "of nothing, the first");
        for (duration, count) in [(800, 60), (4_000, 39), (11_000_000, 1)] {
            (0..count).for_each(|_| durations.add(duration));
        }
        assert_eq!(durations.percentile(50), Some(1_000));
        assert_eq!(durations.percentile(99), Some(5_000));
        assert_eq!(durations.percentile(100), None);
    }

    #[test]
    fn counting_is_bounded_in_hours_too() {
        let text = r#"{"time":"2026-11-24T12:00:00.000Z","container":"3f2a11","engine":null,"image":null,"mode":"audit","verdict":"compatible","cause":null,"decision":"allow","under_enforce":"allow","reason":"x","duration_us":1,"version":""}"#;
        let mut record: Record = serde_json::from_str(text).unwrap();
        let mut statistics = Statistics::default();
        for number in 0..HOURS + 10 {
            record.time = format!("{number:013}:00:00Z");
            statistics.add(&record);
        }
        assert_eq!(statistics.by_hour.len(), HOURS);
        assert_eq!(statistics.total.counts.decisions as usize, HOURS + 10);
    }
}
