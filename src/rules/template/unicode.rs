//! Go's view of bytes as characters: its character classes, its simple case mapping, and its reading of broken UTF-8.
//!
//! Used by the lexer and by every function on strings. Rust's own classes differ (`is_alphabetic` is wider than
//! `unicode.IsLetter`, `to_uppercase` may give several characters), so the classes come from the Unicode tables of
//! `regex-syntax`, once. Rule: Go packages `unicode`, `unicode/utf8` and `strconv.IsPrint`.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// The character Go puts in the place of a byte that is not UTF-8.
pub const REPLACEMENT: char = '\u{FFFD}';

struct CharacterClass(ClassUnicode);

impl CharacterClass {
    /// A pattern that is no class gives the empty class; the tests below show that none of ours is.
    fn new(pattern: &str) -> CharacterClass {
        let class = match regex_syntax::parse(pattern).map(|hir| hir.into_kind()) {
            Ok(HirKind::Class(Class::Unicode(class))) => class,
            _ => ClassUnicode::empty(),
        };
        CharacterClass(class)
    }

    fn contains(&self, c: char) -> bool {
        self.0
            .ranges()
            .binary_search_by(|range| {
                if range.end() < c {
                    std::cmp::Ordering::Less
                } else if range.start() > c {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Equal
                }
            })
            .is_ok()
    }
}

static LETTER: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{L}"));
static DIGIT: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{Nd}"));
static NUMBER: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{N}"));
static UPPER: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{Lu}"));
static LOWER: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{Ll}"));
static TITLE: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{Lt}"));
static PUNCTUATION: LazyLock<CharacterClass> = LazyLock::new(|| CharacterClass::new(r"\p{P}"));
static PRINT: LazyLock<CharacterClass> =
    LazyLock::new(|| CharacterClass::new(r"[\p{L}\p{M}\p{N}\p{P}\p{S}]"));

/// `unicode.IsLetter`
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { LETTER.contains(c) }
}

/// `unicode.IsDigit`
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { DIGIT.contains(c) }
}

/// `unicode.IsNumber`
pub fn is_number(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { NUMBER.contains(c) }
}

/// `unicode.IsUpper`
pub fn is_upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { UPPER.contains(c) }
}

/// `unicode.IsLower`
pub fn is_lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { LOWER.contains(c) }
}

/// `unicode.IsTitle`
pub fn is_title(c: char) -> bool {
    !c.is_ascii() && TITLE.contains(c)
}

/// `unicode.IsPunct`
pub fn is_punctuation(c: char) -> bool {
    PUNCTUATION.contains(c)
}

/// `unicode.IsPrint` and `strconv.IsPrint`: visible, or the ASCII space.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() { (' '..='~').contains(&c) } else { PRINT.contains(c) }
}

/// `unicode.IsSpace`
pub fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// What may be part of a name in an action.
pub fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

/// `unicode.ToUpper`: one character for one character.
pub fn to_upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => greek_with_iota(c),
    }
}

/// Letters with iota subscript have a one-character capital that full mapping does not give.
fn greek_with_iota(c: char) -> char {
    let code = u32::from(c);
    let shifted = match code {
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => code + 8,
        0x1FB3 | 0x1FC3 | 0x1FF3 => code + 9,
        _ => code,
    };
    char::from_u32(shifted).unwrap_or(c)
}

/// `unicode.ToLower`: one character for one character.
pub fn to_lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// `unicode.ToTitle`
pub fn to_title(c: char) -> char {
    match c {
        '\u{01C4}'..='\u{01C6}' => '\u{01C5}',
        '\u{01C7}'..='\u{01C9}' => '\u{01C8}',
        '\u{01CA}'..='\u{01CC}' => '\u{01CB}',
        '\u{01F1}'..='\u{01F3}' => '\u{01F2}',
        '\u{10D0}'..='\u{10FF}' => c,
        _ => to_upper(c),
    }
}

/// `utf8.DecodeRune`: the first character and its length; a broken one is [`REPLACEMENT`] of length 1. `None` at the end.
pub fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    for length in 2..=4 {
        let decoded = bytes.get(..length).and_then(|head| std::str::from_utf8(head).ok());
        if let Some(c) = decoded.and_then(|text| text.chars().next()) {
            return Some((c, length));
        }
    }
    Some((REPLACEMENT, 1))
}

/// The characters of `bytes` with offset and length.
pub fn characters(bytes: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (c, length) = decode(bytes.get(offset..)?)?;
        let start = offset;
        offset += length;
        Some((start, c, length))
    })
}

/// `utf8.RuneCount`
pub fn count(bytes: &[u8]) -> usize {
    characters(bytes).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_go_s() {
        assert!(is_letter('é') && !is_letter('\u{0345}'));
        assert!(is_digit('٣') && !is_digit('½') && is_number('½'));
        assert!(is_upper('É') && is_lower('é') && is_title('ǅ'));
        assert!(is_punctuation('¿') && !is_punctuation('$'));
        assert!(is_print('€') && !is_print('\u{00A0}') && !is_print('\u{200B}'));
    }

    #[test]
    fn case_is_mapped_one_to_one() {
        assert_eq!(to_upper('ß'), 'ß');
        assert_eq!(to_upper('ᾳ'), 'ᾼ');
        assert_eq!(to_lower('İ'), 'i');
        assert_eq!(to_title('ǆ'), 'ǅ');
    }

    #[test]
    fn broken_utf8_is_read_byte_by_byte() {
        let read: Vec<(char, usize)> = characters(b"a\xe2\x82z").map(|(_, c, n)| (c, n)).collect();
        assert_eq!(read, [('a', 1), (REPLACEMENT, 1), (REPLACEMENT, 1), ('z', 1)]);
    }
}
