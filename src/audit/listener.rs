//! How the one sentence reaches the person who started the container.
//!
//! runc puts a failed hook's standard error into its own message. crun throws it away and says only that the hook
//! failed; but crun's standard error is a pipe that conmon reads, and what the hook writes there comes first in what
//! podman and CRI-O show. podman looks at crun's log file before that: with a second document in it, podman gives
//! the file up and shows the standard error. With a terminal this can lose the message altogether, so nothing is
//! done then; the sentence is in the decision log either way.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::{files, limits};

/// Who is told why a start is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// The runtime that called this program as a hook.
    Runtime,
    /// The engine that called this program as its runtime: it reads the log file it named, if it named one.
    Engine {
        /// The log file.
        log: Option<PathBuf>,
        /// True for one JSON document a line, else text as runc writes it.
        json: bool,
    },
}

impl Listener {
    /// Says `line` on standard error, and where the listener will read it. Nothing here can fail the decision.
    pub fn tell(&self, line: &str, terminal: bool) {
        let _ = writeln!(std::io::stderr(), "{line}");
        match self {
            Listener::Runtime if terminal => {}
            Listener::Runtime => tell_runtime(line),
            Listener::Engine { log, json } => {
                let entry = if *json { json_entry(line) } else { text_entry(line) };
                if let Some(mut log) = log.as_deref().and_then(|log| open_log(log, true)) {
                    let _ = log.write_all(entry.as_bytes());
                }
            }
        }
    }
}

/// One error as runc and crun write it to their log: engines show the last one.
fn json_entry(line: &str) -> String {
    let time = super::record::now();
    format!("{}\n", serde_json::json!({"level": "error", "msg": line, "time": time}))
}

fn text_entry(line: &str) -> String {
    format!("time=\"{}\" level=error msg={line:?}\n", super::record::now())
}

fn tell_runtime(line: &str) {
    let parent = PathBuf::from(format!("/proc/{}", nix::unistd::getppid()));
    if is_crun(&parent) {
        tell_crun(&parent, line);
    }
}

fn is_crun(process: &Path) -> bool {
    fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "crun")
}

fn tell_crun(process: &Path, line: &str) {
    if let Some(log) = log_file(process)
        && let Some(mut file) = open_log(&log, false)
    {
        let _ = file.write_all(json_entry(line).as_bytes());
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let stderr =
        OpenOptions::new().append(true).custom_flags(flags.bits()).open(process.join("fd/2"));
    if let Ok(mut stderr) = stderr {
        let _ = stderr.write_all(format!("{line}\n").as_bytes());
    }
}

/// The file named by `--log`, where the runtime was also asked for JSON.
fn log_file(process: &Path) -> Option<PathBuf> {
    let file = File::open(process.join("cmdline")).ok()?;
    let command_line = files::read_open(file, limits::COMMAND_LINE_BYTES).ok()?;
    let arguments: Vec<&str> =
        command_line.split(|b| *b == 0).map(|a| std::str::from_utf8(a).unwrap_or("")).collect();
    let json = option(&arguments, "--log-format").is_none_or(|format| format == "json");
    let path = PathBuf::from(option(&arguments, "--log")?);
    (json && path.is_absolute()).then_some(path)
}

fn option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(place, argument)| {
        match argument.strip_prefix(name)?.strip_prefix('=') {
            Some(value) => Some(value),
            None if *argument == name => arguments.get(place + 1).copied(),
            None => None,
        }
    })
}

/// A log that is a plain file of our own user; anything else is left alone. A runtime makes its log if it is not
/// there, and so does `create`.
fn open_log(path: &Path, create: bool) -> Option<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create(create).mode(0o644).custom_flags(flags.bits());
    let file = options.open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let own = metadata.uid() == nix::unistd::geteuid().as_raw();
    (metadata.is_file() && own).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_option_is_found_in_both_spellings() {
        let split = ["crun", "--log", "/run/oci-log", "--log-format=json", "create"];
        assert_eq!(option(&split, "--log"), Some("/run/oci-log"));
        assert_eq!(option(&split, "--log-format"), Some("json"));
        let joined = ["crun", "--log=/run/oci-log", "create"];
        assert_eq!(option(&joined, "--log"), Some("/run/oci-log"));
        assert_eq!(option(&["crun", "--log"], "--log"), None);
        assert_eq!(option(&["crun", "--log-format", "text"], "--log"), None);
    }

    #[test]
    fn an_engine_finds_the_line_in_the_log_it_named() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.json");
        let listener = |json| Listener::Engine { log: Some(log.clone()), json };
        listener(true).tell("imgcompat: refused: \"x\"", true);
        let document: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
        assert_eq!(document["level"], "error");
        assert_eq!(document["msg"], "imgcompat: refused: \"x\"");
        fs::remove_file(&log).unwrap();
        listener(false).tell("imgcompat: refused: \"x\"", false);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.ends_with("level=error msg=\"imgcompat: refused: \\\"x\\\"\"\n"), "{text}");
    }

    #[test]
    fn only_a_plain_file_is_taken_for_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        fs::write(&file, "").unwrap();
        assert!(open_log(&file, false).is_some());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_log(&link, true).is_none());
        assert!(open_log(&dir.path().join("missing"), false).is_none());
    }
}
