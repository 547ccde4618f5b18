//! The values of literals: numbers, strings, characters, and Go's conversions from text to numbers.
//!
//! Called by the parser for constants and by the conversion functions for values. Rules: Go `strconv` (`Unquote`,
//! `UnquoteChar`, `ParseInt` and `ParseUint` with base 0, `ParseFloat`) and `text/template/parse`, `newNumber`.

/// A numeric constant, which may be used as every type it fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Number {
    /// The value as `int`.
    pub int: Option<i64>,
    /// The value as unsigned integer.
    pub uint: Option<u64>,
    /// The value as `float64`.
    pub float: Option<f64>,
    /// Whether it is a `float64` where nothing asks for a type.
    pub is_float: bool,
}

/// Reads a number token; `None` when it is none.
pub fn number(text: &str) -> Option<Number> {
    let mut number =
        Number { int: parse_int(text, 0), uint: parse_uint(text, 0), ..Number::default() };
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    let looks_float = text.contains(['.', 'e', 'E', 'p', 'P']);
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else {
        let float = parse_float(text).filter(|_| looks_float)?;
        number.float = Some(float);
        number.int = Some(float as i64).filter(|int| *int as f64 == float);
        number.uint = Some(float as u64).filter(|uint| *uint as f64 == float);
    }
    number.is_float = looks_float && !is_hex_integer(text);
    Some(number)
}

fn is_hex_integer(text: &str) -> bool {
    text.len() > 2
        && (text.starts_with("0x") || text.starts_with("0X"))
        && !text.contains(['p', 'P'])
}

/// Reads a character constant, quotes included.
pub fn character(text: &str) -> Option<Number> {
    let inner = text.strip_prefix('\'')?;
    let (value, rest) = unescape(inner, '\'')?;
    if rest != "'" {
        return None;
    }
    let code = match value {
        Escaped::Byte(byte) => u32::from(byte),
        Escaped::Character(c) => u32::from(c),
    };
    Some(Number {
        int: Some(i64::from(code)),
        uint: Some(u64::from(code)),
        float: Some(f64::from(code)),
        is_float: false,
    })
}

enum Escaped {
    Byte(u8),
    Character(char),
}

/// `strconv.Unquote` for a string in double or back quotes, quotes included.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    if let Some(raw) = text.strip_prefix('`') {
        let raw = raw.strip_suffix('`')?;
        return Some(raw.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut rest = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    while rest != "\"" {
        let (value, after) = unescape(rest, '"')?;
        match value {
            Escaped::Byte(byte) => bytes.push(byte),
            Escaped::Character(c) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = after;
    }
    Some(bytes)
}

/// `strconv.UnquoteChar`
fn unescape(text: &str, quote: char) -> Option<(Escaped, &str)> {
    let mut chars = text.chars();
    match chars.next()? {
        c if c == quote || c == '\n' => None,
        '\\' => {
            let c = chars.next()?;
            escape(c, chars.as_str(), quote)
        }
        c => Some((Escaped::Character(c), chars.as_str())),
    }
}

fn escape(c: char, rest: &str, quote: char) -> Option<(Escaped, &str)> {
    let simple = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '\'' | '"' if c == quote => c as u8,
        'x' => return digits(rest, 2, 16).map(|(value, rest)| (Escaped::Byte(value as u8), rest)),
        'u' => return code_point(rest, 4),
        'U' => return code_point(rest, 8),
        '0'..='7' => return octal(c, rest),
        _ => return None,
    };
    Some((Escaped::Byte(simple), rest))
}

fn octal(first: char, rest: &str) -> Option<(Escaped, &str)> {
    let (value, rest) = digits(rest, 2, 8)?;
    let value = first.to_digit(8)? * 64 + value;
    Some((Escaped::Byte(u8::try_from(value).ok()?), rest))
}

fn code_point(rest: &str, length: usize) -> Option<(Escaped, &str)> {
    let (value, rest) = digits(rest, length, 16)?;
    Some((Escaped::Character(char::from_u32(value)?), rest))
}

fn digits(text: &str, length: usize, radix: u32) -> Option<(u32, &str)> {
    let head = text.get(..length)?;
    if !head.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(head, radix).ok()?, text.get(length..)?))
}

/// `strconv.ParseInt` for 64 bits; base 0 reads prefixes and underscores.
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = i128::from(parse_uint(magnitude, base)?);
    i64::try_from(if negative { -value } else { value }).ok()
}

/// `strconv.ParseUint` for 64 bits; base 0 reads prefixes and underscores.
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    let (radix, digits) = if base == 0 { split_prefix(text) } else { (base, text) };
    if base == 0 && !underscores_fit(text) {
        return None;
    }
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix) || (base == 0 && c == '_')) {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    u64::from_str_radix(&plain, radix).ok()
}

fn split_prefix(text: &str) -> (u32, &str) {
    let prefixes = [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)];
    for (prefix, radix) in prefixes {
        if let Some(rest) = text.strip_prefix(prefix) {
            return (radix, rest);
        }
    }
    match text.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => (8, rest),
        _ => (10, text),
    }
}

/// Underscores stand between digits only; a base prefix counts as a digit.
fn underscores_fit(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let hex = lower.starts_with("0x");
    let prefixed = hex || lower.starts_with("0b") || lower.starts_with("0o");
    let mut previous = if prefixed { '0' } else { '^' };
    for c in lower.chars().skip(if prefixed { 2 } else { 0 }) {
        let digit = c.is_ascii_digit() || (hex && c.is_ascii_hexdigit());
        let fits = match c {
            _ if digit => true,
            '_' => previous == '0',
            _ => previous != '_',
        };
        if !fits {
            return false;
        }
        previous = if digit { '0' } else { c };
    }
    previous != '_'
}

/// `strconv.ParseFloat` for 64 bits; a value out of range is none.
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        return parse_hex_float(text, unsigned);
    }
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity" | "nan") {
        return text.parse().ok();
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !underscores_fit(text) {
        return None;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    plain.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Hexadecimal floats; digits past the 60th bit are not rounded, which Go does.
fn parse_hex_float(text: &str, unsigned: &str) -> Option<f64> {
    if !underscores_fit(text) {
        return None;
    }
    let body = unsigned.get(2..)?.replace('_', "").to_ascii_lowercase();
    let (mantissa, exponent) = body.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent: i32 = exponent.parse().ok()?;
    if digits.len() > 15 || digits.is_empty() || exponent.abs() > 2000 {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let shift = exponent - 4 * i32::try_from(fraction.len()).ok()?;
    let scaled = value * 2f64.powi(shift);
    let signed = if text.starts_with('-') { -scaled } else { scaled };
    Some(signed).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_every_base_and_underscores() {
        let cases = [
            ("10", Some(10)),
            ("-0x1F", Some(-31)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("1_000", Some(1000)),
            ("0x_1", Some(1)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("089", None),
            ("", None),
            ("+", None),
            ("+-1", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_int(text, 0), value, "{text}");
        }
    }

    #[test]
    fn constants_are_floats_by_their_spelling() {
        assert!(number("1.0").unwrap().is_float);
        assert!(number("1e3").unwrap().is_float);
        assert!(!number("0x1E").unwrap().is_float);
        assert_eq!(number("1e3").unwrap().int, Some(1000));
        assert_eq!(number("99999999999999999999"), None);
    }

    #[test]
    fn strings_are_unquoted_as_in_go() {
        assert_eq!(unquote(r#""a\tb\x41\u00e9\377""#).unwrap(), b"a\tbA\xc3\xa9\xff");
        assert_eq!(unquote("`a\\n\r`").unwrap(), b"a\\n");
        assert_eq!(unquote(r#""\'""#), None);
        assert_eq!(unquote(r#""\ud800""#), None);
        assert_eq!(character(r"'\''").unwrap().int, Some(39));
        assert_eq!(character("'ab'"), None);
    }
}
