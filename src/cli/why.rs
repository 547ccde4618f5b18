//! `imgcompat why`: a decision explained from the decision log: the sentence first, then what was needed against what
//! the host has, where the specification came from, and what of the policy applied.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use clap::Args as ClapArgs;

use super::output::{NodeArgs, Output};
use super::paint::{Colour, Paint};
use super::{Failure, Outcome, table};
use crate::audit::{ArtifactNote, Record, log, sanitize};
use crate::paths::Paths;
use crate::policy::Action;

/// How much of a log is read, from its end.
const TAIL_BYTES: u64 = 16 << 20;

/// Arguments of `why`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A container's id (or its start), or an image's name [default: the last refusal]
    #[arg(value_name = "CONTAINER|IMAGE")]
    what: Option<String>,
    /// List the last N decisions, newest first
    #[arg(long, value_name = "N", conflicts_with = "what")]
    last: Option<usize>,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `why`. Exit code 3: there is no such decision.
pub fn run(args: &Args) -> Outcome {
    let directory = Paths::below(&args.node.root).log_dir();
    let wanted = |record: &Record| match &args.what {
        Some(what) => is_about(record, what),
        None => args.last.is_some() || record.under_enforce == Action::Deny,
    };
    let count = args.last.unwrap_or(1);
    let records = newest(&directory, count, wanted)?;
    if records.is_empty() {
        return Err(nothing(args, &directory));
    }
    let text = match (args.node.output, args.last) {
        (Output::Json, _) => json(&records)?,
        (Output::Text, Some(_)) => records.iter().map(summary).collect(),
        (Output::Text, None) => {
            let paint = Paint::for_stdout();
            records.iter().map(|record| explain(record, paint)).collect()
        }
    };
    super::print(&text)
}

fn is_about(record: &Record, what: &str) -> bool {
    let container = what.len() >= 2 && record.container.starts_with(what);
    let image = record.image.as_deref().is_some_and(|image| {
        image == what
            || image.split(['@']).next() == Some(what)
            || image.rsplit_once(':').is_some_and(|(name, _)| name == what)
    });
    let id = record.image_id.as_ref().is_some_and(|id| {
        let hex = what.strip_prefix("sha256:").unwrap_or(what);
        hex.len() >= 6 && id.hex().starts_with(hex)
    });
    container || image || id
}

fn nothing(args: &Args, directory: &Path) -> Failure {
    let log = directory.join(log::FILE_NAME);
    let message = match &args.what {
        _ if !log.exists() => format!(
            "there is no decision log at {}; no container has started since imgcompat was installed, or its policy is off",
            log.display()
        ),
        Some(what) => format!(
            "{} has no decision about `{}`; `imgcompat why --last 10` lists the newest",
            log.display(),
            sanitize::bounded_line(what, 100)
        ),
        None => format!(
            "{} has no refusal; `imgcompat why --last 10` lists the newest decisions",
            log.display()
        ),
    };
    Failure { message, code: 3 }
}

/// The newest records that are wanted, from the log and then its predecessor.
fn newest(
    directory: &Path,
    count: usize,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Vec<Record>, Failure> {
    let mut found = Vec::new();
    for name in [log::FILE_NAME, log::ROTATED_NAME] {
        let text = tail(&directory.join(name))?;
        for line in text.lines().rev() {
            if found.len() == count {
                return Ok(found);
            }
            if let Ok(record) = serde_json::from_str::<Record>(line)
                && wanted(&record)
            {
                found.push(record);
            }
        }
    }
    Ok(found)
}

/// The end of a log; nothing for one that is not there.
fn tail(path: &Path) -> Result<String, Failure> {
    let read = |path: &Path| -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            let hint = if error.kind() == std::io::ErrorKind::PermissionDenied {
                "; run as root"
            } else {
                ""
            };
            Err(Failure::undecided(format!("{} cannot be read: {error}{hint}", path.display())))
        }
    }
}

fn json(records: &[Record]) -> Result<String, Failure> {
    let mut text = String::new();
    for record in records {
        let line = serde_json::to_string(record)
            .map_err(|error| Failure::undecided(format!("a record cannot be printed: {error}")))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// What happened, in a word or two.
fn happened(record: &Record) -> &'static str {
    match (record.decision, record.under_enforce) {
        (Action::Deny, _) => "refused",
        (Action::Allow, Action::Deny) => "allowed (audit: would be refused)",
        (Action::Allow, Action::Allow) => "allowed",
    }
}

fn summary(record: &Record) -> String {
    let container = record.container.get(..12).unwrap_or(&record.container);
    let image = sanitize::bounded_line(record.image.as_deref().unwrap_or("-"), 60);
    format!(
        "{}  {container:12}  {:8}  {image}  {}\n",
        record.time,
        happened(record),
        outcome(record)
    )
}

fn outcome(record: &Record) -> String {
    match record.cause {
        Some(cause) => format!("{} ({cause})", record.verdict),
        None => record.verdict.clone(),
    }
}

/// The whole story of one decision.
fn explain(record: &Record, paint: Paint) -> String {
    let colour = match record.under_enforce {
        Action::Deny => Colour::Red,
        Action::Allow => Colour::Green,
    };
    let clean = |text: &str| sanitize::bounded_line(text, 1024);
    let mut text =
        format!("{}: {}\n\n", paint.paint(colour, happened(record)), clean(&record.reason));
    let mut fact =
        |name: &str, value: &str| text.push_str(&format!("{name:10} {}\n", clean(value)));
    fact("Container", &record.container);
    fact("Image", record.image.as_deref().unwrap_or("(unknown)"));
    if let Some(id) = &record.image_id {
        fact("Image id", id.as_str());
    }
    fact("Engine", record.engine.as_deref().unwrap_or("(unknown)"));
    fact("Time", &record.time);
    fact("Verdict", &outcome(record));
    fact("Mode", record.mode.as_str());
    if !record.policy_entries.is_empty() {
        fact("Policy", &format!("entries for {}", record.policy_entries.join(", ")));
    }
    if let Some(reason) = &record.overridden {
        fact("Override", reason);
    }
    if record.repeated > 0 {
        fact("Repeated", &format!("{} more refusals since the record before", record.repeated));
    }
    for note in &record.notes {
        fact("Note", note);
    }
    for judgement in &record.judgements {
        text.push_str(&format!("\nSpecification {}\n\n", origin(&judgement.artifact)));
        text.push_str(&table::sets(&judgement.sets, judgement.set, paint));
    }
    if record.shortened {
        text.push_str("Parts of this record were left out to keep it small; `imgcompat validate-node` shows all.\n");
    }
    text
}

/// Where a specification came from.
fn origin(artifact: &ArtifactNote) -> String {
    let digest = artifact.digest.as_ref().map(|digest| digest.short()).unwrap_or_default();
    let place = sanitize::bounded_line(artifact.location.as_deref().unwrap_or_default(), 200);
    let from = match artifact.source.as_str() {
        "local" => format!("from the file {place}"),
        "layout" => format!("from the layout {place}"),
        "registry" => format!("from the registry ({place})"),
        "cache" => format!("from the cache ({place})"),
        "stale-cache" => format!("from the cache, since the registry does not answer ({place})"),
        other => format!("from {} ({place})", sanitize::bounded_line(other, 40)),
    };
    let age = artifact.age_seconds.map(|age| format!(", asked {age} s ago")).unwrap_or_default();
    let created =
        artifact.created.as_deref().map(|at| format!(", made {}", sanitize::bounded_line(at, 40)));
    format!("{digest} {from}{age}{}", created.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"time":"2026-11-24T12:00:00.000Z","container":"3f2a11","engine":"podman","image":"r.example/ml:2","mode":"audit","verdict":"incompatible","cause":null,"decision":"allow","under_enforce":"deny","reason":"r.example/ml:2 needs x\u001b[2J","duration_us":1,"version":"0.1.0"}"#;

    fn record() -> Record {
        serde_json::from_str(RECORD).unwrap()
    }

    #[test]
    fn containers_are_found_by_prefix_and_images_by_name() {
        for what in ["3f", "3f2a11", "r.example/ml:2", "r.example/ml"] {
            assert!(is_about(&record(), what), "{what}");
        }
        for what in ["", "3", "4f", "r.example/m", "ml:2"] {
            assert!(!is_about(&record(), what), "{what}");
        }
    }

    #[test]
    fn the_newest_record_comes_first_and_torn_lines_do_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let second = RECORD.replace("3f2a11", "bbbb");
        let text = format!("{RECORD}\nnot json\n{second}\n{{\"time\":");
        std::fs::write(dir.path().join(log::FILE_NAME), text).unwrap();
        let records = newest(dir.path(), 9, |_| true).unwrap();
        let ids: Vec<&str> = records.iter().map(|r| r.container.as_str()).collect();
        assert_eq!(ids, ["bbbb", "3f2a11"]);
    }

    #[test]
    fn the_story_begins_with_the_sentence_and_has_no_escapes() {
        let text = explain(&record(), Paint::off());
        assert!(
            text.starts_with("allowed (audit: would be refused): r.example/ml:2 needs x"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}
