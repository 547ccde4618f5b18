//! Writes strings and characters as Go source, as `%q` does.
//!
//! Rule: `strconv.Quote`, `QuoteToASCII`, `QuoteRune`, `CanBackquote`.

use super::unicode::{REPLACEMENT, characters, is_print};

/// `strconv.Quote`, or `QuoteToASCII`.
pub fn quote(bytes: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for (start, c, length) in characters(bytes) {
        match bytes.get(start) {
            Some(byte) if c == REPLACEMENT && length == 1 => {
                out.push_str(&format!("\\x{byte:02x}"))
            }
            _ => escape(&mut out, c, '"', ascii),
        }
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune`, or `QuoteRuneToASCII`.
pub fn quote_character(c: char, ascii: bool) -> String {
    let mut out = String::from("'");
    escape(&mut out, c, '\'', ascii);
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    match c {
        c if c == quote || c == '\\' => out.extend(['\\', c]),
        c if is_print(c) && (c.is_ascii() || !ascii) => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// `strconv.CanBackquote`
pub fn can_backquote(bytes: &[u8]) -> bool {
    characters(bytes).all(|(_, c, length)| {
        let broken = c == REPLACEMENT && length == 1;
        let control = (c < ' ' && c != '\t') || c == '\x7f';
        !broken && !control && c != '`' && c != '\u{FEFF}'
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_source() {
        assert_eq!(quote("a\"\n\u{1}é\u{200b}".as_bytes(), false), "\"a\\\"\\n\\x01é\\u200b\"");
        assert_eq!(quote("é🦀".as_bytes(), true), "\"\\u00e9\\U0001f980\"");
        assert_eq!(quote(b"\xff", false), "\"\\xff\"");
        assert_eq!(quote_character('\'', false), "'\\''");
    }
}
