//! `imgcompat report`: what the decision log amounts to, and whether this node can go from audit to enforce.
//!
//! The answer is the first line; then the counts; then, for each image that would be refused, how often and why.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args as ClapArgs, ValueEnum};
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, Time};

use super::paint::{Colour, Paint};
use super::{Failure, Outcome};
use crate::audit::history::{self, Reading};
use crate::audit::statistics::{Group, Groups, Statistics};
use crate::audit::{log, sanitize};
use crate::image::ImagePattern;
use crate::paths::Paths;
use crate::policy::duration;

/// Rows of one table for people; JSON has all.
const ROWS: usize = 10;
/// A log that covers less has not seen what starts once a week.
const ENOUGH: Duration = Duration::days(7);

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
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
    let directory = Paths::below(&args.root).log_dir();
    let (statistics, reading) = collect(args, &directory)?;
    if statistics.total.counts.decisions == 0 {
        return Err(nothing(args, &directory, &reading, statistics.not_judged));
    }
    match args.output {
        Output::Text => super::print(&text(&statistics, &reading, Paint::for_stdout())),
        Output::Json => super::print(&json(&statistics, &reading)?),
    }
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
        Err((path, error)) => {
            let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let hint = if denied { "; run as root" } else { "" };
            Err(Failure::undecided(format!("{} cannot be read: {error}{hint}", path.display())))
        }
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

/// The report for people.
fn text(statistics: &Statistics, reading: &Reading, paint: Paint) -> String {
    let mut text = format!("{}\n", answer(statistics, paint));
    for remark in remarks(statistics, reading) {
        text.push_str(&format!("{remark}\n"));
    }
    text.push('\n');
    let counts = &statistics.total.counts;
    for (name, count) in [
        ("started", counts.started),
        ("  would be refused", counts.would_be_refused),
        ("  without an answer", counts.undecided),
        ("refused", counts.refused),
    ] {
        text.push_str(&format!("{name:20}{count:>9}\n"));
    }
    let at_stake = |group: &Group| group.counts.would_be_refused + group.counts.refused;
    let all = |group: &Group| group.counts.decisions;
    let heading = "Refused, or would be, by image";
    text.push_str(&table(heading, &statistics.by_image, at_stake, true, paint));
    let heading = "By what decided";
    text.push_str(&table(heading, &statistics.by_expression, at_stake, false, paint));
    let heading = "All decisions by outcome";
    text.push_str(&table(heading, &statistics.by_outcome, all, false, paint));
    text.push_str(&table("By engine", &statistics.by_engine, all, false, paint));
    text.push_str(&table("By exception", &statistics.by_exception, all, false, paint));
    if let Some(container) = last_at_stake(statistics) {
        text.push_str(&format!("\nThe last of them: imgcompat why {container}\n"));
    }
    text
}

/// Whether enforcing is safe, in one sentence.
fn answer(statistics: &Statistics, paint: Paint) -> String {
    let counts = &statistics.total.counts;
    let seen = format!(
        "{} decisions (images: {}) from {} to {}",
        counts.decisions,
        statistics.by_image.len(),
        minute(&statistics.total.first),
        minute(&statistics.total.last)
    );
    if counts.would_be_refused > 0 {
        let text = format!(
            "Not safe to enforce: {} starts would have been refused (images: {}).",
            counts.would_be_refused,
            statistics.images_at_risk()
        );
        return format!("{} Seen: {seen}.", paint.paint(Colour::Red, &text));
    }
    let text = match statistics.audited() {
        0 => "Enforced already: nothing was left to audit mode.",
        _ => "Safe to enforce, by what was seen: no start would have been refused.",
    };
    format!("{} Seen: {seen}.", paint.paint(Colour::Green, text))
}

/// What limits the answer.
fn remarks(statistics: &Statistics, reading: &Reading) -> Vec<String> {
    let mut remarks = Vec::new();
    let counts = &statistics.total.counts;
    if span(&statistics.total).is_some_and(|span| span < ENOUGH) && statistics.audited() > 0 {
        remarks.push("Less than a week was seen; what starts weekly may be missing.".to_owned());
    }
    if counts.undecided > 0 {
        remarks.push(format!(
            "{} starts had no answer (see outcomes below); the policy lets some of those start, and may not always.",
            counts.undecided
        ));
    }
    if !statistics.by_exception.is_empty() {
        let exceptions = statistics.by_exception.values().map(|g| g.counts.decisions).sum::<u64>();
        remarks
            .push(format!("{exceptions} decisions were made by exceptions, which end some day."));
    }
    if reading.unreadable > 0 {
        remarks.push(format!("{} lines of the log are unreadable.", reading.unreadable));
    }
    remarks
}

fn span(group: &Group) -> Option<Duration> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    Some(parse(&group.last)? - parse(&group.first)?)
}

/// `2026-11-24 12:00`
fn minute(time: &str) -> String {
    sanitize::bounded_line(&time.chars().take(16).collect::<String>().replace('T', " "), 20)
}

fn last_at_stake(statistics: &Statistics) -> Option<&str> {
    let groups = statistics.by_image.values().filter(|group| !group.container.is_empty());
    groups.max_by(|a, b| a.last.cmp(&b.last)).map(|group| group.container.as_str())
}

/// The largest groups, one a line.
fn table(
    heading: &str,
    groups: &Groups,
    count: impl Fn(&Group) -> u64,
    why: bool,
    paint: Paint,
) -> String {
    let mut rows: Vec<(u64, &String, &Group)> =
        groups.iter().map(|(name, group)| (count(group), name, group)).collect();
    rows.retain(|(count, ..)| *count > 0);
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let mut text = format!("\n{}\n", paint.paint(Colour::Bold, heading));
    for (count, name, group) in rows.iter().take(ROWS) {
        let name = sanitize::bounded_line(name, 200);
        text.push_str(&format!("{count:>9}  last {}  {name}\n", minute(&group.last)));
        if why {
            text.push_str(&format!("{:>9}  {}\n", "", paint.paint(Colour::Dim, &group.why)));
        }
    }
    if rows.len() > ROWS {
        text.push_str(&format!("{:>9}  and {} more (--output json)\n", "", rows.len() - ROWS));
    }
    text
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

    #[test]
    fn a_table_has_its_largest_rows_first_and_says_what_it_leaves_out() {
        let groups: Groups = (1..=12)
            .map(|n| {
                let mut group = Group::default();
                group.counts.decisions = n;
                (format!("image{n:02}"), group)
            })
            .collect();
        let text = table("x", &groups, |group| group.counts.decisions, false, Paint::off());
        assert!(text.lines().nth(2).unwrap().contains("image12"), "{text}");
        assert!(text.ends_with("and 2 more (--output json)\n"), "{text}");
        assert_eq!(table("x", &groups, |_| 0, false, Paint::off()), "");
    }
}
