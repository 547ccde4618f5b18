//! One line on standard error that says what is being done, for somebody who watches a terminal; nothing anywhere else.

use std::io::{IsTerminal, Write};

use crate::sanitize;

/// Longest line; terminals are rarely narrower.
const WIDTH: usize = 78;
/// Back to the start of the line, which is emptied.
const CLEAR: &str = "\r\u{1b}[K";

/// The line; it is gone when the work is done.
pub struct Progress<W: Write> {
    out: Option<W>,
    total: usize,
    step: usize,
}

impl Progress<std::io::Stderr> {
    /// For work of `total` steps; a single one is not worth a line.
    pub fn on_stderr(total: usize) -> Self {
        let stderr = std::io::stderr();
        let watched = total > 1 && stderr.is_terminal();
        Progress { out: watched.then_some(stderr), total, step: 0 }
    }
}

impl<W: Write> Progress<W> {
    /// The next step begins.
    pub fn next(&mut self, what: &str) {
        self.step += 1;
        if let Some(out) = &mut self.out {
            let text = format!("{} of {}: {what}", self.step, self.total);
            let _ = write!(out, "{CLEAR}{}", sanitize::bounded_line(&text, WIDTH));
            let _ = out.flush();
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let Some(out) = &mut self.out {
            let _ = write!(out, "{CLEAR}");
            let _ = out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_takes_the_place_of_the_one_before_and_nothing_stays() {
        let mut seen = Vec::new();
        let mut progress = Progress { out: Some(&mut seen), total: 2, step: 0 };
        progress.next("linux/amd64");
        progress.next("evil\u{1b}[31m");
        drop(progress);
        let text = String::from_utf8(seen).unwrap();
        assert!(
            text.starts_with("\r\u{1b}[K1 of 2: linux/amd64\r\u{1b}[K2 of 2: evil"),
            "{text:?}"
        );
        assert!(text.ends_with("\r\u{1b}[K") && !text.contains("\u{1b}[31m"), "{text:?}");
    }

    #[test]
    fn a_single_step_is_not_shown() {
        assert!(Progress::on_stderr(1).out.is_none());
    }
}
