//! Reading the decision log from its beginning: the log itself and what rotation left of older ones, one record at a
//! time, in the memory of one line.
//!
//! Read by `imgcompat report` and `imgcompat metrics`. Which names logrotate gives: `decisions.jsonl.1`, `.2.gz`, or
//! with `dateext` `decisions.jsonl-20261124`, see logrotate(8). A line that is torn, too long or no record is counted
//! and skipped: a full disk must not make the rest unreadable.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::log;
use super::record::{MAX_RECORD_BYTES, Record};
use crate::files;

/// Longest line that can be a record: one that could not be shortened to its limit is still far below this.
const MAX_LINE_BYTES: usize = 16 * MAX_RECORD_BYTES;

/// What stands at a place of a log.
#[derive(Debug)]
pub enum Line {
    /// A decision.
    Record(Box<Record>),
    /// Something else: torn, foreign, or too long.
    Unreadable,
    /// A line without its end: it may still be being written.
    Unfinished,
}

/// The lines of one log.
pub struct Lines<R> {
    reader: R,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads what `reader` gives.
    pub fn new(reader: R) -> Self {
        Lines { reader, bytes: 0 }
    }

    /// How many bytes the finished lines had so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` at the end.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES as u64;
        let mut length = (&mut self.reader).take(limit).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let whole = line.ends_with(b"\n");
        if !whole && length < limit {
            return Ok(Some(Line::Unfinished));
        }
        if !whole {
            length += skip_line(&mut self.reader)?;
        }
        self.bytes += length;
        let record = if whole { serde_json::from_slice(&line).ok() } else { None };
        Ok(Some(record.map_or(Line::Unreadable, Line::Record)))
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (length, last) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(length);
        skipped += length as u64;
        if last {
            return Ok(skipped);
        }
    }
}

/// What reading a history came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Logs that were read.
    pub logs: usize,
    /// Lines that are no records.
    pub unreadable: u64,
}

/// Gives every record of the logs in `directory` to `each`, older logs first. Logs that were last written before
/// `since` are not opened.
pub fn read(
    directory: &Path,
    since: Option<SystemTime>,
    mut each: impl FnMut(&Record),
) -> Result<Reading, (PathBuf, io::Error)> {
    let mut result = Reading::default();
    for (modified, path) in logs(directory).map_err(|error| (directory.to_owned(), error))? {
        if since.is_some_and(|since| modified < since) {
            continue;
        }
        match read_log(&path, &mut each) {
            Ok(unreadable) => {
                result.logs += 1;
                result.unreadable += unreadable;
            }
            // Rotation renames and removes logs while they are read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((path, error)),
        }
    }
    Ok(result)
}

fn read_log(path: &Path, each: &mut impl FnMut(&Record)) -> io::Result<u64> {
    let file = files::open_regular(path)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut lines = Lines::new(BufReader::new(reader));
    let mut unreadable = 0;
    loop {
        match lines.next_line() {
            Ok(None) => return Ok(unreadable),
            Ok(Some(Line::Record(record))) => each(&record),
            Ok(Some(Line::Unreadable)) => unreadable += 1,
            Ok(Some(Line::Unfinished)) => return Ok(unreadable + 1),
            // A compressed log that is cut off or damaged: what came before the damage counts.
            Err(error) if is_damage(&error) => return Ok(unreadable + 1),
            Err(error) => return Err(error),
        }
    }
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// The logs with the times when they were last written, oldest first.
pub fn logs(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_log)
            && let Ok(metadata) = entry.metadata()
            && !metadata.is_dir()
            && let Ok(modified) = metadata.modified()
        {
            found.push((modified, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn is_log(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(log::FILE_NAME) else { return false };
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    let numbered = rest.strip_prefix(['.', '-']).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'-')
    });
    rest.is_empty() || numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"time":"2026-11-24T12:00:00.000Z","container":"3f2a11","engine":"podman","image":"r.example/ml:2","mode":"audit","verdict":"incompatible","cause":null,"decision":"allow","under_enforce":"deny","reason":"x","duration_us":1,"version":"0.1.0"}"#;

    #[test]
    fn only_logs_are_read() {
        let logs = ["", ".1", ".2.gz", "-20261124", "-20261124.gz", ".12"];
        for name in logs {
            assert!(is_log(&format!("{}{name}", log::FILE_NAME)), "{name}");
        }
        for name in [".1.tmp", ".swp", ".", ".gz.gz", "x", ".1.xz"] {
            assert!(!is_log(&format!("{}{name}", log::FILE_NAME)), "{name}");
        }
    }

    #[test]
    fn a_directory_with_the_name_of_a_log_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("decisions.jsonl.1")).unwrap();
        fs::write(dir.path().join(log::FILE_NAME), format!("{RECORD}\n")).unwrap();
        let read = read(dir.path(), None, |_| ()).unwrap();
        assert_eq!(read, Reading { logs: 1, unreadable: 0 });
    }

    #[test]
    fn torn_and_endless_lines_are_counted_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let endless = "x".repeat(3 * MAX_LINE_BYTES);
        let text = format!("{RECORD}\n{{\"time\":\n{endless}\n\u{0}\n{RECORD}\n{{\"ti");
        fs::write(dir.path().join(log::FILE_NAME), text).unwrap();
        let mut records = 0;
        let read = read(dir.path(), None, |_| records += 1).unwrap();
        assert_eq!((records, read), (2, Reading { logs: 1, unreadable: 4 }));
    }

    #[test]
    fn rotated_and_compressed_logs_are_read_too_even_cut_off_ones() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let packed = {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(format!("{RECORD}\n").as_bytes()).unwrap();
            gz.finish().unwrap()
        };
        fs::write(dir.path().join("decisions.jsonl.2.gz"), &packed).unwrap();
        fs::write(dir.path().join("decisions.jsonl.3.gz"), &packed[..packed.len() / 2]).unwrap();
        fs::write(dir.path().join("decisions.jsonl.1"), format!("{RECORD}\n")).unwrap();
        let mut records = 0;
        let read = read(dir.path(), None, |_| records += 1).unwrap();
        assert_eq!((records, read.unreadable), (2, 1));
    }

    #[test]
    fn the_bytes_of_a_line_that_is_being_written_are_not_counted() {
        let text = format!("{RECORD}\n{{\"ti");
        let mut lines = Lines::new(text.as_bytes());
        assert!(matches!(lines.next_line().unwrap(), Some(Line::Record(_))));
        assert!(matches!(lines.next_line().unwrap(), Some(Line::Unfinished)));
        assert_eq!(lines.bytes(), RECORD.len() as u64 + 1);
        assert!(lines.next_line().unwrap().is_none());
    }
}
