//! The one place where foreign text becomes printable.
//!
//! What an image author, a registry or a container's creator wrote reaches terminals, logs and engines' error
//! messages. Control characters, escape sequences, and characters that reorder or hide text are removed; and the
//! phrases by which podman re-interprets a runtime's error are broken up, so that nobody's text turns "refused"
//! into "file not found" (podman `libpod/oci_util.go`, `libpod/define/exec_codes.go`).

/// Phrases that podman looks for in a runtime's error, in lower case.
const PODMAN_PHRASES: [&str; 7] = [
    "permission denied",
    "operation not permitted",
    "executable file not found",
    "no such file or directory",
    "open executable",
    "no such file",
    "not found",
];

/// One line without control, formatting or invisible characters; white space becomes single spaces.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if is_printable(c) {
            clean.push(c);
        } else {
            clean.push('\u{fffd}');
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// A [`line()`] of at most `limit` bytes; what is cut is marked by `…`.
pub fn bounded_line(text: &str, limit: usize) -> String {
    if text.len() <= limit && is_plain(text) {
        return text.to_owned();
    }
    // A hostile text may be long; nothing beyond four bytes a wanted byte can matter.
    let near: String = text.chars().take(limit.saturating_mul(2)).collect();
    let clean = line(&near);
    if clean.len() <= limit {
        return clean;
    }
    let mut cut = limit.saturating_sub('…'.len_utf8());
    while !clean.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}…", clean.get(..cut).unwrap_or_default())
}

/// True for what nearly all text is and [`line()`] leaves as it is: ASCII without control characters, and single spaces
/// of which none is the last.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.ends_with(' ')
        && !bytes.windows(2).any(|pair| pair == b"  ")
}

/// A line for an engine's error channel: podman's phrases keep their letters but not their spaces.
pub fn for_engine(text: &str) -> String {
    let mut result = text.to_owned();
    for phrase in PODMAN_PHRASES {
        let mut from = 0;
        while let Some(at) = find_ignore_case(&result, phrase, from) {
            let end = at + phrase.len();
            let broken = result.get(at..end).unwrap_or_default().replace(' ', "_");
            result.replace_range(at..end, &broken);
            from = end;
        }
    }
    result
}

fn find_ignore_case(text: &str, phrase: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(from..)?;
    let mut windows = bytes.windows(phrase.len());
    windows.position(|window| window.eq_ignore_ascii_case(phrase.as_bytes())).map(|at| at + from)
}

/// Everything but control characters, and the format characters that hide or reorder text.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_controls_and_invisible_characters_do_not_survive() {
        let table = [
            ("plain text", "plain text"),
            ("a\x1b[31mred\x1b[0m", "a\u{fffd}[31mred\u{fffd}[0m"),
            ("one\ntwo\r\n\tthree  ", "one two three"),
            ("evil\u{202e}txt", "evil\u{fffd}txt"),
            ("zero\u{200b}width\u{e0041}", "zero\u{fffd}width\u{fffd}"),
            ("bell\x07 del\x7f c1\u{9b}", "bell\u{fffd} del\u{fffd} c1\u{fffd}"),
            ("Umlaut äöü 漢字", "Umlaut äöü 漢字"),
        ];
        for (text, expected) in table {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn what_is_left_as_it_is_is_what_a_line_leaves_as_it_is() {
        for text in
            ["", " ", "a", "a b", " a", "a ", "a  b", "a\tb", "a~\x7f", "\u{e9}", "a\u{202e}"]
        {
            assert!(!is_plain(text) || line(text) == text, "{text:?}");
            assert_eq!(bounded_line(text, 100), line(text), "{text:?}");
        }
    }

    #[test]
    fn lines_are_cut_at_characters() {
        assert_eq!(bounded_line("äöü", 6), "äöü");
        assert_eq!(bounded_line("äöüä", 6), "ä…");
        assert!(bounded_line(&"x".repeat(1 << 20), 64).len() <= 64);
    }

    #[test]
    fn podman_does_not_recognise_its_phrases() {
        for phrase in PODMAN_PHRASES {
            let text = format!("rule {} and {}", phrase, phrase.to_uppercase());
            let clean = for_engine(&text);
            for phrase in PODMAN_PHRASES {
                assert!(!clean.to_lowercase().contains(phrase), "{clean}");
            }
        }
        assert_eq!(for_engine("Module not FOUND"), "Module not_FOUND");
    }
}
