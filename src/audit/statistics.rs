//! What a decision log amounts to: how many starts, what became of them, what enforcing would change; by image, by
//! the expression that decided, by cause and by engine.
//!
//! Pure: records go in one by one, in any order; memory is bounded by [`GROUPS`]. Used by `imgcompat report`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Record;
use super::{message, sanitize};
use crate::policy::{Action, Mode};
use crate::rules::SetVerdict;

/// Groups of one kind; what comes later is counted together.
pub const GROUPS: usize = 1_000;
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
}

/// Groups by name.
pub type Groups = BTreeMap<String, Group>;

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
        if record.under_enforce == Action::Deny && (newest || self.container.is_empty()) {
            self.container = record.container.get(..12).unwrap_or(&record.container).to_owned();
            self.why = sanitize::bounded_line(&record.reason, NAME_BYTES);
        }
    }
}

impl Counts {
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
