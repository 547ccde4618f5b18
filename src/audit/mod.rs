//! Room `audit`: what was decided, written down and said.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | the record: one JSON object a decision |
//! | `log.rs` | the decision log |
//! | `history.rs` | reading it, rotated logs included |
//! | `statistics.rs` | what it amounts to |
//! | `counters.rs` | its counters, kept between runs |
//! | `journal.rs` | journald, field by field |
//! | `system_log.rs` | syslog, where there is no journald |
//! | `message.rs` | the one sentence a person reads |
//! | `remedy.rs` | what the host has instead, and what would help |
//! | `listener.rs` | how that sentence reaches the person under each runtime |
//! | `repeats.rs` | repeated refusals are written down at most once a minute |

pub mod counters;
pub mod history;
mod journal;
pub mod listener;
pub mod log;
pub mod message;
pub mod record;
pub mod remedy;
pub mod repeats;
pub mod statistics;
pub mod system_log;

pub use record::{ArtifactNote, Judgement, Record};

use std::io;
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
    let told = tell(record, Path::new(journal::SOCKET), Path::new(system_log::SOCKET));
    logged + usize::from(told.is_ok())
}

/// To journald where it is, else to syslog.
fn tell(record: &Record, journal: &Path, syslog: &Path) -> io::Result<()> {
    journal::send(record, journal).or_else(|_| system_log::send(record, syslog))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn syslog_is_told_only_where_journald_is_not() {
        let text = r#"{"time":"","container":"3f","engine":null,"image":null,"mode":"enforce","verdict":"compatible","cause":null,"decision":"allow","under_enforce":"allow","reason":"x","duration_us":1,"version":""}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (journal, syslog) = (dir.path().join("journal"), dir.path().join("syslog"));
        let daemon = UnixDatagram::bind(&syslog).unwrap();
        daemon.set_nonblocking(true).unwrap();
        tell(&record, &journal, &syslog).unwrap();
        assert!(daemon.recv(&mut [0; 4096]).is_ok());
        let _journald = UnixDatagram::bind(&journal).unwrap();
        tell(&record, &journal, &syslog).unwrap();
        assert!(daemon.recv(&mut [0; 4096]).is_err(), "told twice");
    }
}
