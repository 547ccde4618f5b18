//! The wrapper runtime as a program: an OCI runtime by its command line, a gate before a real one by its work.
//!
//! On `create`, `run` and `restore` it judges the start. A refusal is written where the engine reads its runtime's
//! errors: the file named by `--log`, and standard error; so every engine shows the whole sentence. Everything else
//! is the real runtime's: this program becomes it, with the same arguments, environment, directory, descriptors and
//! umask, and is gone. So, unlike the hook, it puts nothing away; what must not be inherited is kept from the
//! worker, which is started with an empty environment and three pipes, and closes what else it finds open.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::audit::listener::Listener;
use crate::gate::Gate;
use crate::host::HostRoot;
use crate::paths::Paths;
use crate::policy::{Action, Policy};
use crate::start::runtime::CommandLine;
use crate::surroundings::FileSizeSignal;
use crate::worker::process::Worker;

/// Runtimes in the order they are looked for. containerd and Docker need runc; podman and CRI-O run with either.
const RUNTIMES: [&str; 3] = ["runc", "crun", "youki"];
/// Where they are looked for, after the directory of this program. The caller's PATH says nothing.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Start of the options that are for this program. No runtime has such.
const OWN: &str = "--imgcompat-";
/// What the program's path ends with in an installation; what comes before is where its files are.
const INSTALLED: &str = "usr/libexec/imgcompat";

/// The options in front of the runtime's own. An administrator writes them into an engine's configuration.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    fail_closed: bool,
    root: Option<PathBuf>,
    host_root: Option<String>,
    runtime: Option<PathBuf>,
    unknown: Option<String>,
}

/// Runs the wrapper. Returns only if the start is refused or there is no runtime.
pub fn main() -> ExitCode {
    let began = Instant::now();
    let mut arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    let options = take_options(&mut arguments);
    let program = std::env::current_exe().unwrap_or_default();
    let paths = paths(&options, &program);
    let line = CommandLine::parse(&arguments);
    if line.starts() {
        // As in the hook: a record that cannot be written must not refuse the start.
        let _until_judged = FileSizeSignal::ignored();
        if judge(began, &paths, &options, &line) == Action::Deny {
            return ExitCode::FAILURE;
        }
    }
    let failure = become_runtime(&paths, &options, &program, &arguments);
    let listener = Listener::Engine { log: line.log, json: line.log_is_json };
    listener.tell(&format!("imgcompat-runtime: {failure}"), false);
    ExitCode::FAILURE
}

/// Takes our own options off the front, in the form `--imgcompat-name` or `--imgcompat-name=value`.
fn take_options(arguments: &mut Vec<OsString>) -> Options {
    let own = |word: &OsString| word.as_bytes().starts_with(OWN.as_bytes());
    let count = arguments.iter().take_while(|word| own(word)).count();
    let mut options = Options::default();
    for word in arguments.drain(..count) {
        let text = word.to_str().and_then(|text| text.strip_prefix(OWN)).unwrap_or_default();
        match text.split_once('=') {
            None if text == "fail-closed" => options.fail_closed = true,
            Some(("root", value)) => options.root = Some(PathBuf::from(value)),
            Some(("host-root", value)) => options.host_root = Some(value.to_owned()),
            Some(("runtime", value)) => options.runtime = Some(PathBuf::from(value)),
            _ => options.unknown = Some(format!("{OWN}{text}")),
        }
    }
    options
}

/// Our own files lie below the root that the program is installed below.
fn paths(options: &Options, program: &Path) -> Paths {
    let installed = || {
        let directory = program.parent()?.as_os_str().as_bytes();
        directory
            .strip_suffix(INSTALLED.as_bytes())
            .map(|root| PathBuf::from(OsStr::from_bytes(root)))
    };
    options.root.clone().or_else(installed).map_or_else(Paths::default, |root| Paths::below(&root))
}

fn judge(began: Instant, paths: &Paths, options: &Options, line: &CommandLine) -> Action {
    let host = match &options.host_root {
        Some(prefix) => HostRoot::from_prefix(prefix),
        None => Ok(HostRoot::local()),
    };
    let problem = match (&host, &options.unknown) {
        (Err(error), _) => Some(error.to_string()),
        (_, Some(word)) => {
            let cut = crate::sanitize::bounded_line(word, 60);
            Some(format!(
                "the engine's configuration gives imgcompat-runtime the unknown option `{cut}`"
            ))
        }
        _ => None,
    };
    let gate = Gate {
        paths: paths.clone(),
        host: host.unwrap_or_else(|_| HostRoot::local()),
        worker: Worker::of_this_program(),
        fail_closed: options.fail_closed,
        listener: Listener::Engine { log: line.log.clone(), json: line.log_is_json },
        began,
    };
    panic::set_hook(Box::new(|_| {}));
    match problem {
        None => gate.decide_in_any_case("imgcompat-runtime", |_| line.start()),
        Some(problem) => gate.without_policy(&problem),
    }
}

/// Becomes the real runtime; returns only with the reason why not.
fn become_runtime(
    paths: &Paths,
    options: &Options,
    program: &Path,
    arguments: &[OsString],
) -> String {
    match real_runtime(paths, options, program) {
        Ok(runtime) => {
            // The standard library ignores SIGPIPE in its programs and puts that back for those it executes.
            let error = Command::new(&runtime).args(arguments).exec();
            format!("{} cannot be executed: {error}", runtime.display())
        }
        Err(problem) => problem,
    }
}

/// The runtime of the options, else of the policy (`[runtime] path`), else the first of those that are known.
fn real_runtime(paths: &Paths, options: &Options, program: &Path) -> Result<PathBuf, String> {
    // A policy that cannot be read is the gate's matter; the search below is what it would be without one.
    let configured = || Policy::load(paths).ok().and_then(|policy| policy.runtime.path);
    if let Some(runtime) = options.runtime.clone().or_else(configured) {
        if is_same_file(&runtime, program) {
            return Err(format!("{} is this program; name the real runtime", runtime.display()));
        }
        return Ok(runtime);
    }
    let beside = program.parent().map(Path::to_owned);
    let directories = beside.into_iter().chain(DIRECTORIES.map(PathBuf::from));
    let directories: Vec<PathBuf> = directories.collect();
    let candidates = RUNTIMES.iter().flat_map(|name| directories.iter().map(move |d| d.join(name)));
    candidates.into_iter().find(|path| path.is_file() && !is_same_file(path, program)).ok_or_else(
        || {
            format!(
                "there is no {} in {}; set `path` under `[runtime]` in /etc/imgcompat/config.toml",
                RUNTIMES.join(", "),
                DIRECTORIES.join(", ")
            )
        },
    )
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_in_front_are_ours() {
        let words = "--imgcompat-runtime=/usr/bin/crun --imgcompat-fail-closed --log /l create --imgcompat-root=/x c1";
        let mut arguments: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let options = take_options(&mut arguments);
        assert!(options.fail_closed);
        assert_eq!(options.runtime.as_deref(), Some(Path::new("/usr/bin/crun")));
        assert_eq!(options.root, None);
        assert_eq!(arguments.join(OsStr::new(" ")), "--log /l create --imgcompat-root=/x c1");
        let mut arguments = vec![OsString::from("--imgcompat-rot=/x")];
        assert_eq!(take_options(&mut arguments).unknown.as_deref(), Some("--imgcompat-rot=/x"));
    }

    #[test]
    fn an_installation_below_a_root_uses_the_files_below_it() {
        let options = Options::default();
        let at = |path: &str| paths(&options, Path::new(path));
        assert_eq!(at("/usr/libexec/imgcompat/imgcompat-runtime"), Paths::default());
        let below = Paths::below(Path::new("/srv/root/"));
        assert_eq!(at("/srv/root/usr/libexec/imgcompat/imgcompat-runtime"), below);
        assert_eq!(at("/usr/local/libexec/imgcompat/imgcompat-runtime"), Paths::default());
    }

    #[test]
    fn the_wrapper_never_calls_itself() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("imgcompat-runtime");
        std::fs::write(&program, "").unwrap();
        std::os::unix::fs::symlink(&program, dir.path().join("runc")).unwrap();
        let named = Options { runtime: Some(dir.path().join("runc")), ..Options::default() };
        let paths = Paths::below(dir.path());
        assert!(real_runtime(&paths, &named, &program).is_err());
        std::fs::write(dir.path().join("crun"), "").unwrap();
        let found = real_runtime(&paths, &Options::default(), &program);
        assert_ne!(found, Ok(dir.path().join("runc")));
    }
}
