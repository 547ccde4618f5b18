//! What the report says: whether enforcing is safe, what limits that answer, and what to type next.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::audit::history::Reading;
use crate::audit::statistics::{Group, Groups, OTHERS, Statistics};
use crate::cli::counted;
use crate::paths::Paths;
use crate::policy::{Mode, Policy};

/// A log that covers less has not seen what starts once a week.
const ENOUGH: Duration = Duration::days(7);
/// The drop-in by which an installation begins in audit mode.
const AUDIT_DROP_IN: &str = "10-audit.toml";
/// Images that a drop-in for enforcing leaves in audit mode.
const IMAGES: usize = 50;

/// What the log says about enforcing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Starts would have been refused.
    NotSafe,
    /// None would have been.
    Safe,
    /// Nothing was left to audit mode.
    Enforced,
}

impl Answer {
    /// The answer that the counts give.
    pub fn of(statistics: &Statistics) -> Self {
        match (statistics.total.counts.would_be_refused, statistics.audited()) {
            (1.., _) => Answer::NotSafe,
            (0, 0) => Answer::Enforced,
            (0, _) => Answer::Safe,
        }
    }

    /// The answer as a sentence.
    pub fn sentence(self, statistics: &Statistics) -> String {
        match self {
            Answer::NotSafe => format!(
                "Not safe to enforce: {} would have been refused (images: {}).",
                counted(statistics.total.counts.would_be_refused, "start"),
                statistics.images_at_risk()
            ),
            Answer::Safe => {
                "Safe to enforce, by what was seen: no start would have been refused.".to_owned()
            }
            Answer::Enforced => "Enforced already: nothing was left to audit mode.".to_owned(),
        }
    }
}

/// What was looked at, in a clause.
pub fn seen(statistics: &Statistics) -> String {
    format!(
        "{} decisions (images: {}) from {} to {}",
        statistics.total.counts.decisions,
        statistics.by_image.len(),
        super::minute(&statistics.total.first),
        super::minute(&statistics.total.last)
    )
}

/// What limits the answer.
pub fn remarks(statistics: &Statistics, reading: &Reading) -> Vec<String> {
    let mut remarks = Vec::new();
    let counts = &statistics.total.counts;
    if span(&statistics.total).is_some_and(|span| span < ENOUGH) && statistics.audited() > 0 {
        remarks.push("Less than a week was seen; what starts weekly may be missing.".to_owned());
    }
    if counts.undecided > 0 {
        remarks.push(format!(
            "{} had no answer (see outcomes below); the policy lets some of those start, and may not always.",
            counted(counts.undecided, "start")
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

/// The container of the newest decision that was a refusal or would have been one.
pub fn last_at_stake(statistics: &Statistics) -> Option<&str> {
    let groups = statistics.by_image.values().filter(|group| !group.container.is_empty());
    groups.max_by(|a, b| a.last.cmp(&b.last)).map(|group| group.container.as_str())
}

/// The groups with the highest counts first; those without are left out.
pub fn ranked(groups: &Groups, count: impl Fn(&Group) -> u64) -> Vec<(u64, &str, &Group)> {
    let mut rows: Vec<(u64, &str, &Group)> =
        groups.iter().map(|(name, group)| (count(group), name.as_str(), group)).collect();
    rows.retain(|(count, ..)| *count > 0);
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    rows
}

/// Commands to type, and what they are for.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is for, as a sentence.
    pub purpose: String,
    /// Lines for a shell.
    pub commands: String,
}

/// What to do next, in this order.
pub fn steps(statistics: &Statistics, paths: &Paths, today: time::Date) -> Vec<Step> {
    let mode = Policy::load(paths).ok().map(|policy| policy.mode);
    let mut steps = Vec::new();
    let at_risk = ranked(&statistics.by_image, |group| group.counts.would_be_refused);
    if let Some(first) = at_risk.first() {
        steps.extend(about_image(first, today));
        steps.extend(enforce_but_for(&at_risk, paths));
    } else if mode != Some(Mode::Enforce) && Answer::of(statistics) == Answer::Safe {
        steps.push(Step {
            purpose: "Enforce, from the next start on:".to_owned(),
            commands: format!("{}\nimgcompat config check", enforce(paths)),
        });
    }
    if at_risk.is_empty()
        && let Some(container) = last_at_stake(statistics).filter(|name| is_plain(name))
    {
        let purpose = "See why the last refused container was refused:".to_owned();
        steps.push(Step { purpose, commands: format!("imgcompat why {container}") });
    }
    steps.push(Step {
        purpose: "Back to audit mode, at once and for everything:".to_owned(),
        commands: "echo 'mode = \"audit\"' | sudo tee /etc/imgcompat/config.d/95-audit.toml"
            .to_owned(),
    });
    steps
}

/// The image that would be refused most often: why, whether still, and how to let it pass.
fn about_image(&(_, image, group): &(u64, &str, &Group), today: time::Date) -> Vec<Step> {
    let mut steps = Vec::new();
    if is_plain(&group.container) {
        let purpose = "See what the image most at risk needs, and what this node has instead:";
        let commands = format!("imgcompat why {}", group.container);
        steps.push(Step { purpose: purpose.to_owned(), commands });
    }
    if is_plain(image) && image != OTHERS {
        let purpose = "Ask again after the node or the specification was changed:".to_owned();
        let commands = format!("imgcompat validate-node --image {image}");
        steps.push(Step { purpose, commands });
        let until = today.saturating_add(Duration::days(30));
        let purpose = "Or let it pass for a month, with a reason that stands in every decision:";
        let commands =
            format!("sudo imgcompat allow {image} --until {until} --reason 'TICKET: why'");
        steps.push(Step { purpose: purpose.to_owned(), commands });
    }
    steps
}

/// A drop-in that leaves the images at risk in audit mode, and the switch. Names that could be anything but names are
/// left out of what is to be pasted into a shell.
fn enforce_but_for(at_risk: &[(u64, &str, &Group)], paths: &Paths) -> Option<Step> {
    let nameable = |(_, image, _): &&(u64, &str, &Group)| is_plain(image);
    if at_risk.len() > IMAGES || !at_risk.iter().all(|row| nameable(&row)) {
        return None;
    }
    let entries: String = at_risk
        .iter()
        .map(|(_, image, _)| format!("[[image]]\nmatch = \"{image}\"\nmode = \"audit\"\n"))
        .collect();
    let purpose = "Enforce for everything else now, and keep these images in audit mode:";
    let commands = format!(
        "sudo tee /etc/imgcompat/config.d/20-not-yet.toml <<'EOF'\n{entries}EOF\n{}\nimgcompat config check",
        enforce(paths)
    );
    Some(Step { purpose: purpose.to_owned(), commands })
}

fn enforce(paths: &Paths) -> String {
    if paths.config_dir().join(AUDIT_DROP_IN).exists() {
        return format!("sudo rm /etc/imgcompat/config.d/{AUDIT_DROP_IN}");
    }
    "echo 'mode = \"enforce\"' | sudo tee /etc/imgcompat/config.d/90-enforce.toml".to_owned()
}

/// True for what a shell and a policy file take as it is: names of images, ids of containers.
fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_risk(images: &[&str]) -> Statistics {
        let mut statistics = Statistics::default();
        for image in images {
            let mut group = Group { container: "3f2a11".to_owned(), ..Group::default() };
            group.counts.would_be_refused = 7;
            statistics.by_image.insert((*image).to_owned(), group);
        }
        statistics.total.counts.would_be_refused = 7;
        statistics
    }

    fn commands(images: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let today = time::Date::from_calendar_date(2026, time::Month::December, 24).unwrap();
        let steps = steps(&at_risk(images), &Paths::below(dir.path()), today);
        steps.into_iter().map(|step| step.commands + "\n").collect()
    }

    #[test]
    fn the_commands_are_those_for_the_images_at_risk() {
        let text = commands(&["r.example/ml:2", "r.example/web:1"]);
        for expected in [
            "imgcompat why 3f2a11\n",
            "imgcompat validate-node --image r.example/ml:2\n",
            "--until 2027-01-23 ",
            "match = \"r.example/web:1\"\nmode = \"audit\"\n",
            "90-enforce.toml\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_in_no_command() {
        for image in ["r.example/$(reboot)", "a\nb", "a'b", "-rf", "a b", OTHERS] {
            let text = commands(&[image]);
            assert!(!text.contains(image) && !text.contains("20-not-yet"), "{text}");
        }
    }
}
