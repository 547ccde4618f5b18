//! Plots of the HTML report, as SVG: the course of time, and how long starts took.
//!
//! Everything that is drawn is a number of ours; colours are classes of the page's style sheet.

use std::collections::BTreeMap;
use std::fmt::Write;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::audit::statistics::{Counts, Durations};

/// Width of a plot in its own units; the page scales it.
const WIDTH: f64 = 960.0;
/// Room for the numbers at the left.
const LEFT: f64 = 52.0;
/// What is drawn of a long history: the newest quarter of a year.
const LONGEST: Duration = Duration::days(92);
/// Most bars.
const BARS: i64 = 72;
/// Widths that a bar may have, in hours.
const STEPS: [i64; 8] = [1, 2, 3, 6, 12, 24, 48, 168];

/// One bar.
struct Bar {
    start: OffsetDateTime,
    counts: Counts,
}

/// The bars of a history.
struct Bars {
    hours: i64,
    bars: Vec<Bar>,
}

impl Bars {
    /// Hours after `now` are left out, and so is what lies more than [`LONGEST`] before the newest: one wrong clock
    /// must not make the plot one bar.
    fn of(by_hour: &BTreeMap<String, Counts>, now: OffsetDateTime) -> Option<Self> {
        let parsed = by_hour.iter().filter_map(|(hour, counts)| Some((parse(hour)?, counts)));
        let mut hours: Vec<_> = parsed.filter(|(at, _)| *at <= now + Duration::days(1)).collect();
        let newest = hours.last()?.0;
        hours.retain(|(at, _)| newest - *at <= LONGEST);
        let oldest = hours.first()?.0;
        let span = (newest - oldest).whole_hours() + 1;
        let step = STEPS.iter().copied().find(|step| span / step < BARS).unwrap_or(168);
        let place = |at: OffsetDateTime| at.unix_timestamp().div_euclid(3600 * step);
        let first = place(oldest);
        let mut bars: Vec<Bar> = (first..=place(newest))
            .filter_map(|number| OffsetDateTime::from_unix_timestamp(number * step * 3600).ok())
            .map(|start| Bar { start, counts: Counts::default() })
            .collect();
        for (at, counts) in hours {
            let index = usize::try_from(place(at) - first).ok();
            if let Some(bar) = index.and_then(|index| bars.get_mut(index)) {
                bar.counts.merge(counts);
            }
        }
        Some(Bars { hours: step, bars })
    }

    /// `an hour`, `6 hours`, `a day`
    fn width_in_words(&self) -> String {
        match self.hours {
            1 => "an hour".to_owned(),
            24 => "a day".to_owned(),
            168 => "a week".to_owned(),
            hours if hours % 24 == 0 => format!("{} days", hours / 24),
            hours => format!("{hours} hours"),
        }
    }
}

fn parse(hour: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&format!("{hour}:00:00Z"), &Rfc3339).ok()
}

/// One of the stacked parts of a bar: its class, its name, and how it is counted.
type Part = (&'static str, &'static str, fn(&Counts) -> u64);

const ALL: [Part; 3] = [
    ("ok", "started", |counts| counts.started.saturating_sub(counts.undecided)),
    ("undecided", "without an answer", |counts| counts.undecided),
    ("refused", "refused", |counts| counts.refused),
];
const AT_STAKE: [Part; 2] = [
    ("would", "would be refused", |counts| counts.would_be_refused),
    ("refused", "refused", |counts| counts.refused),
];

/// Two panels over the same time: all decisions, and those that were refused or would be. With the sentence that says
/// how wide a bar is. `None` if there is nothing to draw.
pub fn course(by_hour: &BTreeMap<String, Counts>, now: OffsetDateTime) -> Option<(String, String)> {
    let bars = Bars::of(by_hour, now)?;
    let mut svg = open(250.0, "Decisions over time, and those refused or that would be");
    panel(&mut svg, &bars, &ALL, 14.0, 96.0);
    panel(&mut svg, &bars, &AT_STAKE, 138.0, 76.0);
    time_axis(&mut svg, &bars, 214.0);
    svg.push_str("</svg>\n");
    Some((svg, format!("One bar is {} (UTC).", bars.width_in_words())))
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\n"
    )
}

fn panel(svg: &mut String, bars: &Bars, parts: &[Part], top: f64, height: f64) {
    let total = |counts: &Counts| parts.iter().map(|(_, _, count)| count(counts)).sum::<u64>();
    let highest = bars.bars.iter().map(|bar| total(&bar.counts)).max().unwrap_or(0);
    let ceiling = ceiling(highest);
    let bottom = top + height;
    for share in [0.0, 0.5, 1.0] {
        let y = bottom - share * height;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"number\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            short(ceiling * share)
        );
    }
    let slot = (WIDTH - LEFT) / bars.bars.len().max(1) as f64;
    let gap = (slot * 0.16).min(4.0);
    for (index, bar) in bars.bars.iter().enumerate() {
        let mut y = bottom;
        let x = LEFT + index as f64 * slot + gap / 2.0;
        let mut rectangles = String::new();
        for (class, _, count) in parts {
            let count = count(&bar.counts);
            let tall = count as f64 / ceiling * height;
            y -= tall;
            if count > 0 {
                // A single refusal among thousands must still be seen.
                let seen = tall.max(1.5);
                let _ = write!(
                    rectangles,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{seen:.1}\"/>",
                    y - (seen - tall),
                    slot - gap
                );
            }
        }
        if !rectangles.is_empty() {
            let _ = writeln!(svg, "<g><title>{}</title>{rectangles}</g>", tip(bar, parts));
        }
    }
}

fn tip(bar: &Bar, parts: &[Part]) -> String {
    let counts: Vec<String> = parts
        .iter()
        .map(|(_, name, count)| (count(&bar.counts), name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!("{} {:02}:00: {}", bar.start.date(), bar.start.hour(), counts.join(", "))
}

fn time_axis(svg: &mut String, bars: &Bars, y: f64) {
    let slot = (WIDTH - LEFT) / bars.bars.len().max(1) as f64;
    for (index, label) in ticks(bars) {
        let x = LEFT + (index as f64 + 0.5) * slot;
        let _ = writeln!(
            svg,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>\
             <text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
            y + 5.0,
            y + 20.0
        );
    }
}

/// At most ten: the first bars of days where the history has several, else hours.
fn ticks(bars: &Bars) -> Vec<(usize, String)> {
    let hours = bars.hours * i64::try_from(bars.bars.len()).unwrap_or(1);
    let date = |at: OffsetDateTime| format!("{:02}-{:02}", u8::from(at.month()), at.day());
    let all = bars.bars.iter().map(|bar| bar.start).enumerate();
    let marks: Vec<(usize, String)> = if hours > 48 {
        all.filter(|(_, at)| at.hour() == 0).map(|(index, at)| (index, date(at))).collect()
    } else {
        all.map(|(index, at)| (index, format!("{} {:02}:00", date(at), at.hour()))).collect()
    };
    let every = marks.len().div_ceil(10).max(1);
    marks.into_iter().step_by(every).collect()
}

/// How many starts took how long.
pub fn durations(durations: &Durations) -> String {
    const TOP: f64 = 22.0;
    const HEIGHT: f64 = 110.0;
    let classes: Vec<(Option<u64>, u64)> = durations.classes().collect();
    let all = classes.iter().map(|(_, count)| count).sum::<u64>().max(1);
    let highest = classes.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let slot = WIDTH / classes.len().max(1) as f64;
    let mut svg = open(TOP + HEIGHT + 30.0, "How long decisions took");
    for (index, (bound, count)) in classes.iter().enumerate() {
        let x = index as f64 * slot;
        let middle = x + slot / 2.0;
        let tall = *count as f64 / highest as f64 * HEIGHT;
        let seen = if *count > 0 { tall.max(1.5) } else { 0.0 };
        let label = match bound {
            Some(us) => format!("≤ {}", milliseconds(*us)),
            None => "longer".to_owned(),
        };
        let _ = writeln!(
            svg,
            "<g><title>{label}: {count}</title>\
             <rect class=\"plain\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{seen:.1}\"/></g>\
             <text class=\"label\" x=\"{middle:.1}\" y=\"{:.1}\">{label}</text>",
            x + 3.0,
            TOP + HEIGHT - seen,
            slot - 6.0,
            TOP + HEIGHT + 20.0
        );
        if *count > 0 {
            let share = *count as f64 * 100.0 / all as f64;
            let share = if share < 0.1 { "&lt; 0.1 %".to_owned() } else { format!("{share:.1} %") };
            let _ = writeln!(
                svg,
                "<text class=\"label strong\" x=\"{middle:.1}\" y=\"{:.1}\">{share}</text>",
                TOP + HEIGHT - seen - 6.0
            );
        }
    }
    let base = TOP + HEIGHT;
    let _ =
        writeln!(svg, "<line class=\"tick\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{base}\" y2=\"{base}\"/>");
    svg.push_str("</svg>\n");
    svg
}

/// `2.5 ms`, `1 s`
pub fn milliseconds(us: u64) -> String {
    match us {
        1_000_000.. => format!("{} s", us as f64 / 1_000_000.0),
        _ => format!("{} ms", us as f64 / 1_000.0),
    }
}

/// The next higher number that reads well: 1, 2, 4, 6, 8 or 10 with any number of zeros.
fn ceiling(highest: u64) -> f64 {
    let highest = highest.max(2) as f64;
    let magnitude = 10_f64.powf(highest.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * magnitude >= highest).unwrap_or(10.0);
    step * magnitude
}

/// `950`, `1.5k`, `2M`
fn short(number: f64) -> String {
    match number {
        1_000_000.0.. => format!("{}M", number / 1_000_000.0),
        1_000.0.. => format!("{}k", number / 1_000.0),
        _ => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        parse("2026-11-24T12").unwrap()
    }

    fn hours(names: &[&str]) -> BTreeMap<String, Counts> {
        let one = || Counts { decisions: 1, started: 1, ..Counts::default() };
        names.iter().map(|name| ((*name).to_owned(), one())).collect()
    }

    #[test]
    fn bars_are_as_wide_as_the_history_asks_for() {
        let table = [
            ("2026-11-24T11", 1, 2),
            ("2026-11-21T20", 1, 65),
            ("2026-11-17T12", 3, 57),
            ("2026-10-25T12", 12, 61),
            ("2026-08-25T12", 48, 46),
        ];
        for (first, width, count) in table {
            let bars = Bars::of(&hours(&[first, "2026-11-24T12"]), now()).unwrap();
            assert_eq!((bars.hours, bars.bars.len()), (width, count), "{first}");
            let all: u64 = bars.bars.iter().map(|bar| bar.counts.decisions).sum();
            assert_eq!(all, 2, "{first}");
        }
    }

    #[test]
    fn a_wrong_clock_does_not_squeeze_the_plot() {
        let strange = hours(&["1970-01-01T00", "2026-11-24T11", "2026-11-24T12", "2099-01-01T00"]);
        let bars = Bars::of(&strange, now()).unwrap();
        assert_eq!((bars.hours, bars.bars.len()), (1, 2));
        assert!(course(&hours(&["x", "9999-99-99T99"]), now()).is_none());
        assert!(course(&BTreeMap::new(), now()).is_none());
    }

    #[test]
    fn days_are_marked_where_there_are_several() {
        let labels = |first: &str| -> Vec<String> {
            let bars = Bars::of(&hours(&[first, "2026-11-24T12"]), now()).unwrap();
            ticks(&bars).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels("2026-11-21T20"), ["11-22", "11-23", "11-24"]);
        assert_eq!(labels("2026-11-24T11"), ["11-24 11:00", "11-24 12:00"]);
        assert!((5..=10).contains(&labels("2026-09-01T11").len()));
    }

    #[test]
    fn numbers_at_the_axis_read_well() {
        let table = [(0, 2.0), (1, 2.0), (3, 4.0), (7, 8.0), (10, 10.0), (11, 20.0), (950, 1000.0)];
        for (highest, expected) in table {
            assert!((ceiling(highest) - expected).abs() < 1e-9, "{highest}");
        }
        assert_eq!((short(1500.0), short(50.0)), ("1.5k".to_owned(), "50".to_owned()));
    }
}
