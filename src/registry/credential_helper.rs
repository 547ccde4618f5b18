//! Credential helpers: `docker-credential-NAME get`, server on standard input, JSON on standard output.
//!
//! Source: docker/docker-credential-helpers. The name comes from an auth file and becomes a program that runs with
//! our rights, so as root: only a plain name, only from the system's folders, only a file that nobody but root can
//! change, and only if the same is true of the auth file that names it. It gets a clean environment, two seconds,
//! and 64 KiB for its answer (`credential_program.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::deadline::Deadline;
use crate::files;
use crate::worker::protocol::{Unavailable, UnavailableKind};

use super::credential_program;
use super::failure;
use super::node_files::{NodeFiles, Read};
use super::secret::{Credentials, Secret};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

const FOLDERS: [&str; 6] =
    ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];
/// What helpers print when they know nothing of a server.
const NOT_FOUND: &str = "credentials not found";

/// Asks the helper `name`, which the auth file `named_by` names, for a server's credentials.
pub fn get(
    name: &str,
    server: &str,
    named_by: &Read,
    files: &NodeFiles,
    deadline: Option<Deadline>,
) -> Result<Option<Credentials>, Unavailable> {
    let unusable = |problem: String| {
        let name = failure::printable(name);
        let detail = format!(
            "the credential helper `{name}`, named by {}, cannot be used: {problem}",
            named_by.path.display()
        );
        failure::unavailable(UnavailableKind::Configuration, detail)
    };
    if !is_plain_name(name) {
        return Err(unusable(
            "its name may have letters, digits, `.`, `_` and `-` only".to_owned(),
        ));
    }
    let as_root = nix::unistd::geteuid().is_root();
    if as_root && !named_by.trusted {
        return Err(unusable(
            "others than root can change that file, so nothing it names is run".to_owned(),
        ));
    }
    let program = find(&format!("docker-credential-{name}"), files, as_root).map_err(unusable)?;
    let output = ask(&program, server, files, as_root, deadline).map_err(unusable)?;
    let Some(output) = output else { return Ok(None) };
    let answer: Answer = serde_json::from_str(output.expose())
        .map_err(|_| unusable("it printed something else than credentials".to_owned()))?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::new(answer.secret);
    Ok(Some(match answer.username.as_str() {
        "<token>" => Credentials::Identity(secret),
        _ => Credentials::Basic { username: answer.username, password: secret },
    }))
}

/// The program of the helper `name`, as root finds it, or why it is not run. Runs nothing.
pub fn program(name: &str, files: &NodeFiles) -> Result<PathBuf, String> {
    if !is_plain_name(name) {
        return Err("its name may have letters, digits, `.`, `_` and `-` only".to_owned());
    }
    find(&format!("docker-credential-{name}"), files, true)
}

/// A name that is no path and no option.
pub(super) fn is_plain_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-'])
}

/// A person's helpers are on the person's PATH; root's are where the system keeps programs.
fn find(program: &str, files: &NodeFiles, as_root: bool) -> Result<PathBuf, String> {
    let folders: Vec<PathBuf> = if as_root {
        FOLDERS.iter().map(|folder| files.system(folder)).collect()
    } else {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
    };
    let found = folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file());
    let found = found.ok_or_else(|| format!("there is no {program}"))?;
    if as_root {
        let metadata = std::fs::metadata(&found).map_err(|error| error.to_string())?;
        if !files::is_trusted(&metadata) {
            return Err(format!("others than root can change {}", found.display()));
        }
    }
    Ok(found)
}

/// The helper's output; `None` if it knows nothing of the server.
fn ask(
    program: &Path,
    server: &str,
    files: &NodeFiles,
    as_root: bool,
    deadline: Option<Deadline>,
) -> Result<Option<Secret>, String> {
    let mut command = Command::new(program);
    command.arg("get");
    if as_root {
        credential_program::clean_environment(&mut command, files);
    }
    let ended = credential_program::run(command, server.as_bytes(), deadline)?;
    if ended.succeeded {
        Ok(Some(ended.output))
    } else if ended.output.expose().to_ascii_lowercase().contains(NOT_FOUND) {
        Ok(None)
    } else {
        Err("it failed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, mode: u32, trusted: bool) -> Result<Option<Credentials>, Unavailable> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("usr/bin/docker-credential-test");
        credential_program::script::write_script(&program, script, mode);
        let read = Read::for_test("auth.json", vec![], trusted);
        get("test", "r.example", &read, &NodeFiles::of_root(folder.path()), None)
    }

    fn reason(result: Result<Option<Credentials>, Unavailable>) -> String {
        result.err().map(|error| error.detail).unwrap_or_default()
    }

    fn needs_root() -> bool {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            println!("skipped: needs root, whose helpers come from the system's folders");
        }
        root
    }

    #[test]
    fn a_helper_is_given_the_server_and_answers_with_credentials() {
        if !needs_root() {
            return;
        }
        let script = r#"read server; echo "{\"Username\":\"$server\",\"Secret\":\"s$1\"}""#;
        match run(script, 0o755, true).unwrap().unwrap() {
            Credentials::Basic { username, password } => {
                assert_eq!((username.as_str(), password.expose()), ("r.example", "sget"));
            }
            _ => panic!("not a user name and password"),
        }
        let token = run(r#"echo '{"Username":"<token>","Secret":"t"}'"#, 0o755, true).unwrap();
        assert!(matches!(token, Some(Credentials::Identity(t)) if t.expose() == "t"));
        let unknown = "echo credentials not found in native keychain; exit 1";
        assert!(run(unknown, 0o755, true).unwrap().is_none());
    }

    #[test]
    fn a_helper_that_misbehaves_is_named_and_its_output_is_not() {
        if !needs_root() {
            return;
        }
        for (script, expected) in [
            ("sleep 30", "it took longer than 2 s"),
            ("sleep 30 & wait", "it took longer than 2 s"),
            ("yes hunter2", "it printed more than"),
            ("echo hunter2", "something else than credentials"),
            ("echo hunter2; exit 1", "it failed"),
        ] {
            let text = reason(run(script, 0o755, true));
            assert!(text.contains(expected) && !text.contains("hunter2"), "{script}: {text}");
        }
    }

    #[test]
    fn as_root_only_what_root_alone_can_change_is_run() {
        if !needs_root() {
            return;
        }
        assert!(reason(run("echo", 0o777, true)).contains("others than root can change"));
        assert!(reason(run("echo", 0o755, false)).contains("nothing it names is run"));
    }

    #[test]
    fn a_helpers_name_is_no_path() {
        let read = Read::for_test("auth.json", vec![], true);
        for name in ["", "../x", "a/b", "a b", "$(x)", "a\nb"] {
            let text = reason(get(name, "r.example", &read, &NodeFiles::default(), None));
            assert!(text.contains("its name may have"), "{name:?}: {text}");
        }
    }
}
