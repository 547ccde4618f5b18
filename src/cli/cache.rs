//! `imgcompat cache list|clear`: what this node remembers of registries' answers, and how to have it forgotten.
//!
//! Both are safe while containers start: a file is read whole or not at all, removed as a whole, and whoever asks a
//! registry meanwhile is waited for. Killed in the middle, `clear` has forgotten a part.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use serde::Serialize;

use super::{Failure, Outcome, counted};
use crate::artifact::cache::{Answer, Cache, Content, Entry};
use crate::clock::Moment;
use crate::deadline::Deadline;
use crate::image::ImagePattern;
use crate::kept::{self, Folder};
use crate::limits;
use crate::oci::{Digest, Reference};
use crate::paths::Paths;
use crate::sanitize;

/// How long `clear` waits for hooks that are asking a registry: longer than any start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `cache`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 done, 2 usage error, 3 nothing is remembered about the images named, 4 the cache cannot be used"
)]
pub struct Args {
    #[command(subcommand)]
    command: CacheCommand,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, global = true, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// List what registries answered, about which image, and how long ago
    List {
        /// Only images that match: a name, a pattern such as registry.example/ml/**, or NAME@DIGEST
        #[arg(value_name = "IMAGE")]
        images: Vec<String>,
        /// How to print
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Forget answers, so that the next start asks the registry again
    Clear {
        /// Only those about images that match: a name, a pattern such as registry.example/ml/**, or NAME@DIGEST
        /// [default: everything that can be found out again]
        #[arg(value_name = "IMAGE")]
        images: Vec<String>,
    },
}

/// Forms of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Exit code where no answer is about the images that were named.
const NOTHING_THERE: u8 = 3;

/// Runs `cache`. Exit code 3: nothing is remembered about the images named.
pub fn run(args: &Args) -> Outcome {
    let root = Paths::below(&args.root).cache();
    match &args.command {
        CacheCommand::List { images, output } => list(&root, &wanted(images)?, *output),
        CacheCommand::Clear { images } if images.is_empty() => clear_all(&root),
        CacheCommand::Clear { images } => clear(&root, &wanted(images)?),
    }
}

/// What was typed: images of a repository, or one manifest of it.
struct Wanted {
    repository: ImagePattern,
    digest: Option<Digest>,
}

impl Wanted {
    fn is_about(&self, entry: &Entry) -> bool {
        let subjects = &entry.key.subjects;
        self.digest.as_ref().is_none_or(|digest| subjects.contains(digest))
            && self.repository.matches(&entry.key.repository.to_string())
    }
}

/// Answers are kept by digest; of a name with a tag the repository counts.
fn wanted(images: &[String]) -> Result<Vec<Wanted>, Failure> {
    let read = |text: &String| {
        let (name, digest) = match text.parse::<Reference>() {
            Ok(reference) => (reference.repository.to_string(), reference.digest),
            Err(_) => (text.clone(), None),
        };
        let repository = ImagePattern::try_from(name).map_err(Failure::usage)?;
        Ok(Wanted { repository, digest })
    };
    images.iter().map(read).collect()
}

fn any(wanted: &[Wanted], entry: &Entry) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted.is_about(entry))
}

fn unusable(root: &Path) -> impl Fn(Error) -> Failure {
    move |error| {
        let place = root.display();
        let foreign =
            error.kind() == ErrorKind::PermissionDenied && !nix::unistd::geteuid().is_root();
        let hint = if foreign { "; the node's cache is root's: run it with sudo" } else { "" };
        Failure::undecided(format!("the cache {place} cannot be used: {error}{hint}"))
    }
}

/// What is printed about one answer.
#[derive(Serialize)]
struct Row {
    image: String,
    subjects: Vec<Digest>,
    #[serde(flatten)]
    answer: Option<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<Trouble>,
}

#[derive(Serialize)]
struct Told {
    /// `found`, `none` or `invalid`.
    kind: &'static str,
    source: &'static str,
    age_seconds: Option<u64>,
    artifact: Option<Digest>,
    subject: Option<Digest>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Trouble {
    kind: &'static str,
    detail: String,
    age_seconds: Option<u64>,
    asked_again_in_seconds: u64,
}

#[derive(Serialize)]
struct Listed {
    directory: String,
    answers: Vec<Row>,
    unusable: usize,
    folders: Vec<Part>,
}

/// One folder of the cache.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    files: usize,
    holds: &'static str,
}

fn row(entry: Entry, now: &Moment) -> Row {
    let seconds = |at: &Moment| at.age(now).map(|age| age.as_secs());
    let trouble = entry.trouble.map(|trouble| {
        let since = seconds(&trouble.at);
        Trouble {
            kind: trouble.unavailable.kind.as_str(),
            detail: trouble.unavailable.detail,
            asked_again_in_seconds: since.map_or(0, |s| trouble.back_off.saturating_sub(s)),
            age_seconds: since,
        }
    });
    let name = entry.key.repository.to_string();
    let image = match entry.key.subjects.first() {
        Some(subject) => format!("{name}@{subject}"),
        None => name,
    };
    let answer = entry.answer.map(|answer| told(answer, now));
    Row { image, subjects: entry.key.subjects, answer, trouble }
}

fn told(answer: Answer, now: &Moment) -> Told {
    let age_seconds = answer.at.age(now).map(|age| age.as_secs());
    let (kind, artifact, subject, problem) = match answer.content {
        Content::Found(found) => ("found", Some(found.digest), Some(found.subject), None),
        Content::None => ("none", None, None, None),
        Content::Invalid { subject, artifact, problem } => {
            ("invalid", Some(artifact), Some(subject), Some(problem))
        }
    };
    Told { kind, source: "registry", age_seconds, artifact, subject, problem }
}

fn list(root: &Path, wanted: &[Wanted], output: Output) -> Outcome {
    let broken = unusable(root);
    let (mut entries, unusable) = match Cache::existing(root).map_err(&broken)? {
        Some(cache) => cache.entries().map_err(&broken)?,
        None => (Vec::new(), 0),
    };
    entries.retain(|entry| any(wanted, entry));
    let now = Moment::now();
    let mut answers: Vec<Row> = entries.into_iter().map(|entry| row(entry, &now)).collect();
    answers.sort_by(|a, b| a.image.cmp(&b.image));
    let mut folders = Vec::new();
    for (name, holds) in kept::FORGETTABLE {
        if let Some(folder) = Folder::existing(root, name).map_err(&broken)? {
            folders.push(Part { name, files: folder.names().map_err(&broken)?.len(), holds });
        }
    }
    let nothing = !wanted.is_empty() && answers.is_empty();
    let listed = Listed { directory: root.display().to_string(), answers, unusable, folders };
    match output {
        Output::Json => {
            let text = serde_json::to_string(&listed)
                .map_err(|error| Failure::undecided(error.to_string()))?;
            super::print(&format!("{text}\n"))?
        }
        Output::Text => super::print(&text(&listed))?,
    };
    Ok(ExitCode::from(if nothing { NOTHING_THERE } else { 0 }))
}

fn text(listed: &Listed) -> String {
    let mut text: String = listed.answers.iter().map(line).collect();
    let answers = listed.answers.len();
    text.push_str(&format!(
        "{} of registries in {}\n",
        counted(answers, "answer"),
        listed.directory
    ));
    if listed.unusable > 0 {
        text.push_str(&format!(
            "{} files there cannot be used and will be replaced\n",
            listed.unusable
        ));
    }
    let beside = |part: &&Part| part.name != "artifacts" && part.files > 0;
    for part in listed.folders.iter().filter(beside) {
        text.push_str(&format!("{:>7} {} ({})\n", part.files, part.holds, part.name));
    }
    text
}

fn line(row: &Row) -> String {
    let mut text = format!("{}\n", sanitize::bounded_line(&row.image, limits::REFUSAL_BYTES));
    if let Some(told) = &row.answer {
        let artifact = told.artifact.as_ref().map_or(String::new(), |digest| format!(" {digest}"));
        let problem = told.problem.as_deref().map_or(String::new(), |problem| {
            format!(": {}", sanitize::bounded_line(problem, limits::REFUSAL_BYTES))
        });
        text.push_str(&format!(
            "        {}{artifact}{problem}, from the {}, {}\n",
            told.kind,
            told.source,
            ago(told.age_seconds)
        ));
    }
    if let Some(trouble) = &row.trouble {
        text.push_str(&format!(
            "        no answer ({}), {}; asked again in {} s at the earliest: {}\n",
            trouble.kind,
            ago(trouble.age_seconds),
            trouble.asked_again_in_seconds,
            sanitize::bounded_line(&trouble.detail, limits::REFUSAL_BYTES)
        ));
    }
    text
}

fn ago(seconds: Option<u64>) -> String {
    match seconds {
        None => "at an unknown time".to_owned(),
        Some(s @ 0..120) => format!("{s} s ago"),
        Some(s @ 120..7_200) => format!("{} min ago", s / 60),
        Some(s @ 7_200..172_800) => format!("{} h ago", s / 3_600),
        Some(s) => format!("{} days ago", s / 86_400),
    }
}

fn clear(root: &Path, wanted: &[Wanted]) -> Outcome {
    let broken = unusable(root);
    let deadline = Deadline::after(PATIENCE);
    let mut forgotten = 0;
    if let Some(cache) = Cache::existing(root).map_err(&broken)? {
        let (entries, _) = cache.entries().map_err(&broken)?;
        for entry in entries.iter().filter(|entry| any(wanted, entry)) {
            forgotten += usize::from(cache.forget(&entry.key, &deadline).map_err(&broken)?);
        }
    }
    if forgotten == 0 {
        let message = format!("{} remembers no answer about that", root.display());
        return Err(Failure { message, code: NOTHING_THERE });
    }
    let are = if forgotten == 1 { "is" } else { "are" };
    super::print(&format!(
        "{} {are} forgotten; the next start asks again\n",
        counted(forgotten, "answer")
    ))
}

fn clear_all(root: &Path) -> Outcome {
    let broken = unusable(root);
    let deadline = Deadline::after(PATIENCE);
    let mut answers = 0;
    if let Some(cache) = Cache::existing(root).map_err(&broken)? {
        answers = cache.forget_all(&deadline).map_err(&broken)?;
    }
    let mut others = 0;
    for (name, _) in kept::FORGETTABLE.into_iter().filter(|(name, _)| *name != "artifacts") {
        let Some(folder) = Folder::existing(root, name).map_err(&broken)? else { continue };
        for file in folder.names().map_err(&broken)? {
            others += usize::from(folder.remove(&file).map_err(&broken)?);
        }
        folder.remove_abandoned().map_err(&broken)?;
    }
    super::print(&format!(
        "{} of registries and {others} other files are forgotten; the next start asks again\n",
        counted(answers, "answer")
    ))
}
