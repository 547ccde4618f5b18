//! The report as text, for a terminal.

use super::advice::{self, Answer};
use super::minute;
use crate::audit::history::Reading;
use crate::audit::statistics::{Group, Groups, Statistics};
use crate::cli::paint::{Colour, Paint};
use crate::sanitize;

/// Rows of one table; JSON has all.
const ROWS: usize = 10;

/// The whole report.
pub fn text(statistics: &Statistics, reading: &Reading, paint: Paint) -> String {
    let mut text = format!("{}\n", first_line(statistics, paint));
    for remark in advice::remarks(statistics, reading) {
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
    let at_stake = |group: &Group| group.counts.at_stake();
    let all = |group: &Group| group.counts.decisions;
    let heading = "Refused, or would be, by image";
    text.push_str(&table(heading, &statistics.by_image, at_stake, true, paint));
    let heading = "By what decided";
    text.push_str(&table(heading, &statistics.by_expression, at_stake, false, paint));
    let heading = "All decisions by outcome";
    text.push_str(&table(heading, &statistics.by_outcome, all, false, paint));
    text.push_str(&table("By engine", &statistics.by_engine, all, false, paint));
    text.push_str(&table("By exception", &statistics.by_exception, all, false, paint));
    if let Some(container) = advice::last_at_stake(statistics) {
        text.push_str(&format!("\nThe last of them: imgcompat why {container}\n"));
    }
    text
}

/// Whether enforcing is safe, in one sentence.
fn first_line(statistics: &Statistics, paint: Paint) -> String {
    let answer = Answer::of(statistics);
    let colour = if answer == Answer::NotSafe { Colour::Red } else { Colour::Green };
    let sentence = paint.paint(colour, &answer.sentence(statistics));
    format!("{sentence} Seen: {}.", advice::seen(statistics))
}

/// The largest groups, one a line.
fn table(
    heading: &str,
    groups: &Groups,
    count: impl Fn(&Group) -> u64,
    why: bool,
    paint: Paint,
) -> String {
    let rows = advice::ranked(groups, count);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", paint.paint(Colour::Bold, heading));
    for (count, name, group) in rows.iter().take(ROWS) {
        let name = sanitize::bounded_line(name, 200);
        let since = if why { format!("since {}  ", minute(&group.since)) } else { String::new() };
        text.push_str(&format!("{count:>9}  {since}last {}  {name}\n", minute(&group.last)));
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
