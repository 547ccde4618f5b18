//! Patterns against Go: `tests/data/nfd/patterns.json` has what Go's `regexp` makes of each of some hundred patterns,
//! on the same texts. `PATTERNS=FILE` adds a file of the same form, for longer runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use imgcompat::rules::{Pattern, PatternError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<String>,
    patterns: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    pattern: String,
    error: Option<String>,
    #[serde(default, rename = "match")]
    matches: Vec<usize>,
}

fn reference(path: &str) -> Reference {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What is wrong with our answer for a case, if anything.
fn difference(case: &Case, texts: &[String]) -> Option<String> {
    let pattern = match (Pattern::new(&case.pattern), &case.error) {
        (Ok(pattern), None) => pattern,
        (Err(_), Some(_)) => return None,
        (Ok(_), Some(error)) => return Some(format!("accepted; Go says {error}")),
        (Err(error), None) => return Some(format!("refused ({error}); Go accepts it")),
    };
    let ours: Vec<usize> =
        (0..texts.len()).filter(|index| pattern.is_match(&texts[*index])).collect();
    (ours != case.matches).then(|| format!("matches {ours:?}; for Go it is {:?}", case.matches))
}

#[test]
fn patterns_mean_what_they_mean_in_go() {
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nfd/patterns.json").to_owned();
    for path in [Some(recorded), std::env::var("PATTERNS").ok()].into_iter().flatten() {
        let reference = reference(&path);
        assert!(reference.patterns.len() > 500);
        let differences: Vec<String> = reference
            .patterns
            .iter()
            .filter_map(|case| Some((case, difference(case, &reference.texts)?)))
            .map(|(case, difference)| format!("{:?}: {difference}", case.pattern))
            .collect();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let table = [
        ("a(", "missing closing ): `a(` (byte 0)"),
        ("a)", "unexpected ): `)` (byte 1)"),
        ("x[b-a]", "invalid character class range: `b-a` (byte 2)"),
        ("fo++", "invalid nested repetition operator: `+` (byte 3)"),
        ("*", "missing argument to repetition operator: `*` (byte 0)"),
        ("a{1001}", "invalid repeat count: `{1001}` (byte 1)"),
        ("(?=f)", "invalid or unsupported Perl syntax: `(?=` (byte 0)"),
        ("f\\Z", "invalid escape sequence: `\\Z` (byte 1)"),
        ("f\\", "trailing backslash at end of expression: `\\` (byte 1)"),
        ("[a", "missing closing ]: `[a` (byte 0)"),
    ];
    for (pattern, message) in table {
        let error = Pattern::new(pattern).unwrap_err().to_string();
        assert_eq!(error, format!("{message}; patterns are RE2 syntax, as in Go"), "{pattern}");
    }
}

#[test]
fn bombs_are_refused_and_searches_take_linear_time() {
    assert_eq!(Pattern::new(&"a".repeat(70_000)).unwrap_err(), PatternError::TooLong(70_000));
    let large = [r"\pL{1000}".to_owned(), format!("(?:{}){{1000}}", "ab".repeat(30_000))];
    for pattern in large.iter().chain([&r"[^\pL\pN]\PL".repeat(5_000)]) {
        assert_eq!(Pattern::new(pattern).unwrap_err(), PatternError::TooLarge, "{pattern:.20}");
    }
    let many_folds = r"(?i)".to_owned() + &r"[\x{41}-\x{1E000}]".repeat(3_000);
    assert_eq!(Pattern::new(&many_folds).unwrap_err(), PatternError::TooLarge);
    assert!(Pattern::new(&"(".repeat(60_000)).unwrap_err().to_string().len() < 200);
    let nested = format!("{}a{}", "(?:a".repeat(499), ")*".repeat(499));
    assert!(Pattern::new(&nested).unwrap().is_match("b"));
    // Exponential for a backtracking engine.
    let pattern = Pattern::new("^(a|a)*(a|a)*(a|a)*b$").unwrap();
    assert!(!pattern.is_match(&"a".repeat(20_000)));
}
