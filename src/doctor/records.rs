//! Policy, exceptions, local specifications, cache, logs, and the last decision of each engine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use time::OffsetDateTime;

use super::Finding;
use crate::artifact::local;
use crate::audit::{Record, log, system_log};
use crate::engine::Node;
use crate::paths::Paths;
use crate::policy::{Mode, Policy};
use crate::sanitize;
use crate::tasks::compile;
use crate::worker::protocol::CompileAnswer;
use crate::{files, limits};

/// How much of the decision log is read, from its end.
const TAIL_BYTES: u64 = 4 << 20;
/// Days before its end at which an exception is worth a look.
const SOON: time::Duration = time::Duration::days(14);

/// Looks at everything of ours that is not an engine's.
pub fn examine(node: &Node, paths: &Paths) -> Vec<Finding> {
    let mut findings = policy(paths);
    findings.extend(specifications(paths));
    findings.extend(open_directories(paths));
    findings.push(directory("cache", &paths.cache()));
    findings.push(directory("log", &paths.log_dir()));
    findings.push(system_log(node));
    findings.extend(decisions(paths));
    findings
}

fn policy(paths: &Paths) -> Vec<Finding> {
    let policy = match Policy::load(paths) {
        Ok(policy) => policy,
        Err(error) => {
            let finding = format!("every start is allowed and recorded as an error: {error}");
            return vec![Finding::problem("policy", finding, "imgcompat config check")];
        }
    };
    let mode = match policy.mode {
        Mode::Off => {
            Finding::warning("policy", "mode = \"off\": nothing is judged", "imgcompat config show")
        }
        mode => Finding::ok(
            "policy",
            format!("mode = \"{}\"; {} files", mode.as_str(), policy.files.len()),
        ),
    };
    let now = OffsetDateTime::now_utc();
    let exceptions = policy.overrides.iter().map(|exception| {
        let what = exception.image.as_ref().map(ToString::to_string);
        let what =
            what.or_else(|| exception.digest.as_ref().map(ToString::to_string)).unwrap_or_default();
        let until = String::from(exception.until.clone());
        let reason = sanitize::bounded_line(&exception.reason, 200);
        let text =
            format!("exception: {} {what} until {until}: {reason}", exception.action.as_str());
        match exception.until.at() - now {
            left if left.is_negative() => {
                Finding::warning("policy", format!("{text} (it has ended)"), "remove it")
            }
            left if left < SOON => {
                Finding::warning("policy", format!("{text} (it ends soon)"), "renew or remove it")
            }
            _ => Finding::ok("policy", text),
        }
    });
    let exempt = policy.exempt.iter().map(|entry| {
        let namespace = sanitize::bounded_line(&entry.namespace, 100);
        Finding::ok("policy", format!("exempt: namespace {namespace}"))
    });
    [mode].into_iter().chain(exceptions).chain(exempt).collect()
}

fn specifications(paths: &Paths) -> Vec<Finding> {
    let directory = paths.specs_dir();
    let listed = match local::list(&directory) {
        Ok(listed) => listed,
        Err(error) => {
            let finding = format!("{} cannot be read: {error}", directory.display());
            return vec![Finding::problem(
                "specifications",
                finding,
                format!("ls -ld {}", directory.display()),
            )];
        }
    };
    let mut findings: Vec<Finding> = Vec::new();
    for file in &listed {
        let answer =
            files::read(file, limits::SPECIFICATION_BYTES).map(|bytes| compile::compile(&bytes));
        let problem = match answer {
            Ok(CompileAnswer::Checked { .. }) => continue,
            Ok(CompileAnswer::Invalid { problem }) => problem,
            Err(error) => error.to_string(),
        };
        let text =
            format!("{} is not used: {}", file.display(), sanitize::bounded_line(&problem, 300));
        findings.push(Finding::problem("specifications", text, format!("edit {}", file.display())));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "specifications",
            match listed.len() {
                1 => "1 local specification".to_owned(),
                number => format!("{number} local specifications"),
            },
        ));
    }
    findings
}

/// Where others than root can put a file they can have every start allowed: one that is not root's makes the policy unusable.
fn open_directories(paths: &Paths) -> Vec<Finding> {
    let config = paths.config();
    let directories = [
        ("policy", config.parent().map(Path::to_owned)),
        ("policy", Some(paths.config_dir())),
        ("specifications", Some(paths.specs_dir())),
    ];
    let mut findings = Vec::new();
    for (subject, directory) in directories {
        let Some(directory) = directory else { continue };
        if fs::metadata(&directory).is_ok_and(|metadata| !files::is_trusted(&metadata)) {
            let shown = directory.display();
            let finding = format!("others than root can put files into {shown}");
            let mend = format!("chown root {shown}; chmod go-w {shown}");
            findings.push(Finding::problem(subject, finding, mend));
        }
    }
    findings
}

/// A directory of ours: there, root's, and writable by nobody else.
fn directory(subject: &str, path: &Path) -> Finding {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Finding::problem(
            subject,
            format!("{shown} is not a directory"),
            format!("mv {shown} {shown}.old"),
        ),
        Ok(metadata) if !files::is_trusted(&metadata) => {
            let finding = format!("{shown} can be changed by others than root and is not used");
            Finding::problem(subject, finding, format!("chown root {shown}; chmod go-w {shown}"))
        }
        Ok(_) => match nix::sys::statvfs::statvfs(path) {
            Ok(space) if space.blocks_available() == 0 => Finding::problem(
                subject,
                format!("{shown} is on a full file system"),
                format!("df {shown}"),
            ),
            _ => Finding::ok(subject, shown.to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::ok(subject, format!("{shown} is made at the first start"))
        }
        Err(error) => Finding::problem(
            subject,
            format!("{shown} cannot be read: {error}"),
            format!("ls -ld {shown}"),
        ),
    }
}

fn system_log(node: &Node) -> Finding {
    let place = node.at(system_log::SOCKET);
    match fs::metadata(&place) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            Finding::ok("syslog", system_log::SOCKET)
        }
        _ => Finding::warning(
            "syslog",
            format!("{} is not there: decisions are in the decision log only", system_log::SOCKET),
            "start the system's logger, if there should be one",
        ),
    }
}

/// The last decision of each engine, and whether the last starts were errors.
fn decisions(paths: &Paths) -> Vec<Finding> {
    let records = lately(paths);
    if records.is_empty() {
        return vec![Finding::warning(
            "decisions",
            "no start was decided lately",
            "start a container and look again, or imgcompat doctor --probe",
        )];
    }
    let mut last: BTreeMap<String, Record> = BTreeMap::new();
    for record in records {
        let engine = record.engine.clone().unwrap_or_else(|| "unknown engine".to_owned());
        last.insert(engine, record);
    }
    let line = |(engine, record): (String, Record)| {
        let image = record.image.as_deref().unwrap_or("no image");
        let (verdict, action) = (&record.verdict, record.decision.as_str());
        let text = format!("last of {engine}: {} {verdict}, {action}: {image}", record.time);
        let text = sanitize::bounded_line(&text, 300);
        match record.cause {
            Some(crate::Cause::Internal) => Finding::problem(
                "decisions",
                format!("{text}: {}", sanitize::bounded_line(&record.reason, 300)),
                "imgcompat why --last 5",
            ),
            _ => Finding::ok("decisions", text),
        }
    };
    last.into_iter().map(line).collect()
}

/// The decisions at the end of the log, oldest first; none where it cannot be read.
pub(super) fn lately(paths: &Paths) -> Vec<Record> {
    tail(&paths.log_dir().join(log::FILE_NAME)).unwrap_or_default()
}

fn tail(file: &Path) -> io::Result<Vec<Record>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = files::open_regular(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
