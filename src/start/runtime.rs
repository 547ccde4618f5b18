//! A start as an engine announces it to an OCI runtime: `runc [GLOBAL OPTIONS] create [OPTIONS] --bundle DIR ID`.
//!
//! Source: the command lines of runc (main.go, create.go), crun (crun.1) and youki, which agree in what is read
//! here; the OCI runtime command line interface draft. Engines are the only callers, and they write options in two
//! ways, `--bundle DIR` and `--bundle=DIR`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bundle::{self, is_container_id, is_plain_absolute};
use super::{ContainerStart, StartError};

/// Global options with a value of their own, of runc, crun and youki.
const GLOBAL_WITH_VALUE: [&str; 9] = [
    "--root",
    "-r",
    "--log",
    "-l",
    "--log-format",
    "--log-level",
    "--criu",
    "--rootless",
    "--cgroup-manager",
];
/// Commands that start a container's process from a bundle. `restore` continues one, maybe of another node.
const STARTS: [&str; 3] = ["create", "run", "restore"];

/// What is read of a runtime's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The command, for example `create`; none if there are only options.
    pub command: Option<String>,
    /// The log file that the engine reads after a failure.
    pub log: Option<PathBuf>,
    /// True if the log is to be JSON, one document a line.
    pub log_is_json: bool,
    bundle: Option<PathBuf>,
    last: Option<OsString>,
}

impl CommandLine {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: &[OsString]) -> Self {
        let mut line = CommandLine::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, inline) = split(argument);
            if !name.as_bytes().starts_with(b"-") {
                line.command = argument.to_str().map(str::to_owned);
                line.read_command(rest.as_slice());
                break;
            }
            let with_value = GLOBAL_WITH_VALUE.iter().any(|known| name == *known);
            let value =
                inline.or_else(|| with_value.then(|| rest.next().map(OsString::as_os_str))?);
            match name.to_str() {
                Some("--log" | "-l") => line.log = value.map(PathBuf::from),
                Some("--log-format") => line.log_is_json = value.is_some_and(|v| v == "json"),
                _ => {}
            }
        }
        line
    }

    fn read_command(&mut self, arguments: &[OsString]) {
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, inline) = split(argument);
            if name == "--bundle" || name == "-b" {
                let value = inline.or_else(|| rest.next().map(OsString::as_os_str));
                self.bundle = value.map(PathBuf::from);
            }
        }
        self.last = arguments.last().cloned();
    }

    /// True if the command starts a container.
    pub fn starts(&self) -> bool {
        self.command.as_deref().is_some_and(|command| STARTS.contains(&command))
    }

    /// The start that the command line announces. A bundle that is not named is the present directory, as runtimes
    /// have it.
    pub fn start(&self) -> Result<ContainerStart, StartError> {
        let id = self.last.as_deref().and_then(OsStr::to_str).unwrap_or_default();
        if id.starts_with('-') || !is_container_id(id) {
            return Err(StartError::CommandLine("its last word is not a container's id"));
        }
        let bundle = absolute(self.bundle.as_deref().unwrap_or(Path::new(".")))
            .filter(|path| is_plain_absolute(path))
            .ok_or(StartError::CommandLine("the bundle's path is not a plain one"))?;
        bundle::read(id.to_owned(), bundle)
    }
}

fn absolute(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    Some(path.components().collect())
}

/// `--name=value` or `--name`.
fn split(argument: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = argument.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) if bytes.starts_with(b"--") => {
            let (name, value) = bytes.split_at(at);
            (OsStr::from_bytes(name), value.get(1..).map(OsStr::from_bytes))
        }
        _ => (argument, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> CommandLine {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        CommandLine::parse(&words)
    }

    #[test]
    fn every_engine_s_way_to_create_is_understood() {
        let table = [
            // containerd's shim, and Docker's.
            (
                "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json create --bundle /b --pid-file /b/init.pid c1",
                Some("/b/log.json"),
                true,
            ),
            // conmon under podman, over runc and over crun.
            (
                "--log-format=json --log=/run/oci-log --root=/run/runc create --bundle /b --pid-file /p c1",
                Some("/run/oci-log"),
                true,
            ),
            (
                "--systemd-cgroup --cgroup-manager cgroupfs create --no-pivot -b /b --console-socket /s c1",
                None,
                false,
            ),
            // by hand.
            ("--debug --log /l run --detach --bundle=/b c1", Some("/l"), false),
            ("restore --image-path /i --bundle /b c1", None, false),
        ];
        for (words, log, json) in table {
            let line = parse(words);
            assert!(line.starts(), "{words}");
            assert_eq!(line.log.as_deref(), log.map(Path::new), "{words}");
            assert_eq!(line.log_is_json, json, "{words}");
            assert_eq!(line.bundle.as_deref(), Some(Path::new("/b")), "{words}");
            assert_eq!(line.last.as_deref(), Some(OsStr::new("c1")), "{words}");
        }
    }

    #[test]
    fn other_commands_are_none_of_our_business() {
        for words in [
            "--version",
            "features",
            "--root /create state c1",
            "kill create KILL",
            "--log /l delete --force run",
            "exec --process /p create",
        ] {
            assert!(!parse(words).starts(), "{words}");
        }
        assert!(!CommandLine::parse(&[]).starts());
    }

    #[test]
    fn a_start_is_read_from_the_bundle() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), r#"{"root":{"path":"rootfs"}}"#).unwrap();
        let start = parse(&format!("create --bundle {} c1", dir.path().display())).start().unwrap();
        assert_eq!((start.id.as_str(), start.bundle.as_path()), ("c1", dir.path()));
        for words in ["create", "create --bundle /b", "create --bundle /b/../c c1", "create -b"] {
            assert!(parse(words).start().is_err(), "{words}");
        }
    }
}
