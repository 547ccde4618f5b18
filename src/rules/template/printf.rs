//! Go's formatted printing: `print`, `println`, `printf`, and the text of every value an action prints.
//!
//! Rule: Go package `fmt` (`print.go`, `format.go`): flags `+ - # 0 space`, width, precision, `*`, `[n]`, and its marks
//! for mistakes (`%!d(string=x)`), which are output, not errors. Addresses (`%p`) are refused, because they differ
//! from run to run.

use super::float;
use super::heap::{Builder, Heap};
use super::quote::{can_backquote, quote, quote_character};
use super::unicode;
use super::value::{Fault, List, Map, Value};
use crate::limits;

/// The largest width and precision of Go; beyond it is a mistake in the format.
const WIDEST: i64 = 1_000_000;

#[derive(Clone, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    go_syntax: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'h> {
    heap: &'h Heap,
    out: Builder<'h>,
    flags: Flags,
}

/// `fmt.Sprint`: spaces between operands when neither is a string.
pub fn print(heap: &Heap, values: &[Value]) -> Result<Value, Fault> {
    let mut printer = Printer::new(heap);
    let mut previous_string = false;
    for (index, value) in values.iter().enumerate() {
        let is_string = matches!(value, Value::Text(_));
        if index > 0 && !is_string && !previous_string {
            printer.out.push(b" ")?;
        }
        printer.argument(value, 'v')?;
        previous_string = is_string;
    }
    printer.out.finish()
}

/// `fmt.Sprintln`: spaces between all operands, then a newline.
pub fn println(heap: &Heap, values: &[Value]) -> Result<Value, Fault> {
    let mut printer = Printer::new(heap);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(b" ")?;
        }
        printer.argument(value, 'v')?;
    }
    printer.out.push(b"\n")?;
    printer.out.finish()
}

/// `fmt.Sprintf`
pub fn printf(heap: &Heap, format: &[u8], values: &[Value]) -> Result<Value, Fault> {
    let mut printer = Printer::new(heap);
    Format { bytes: format, position: 0, values, argument: 0, reordered: false, good: true }
        .run(&mut printer)?;
    printer.out.finish()
}

/// The text of one value, as `{{value}}` prints it.
pub fn text_of(heap: &Heap, value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Text(_) => Ok(value.clone()),
        _ => print(heap, std::slice::from_ref(value)),
    }
}

/// A format string and how far it is read.
struct Format<'a> {
    bytes: &'a [u8],
    position: usize,
    values: &'a [Value],
    argument: usize,
    reordered: bool,
    good: bool,
}

impl Format<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.position += 1;
        }
        found
    }

    fn run(&mut self, printer: &mut Printer<'_>) -> Result<(), Fault> {
        while let Some(rest) = self.bytes.get(self.position..).filter(|rest| !rest.is_empty()) {
            printer.heap.step(1)?;
            let plain = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            printer.out.push(rest.get(..plain).unwrap_or(&[]))?;
            self.position += plain;
            if self.accept(b'%') && !self.directive(printer)? {
                break;
            }
        }
        self.extra(printer)
    }

    /// One directive after its `%`; false when the format ends inside it.
    fn directive(&mut self, printer: &mut Printer<'_>) -> Result<bool, Fault> {
        printer.flags = Flags::default();
        self.good = true;
        self.flags(&mut printer.flags);
        let mut indexed = self.index();
        self.width(printer, &mut indexed)?;
        self.precision(printer, &mut indexed)?;
        if !indexed {
            self.index();
        }
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let Some((verb, length)) = unicode::decode(rest) else {
            printer.out.push(b"%!(NOVERB)")?;
            return Ok(false);
        };
        self.position += length;
        self.verb(printer, verb)?;
        Ok(true)
    }

    fn flags(&mut self, flags: &mut Flags) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => return,
            }
            self.position += 1;
        }
    }

    /// `[n]`, which selects the argument; true when a well-formed one was there.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let Some(close) = rest.iter().position(|byte| *byte == b']').filter(|_| rest.len() >= 3)
        else {
            self.position += 1;
            self.good = false;
            return false;
        };
        let digits = rest.get(1..close).unwrap_or(&[]);
        self.position += close + 1;
        let number = parse_number(digits).filter(|(_, used)| *used == digits.len());
        match number {
            Some((number, _)) if number >= 1 && number <= self.values.len() => {
                self.argument = number - 1;
                true
            }
            other => {
                self.good = false;
                other.is_some()
            }
        }
    }

    fn number(&mut self) -> Option<usize> {
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        match parse_number(rest) {
            Some((number, used)) => {
                self.position += used;
                Some(number)
            }
            None if rest.first().is_some_and(u8::is_ascii_digit) => {
                // A number beyond every width: Go gives up on the rest of the format.
                self.position = self.bytes.len();
                None
            }
            None => None,
        }
    }

    /// The next argument as a width or precision.
    fn star(&mut self) -> Option<i64> {
        let value = self.values.get(self.argument)?;
        self.argument += 1;
        let number = match value {
            Value::Int(number) | Value::Int64(number) => *number,
            Value::Uint8(number) => i64::from(*number),
            Value::Uint64(number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-WIDEST..=WIDEST).contains(&number).then_some(number)
    }

    fn width(&mut self, printer: &mut Printer<'_>, indexed: &mut bool) -> Result<(), Fault> {
        if !self.accept(b'*') {
            printer.flags.width = self.number();
            if *indexed && printer.flags.width.is_some() {
                self.good = false;
            }
            return Ok(());
        }
        *indexed = false;
        match self.star() {
            None => printer.out.push(b"%!(BADWIDTH)")?,
            Some(width) => {
                printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                if width < 0 {
                    printer.flags.minus = true;
                    printer.flags.zero = false;
                }
            }
        }
        Ok(())
    }

    fn precision(&mut self, printer: &mut Printer<'_>, indexed: &mut bool) -> Result<(), Fault> {
        if self.position + 1 >= self.bytes.len() || !self.accept(b'.') {
            return Ok(());
        }
        if *indexed {
            self.good = false;
        }
        *indexed = self.index();
        if !self.accept(b'*') {
            printer.flags.precision = Some(self.number().unwrap_or(0));
            return Ok(());
        }
        *indexed = false;
        let precision = self.star().and_then(|number| usize::try_from(number).ok());
        if precision.is_none() {
            printer.out.push(b"%!(BADPREC)")?;
        }
        printer.flags.precision = precision;
        Ok(())
    }

    fn verb(&mut self, printer: &mut Printer<'_>, verb: char) -> Result<(), Fault> {
        if verb == '%' {
            return printer.out.push(b"%");
        }
        let value = self.values.get(self.argument);
        match value {
            _ if !self.good => printer.mistake(verb, "(BADINDEX)"),
            None => printer.mistake(verb, "(MISSING)"),
            Some(value) => {
                if verb == 'v' || verb == 'w' {
                    printer.flags.go_syntax = std::mem::take(&mut printer.flags.sharp);
                    printer.flags.plus = false;
                }
                self.argument += 1;
                printer.argument(value, verb)
            }
        }
    }

    /// Arguments the format did not use are named at its end.
    fn extra(&mut self, printer: &mut Printer<'_>) -> Result<(), Fault> {
        let left = self.values.get(self.argument..).unwrap_or(&[]);
        if self.reordered || left.is_empty() {
            return Ok(());
        }
        printer.flags = Flags::default();
        printer.out.push(b"%!(EXTRA ")?;
        for (index, value) in left.iter().enumerate() {
            if index > 0 {
                printer.out.push(b", ")?;
            }
            printer.typed(value)?;
        }
        printer.out.push(b")")
    }
}

/// The number at the start of `bytes` and its length.
fn parse_number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0usize;
    let mut used = 0;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        if number > WIDEST as usize {
            return None;
        }
        number = number * 10 + usize::from(byte - b'0');
        used += 1;
    }
    (used > 0).then_some((number, used))
}

impl<'h> Printer<'h> {
    fn new(heap: &'h Heap) -> Printer<'h> {
        Printer { heap, out: heap.builder(), flags: Flags::default() }
    }

    fn mistake(&mut self, verb: char, what: &str) -> Result<(), Fault> {
        self.out.push(format!("%!{verb}{what}").as_bytes())
    }

    /// `type=value`
    fn typed(&mut self, value: &Value) -> Result<(), Fault> {
        if matches!(value, Value::Nil) {
            return self.out.push(b"<nil>");
        }
        self.out.push(value.type_name().as_bytes())?;
        self.out.push(b"=")?;
        self.value(value, 'v', 0)
    }

    fn bad_verb(&mut self, value: &Value, verb: char) -> Result<(), Fault> {
        self.out.push(format!("%!{verb}(").as_bytes())?;
        self.typed(value)?;
        self.out.push(b")")
    }

    fn argument(&mut self, value: &Value, verb: char) -> Result<(), Fault> {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.string(value.type_name().as_bytes(), 's', value),
            (Value::List(_) | Value::Map(_) | Value::Version(_), 'p') => {
                Err(Fault::Unsupported("printf %p"))
            }
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Fault> {
        self.heap.step(1)?;
        if depth > limits::TEMPLATE_VALUE_DEPTH {
            return Err(Fault::Limit("values inside values", limits::TEMPLATE_VALUE_DEPTH));
        }
        match value {
            Value::Nil if self.flags.go_syntax => self.out.push(b"interface {}(nil)"),
            Value::Nil => self.out.push(b"<nil>"),
            Value::Bool(_) if verb != 't' && verb != 'v' => self.bad_verb(value, verb),
            Value::Bool(set) => self.pad(if *set { b"true" } else { b"false" }),
            Value::Int(number) | Value::Int64(number) => {
                self.integer(number.unsigned_abs(), *number < 0, true, verb, value)
            }
            Value::Uint8(number) => self.integer(u64::from(*number), false, false, verb, value),
            Value::Uint64(number) => self.integer(*number, false, false, verb, value),
            Value::Float(number) => self.float(*number, verb, value),
            Value::Text(text) => self.string(text, verb, value),
            Value::Version(_) if self.flags.go_syntax || !"vsqxX".contains(verb) => {
                Err(Fault::Unsupported("printf of a version's fields"))
            }
            Value::Version(version) => self.string(version.to_string().as_bytes(), verb, value),
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
        }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) -> Result<(), Fault> {
        let go_syntax = self.flags.go_syntax;
        if go_syntax {
            self.out.push(list.kind.to_string().as_bytes())?;
            if list.is_nil() {
                return self.out.push(b"(nil)");
            }
        }
        self.out.push(if go_syntax { b"{" } else { b"[" })?;
        for (index, item) in list.items().iter().enumerate() {
            if index > 0 {
                self.out.push(if go_syntax { b", " } else { b" " })?;
            }
            self.value(item, verb, depth + 1)?;
        }
        self.out.push(if go_syntax { b"}" } else { b"]" })
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) -> Result<(), Fault> {
        let go_syntax = self.flags.go_syntax;
        if go_syntax {
            self.out.push(map.kind().to_string().as_bytes())?;
            if map.is_nil() {
                return self.out.push(b"(nil)");
            }
        }
        self.out.push(if go_syntax { b"{" } else { b"map[" })?;
        for (index, (key, item)) in map.entries().iter().enumerate() {
            if index > 0 {
                self.out.push(if go_syntax { b", " } else { b" " })?;
            }
            self.value(&Value::Text(key.clone()), verb, depth + 1)?;
            self.out.push(b":")?;
            self.value(item, verb, depth + 1)?;
        }
        self.out.push(if go_syntax { b"}" } else { b"]" })
    }

    fn padding(&mut self, length: usize) -> Result<(), Fault> {
        let byte = if self.flags.zero && !self.flags.minus { b"0" } else { b" " };
        self.out.push_repeated(byte, length)
    }

    fn pad(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let missing = match self.flags.width {
            Some(width) => width.saturating_sub(unicode::count(bytes)),
            None => 0,
        };
        if self.flags.minus {
            self.out.push(bytes)?;
            return self.padding(missing);
        }
        self.padding(missing)?;
        self.out.push(bytes)
    }

    fn pad_with_spaces(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        let result = self.pad(bytes);
        self.flags.zero = zero;
        result
    }

    fn string(&mut self, text: &[u8], verb: char, value: &Value) -> Result<(), Fault> {
        match verb {
            'v' if !self.flags.go_syntax => self.pad(self.truncated(text)),
            's' => self.pad(self.truncated(text)),
            'v' | 'q' => {
                let text = self.truncated(text);
                let quoted = if self.flags.sharp && can_backquote(text) {
                    [b"`", text, b"`"].concat()
                } else {
                    quote(text, self.flags.plus).into_bytes()
                };
                self.pad(&quoted)
            }
            'x' => self.hex(text, b"0123456789abcdefx"),
            'X' => self.hex(text, b"0123456789ABCDEFX"),
            _ => self.bad_verb(value, verb),
        }
    }

    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let end = unicode::characters(text).nth(precision).map_or(text.len(), |(start, ..)| start);
        text.get(..end).unwrap_or(text)
    }

    fn hex(&mut self, text: &[u8], digits: &[u8; 17]) -> Result<(), Fault> {
        let length = self.flags.precision.map_or(text.len(), |limit| limit.min(text.len()));
        let text = text.get(..length).unwrap_or(text);
        if text.is_empty() {
            return self.padding(self.flags.width.unwrap_or(0));
        }
        let [.., x] = *digits;
        let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or(b'0');
        let mut encoded = Vec::with_capacity(text.len() * 5);
        for (index, byte) in text.iter().enumerate() {
            if self.flags.space && index > 0 {
                encoded.push(b' ');
            }
            if self.flags.sharp && (index == 0 || self.flags.space) {
                encoded.extend([b'0', x]);
            }
            encoded.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        self.pad(&encoded)
    }

    fn integer(
        &mut self,
        magnitude: u64,
        negative: bool,
        signed: bool,
        verb: char,
        value: &Value,
    ) -> Result<(), Fault> {
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

    fn float(&mut self, number: f64, verb: char, value: &Value) -> Result<(), Fault> {
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
