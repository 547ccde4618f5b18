//! What a function of a template is called with.

use std::rc::Rc;

use super::value::{Fault, Map, Value, failed};

/// The arguments of a call. The caller has checked their types; asking for another type gives its zero value.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(pub &'a [Value]);

impl<'a> Arguments<'a> {
    /// Any argument.
    pub fn value(self, index: usize) -> &'a Value {
        const NIL: &Value = &Value::Nil;
        self.0.get(index).unwrap_or(NIL)
    }

    /// A string.
    pub fn text(self, index: usize) -> &'a [u8] {
        match self.value(index) {
            Value::Text(text) => text,
            _ => b"",
        }
    }

    /// An `int`.
    pub fn int(self, index: usize) -> i64 {
        match self.value(index) {
            Value::Int(value) => *value,
            _ => 0,
        }
    }

    /// A `float64`.
    pub fn float(self, index: usize) -> f64 {
        match self.value(index) {
            Value::Float(value) => *value,
            _ => 0.0,
        }
    }

    /// A `bool`.
    pub fn bool(self, index: usize) -> bool {
        matches!(self.value(index), Value::Bool(true))
    }

    /// A dictionary.
    pub fn dict(self, index: usize) -> Result<&'a Map, Fault> {
        match self.value(index) {
            Value::Map(map) => Ok(map),
            _ => failed("not a dictionary"),
        }
    }

    /// All arguments from one on.
    pub fn from(self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or(&[])
    }
}

/// Shares the bytes of a text argument.
pub fn shared(value: &Value) -> Rc<[u8]> {
    match value {
        Value::Text(text) => text.clone(),
        _ => Rc::from(&b""[..]),
    }
}
