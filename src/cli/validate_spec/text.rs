//! Findings for people: each with its line of the document and a mark below it, then one line that sums up.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::paint::{Colour, Paint};
use super::{Finding, Report};
use crate::cli::counted;
use crate::limits;
use crate::sanitize;
use crate::spec::diagnostic::Severity;
use crate::spec::yaml;

/// How much of a line of the document is shown.
const WIDTH: usize = 100;

/// The whole report.
pub(super) fn render(report: &Report<'_>, document: &[u8], paint: Paint) -> String {
    let source = match document.len() as u64 > limits::SPECIFICATION_BYTES {
        // Its beginning says nothing, and may be no text at all.
        true => Cow::default(),
        false => yaml::text(document).unwrap_or_else(|_| String::from_utf8_lossy(document)),
    };
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::new();
    for finding in &report.findings {
        let line = source.lines().nth(finding.line.saturating_sub(1) as usize);
        // Writing to a String cannot fail.
        let _ = write_finding(&mut out, report.file, finding, line.unwrap_or_default(), paint);
    }
    out + &summary(report) + "\n"
}

fn write_finding(
    out: &mut String,
    file: &str,
    finding: &Finding<'_>,
    line: &str,
    paint: Paint,
) -> std::fmt::Result {
    let (word, colour) = match finding.severity {
        Severity::Error => ("error", Colour::Red),
        Severity::Warning => ("warning", Colour::Yellow),
    };
    let head = paint.paint(colour, &format!("{word}[{}]", finding.code));
    writeln!(out, "{head}: {}", sanitize::line(finding.message))?;
    let margin = " ".repeat(finding.line.to_string().len());
    let file = sanitize::line(file);
    let place = format!("{file}:{}:{}", finding.line, finding.column);
    writeln!(out, "{margin}{} {place}", paint.paint(Colour::Dim, "-->"))?;
    let bar = paint.paint(Colour::Dim, "|");
    let (shown, before, marked) = excerpt(line, finding.column as usize);
    if !shown.trim().is_empty() {
        writeln!(out, "{} {bar} {shown}", paint.paint(Colour::Dim, &finding.line.to_string()))?;
        let mark = paint.paint(colour, &"^".repeat(marked));
        writeln!(out, "{margin} {bar} {}{mark}", " ".repeat(before))?;
    }
    if let Some(rule) = finding.rule {
        writeln!(out, "{margin} {} rule: {}", paint.paint(Colour::Dim, "="), sanitize::line(rule))?;
    }
    if let Some(help) = finding.help {
        writeln!(out, "{margin} {} help: {}", paint.paint(Colour::Dim, "="), sanitize::line(help))?;
    }
    writeln!(out)
}

/// The part of a line around a column, how many characters stand before the place, and how long the mark is.
fn excerpt(line: &str, column: usize) -> (String, usize, usize) {
    let at = column.saturating_sub(1);
    let skipped = if at >= WIDTH { at - WIDTH / 2 } else { 0 };
    let shown: String = line.chars().skip(skipped).take(WIDTH).map(printable).collect();
    let word = line.chars().skip(at).take_while(|c| !c.is_whitespace() && !":,[]{}".contains(*c));
    let marked = word.count().clamp(1, (WIDTH - (at - skipped)).max(1));
    (shown.trim_end().to_owned(), at - skipped, marked)
}

/// A character that takes one place and does nothing to a terminal.
fn printable(c: char) -> char {
    if c.is_whitespace() {
        return ' ';
    }
    sanitize::line(c.encode_utf8(&mut [0; 4])).chars().next().unwrap_or(' ')
}

/// `2 errors, 1 warning; needs NFD v0.18 or newer (operator Ge)`.
fn summary(report: &Report<'_>) -> String {
    let mut text = match (report.errors, report.warnings) {
        (0, 0) => "no errors, no warnings".to_owned(),
        (errors, 0) => counted(errors, "error"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
        }
    };
    let shown = report.findings.len();
    let all = report.errors + report.warnings;
    if shown < all {
        let _ = write!(text, ", of which {} are not shown", all - shown);
    }
    if let Some(needs) = report.needs {
        let _ = write!(text, "; needs {}", sanitize::line(&needs.to_string()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::*;
    use crate::spec::lint;

    fn rendered(document: &str, paint: Paint) -> String {
        let checked = lint::check(document.as_bytes());
        render(&Report::new("spec.yaml", &checked), document.as_bytes(), paint)
    }

    #[test]
    fn a_finding_shows_its_place() {
        let document = "version: v1alpha1\ncompatibilities:\n- description: d\n  rules:\n  - name: cpu\n    matchFeature: []\n";
        let expected = "\
error[unknown-field]: a rule has no field \"matchFeature\"
 --> spec.yaml:6:5
6 |     matchFeature: []
  |     ^^^^^^^^^^^^
  = rule: cpu
  = help: did you mean `matchFeatures`?

1 error
";
        assert_eq!(rendered(document, Paint::off()), expected);
    }

    #[test]
    fn escapes_of_the_document_do_not_reach_the_terminal() {
        let document = "compatibilities:\n- description: \"\\e[31m\"\n  \"\\e[2J\": x\n";
        let plain = rendered(document, Paint::off());
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let document =
            format!("compatibilities: [{}{{rules: 5}}]\n", "{rules: [{name: x}]}, ".repeat(50));
        let text = rendered(&document, Paint::off());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 60), "{text}");
        assert!(text.contains("\n  | ") && text.contains("^\n"), "{text}");
    }
}
