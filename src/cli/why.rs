//! `imgcompat why`: a decision explained from the decision log: the sentence first, then what was needed against what
//! the host has, what would help, where the specification came from, and what of the policy applied.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::output::{NodeArgs, Output};
use super::paint::{Colour, Paint};
use super::{Failure, Outcome, table};
use crate::audit::{ArtifactNote, Judgement, Record, history, log, remedy};
use crate::host::{FeatureSet, Features, Host};
use crate::paths::Paths;
use crate::policy::Action;
use crate::rules::SetVerdict;
use crate::sanitize;

/// How much of a log is read, from its end.
const TAIL_BYTES: u64 = 16 << 20;

/// Expressions that one piece of advice names.
const ADVISED: usize = 4;

/// Arguments of `why`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "CONTAINER is the beginning of an id, or a name; POD is a name or NAMESPACE/NAME; IMAGE is a name with or without its tag, or the \
    digest of the image id, of what a specification is attached to, or of the specification. The newest decision about it is shown.\n\n\
    Exit codes: 0 shown, 2 usage error, 3 there is no such decision, 4 the log cannot be read\n\n\
    Examples:\n  \
    imgcompat why                       the last refusal, or what audit mode let through\n  \
    imgcompat why 3f2a\n  \
    imgcompat why shop/web-0\n  \
    imgcompat why registry.example/ml:2\n  \
    imgcompat why --last 10"
)]
pub struct Args {
    /// What was started or refused [default: the last refusal]
    #[arg(value_name = "CONTAINER|POD|IMAGE")]
    what: Option<String>,
    /// List the last N decisions, newest first
    #[arg(long, value_name = "N", conflicts_with = "what")]
    last: Option<NonZeroUsize>,
    #[command(flatten)]
    node: NodeArgs,
}

/// Runs `why`. Exit code 3: there is no such decision.
pub fn run(args: &Args) -> Outcome {
    let directory = Paths::below(&args.node.root).log_dir();
    let records = find(args, &directory)?;
    if records.is_empty() {
        return Err(nothing(args, &directory));
    }
    let text = match (args.node.output, args.last) {
        (Output::Json, _) => json(&records)?,
        (Output::Text, Some(_)) => records.iter().map(summary).collect(),
        (Output::Text, None) => {
            let paint = Paint::for_stdout();
            let host = this_host(&args.node.root)?;
            records.iter().map(|record| explain(record, host.as_ref(), paint)).collect()
        }
    };
    super::print(&text)
}

/// What was asked for: in the ends of the logs, which is quick, else in all there is. A name counts before the beginning
/// of an id: `db` and `cafe` are both.
fn find(args: &Args, directory: &Path) -> Result<Vec<Record>, Failure> {
    let count = args.last.map_or(1, NonZeroUsize::get);
    let Some(what) = &args.what else {
        let wanted = |record: &Record| args.last.is_some() || record.under_enforce == Action::Deny;
        let found = newest(directory, count, wanted)?;
        return if found.len() < count {
            newest_of_all(directory, count, wanted)
        } else {
            Ok(found)
        };
    };
    let named = |record: &Record| is_about(record, what);
    let begun = |record: &Record| begins(record, what);
    let found = newest(directory, 1, named)?;
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(shown) = newest(directory, 1, begun)?.pop() {
        say_if_ambiguous(directory, what, &shown)?;
        return Ok(vec![shown]);
    }
    newest_of_all(directory, 1, |record| named(record) || begun(record))
}

/// The beginning of an id may be that of several; which one was meant is not known.
fn say_if_ambiguous(directory: &Path, what: &str, shown: &Record) -> Result<(), Failure> {
    let other = |record: &Record| begins(record, what) && record.container != shown.container;
    if let Some(other) = newest(directory, 1, other)?.first() {
        eprintln!(
            "imgcompat: warning: ids of several containers begin with {}; this is the newest, another is {}",
            sanitize::bounded_line(what, 100),
            sanitize::bounded_line(&other.container, 100)
        );
    }
    Ok(())
}

/// The newest records that are wanted of all logs, compressed ones too, newest first.
fn newest_of_all(
    directory: &Path,
    count: usize,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Vec<Record>, Failure> {
    let mut found = VecDeque::new();
    let keep = |record: &Record| {
        if wanted(record) {
            found.push_front(record.clone());
            found.truncate(count);
        }
    };
    history::read(directory, None, keep)
        .map_err(|(path, error)| Failure::unreadable(path.display(), &error))?;
    Ok(found.into())
}

fn begins(record: &Record, what: &str) -> bool {
    what.len() >= 2 && record.container.starts_with(what)
}

fn is_about(record: &Record, what: &str) -> bool {
    let is = |name: &Option<String>| name.as_deref().is_some_and(|name| name == what);
    let pod = match what.split_once('/') {
        Some((namespace, pod)) => {
            record.namespace.as_deref() == Some(namespace) && record.pod.as_deref() == Some(pod)
        }
        None => is(&record.pod),
    };
    let image = record.image.as_deref().is_some_and(|image| {
        image == what
            || image.split(['@']).next() == Some(what)
            || image.rsplit_once(':').is_some_and(|(name, _)| name == what)
    });
    record.container == what || is(&record.name) || pod || image || is_about_digest(record, what)
}

/// The digest of the image id, of the manifest that a specification is attached to, or of the specification's artifact.
fn is_about_digest(record: &Record, what: &str) -> bool {
    let digest = what.split_once('@').map_or(what, |(_, digest)| digest);
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    let artifacts = record.judgements.iter().map(|judgement| &judgement.artifact);
    let attached = artifacts.flat_map(|artifact| artifact.subject.iter().chain(&artifact.digest));
    let mut digests = record.image_id.iter().chain(attached);
    hex.len() >= 6 && digests.any(|digest| digest.hex().starts_with(hex))
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

/// The newest records that are wanted, from the ends of the log and of what rotation left of older ones, unless it is
/// compressed.
fn newest(
    directory: &Path,
    count: usize,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Vec<Record>, Failure> {
    let mut found = Vec::new();
    let logs = history::logs(directory)
        .map_err(|error| Failure::unreadable(directory.display(), &error))?;
    let plain = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "gz");
    for path in logs.into_iter().map(|(_, path)| path).filter(plain).rev() {
        let text = tail(&path)?;
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
        Err(error) => Err(Failure::unreadable(path.display(), &error)),
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

/// The host that advice is for; a log below another root may be any host's.
fn this_host(root: &Path) -> Result<Box<dyn Features>, Failure> {
    if root != Path::new("/") {
        return Ok(Box::new(FeatureSet::default()));
    }
    Ok(Box::new(Host::new(super::host_root(None)?)))
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
fn explain(record: &Record, host: &dyn Features, paint: Paint) -> String {
    let colour = match record.under_enforce {
        Action::Deny => Colour::Red,
        Action::Allow => Colour::Green,
    };
    let clean = |text: &str| sanitize::bounded_line(text, 1024);
    let mut text =
        format!("{}: {}\n\n", paint.paint(colour, happened(record)), clean(&record.reason));
    let mut fact =
        |name: &str, value: &str| text.push_str(&format!("{name:10} {}\n", clean(value)));
    fact("Container", &called(record));
    if let Some(pod) = &record.pod {
        let namespace = record.namespace.as_deref().unwrap_or("(unknown namespace)");
        fact("Pod", &format!("{namespace}/{pod}"));
    }
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
        text.push_str(&advice(judgement, host, paint));
    }
    if record.shortened {
        text.push_str("Parts of this record were left out to keep it small; `imgcompat validate-node` shows all.\n");
    }
    text
}

/// The id, and the name where there is one.
fn called(record: &Record) -> String {
    match &record.name {
        Some(name) => format!("{} ({name})", record.container),
        None => record.container.clone(),
    }
}

/// What would have to change on the host.
fn advice(judgement: &Judgement, host: &dyn Features, paint: Paint) -> String {
    if judgement.verdict == SetVerdict::Compatible {
        return String::new();
    }
    let remedies = remedy::remedies(&judgement.sets, host);
    if remedies.is_empty() {
        return String::new();
    }
    let heading = paint.paint(
        Colour::Bold,
        "What would help (advice; of several sets or alternatives one is enough)",
    );
    let mut text = format!("{heading}\n");
    for (advice, rows) in remedies {
        let more = match rows.len().saturating_sub(ADVISED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let rows: Vec<String> =
            rows.iter().take(ADVISED).map(|row| sanitize::bounded_line(row, 100)).collect();
        text.push_str(&format!("  for {}{more}:\n    {advice}\n", rows.join(", ")));
    }
    text.push('\n');
    text
}

/// `45 s`, `12 min`, `5 h`, `3 d`
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
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
    let age = artifact.age_seconds;
    let age = age.map(|seconds| format!(", asked {} before", self::age(seconds)));
    let age = age.unwrap_or_default();
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
            assert!(is_about(&record(), what) || begins(&record(), what), "{what}");
        }
        for what in ["", "3", "4f", "r.example/m", "ml:2", "web", "shop/web-0", "sha256:abababab"] {
            assert!(!is_about(&record(), what) && !begins(&record(), what), "{what}");
        }
    }

    #[test]
    fn a_decision_is_found_by_name_by_pod_and_by_any_digest() {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32)).parse().unwrap();
        let artifact = ArtifactNote {
            digest: Some(digest("cd")),
            source: "cache".to_owned(),
            location: Some("r.example/ml".to_owned()),
            subject: Some(digest("ef")),
            created: None,
            age_seconds: Some(600),
        };
        let judgement =
            Judgement { artifact, verdict: SetVerdict::Compatible, set: None, sets: vec![] };
        let record = Record {
            name: Some("web".to_owned()),
            pod: Some("web-0".to_owned()),
            namespace: Some("shop".to_owned()),
            image_id: Some(digest("ab")),
            judgements: vec![judgement],
            ..record()
        };
        let ef = format!("r.example/ml@sha256:{}", "ef".repeat(32));
        for what in ["web", "web-0", "shop/web-0", "sha256:ababab", "cdcdcd", &ef] {
            assert!(is_about(&record, what), "{what}");
        }
        for what in ["we", "shop", "kube-system/web-0", "shop/web", "abab", "sha256:bababa"] {
            assert!(!is_about(&record, what), "{what}");
        }
        let text = explain(&record, &FeatureSet::default(), Paint::off());
        for expected in [
            "\nContainer  3f2a11 (web)\n",
            "\nPod        shop/web-0\n",
            "from the cache (r.example/ml), asked 10 min before\n",
        ] {
            assert!(text.contains(expected), "{text}");
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
        let text = explain(&record(), &FeatureSet::default(), Paint::off());
        assert!(
            text.starts_with("allowed (audit: would be refused): r.example/ml:2 needs x"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}
