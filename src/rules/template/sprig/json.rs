//! JSON as Go writes and reads it.
//!
//! Rule: Go package `encoding/json`: keys sorted, `<`, `>` and `&` escaped unless asked otherwise, numbers read as floats,
//! broken UTF-8 replaced. Depth is bounded.

use std::rc::Rc;

use crate::limits;
use crate::rules::template::float;
use crate::rules::template::heap::{Builder, Heap};
use crate::rules::template::literal::parse_float;
use crate::rules::template::unicode::{REPLACEMENT, characters};
use crate::rules::template::value::{Entries, Fault, Value, failed};

/// How JSON is written.
#[derive(Clone, Copy)]
pub struct Style {
    /// On several lines, indented by two spaces.
    pub pretty: bool,
    /// Whether `<`, `>` and `&` are escaped.
    pub escapes_html: bool,
}

/// `json.Marshal`
pub fn encode(heap: &Heap, value: &Value, style: Style) -> Result<Value, Fault> {
    let mut writer = Writer { heap, out: heap.builder(), style };
    writer.value(value, 0)?;
    writer.out.finish()
}

struct Writer<'h> {
    heap: &'h Heap,
    out: Builder<'h>,
    style: Style,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        self.heap.step(1)?;
        if depth > limits::TEMPLATE_VALUE_DEPTH {
            return Err(Fault::Limit("values inside values", limits::TEMPLATE_VALUE_DEPTH));
        }
        if value.is_nil() {
            return self.out.push(b"null");
        }
        match value {
            Value::Nil => self.out.push(b"null"),
            Value::Bool(set) => self.out.push(if *set { b"true" } else { b"false" }),
            Value::Int(number) | Value::Int64(number) => {
                self.out.push(number.to_string().as_bytes())
            }
            Value::Uint8(number) => self.out.push(number.to_string().as_bytes()),
            Value::Uint64(number) => self.out.push(number.to_string().as_bytes()),
            Value::Float(number) => self.number(*number),
            Value::Text(text) => self.string(text),
            Value::Version(version) => self.string(version.to_string().as_bytes()),
            Value::List(list) => {
                self.out.push(b"[")?;
                for (index, item) in list.items().iter().enumerate() {
                    self.separate(index, depth)?;
                    self.value(item, depth + 1)?;
                }
                self.close(list.items().is_empty(), depth, b"]")
            }
            Value::Map(map) => {
                self.out.push(b"{")?;
                for (index, (key, item)) in map.entries().iter().enumerate() {
                    self.separate(index, depth)?;
                    self.string(key)?;
                    self.out.push(if self.style.pretty { b": " } else { b":" })?;
                    self.value(item, depth + 1)?;
                }
                self.close(map.entries().is_empty(), depth, b"}")
            }
        }
    }

    fn new_line(&mut self, depth: usize) -> Result<(), Fault> {
        if self.style.pretty {
            self.out.push(b"\n")?;
            self.out.push_repeated(b"  ", depth)?;
        }
        Ok(())
    }

    fn separate(&mut self, index: usize, depth: usize) -> Result<(), Fault> {
        if index > 0 {
            self.out.push(b",")?;
        }
        self.new_line(depth + 1)
    }

    fn close(&mut self, empty: bool, depth: usize, bracket: &[u8]) -> Result<(), Fault> {
        if !empty {
            self.new_line(depth)?;
        }
        self.out.push(bracket)
    }

    /// As ECMAScript writes numbers: fixed between 1e-6 and 1e21.
    fn number(&mut self, number: f64) -> Result<(), Fault> {
        if !number.is_finite() {
            return failed("JSON has no such number");
        }
        let size = number.abs();
        let fixed = size == 0.0 || (1e-6..1e21).contains(&size);
        let text = float::format(number, if fixed { 'f' } else { 'e' }, None);
        self.out.push(text.replace("e-0", "e-").as_bytes())
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.heap.step(text.len() / 16)?;
        self.out.push(b"\"")?;
        for (start, c, length) in characters(text) {
            let escaped = match c {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\x08' => "\\b",
                '\x0c' => "\\f",
                '<' | '>' | '&' if self.style.escapes_html => &format!("\\u{:04x}", u32::from(c)),
                '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => &format!("\\u{:04x}", u32::from(c)),
                REPLACEMENT if length == 1 => "\\ufffd",
                _ => {
                    self.out.push(text.get(start..start + length).unwrap_or(&[]))?;
                    continue;
                }
            };
            self.out.push(escaped.as_bytes())?;
        }
        self.out.push(b"\"")
    }
}

/// `json.Unmarshal` into a value of any type.
pub fn decode(heap: &Heap, text: &[u8]) -> Result<Value, Fault> {
    let mut reader = Reader { heap, bytes: text, position: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.peek().is_some() {
        return failed("there is more after the JSON value");
    }
    Ok(value)
}

struct Reader<'h, 't> {
    heap: &'h Heap,
    bytes: &'t [u8],
    position: usize,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.position += 1;
        byte
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.position += 1;
        }
    }

    fn accept(&mut self, word: &[u8]) -> bool {
        let found = self.bytes.get(self.position..).is_some_and(|rest| rest.starts_with(word));
        if found {
            self.position += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.heap.step(1)?;
        if depth > limits::TEMPLATE_VALUE_DEPTH {
            return Err(Fault::Limit("values inside values", limits::TEMPLATE_VALUE_DEPTH));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.accept(b"true") => Ok(Value::Bool(true)),
            _ if self.accept(b"false") => Ok(Value::Bool(false)),
            _ if self.accept(b"null") => Ok(Value::Nil),
            _ => failed("the text is no JSON"),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.next();
        let mut items = Vec::new();
        self.skip_space();
        if self.accept(b"]") {
            return self.heap.list(items);
        }
        loop {
            self.heap.charge(std::mem::size_of::<Value>())?;
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.next() {
                Some(b',') => {}
                Some(b']') => return self.heap.list(items),
                _ => return failed("the text is no JSON"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.next();
        let mut entries = Entries::new();
        self.skip_space();
        if self.accept(b"}") {
            return self.heap.dict(entries).map(Value::Map);
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return failed("the text is no JSON");
            }
            let key = self.string()?;
            self.skip_space();
            if !self.accept(b":") {
                return failed("the text is no JSON");
            }
            let value = self.value(depth + 1)?;
            self.heap.charge(64)?;
            let moved = entries.insert(key, value);
            self.heap.step(moved / 64)?;
            self.skip_space();
            match self.next() {
                Some(b',') => {}
                Some(b'}') => return self.heap.dict(entries).map(Value::Map),
                _ => return failed("the text is no JSON"),
            }
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        self.position > start
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.position;
        self.accept(b"-");
        let mut valid = self.accept(b"0") || self.digits();
        if self.accept(b".") {
            valid &= self.digits();
        }
        if self.peek().is_some_and(|byte| b"eE".contains(&byte)) {
            self.position += 1;
            if self.peek().is_some_and(|byte| b"+-".contains(&byte)) {
                self.position += 1;
            }
            valid &= self.digits();
        }
        let text = self.bytes.get(start..self.position).and_then(|t| std::str::from_utf8(t).ok());
        match text.filter(|_| valid).and_then(parse_float) {
            Some(number) => Ok(Value::Float(number)),
            None => failed("the text has a number that is none"),
        }
    }

    fn string(&mut self) -> Result<Rc<[u8]>, Fault> {
        self.next();
        let mut out = self.heap.builder();
        loop {
            let start = self.position;
            while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.position += 1;
            }
            let plain = self.bytes.get(start..self.position).unwrap_or(&[]);
            for (_, c, _) in characters(plain) {
                out.push_char(c)?;
            }
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let c = self.escape()?;
                    out.push_char(c)?;
                }
                _ => return failed("the text has a string that does not end"),
            }
        }
        match out.finish()? {
            Value::Text(text) => Ok(text),
            _ => failed("no string"),
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        Ok(match self.next() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit(),
            _ => return failed("the text has an escape that is none"),
        })
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.position..self.position + 4)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(digits, 16).ok()
    }

    /// `\uXXXX`, with its second half if it is the first of a pair.
    fn code_unit(&mut self) -> Result<char, Fault> {
        let Some(unit) = self.hexadecimal() else {
            return failed("the text has an escape that is none");
        };
        self.position += 4;
        if !(0xD800..0xDC00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(REPLACEMENT));
        }
        let here = self.position;
        if self.accept(b"\\u")
            && let Some(low) = self.hexadecimal().filter(|low| (0xDC00..0xE000).contains(low))
        {
            self.position += 4;
            let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(REPLACEMENT));
        }
        self.position = here;
        Ok(REPLACEMENT)
    }
}
