//! Go's formatted printing: `print`, `println`, `printf`, and the text of every value an action prints.
//!
//! Rule: Go package `fmt` (`print.go`, `format.go`): flags `+ - # 0 space`, width, precision, `*`, `[n]`, and its marks
//! for mistakes (`%!d(string=x)`), which are output, not errors. Addresses (`%p`) are refused, because they differ
//! from run to run.

mod format;
mod number;

use format::Format;
use number::Integer;

use super::heap::{Builder, Heap};
use super::quote::{can_backquote, quote};
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
    Format::new(format, values).run(&mut printer)?;
    printer.out.finish()
}

/// The text of one value, as `{{value}}` prints it.
pub fn text_of(heap: &Heap, value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Text(_) => Ok(value.clone()),
        _ => print(heap, std::slice::from_ref(value)),
    }
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
                self.integer(Integer::signed(*number), verb, value)
            }
            Value::Uint8(number) => {
                self.integer(Integer::unsigned(u64::from(*number)), verb, value)
            }
            Value::Uint64(number) => self.integer(Integer::unsigned(*number), verb, value),
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
}
