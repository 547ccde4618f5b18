//! Numbers: integers in every base, code points, and floats.
//!
//! Rule: Go package `fmt` (`format.go`, fmtInteger, fmtUnicode, fmtFloat).

use super::super::quote::quote_character;
use super::super::value::{Fault, Value};
use super::super::{float, unicode};
use super::Printer;

/// An integer of any of Go's types.
pub(super) struct Integer {
    magnitude: u64,
    negative: bool,
    signed: bool,
}

impl Integer {
    pub(super) fn signed(number: i64) -> Self {
        Integer { magnitude: number.unsigned_abs(), negative: number < 0, signed: true }
    }

    pub(super) fn unsigned(magnitude: u64) -> Self {
        Integer { magnitude, negative: false, signed: false }
    }
}

impl Printer<'_> {
    pub(super) fn integer(
        &mut self,
        integer: Integer,
        verb: char,
        value: &Value,
    ) -> Result<(), Fault> {
        let Integer { magnitude, negative, signed } = integer;
        let two_s_complement = if negative { magnitude.wrapping_neg() } else { magnitude };
        match verb {
            'v' if self.flags.go_syntax && !signed => {
                self.digits(format!("0x{magnitude:x}"), false, 'v')
            }
            'v' | 'd' => self.digits(magnitude.to_string(), negative, verb),
            'b' => self.digits(format!("{magnitude:b}"), negative, verb),
            'o' | 'O' => self.digits(format!("{magnitude:o}"), negative, verb),
            'x' => self.digits(format!("{magnitude:x}"), negative, verb),
            'X' => self.digits(format!("{magnitude:X}"), negative, verb),
            'c' => self.pad(character(two_s_complement).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let quoted = quote_character(character(two_s_complement), self.flags.plus);
                self.pad(quoted.as_bytes())
            }
            'U' => self.code_point(two_s_complement),
            _ => self.bad_verb(value, verb),
        }
    }

    /// Digits with leading zeros, base prefix and sign.
    fn digits(&mut self, digits: String, negative: bool, verb: char) -> Result<(), Fault> {
        let flags = self.flags.clone();
        let mut wanted = 0;
        if let Some(precision) = flags.precision {
            if precision == 0 && digits == "0" {
                return self.pad_with_spaces(b"");
            }
            wanted = precision;
        } else if flags.zero && !flags.minus {
            let sign = usize::from(negative || flags.plus || flags.space);
            wanted = flags.width.map_or(0, |width| width.saturating_sub(sign));
        }
        let zeros = wanted.saturating_sub(digits.len());
        self.heap.charge(zeros)?;
        let mut body = "0".repeat(zeros) + &digits;
        let prefix = match verb {
            'O' => "0o",
            'b' if flags.sharp => "0b",
            'o' if flags.sharp && !body.starts_with('0') => "0",
            'x' if flags.sharp => "0x",
            'X' if flags.sharp => "0X",
            _ => "",
        };
        if verb == 'O' && flags.sharp && !body.starts_with('0') {
            body.insert(0, '0');
        }
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        };
        self.pad_with_spaces(format!("{sign}{prefix}{body}").as_bytes())
    }

    fn code_point(&mut self, code: u64) -> Result<(), Fault> {
        let precision = self.flags.precision.map_or(4, |precision| precision.max(4));
        self.heap.charge(precision)?;
        let digits = format!("{code:X}");
        let zeros = "0".repeat(precision.saturating_sub(digits.len()));
        let mut text = format!("U+{zeros}{digits}");
        let visible = u32::try_from(code).ok().and_then(char::from_u32);
        if let Some(c) = visible.filter(|c| self.flags.sharp && unicode::is_print(*c)) {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with_spaces(text.as_bytes())
    }

    pub(super) fn float(&mut self, number: f64, verb: char, value: &Value) -> Result<(), Fault> {
        let (verb, default) = match verb {
            'v' => ('g', None),
            'g' | 'G' => (verb, None),
            'f' | 'e' | 'E' => (verb, Some(6)),
            'F' => ('f', Some(6)),
            'b' | 'x' | 'X' => return Err(Fault::Unsupported("printf of a float as %b, %x or %X")),
            _ => return self.bad_verb(value, verb),
        };
        let precision = self.flags.precision.or(default);
        self.heap.charge(precision.unwrap_or(0))?;
        let text = float::format(number, verb, precision);
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ('-', rest.to_owned()),
            None => ('+', text.strip_prefix('+').unwrap_or(&text).to_owned()),
        };
        let sign = if self.flags.space && sign == '+' && !self.flags.plus { ' ' } else { sign };
        if !number.is_finite() {
            return self.infinite(sign, &text, number.is_nan());
        }
        let text = if self.flags.sharp { keep_zeros(text, verb, precision) } else { text };
        self.signed_float(sign, &text)
    }

    fn infinite(&mut self, sign: char, text: &str, nan: bool) -> Result<(), Fault> {
        let shows = !nan || self.flags.space || self.flags.plus;
        let text = if shows { format!("{sign}{text}") } else { text.to_owned() };
        self.pad_with_spaces(text.as_bytes())
    }

    fn signed_float(&mut self, sign: char, text: &str) -> Result<(), Fault> {
        if sign == '+' && !self.flags.plus {
            return self.pad(text.as_bytes());
        }
        let width = self.flags.width.unwrap_or(0);
        if self.flags.zero && !self.flags.minus && width > text.len() + 1 {
            self.out.push_char(sign)?;
            self.padding(width - text.len() - 1)?;
            return self.out.push(text.as_bytes());
        }
        self.pad(format!("{sign}{text}").as_bytes())
    }
}

/// `%#g` keeps the point and the zeros that `%g` drops.
fn keep_zeros(text: String, verb: char, precision: Option<usize>) -> String {
    let (mut number, tail) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at).unwrap_or("").to_owned(), text.get(at..).unwrap_or("")),
        None => (text.clone(), ""),
    };
    let mut digits = match verb {
        'g' | 'G' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let significant = number.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit);
    digits -= significant.count() as i64;
    if !number.contains('.') {
        if number == "0" {
            digits -= 1;
        }
        number.push('.');
    }
    number.extend(std::iter::repeat_n('0', usize::try_from(digits).unwrap_or(0)));
    number + tail
}

fn character(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(unicode::REPLACEMENT)
}
