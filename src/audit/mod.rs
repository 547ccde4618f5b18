//! Room `audit`: what was decided, written down and said.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | the record: one JSON object a decision |
//! | `log.rs` | the decision log |
//! | `history.rs` | reading it, rotated logs included |
//! | `statistics.rs` | what it amounts to |
//! | `system_log.rs` | syslog and journald |
//! | `message.rs` | the one sentence a person reads |
//! | `remedy.rs` | what the host has instead, and what would help |
//! | `engine.rs` | how that sentence reaches the person under each runtime |
//! | `repeats.rs` | repeated refusals are written down at most once a minute |
//! | `sanitize.rs` | the one place where foreign text becomes printable |

pub mod engine;
pub mod history;
pub mod log;
pub mod message;
pub mod record;
pub mod remedy;
pub mod repeats;
pub mod sanitize;
pub mod statistics;
pub mod system_log;

pub use record::{ArtifactNote, Judgement, Record};

use std::path::Path;

use crate::paths::Paths;

/// Writes the record to the decision log and the system's log. Neither can fail the decision: what could not be
/// written in one place is said in the other, and the number of places that took the record is returned.
pub fn write(record: &mut Record, paths: &Paths) -> usize {
    let logged = match log::append(&paths.log_dir(), &record.to_line()) {
        Ok(()) => 1,
        Err(error) => {
            let place = paths.log_dir().join(log::FILE_NAME);
            record.notes.push(format!("{} cannot be written: {error}", place.display()));
            record.reason =
                format!("{} (the decision log cannot be written: {error})", record.reason);
            0
        }
    };
    logged + usize::from(system_log::send(record, Path::new(system_log::SOCKET)).is_ok())
}
