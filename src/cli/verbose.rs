//! `--verbose`: what the program does, line by line on standard error. Only this program's own lines are printed;
//! those of libraries could hold what must not be seen.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::sanitize;

/// Longest line.
const LINE: usize = 500;

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("imgcompat")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = sanitize::bounded_line(&record.args().to_string(), LINE);
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn flush(&self) {}
}

/// From now on, what is logged is printed.
pub fn enable() {
    static LOGGER: StandardError = StandardError;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}
