//! A start as an OCI runtime announces it to a hook: the container's state as JSON on standard input, and the
//! bundle it names.
//!
//! Source: OCI runtime specification, `runtime.md` (State) and `config.md` (POSIX-platform Hooks). Only what is
//! acted on is read.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;

use serde::Deserialize;

use super::bundle::{self, is_container_id, is_plain_absolute};
use super::{ContainerStart, StartError};
use crate::deadline::Deadline;
use crate::limits;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    oci_version: String,
    id: String,
    #[serde(default)]
    pid: Option<i64>,
    bundle: PathBuf,
    #[serde(default)]
    status: Option<String>,
}

/// Reads the state from `input` and then the bundle's `config.json`.
pub fn read(
    input: &mut (impl Read + AsFd),
    deadline: &Deadline,
) -> Result<ContainerStart, StartError> {
    let state = parse_state(&read_state(input, deadline)?)?;
    bundle::read(state.id, state.bundle)
}

/// Reads until the end of input, within the deadline and [`limits::STATE_BYTES`].
fn read_state(input: &mut (impl Read + AsFd), deadline: &Deadline) -> Result<Vec<u8>, StartError> {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 4 << 10];
    loop {
        if !deadline.wait_readable(input).map_err(StartError::StateUnreadable)? {
            return Err(StartError::StateNeverEnds);
        }
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StartError::StateUnreadable(error)),
        }
        if bytes.len() as u64 > limits::STATE_BYTES {
            return Err(StartError::StateTooLarge);
        }
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(StartError::StateEmpty);
    }
    Ok(bytes)
}

fn parse_state(bytes: &[u8]) -> Result<State, StartError> {
    let state: State = serde_json::from_slice(bytes).map_err(StartError::StateMalformed)?;
    let field = |name, problem| Err(StartError::StateField { name, problem });
    if state.oci_version.is_empty() || state.oci_version.len() > 64 {
        return field("ociVersion", "it is empty or too long");
    }
    if !is_container_id(&state.id) {
        return field("id", "it is empty, too long, or has characters no runtime accepts");
    }
    if state.pid.is_some_and(|pid| pid < 0) {
        return field("pid", "it is negative");
    }
    if state.status.as_deref().is_some_and(|s| !KNOWN_STATUS.contains(&s)) {
        return field("status", "it is none of creating, created, running, stopped");
    }
    if !is_plain_absolute(&state.bundle) {
        return field("bundle", "it is not an absolute path without `..`");
    }
    Ok(state)
}

const KNOWN_STATUS: [&str; 5] = ["creating", "created", "running", "stopped", "paused"];

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn start(input: &[u8], keep_open: bool) -> Result<ContainerStart, StartError> {
        let (mut writer, mut reader) = UnixStream::pair().unwrap();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || {
            let _ = writer.write_all(&input);
            keep_open.then_some(writer)
        });
        let result = read(&mut reader, &Deadline::after(Duration::from_millis(500)));
        drop(reader);
        drop(feeder.join());
        result
    }

    fn bundle(config: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        dir
    }

    fn state(bundle: &Path) -> String {
        format!(
            r#"{{"ociVersion":"1.0","id":"c1","pid":7,"status":"created","bundle":"{}","root":"/x",
                "annotations":{{"io.kubernetes.cri-o.Image":"lie"}}}}"#,
            bundle.display()
        )
    }

    #[test]
    fn a_start_has_id_bundle_root_and_terminal() {
        let dir =
            bundle(r#"{"root":{"path":"/r/merged"},"process":{"terminal":true,"env":["A=B"]}}"#);
        let start = start(state(dir.path()).as_bytes(), false).unwrap();
        assert_eq!(start.id, "c1");
        assert_eq!(start.bundle, dir.path());
        assert_eq!(start.root_path.as_deref(), Some(Path::new("/r/merged")));
        assert!(start.terminal);
    }

    #[test]
    fn a_relative_root_is_below_the_bundle() {
        let dir = bundle(r#"{"root":{"path":"rootfs"}}"#);
        let start = start(state(dir.path()).as_bytes(), false).unwrap();
        assert_eq!(start.root_path, Some(dir.path().join("rootfs")));
    }

    #[test]
    fn bad_states_are_told_apart() {
        let long = "a".repeat(2000);
        let table: [(&[u8], &str); 9] = [
            (b"", "is empty"),
            (b" \n", "is empty"),
            (br#"{"ociVersion":"1.0""#, "not valid JSON"),
            (br#"[]"#, "not valid JSON"),
            (br#"{"ociVersion":"1.0","id":"a/b","bundle":"/b"}"#, "`id`"),
            (br#"{"ociVersion":"","id":"a","bundle":"/b"}"#, "`ociVersion`"),
            (br#"{"ociVersion":"1","id":"a","pid":-1,"bundle":"/b"}"#, "`pid`"),
            (br#"{"ociVersion":"1","id":"a","bundle":"b"}"#, "`bundle`"),
            (br#"{"ociVersion":"1","id":"a","bundle":"/b/../c"}"#, "`bundle`"),
        ];
        for (input, expected) in table {
            let error = start(input, false).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let id = format!(r#"{{"ociVersion":"1.0","id":"{long}","bundle":"/b"}}"#);
        assert!(start(id.as_bytes(), false).is_err());
    }

    #[test]
    fn input_without_end_and_without_bound_is_given_up() {
        assert!(matches!(start(b"{", true), Err(StartError::StateNeverEnds)));
        let large = vec![b' '; (limits::STATE_BYTES + 10) as usize];
        assert!(matches!(start(&large, false), Err(StartError::StateTooLarge)));
    }

    #[test]
    fn a_bundle_that_is_not_what_it_should_be_is_an_error() {
        let missing = start(state(Path::new("/nonexistent/bundle")).as_bytes(), false);
        assert!(matches!(missing, Err(StartError::ConfigUnreadable { .. })));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config.json")).unwrap();
        let directory = start(state(dir.path()).as_bytes(), false);
        assert!(matches!(directory, Err(StartError::ConfigUnreadable { .. })));
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("config.json")).unwrap();
        let link = start(state(dir.path()).as_bytes(), false);
        assert!(matches!(link, Err(StartError::ConfigUnreadable { .. })));
        let dir = bundle("{");
        let cut = start(state(dir.path()).as_bytes(), false);
        assert!(matches!(cut, Err(StartError::ConfigMalformed { .. })));
    }
}
