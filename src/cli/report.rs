//! `imgcompat report`: what the decision log amounts to, and whether this node can go from audit to enforce.
//!
//! The answer comes first; then the counts; then, for each image that would be refused, how often, since when and why.
//! As text, as JSON, or as a page that opens in a browser without a network.

mod advice;
mod page;
mod plot;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args as ClapArgs, ValueEnum};
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, Time};

use super::paint::Paint;
use super::{Failure, Outcome};
use crate::audit::history::{self, Reading};
use crate::audit::log;
use crate::audit::statistics::Statistics;
use crate::files;
use crate::image::ImagePattern;
use crate::paths::Paths;
use crate::policy::duration;
use crate::sanitize;

/// Longest name of a node.
const NODE_BYTES: usize = 200;

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Rotated logs are read too.\n\n\
    Exit codes: 0 printed, 2 usage error, 3 there is no such decision, 4 the log cannot be read\n\n\
    Examples:\n  \
    imgcompat report --since 7d\n  \
    imgcompat report --image 'registry.example/team/**' --output json\n  \
    imgcompat report --output html --out report.html")]
pub struct Args {
    /// Only decisions since then: a duration such as 24h or 7d, a date, or an RFC 3339 time (UTC)
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<OffsetDateTime>,
    /// Only images that match the pattern, as in [[image]] of the policy
    #[arg(long, value_name = "PATTERN", value_parser = |text: &str| ImagePattern::try_from(text.to_owned()))]
    image: Option<ImagePattern>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Write it into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON object, with every group.
    Json,
    /// One page with plots, for a browser; it loads nothing.
    Html,
}

fn parse_since(text: &str) -> Result<OffsetDateTime, String> {
    let now = OffsetDateTime::now_utc();
    let ago = || {
        let ago = Duration::try_from(duration::parse(text)?).ok()?;
        now.checked_sub(ago)
    };
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(|| day(text)).or_else(ago);
    time.ok_or_else(|| "write 24h, 7d, 2026-11-01, or 2026-11-01T08:00:00Z".to_owned())
}

/// The beginning of a day, written as 2026-11-01.
fn day(text: &str) -> Option<OffsetDateTime> {
    let whole = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).ok()?;
    Some(Date::with_time(whole.date(), Time::MIDNIGHT).assume_utc())
}

/// Runs `report`. Exit code 3: there is no such decision.
pub fn run(args: &Args) -> Outcome {
    let paths = Paths::below(&args.root);
    let directory = paths.log_dir();
    let (statistics, reading) = collect(args, &directory)?;
    if statistics.total.counts.decisions == 0 {
        return Err(nothing(args, &directory, &reading, statistics.not_judged));
    }
    let paint = if args.out.is_some() { Paint::off() } else { Paint::for_stdout() };
    let report = match args.output {
        Output::Text => text::text(&statistics, &reading, paint),
        Output::Json => json(&statistics, &reading)?,
        Output::Html => html(args, &statistics, &reading, &paths),
    };
    match &args.out {
        None => super::print(&report),
        Some(file) => write(file, &report),
    }
}

/// The file appears as a whole.
fn write(file: &Path, report: &str) -> Outcome {
    let failed = |error: String| {
        Failure::undecided(format!("{} cannot be written: {error}", file.display()))
    };
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| failed("it is not the name of a file".to_owned()))?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    files::publish(directory.unwrap_or(Path::new(".")), name, report.as_bytes())
        .map_err(|error| failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn html(args: &Args, statistics: &Statistics, reading: &Reading, paths: &Paths) -> String {
    let now = OffsetDateTime::now_utc();
    let since = args.since.and_then(|since| since.format(&Rfc3339).ok());
    let filter = [
        since.map(|since| format!("only since {}", minute(&since))),
        args.image.as_ref().map(|pattern| format!("only images that match {pattern}")),
    ];
    let page = page::Page {
        statistics,
        reading,
        steps: advice::steps(statistics, paths, now.date()),
        filter: filter.into_iter().flatten().collect(),
        node: node_name(&args.root),
        now,
    };
    page.html()
}

/// What the node is called; below another root, what its files say.
fn node_name(root: &Path) -> String {
    let written = files::read(&root.join("etc/hostname"), 4096).ok();
    let written = written.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let own = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = if root == Path::new("/") { own().or(written) } else { written };
    let name = sanitize::bounded_line(name.as_deref().unwrap_or_default().trim(), NODE_BYTES);
    if name.is_empty() { "this node".to_owned() } else { name }
}

fn collect(args: &Args, directory: &Path) -> Result<(Statistics, Reading), Failure> {
    let mut statistics = Statistics::default();
    let since = args.since.map(SystemTime::from);
    let reading = history::read(directory, since, |record| {
        let recent = args.since.is_none_or(|since| {
            OffsetDateTime::parse(&record.time, &Rfc3339).is_ok_and(|time| time >= since)
        });
        let wanted = args.image.as_ref().is_none_or(|pattern| {
            record.image.as_deref().is_some_and(|image| pattern.matches(image))
        });
        if recent && wanted {
            statistics.add(record);
        }
    });
    match reading {
        Ok(reading) => Ok((statistics, reading)),
        Err((path, error)) => Err(Failure::unreadable(path.display(), &error)),
    }
}

fn nothing(args: &Args, directory: &Path, reading: &Reading, not_judged: u64) -> Failure {
    let log = directory.join(log::FILE_NAME);
    let message = if reading.logs == 0 && args.since.is_none() {
        format!(
            "there is no decision log at {}; no container has started since imgcompat was installed, or its policy is off",
            log.display()
        )
    } else {
        format!(
            "{} has no such decision ({} lines unreadable, {not_judged} containers not judged)",
            log.display(),
            reading.unreadable
        )
    };
    Failure { message, code: 3 }
}

fn json(statistics: &Statistics, reading: &Reading) -> Result<String, Failure> {
    let failed = |error| Failure::undecided(format!("the report cannot be printed: {error}"));
    let mut value = serde_json::to_value(statistics).map_err(failed)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("unreadable_lines".to_owned(), reading.unreadable.into());
        object.insert("images_at_risk".to_owned(), statistics.images_at_risk().into());
    }
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(failed)
}

/// `2026-11-24 12:00`
fn minute(time: &str) -> String {
    sanitize::bounded_line(&time.chars().take(16).collect::<String>().replace('T', " "), 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_a_date_or_a_time() {
        let at = |text: &str| parse_since(text).unwrap();
        assert_eq!(at("2026-11-01"), at("2026-11-01T00:00:00Z"));
        let ago = OffsetDateTime::now_utc() - at("24h");
        assert!((ago - Duration::hours(24)).abs() < Duration::minutes(5));
        for text in ["", "yesterday", "2026-13-01", "24", "99999999999d", "2026-11-01T00:00:00"] {
            assert!(parse_since(text).is_err(), "{text}");
        }
    }
}
