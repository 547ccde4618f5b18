//! The report as one HTML page, for whoever decides to switch from audit to enforce, and perhaps has no shell here.
//!
//! It stands alone: style and plots are inside, there is no script, and its Content-Security-Policy lets it load
//! nothing. Text from strangers (images, reasons) goes through [`escape`], always. It is well-formed XML too, so that a
//! test can check it.

use time::OffsetDateTime;

use super::advice::{self, Answer, Step};
use super::{minute, plot};
use crate::audit::history::Reading;
use crate::audit::statistics::{Counts, Group, Groups, Statistics};
use crate::sanitize;

/// Rows of the largest table; JSON has all.
const ROWS: usize = 50;
/// Rows of the others.
const FEW: usize = 12;
/// Longest name in a table.
const NAME_BYTES: usize = 200;

/// What the page is made of.
pub struct Page<'a> {
    /// The counts.
    pub statistics: &'a Statistics,
    /// What reading the log came to.
    pub reading: &'a Reading,
    /// What to do next.
    pub steps: Vec<Step>,
    /// What was left out of the log: `--since`, `--image`.
    pub filter: Vec<String>,
    /// The node's name.
    pub node: String,
    /// When the page is made.
    pub now: OffsetDateTime,
}

impl Page<'_> {
    /// The whole page.
    pub fn html(&self) -> String {
        let mut html = head(&self.node);
        html.push_str(&self.heading());
        html.push_str(&self.answer());
        html.push_str(&tiles(self.statistics));
        html.push_str(&self.course());
        html.push_str(&images(&self.statistics.by_image));
        let at_stake = |group: &Group| group.counts.at_stake();
        let what = "What decided";
        html.push_str(&bars(what, &self.statistics.by_expression, at_stake, true));
        html.push_str(&self.steps());
        html.push_str(&self.durations());
        let all = |group: &Group| group.counts.decisions;
        html.push_str("<div class=\"two\">\n");
        html.push_str(&bars("Outcomes and causes", &self.statistics.by_outcome, all, false));
        html.push_str(&bars("Engines", &self.statistics.by_engine, all, false));
        html.push_str(&bars("Modes", &self.statistics.by_mode, all, false));
        html.push_str(&bars("Exceptions", &self.statistics.by_exception, all, false));
        html.push_str("</div>\n");
        html.push_str(&self.footer());
        html
    }

    fn heading(&self) -> String {
        let filter: String = self.filter.iter().map(|part| format!("; {}", escape(part))).collect();
        format!(
            "<header><h1>imgcompat on {}</h1>\n<p>{}{filter}</p></header>\n",
            escape(&self.node),
            escape(&advice::seen(self.statistics))
        )
    }

    fn answer(&self) -> String {
        let answer = Answer::of(self.statistics);
        let class = if answer == Answer::NotSafe { "answer not-safe" } else { "answer" };
        let remarks: String = advice::remarks(self.statistics, self.reading)
            .iter()
            .map(|remark| format!("<li>{}</li>", escape(remark)))
            .collect();
        let remarks = if remarks.is_empty() { remarks } else { format!("\n<ul>{remarks}</ul>") };
        let sentence = escape(&answer.sentence(self.statistics));
        format!("<section class=\"{class}\"><p>{sentence}</p>{remarks}</section>\n")
    }

    fn course(&self) -> String {
        let Some((svg, width)) = plot::course(&self.statistics.by_hour, self.now) else {
            return String::new();
        };
        format!(
            "<section><h2>Over time</h2>\n<div class=\"legend\">\
             <span><i class=\"ok\"></i>started</span><span><i class=\"undecided\"></i>started without an answer</span>\
             <span><i class=\"would\"></i>would be refused</span><span><i class=\"refused\"></i>refused</span></div>\n\
             <div class=\"scroll\">{svg}</div><p class=\"note\">Above all decisions, below what was refused or would be, with a scale of its own. {width}</p></section>\n"
        )
    }

    fn durations(&self) -> String {
        let durations = &self.statistics.durations;
        let bound = |hundredths| match durations.percentile(hundredths) {
            Some(us) => format!("at most {}", plot::milliseconds(us)),
            None => "longer than 10 s".to_owned(),
        };
        format!(
            "<section><h2>How long a start waited for its decision</h2>\n<div class=\"scroll\">{}</div>\
             <p class=\"note\">Half of them {}, 99 of 100 {}.</p></section>\n",
            plot::durations(durations),
            bound(50),
            bound(99)
        )
    }

    fn steps(&self) -> String {
        let steps: String = self
            .steps
            .iter()
            .map(|step| {
                let (purpose, commands) = (escape(&step.purpose), escape(&step.commands));
                format!("<li>{purpose}<pre>{commands}</pre></li>\n")
            })
            .collect();
        format!("<section><h2>What to do next</h2>\n<ol>\n{steps}</ol></section>\n")
    }

    fn footer(&self) -> String {
        let made = format!("{} {:02}:{:02}", self.now.date(), self.now.hour(), self.now.minute());
        format!(
            "<footer>Made by imgcompat {} at {made} UTC. A decision counts by the policy that was in force when it was made. \
             Containers without an image: {} (not counted above).</footer>\n</main></body></html>\n",
            env!("CARGO_PKG_VERSION"),
            self.statistics.not_judged
        )
    }
}

fn head(node: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <title>imgcompat on {}</title>\n<style>\n{}</style></head>\n<body><main>\n",
        escape(node),
        include_str!("style.css")
    )
}

fn tiles(statistics: &Statistics) -> String {
    let counts = &statistics.total.counts;
    let tiles: String = [
        ("", "decisions", counts.decisions),
        ("", "images", statistics.by_image.len() as u64),
        ("", "started", counts.started),
        ("would", "would be refused", counts.would_be_refused),
        ("refused", "refused", counts.refused),
        ("undecided", "without an answer", counts.undecided),
    ]
    .iter()
    .map(|(class, name, count)| {
        let class = if *count == 0 { "zero" } else { class };
        format!(
            "<div class=\"tile {class}\"><b>{}</b><span>{name}</span></div>\n",
            thousands(*count)
        )
    })
    .collect();
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

/// What was refused or would be, image by image; what enforcing would change comes first.
fn images(groups: &Groups) -> String {
    let mut rows = advice::ranked(groups, |group| group.counts.at_stake());
    rows.sort_by_key(|(_, _, group)| std::cmp::Reverse(group.counts.would_be_refused));
    if rows.is_empty() {
        return String::new();
    }
    let body: String = rows.iter().take(ROWS).map(|(_, name, group)| image(name, group)).collect();
    format!(
        "<section><h2>Refused, or would be, by image</h2>\n<div class=\"scroll\"><table>\n\
         <tr><th>image, and why</th><th class=\"n\">starts</th><th class=\"n\">would be refused</th>\
         <th class=\"n\">refused</th><th>since</th><th>last</th></tr>\n{body}</table></div>{}</section>\n",
        left_out(rows.len(), ROWS)
    )
}

fn image(name: &str, group: &Group) -> String {
    let counts = &group.counts;
    let why = match group.container.as_str() {
        "" => String::new(),
        container => format!("<small><code>imgcompat why {}</code></small>", escape(container)),
    };
    format!(
        "<tr><td class=\"name\"><b>{}</b><small>{}</small>{why}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"t\">{}</td><td class=\"t\">{}</td></tr>\n",
        escape(&sanitize::bounded_line(name, NAME_BYTES)),
        escape(group.why.strip_prefix(name).unwrap_or(&group.why).trim_start()),
        thousands(counts.decisions),
        thousands(counts.would_be_refused),
        thousands(counts.refused),
        date(&group.since),
        date(&group.last),
    )
}

/// Day and minute, one below the other.
fn date(time: &str) -> String {
    escape(&minute(time)).replacen(' ', "<br/>", 1)
}

/// Groups as horizontal bars, the longest first.
fn bars(
    heading: &str,
    groups: &Groups,
    count: impl Fn(&Group) -> u64,
    at_stake_only: bool,
) -> String {
    let rows = advice::ranked(groups, count);
    let Some((longest, ..)) = rows.first() else { return String::new() };
    let body: String = rows
        .iter()
        .take(FEW)
        .map(|(count, name, group)| {
            format!(
                "<tr><td class=\"name\">{}</td><td class=\"n\">{}</td><td class=\"bar\">{}</td></tr>\n",
                escape(&sanitize::bounded_line(name, NAME_BYTES)),
                thousands(*count),
                track(&group.counts, *longest, at_stake_only)
            )
        })
        .collect();
    format!(
        "<section><h2>{heading}</h2>\n<table>\n{body}</table>{}</section>\n",
        left_out(rows.len(), FEW)
    )
}

/// A bar of several colours, as a share of the longest.
fn track(counts: &Counts, longest: u64, at_stake_only: bool) -> String {
    let calm = counts.started.saturating_sub(counts.undecided + counts.would_be_refused);
    let (calm, undecided) = if at_stake_only { (0, 0) } else { (calm, counts.undecided) };
    let parts = [
        ("ok", calm),
        ("undecided", undecided),
        ("would", counts.would_be_refused),
        ("refused", counts.refused),
    ];
    let parts: String = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| {
            let share = *count as f64 * 100.0 / longest.max(1) as f64;
            format!("<i class=\"{class}\" style=\"width:{share:.2}%\"></i>")
        })
        .collect();
    format!("<div class=\"track\">{parts}</div>")
}

fn left_out(rows: usize, shown: usize) -> String {
    match rows.saturating_sub(shown) {
        0 => String::new(),
        more => format!(
            "<p class=\"note\">And {more} more: <code>imgcompat report --output json</code></p>"
        ),
    }
}

/// `12 345`, with narrow spaces.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Text that means itself, in an element or in an attribute's quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_stranger_writes_is_markup() {
        let text = "<script>alert('1')</script>\" onload=\"x & \u{1b}[2J";
        let escaped = escape(text);
        assert!(!escaped.contains(['<', '>', '"', '\'', '\u{1b}']), "{escaped}");
        assert_eq!(escape("a & b"), "a &amp; b");
    }

    #[test]
    fn numbers_are_grouped() {
        let table = [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")];
        for (number, expected) in table {
            assert_eq!(thousands(number).replace('\u{202f}', " "), expected);
        }
    }
}
