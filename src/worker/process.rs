//! The hook's side of the worker: start it, feed it, read its answer, and end it at the deadline.
//!
//! Every end is bounded: the answer in size, all waiting by the one deadline, the child and whatever it started by
//! its process group. The worker is this program's own tool, found beside the hook.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::protocol::{
    CheckAnswer, CompileAnswer, ContainerdAnswer, ContainerdRequest, DocumentsAnswer,
    DocumentsRequest, FetchOutcome, FetchRequest,
};
use crate::deadline::Deadline;
use crate::{files, limits};

/// Time between two looks at a child that is about to end.
const LONGEST_PAUSE: Duration = Duration::from_millis(3);
/// Largest answer: header, manifest, specification and its checked form.
const ANSWER_BYTES: usize =
    (limits::MANIFEST_BYTES + limits::SPECIFICATION_BYTES + limits::CACHE_FILE_BYTES + (2 << 20))
        as usize;

/// Why the worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be found or started.
    #[error("the worker {} cannot be started: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The deadline passed; it was killed.
    #[error("the worker did not answer within the deadline")]
    DeadlineExceeded,
    /// It ended without an answer.
    #[error("the worker ended with {status}: {stderr}")]
    Died {
        /// How it ended.
        status: String,
        /// The start of its standard error.
        stderr: String,
    },
    /// Its answer cannot be understood.
    #[error("the worker's answer cannot be understood: {0}")]
    Answer(#[source] io::Error),
}

/// The tool, as the hook's worker.
#[derive(Debug, Clone)]
pub struct Worker {
    hook: Option<PathBuf>,
}

impl Worker {
    /// The tool that was installed with the running hook. Nothing is looked for before it is needed.
    pub fn of_this_program() -> Self {
        Worker { hook: None }
    }

    /// The tool that was installed with this hook.
    pub fn beside(hook: &Path) -> Self {
        Worker { hook: Some(hook.to_owned()) }
    }

    /// `imgcompat` in the hook's directory, or in `../../bin` of an installation.
    fn program(&self) -> PathBuf {
        let running = || std::env::current_exe().unwrap_or_default();
        let hook = self.hook.clone().unwrap_or_else(running);
        let same = hook.with_file_name("imgcompat");
        let prefix = hook.parent().and_then(Path::parent).and_then(Path::parent);
        match prefix.map(|prefix| prefix.join("bin/imgcompat")) {
            Some(installed) if !same.exists() => installed,
            _ => same,
        }
    }

    /// Asks for the specification attached to an image.
    pub fn fetch(
        &self,
        request: &FetchRequest,
        deadline: &Deadline,
    ) -> Result<FetchOutcome, WorkerError> {
        let input = serde_json::to_vec(request).map_err(|e| WorkerError::Answer(e.into()))?;
        let answer = self.run("fetch", &input, deadline)?;
        FetchOutcome::read_from(&mut answer.as_slice()).map_err(WorkerError::Answer)
    }

    /// Asks for the checked form of a local specification.
    pub fn compile(&self, bytes: &[u8], deadline: &Deadline) -> Result<CompileAnswer, WorkerError> {
        let answer = self.run("compile", bytes, deadline)?;
        serde_json::from_slice(&answer).map_err(|e| WorkerError::Answer(e.into()))
    }

    /// Asks for the checked form of a specification as it is attached to an image.
    pub fn check(&self, bytes: &[u8], deadline: &Deadline) -> Result<CheckAnswer, WorkerError> {
        let answer = self.run("check", bytes, deadline)?;
        serde_json::from_slice(&answer).map_err(|e| WorkerError::Answer(e.into()))
    }

    /// Asks for an image's index and manifest.
    pub fn documents(
        &self,
        request: &DocumentsRequest,
        deadline: &Deadline,
    ) -> Result<DocumentsAnswer, WorkerError> {
        let input = serde_json::to_vec(request).map_err(|e| WorkerError::Answer(e.into()))?;
        let answer = self.run("documents", &input, deadline)?;
        serde_json::from_slice(&answer).map_err(|e| WorkerError::Answer(e.into()))
    }

    /// Asks containerd about a container.
    pub fn containerd(
        &self,
        request: &ContainerdRequest,
        deadline: &Deadline,
    ) -> Result<ContainerdAnswer, WorkerError> {
        let input = serde_json::to_vec(request).map_err(|e| WorkerError::Answer(e.into()))?;
        let answer = self.run("containerd", &input, deadline)?;
        serde_json::from_slice(&answer).map_err(|e| WorkerError::Answer(e.into()))
    }

    fn run(&self, task: &str, input: &[u8], deadline: &Deadline) -> Result<Vec<u8>, WorkerError> {
        let program = self.program();
        let start = |source| WorkerError::Start { program: program.clone(), source };
        check_trusted(&program).map_err(start)?;
        let mut child = Command::new(&program)
            .args(["worker", task])
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let conversation = converse(&mut child, input, deadline);
        let ended = conversation.as_ref().ok().and_then(|_| ended(&mut child, deadline));
        if ended.is_none() {
            kill(&mut child);
        }
        let (answer, stderr) = conversation?;
        match ended {
            Some(Ok(status)) if status.success() => Ok(answer),
            Some(other) => Err(WorkerError::Died { status: describe(other), stderr }),
            None => Err(WorkerError::DeadlineExceeded),
        }
    }
}

/// Root executes the worker, so nobody else may be able to change it.
fn check_trusted(program: &Path) -> io::Result<()> {
    if files::is_trusted(&std::fs::metadata(program)?) {
        return Ok(());
    }
    let message = "others than root can change it; run `chmod go-w` and `chown root` on it";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// The status of a child that has closed its pipes, and so is about to end; `None` if it goes on until the deadline.
fn ended(child: &mut Child, deadline: &Deadline) -> Option<io::Result<ExitStatus>> {
    let mut pause = Duration::from_micros(50);
    loop {
        match child.try_wait() {
            Ok(None) if deadline.has_passed() => return None,
            Ok(None) => std::thread::sleep(pause),
            other => return other.transpose(),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Kills the process group and takes the child's status, so that no process stays behind.
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
}

/// One pipe of the child, as long as it is of interest.
struct Pipe<'a> {
    fd: Option<File>,
    direction: Direction<'a>,
}

enum Direction<'a> {
    /// Still to be written.
    Feed(&'a [u8]),
    /// Read so far, and how much is kept at most; more is an error for the answer and cut for standard error.
    Collect { bytes: Vec<u8>, limit: usize, strict: bool },
}

impl<'a> Pipe<'a> {
    fn new(fd: OwnedFd, direction: Direction<'a>) -> io::Result<Self> {
        let flags = OFlag::from_bits_truncate(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Pipe { fd: Some(File::from(fd)), direction })
    }

    fn events(&self) -> PollFlags {
        match self.direction {
            Direction::Feed(_) => PollFlags::POLLOUT,
            Direction::Collect { .. } => PollFlags::POLLIN,
        }
    }

    /// Moves what can be moved now; closes the pipe when it is done.
    fn advance(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.fd else { return Ok(()) };
        let done = match &mut self.direction {
            Direction::Feed(rest) => feed(file, rest)?,
            Direction::Collect { bytes, limit, strict } => collect(file, bytes, *limit, *strict)?,
        };
        if done {
            self.fd = None;
        }
        Ok(())
    }

    fn into_bytes(self) -> Vec<u8> {
        match self.direction {
            Direction::Collect { bytes, .. } => bytes,
            Direction::Feed(_) => Vec::new(),
        }
    }
}

/// True when everything is written, or nobody reads it any more.
fn feed(file: &mut File, rest: &mut &[u8]) -> io::Result<bool> {
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(count) => *rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// True at the end of the stream.
fn collect(file: &mut File, bytes: &mut Vec<u8>, limit: usize, strict: bool) -> io::Result<bool> {
    let mut chunk = [0u8; 32 << 10];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                let room = limit.saturating_sub(bytes.len());
                bytes.extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
                if strict && count > room {
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Feeds the input and collects answer and standard error until all pipes are closed.
fn converse(
    child: &mut Child,
    input: &[u8],
    deadline: &Deadline,
) -> Result<(Vec<u8>, String), WorkerError> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(WorkerError::Answer(io::Error::other("its pipes are missing")));
    };
    let keep = |limit, strict| Direction::Collect { bytes: Vec::new(), limit, strict };
    let pipes = [
        Pipe::new(stdin.into(), Direction::Feed(input)),
        Pipe::new(stdout.into(), keep(ANSWER_BYTES, true)),
        Pipe::new(stderr.into(), keep(limits::WORKER_STDERR_BYTES, false)),
    ];
    let [Ok(mut stdin), Ok(mut stdout), Ok(mut stderr)] = pipes else {
        return Err(WorkerError::Answer(io::Error::other("its pipes cannot be set up")));
    };
    while stdout.fd.is_some() || stderr.fd.is_some() {
        wait(&[&stdin, &stdout, &stderr], deadline)?;
        for pipe in [&mut stdin, &mut stdout, &mut stderr] {
            pipe.advance().map_err(WorkerError::Answer)?;
        }
    }
    let text = crate::sanitize::bounded_line(
        &String::from_utf8_lossy(&stderr.into_bytes()),
        limits::WORKER_STDERR_BYTES,
    );
    Ok((stdout.into_bytes(), text))
}

/// Waits until some pipe can move, or the deadline passes.
fn wait(pipes: &[&Pipe<'_>], deadline: &Deadline) -> Result<(), WorkerError> {
    let mut fds: Vec<PollFd<'_>> = pipes
        .iter()
        .filter_map(|pipe| pipe.fd.as_ref().map(|fd| PollFd::new(fd.as_fd(), pipe.events())))
        .collect();
    loop {
        let left = deadline.remaining().as_millis().min(i32::MAX as u128);
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)) {
            Ok(0) if deadline.has_passed() => return Err(WorkerError::DeadlineExceeded),
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(WorkerError::Answer(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    /// A worker that is a shell script.
    fn worker(script: &str) -> (tempfile::TempDir, Worker) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("imgcompat");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let worker = Worker::beside(&dir.path().join("imgcompat-hook"));
        (dir, worker)
    }

    fn run(script: &str, input: &[u8], millis: u64) -> Result<Vec<u8>, WorkerError> {
        let (_dir, worker) = worker(script);
        worker.run("fetch", input, &Deadline::after(Duration::from_millis(millis)))
    }

    #[test]
    fn a_large_input_and_answer_go_through() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(run("cat", &input, 20_000).unwrap(), input);
    }

    #[test]
    fn the_environment_is_empty() {
        let answer =
            run("cat >/dev/null; /usr/bin/env | grep -v -e ^PWD= -e ^SHLVL= -e ^_=", b"", 20_000);
        assert!(matches!(answer, Err(WorkerError::Died { .. })), "{answer:?}");
    }

    #[test]
    fn a_worker_that_hangs_is_killed_with_its_children() {
        let start = Instant::now();
        let result = run("sleep 100 & sleep 100", b"", 300);
        assert!(matches!(result, Err(WorkerError::DeadlineExceeded)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_worker_that_closes_its_pipes_and_does_not_end_is_killed_too() {
        let start = Instant::now();
        let result = run("exec <&- >&- 2>&-; sleep 100", b"", 300);
        assert!(matches!(result, Err(WorkerError::DeadlineExceeded)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_worker_that_dies_or_floods_is_an_error() {
        match run("echo broken >&2; exit 3", b"in", 20_000) {
            Err(WorkerError::Died { status, stderr }) => {
                assert_eq!((status.as_str(), stderr.as_str()), ("exit status: 3", "broken"));
            }
            other => panic!("{other:?}"),
        }
        let flood = run("exec cat /dev/zero", b"", 20_000);
        assert!(matches!(flood, Err(WorkerError::Answer(_))), "{flood:?}");
    }

    #[test]
    fn a_program_that_others_can_change_is_not_run() {
        let (dir, worker) = worker("cat");
        let program = dir.path().join("imgcompat");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o777)).unwrap();
        let result = worker.run("fetch", b"", &Deadline::after(Duration::from_secs(20)));
        assert!(matches!(result, Err(WorkerError::Start { .. })), "{result:?}");
    }
}
