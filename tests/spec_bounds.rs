//! Decoding what a stranger wrote: it never panics, always ends, and what is built to explode is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use imgcompat::spec::decode;
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../examples/dpdk.yaml");

fn code(document: &str) -> String {
    match decode(document.as_bytes()) {
        Ok(_) => "decoded".to_owned(),
        Err(invalid) => invalid.errors[0].code.clone(),
    }
}

/// `levels` anchors, each of which uses the one before `width` times.
fn alias_bomb(levels: usize, width: usize) -> String {
    let mut document = "a0: &a0 [x]\n".to_owned();
    for level in 1..=levels {
        let uses = vec![format!("*a{}", level - 1); width].join(", ");
        document.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    document
}

#[test]
fn bombs_are_refused() {
    let long = "x".repeat(500_000);
    let nested = (1..10_000).fold("a0: &a0 [x]\n".to_owned(), |document, level| {
        document + &format!("a{level}: &a{level} [*a{}]\n", level - 1)
    });
    let blocks: String = (0..1_400).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let table = [
        ("a billion laughs", alias_bomb(9, 10), "too-large"),
        ("aliases nested 10,000 deep", nested, "too-deep"),
        (
            "a long text used often",
            format!("a: &a {long}\nb: [{}]\n", "*a,".repeat(1_000)),
            "too-large",
        ),
        ("a million brackets", "[".repeat(1_000_000), "too-large"),
        ("ten thousand brackets", "[".repeat(10_000), "too-deep"),
        ("braces", "{a: ".repeat(20_000), "too-deep"),
        ("brackets in JSON", "{\"a\":".repeat(200_000), "too-deep"),
        ("block levels", blocks, "too-deep"),
        ("block lists", "- ".repeat(40_000), "too-deep"),
        ("a list that contains itself", "a: &a [*a]\n".to_owned(), "endless-alias"),
        (
            "many rules",
            format!("compatibilities:\n- rules:\n{}", "  - {}\n".repeat(140_000)),
            "too-large",
        ),
        (
            "too many nodes",
            format!("a:\n{}", "- {a,a,a,a,a,a,a,a,a,a,a}\n".repeat(40_000)),
            "too-large",
        ),
        ("more than a MiB", " ".repeat((1 << 20) + 1), "too-large"),
        ("a key of a million characters", format!("{}: a", "k".repeat(1_000_000)), "too-large"),
    ];
    for (name, document, expected) in table {
        assert_eq!(code(&document), expected, "{name}");
    }
}

#[test]
fn merges_of_merges_are_counted() {
    let mut document = "m0: &m0 {a: b}\n".to_owned();
    for level in 1..12 {
        let uses = vec![format!("*m{}", level - 1); 8].join(", ");
        document.push_str(&format!("m{level}: &m{level} {{<<: [{uses}]}}\n"));
    }
    assert_eq!(code(&document), "too-large");
}

#[test]
fn a_large_document_decodes() {
    let mut document = "version: v1alpha1\ncompatibilities:\n- rules:\n".to_owned();
    for rule in 0..830 {
        document.push_str(&format!(
            "  - {{name: r{rule}, matchFeatures: [{{feature: f, matchExpressions: {{"
        ));
        for element in 0..60 {
            document.push_str(&format!("e{element}: {{op: Exists}}, "));
        }
        document.push_str("}}]}\n");
    }
    let decoded = decode(document.as_bytes()).unwrap();
    assert_eq!(decoded.specification.compatibilities[0].rules.len(), 830);
    assert!(document.len() > 850_000);
}

#[test]
fn errors_are_capped() {
    let document = format!("compatibilities:\n{}", "- {nam: x}\n".repeat(50_000));
    let invalid = decode(document.as_bytes()).unwrap_err();
    assert_eq!(invalid.errors.len(), 50);
    assert!(invalid.omitted > 0);
    let message = invalid.to_string();
    assert!(message.contains("more errors") && !message.contains('\n'), "{message}");
}

/// Pieces that YAML gives a meaning to.
const PIECES: &[&str] = &[
    "'",
    "\"",
    ": ",
    ":",
    "- ",
    "\n",
    "  ",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!!int ",
    "!<",
    "#",
    " #",
    "|\n",
    ">-\n",
    "? ",
    "~",
    "y",
    "0200",
    "1e3",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "%TAG ! x\n",
    "@",
    "\\",
    "\\u",
    "\r\n",
    "\r",
    "é",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\0",
    "\u{1b}",
    "value",
    "op: ",
    "rules",
    "compatibilities:\n",
    "version: v1alpha1\n",
    "matchFeatures:\n",
];

fn piece() -> impl Strategy<Value = &'static str> {
    (0..PIECES.len()).prop_map(|index| PIECES[index])
}

/// Places inside the document, for whatever is found.
fn has_places(document: &[u8]) -> bool {
    let (errors, warnings) = match decode(document) {
        Ok(decoded) => (Vec::new(), decoded.warnings),
        Err(invalid) => (invalid.errors, invalid.warnings),
    };
    let lines =
        String::from_utf8_lossy(document).split(['\n', '\r', '\u{85}', '\u{2028}']).count() as u32;
    errors.iter().chain(&warnings).all(|finding| {
        (1..=lines + 1).contains(&finding.position.line) && finding.position.column >= 1
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(has_places(&bytes));
    }

    #[test]
    fn yaml_like_text_is_survived(pieces in prop::collection::vec(piece(), 0..60)) {
        prop_assert!(has_places(pieces.concat().as_bytes()));
    }

    #[test]
    fn damaged_specifications_are_survived(
        cuts in prop::collection::vec((0..EXAMPLE.len(), 0..EXAMPLE.len(), piece()), 1..4),
    ) {
        let mut document = EXAMPLE.as_bytes().to_vec();
        for (at, len, piece) in cuts {
            let start = at.min(document.len());
            let end = (start + len % 24).min(document.len());
            document.splice(start..end, piece.bytes());
        }
        prop_assert!(has_places(&document));
    }
}
