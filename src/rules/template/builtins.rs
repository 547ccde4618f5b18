//! The functions of the template language itself: comparison, `index`, `len`, printing and escaping.
//!
//! Rule: Go 1.26, `text/template/funcs.go`. `slice` is missing here because sprig's function of that name hides it.

use std::cmp::Ordering;

use super::arguments::Arguments;
use super::heap::{Builder, Heap};
use super::printf;
use super::unicode;
use super::value::{Fault, Value, failed};

/// `not`
pub fn not(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!arguments.value(0).is_true()))
}

/// `eq`: whether the first argument equals one of the others.
pub fn eq(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    if arguments.from(1).is_empty() {
        return failed("missing argument for comparison");
    }
    for other in arguments.from(1) {
        if equal(arguments.value(0), other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// `ne`
pub fn ne(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!equal(arguments.value(0), arguments.value(1))?))
}

/// `lt`
pub fn lt(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(less(arguments.value(0), arguments.value(1))?))
}

/// `le`
pub fn le(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    less_or_equal(arguments).map(Value::Bool)
}

/// `gt`
pub fn gt(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!less_or_equal(arguments)?))
}

/// `ge`
pub fn ge(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!less(arguments.value(0), arguments.value(1))?))
}

fn less_or_equal(arguments: Arguments<'_>) -> Result<bool, Fault> {
    let (left, right) = (arguments.value(0), arguments.value(1));
    Ok(less(left, right)? || equal(left, right)?)
}

/// What comparison makes of a value: kinds of the same sort compare, signed and unsigned integers mix.
enum Basic<'a> {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a [u8]),
    Other,
}

fn basic(value: &Value) -> Basic<'_> {
    match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Integer(i128::from(*value)),
        Value::Uint8(value) => Basic::Integer(i128::from(*value)),
        Value::Uint64(value) => Basic::Integer(i128::from(*value)),
        Value::Float(value) => Basic::Float(*value),
        Value::Text(value) => Basic::Text(value),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Version(_) => Basic::Other,
    }
}

fn incompatible<T>(left: &Value, right: &Value) -> Result<T, Fault> {
    failed(format!(
        "incompatible types for comparison: {} and {}",
        left.type_name(),
        right.type_name()
    ))
}

fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (basic(left), basic(right)) {
        (Basic::Bool(left), Basic::Bool(right)) => Ok(left == right),
        (Basic::Integer(left), Basic::Integer(right)) => Ok(left == right),
        (Basic::Float(left), Basic::Float(right)) => Ok(left == right),
        (Basic::Text(left), Basic::Text(right)) => Ok(left == right),
        (Basic::Other, Basic::Other) => equal_other(left, right),
        _ if matches!(left, Value::Nil) || matches!(right, Value::Nil) => Ok(false),
        _ => incompatible(left, right),
    }
}

/// Lists and maps compare with nil only.
fn equal_other(left: &Value, right: &Value) -> Result<bool, Fault> {
    let is_untyped_nil = matches!(left, Value::Nil) || matches!(right, Value::Nil);
    if !is_untyped_nil && left.kind_name() != right.kind_name() {
        return failed("the values cannot be compared");
    }
    if left.is_nil() || right.is_nil() {
        return Ok(left.is_nil() == right.is_nil());
    }
    match (left, right) {
        (Value::Version(left), Value::Version(right)) => Ok(std::rc::Rc::ptr_eq(left, right)),
        _ => failed("the values cannot be compared"),
    }
}

fn less(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (basic(left), basic(right)) {
        (Basic::Integer(left), Basic::Integer(right)) => Ok(left < right),
        (Basic::Float(left), Basic::Float(right)) => {
            Ok(left.partial_cmp(&right) == Some(Ordering::Less))
        }
        (Basic::Text(left), Basic::Text(right)) => Ok(left < right),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Other, _) | (_, Basic::Other) => {
            failed("invalid type for comparison")
        }
        _ => incompatible(left, right),
    }
}

/// `index`: `index x 1 "a"` is `x[1]["a"]`.
pub fn index(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut item = arguments.value(0).clone();
    if matches!(item, Value::Nil) {
        return failed("index of untyped nil");
    }
    for key in arguments.from(1) {
        item = index_one(heap, &item, key)?;
    }
    Ok(item)
}

fn index_one(heap: &Heap, item: &Value, key: &Value) -> Result<Value, Fault> {
    match item {
        Value::Text(text) => {
            let byte = position(key)?.and_then(|index| text.get(index)).copied();
            byte.map_or_else(|| failed("index out of range"), |byte| Ok(Value::Uint8(byte)))
        }
        Value::List(list) => {
            let found = position(key)?.and_then(|index| list.items().get(index)).cloned();
            found.map_or_else(|| failed("index out of range"), Ok)
        }
        Value::Map(map) => match key {
            Value::Text(key) => map.get(key).map_or_else(|| heap.missing(map), Ok),
            other => failed(format!("a map has string keys, not {}", other.type_name())),
        },
        Value::Nil => failed("index of nil"),
        other => failed(format!("can't index item of type {}", other.type_name())),
    }
}

fn position(key: &Value) -> Result<Option<usize>, Fault> {
    match key {
        Value::Int(index) | Value::Int64(index) => Ok(usize::try_from(*index).ok()),
        Value::Uint8(index) => Ok(Some(usize::from(*index))),
        Value::Uint64(index) => Ok(usize::try_from(*index).ok()),
        other => failed(format!("cannot index with {}", other.type_name())),
    }
}

/// `len`
pub fn len(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let length = match arguments.value(0) {
        Value::Text(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        other => return failed(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `call`: no value of a template is a function.
pub fn call(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    failed(format!("a {} is not a function", arguments.value(0).type_name()))
}

/// `print`
pub fn print(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    printf::print(heap, arguments.from(0))
}

/// `println`
pub fn println(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    printf::println(heap, arguments.from(0))
}

/// `printf`
pub fn printf(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    printf::printf(heap, arguments.text(0), arguments.from(1))
}

/// The text that the escaping functions escape.
fn joined(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    match arguments.0 {
        [Value::Text(_)] => Ok(arguments.value(0).clone()),
        [Value::Nil] => heap.text("<no value>"),
        values => {
            let values = values.iter().map(|value| match value {
                Value::Nil => heap.text("<no value>"),
                other => Ok(other.clone()),
            });
            printf::print(heap, &values.collect::<Result<Vec<Value>, Fault>>()?)
        }
    }
}

fn escaped(
    heap: &Heap,
    arguments: Arguments<'_>,
    escape: impl Fn(&mut Builder<'_>, char, &[u8]) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let value = joined(heap, arguments)?;
    let Value::Text(text) = &value else { return Ok(value) };
    let mut out = heap.builder();
    for (start, c, length) in unicode::characters(text) {
        escape(&mut out, c, text.get(start..start + length).unwrap_or(&[]))?;
    }
    out.finish()
}

/// `html`
pub fn html(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    escaped(heap, arguments, |out, c, raw| match c {
        '\0' => out.push("\u{FFFD}".as_bytes()),
        '"' => out.push(b"&#34;"),
        '\'' => out.push(b"&#39;"),
        '&' => out.push(b"&amp;"),
        '<' => out.push(b"&lt;"),
        '>' => out.push(b"&gt;"),
        _ => out.push(raw),
    })
}

/// `js`
pub fn js(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    escaped(heap, arguments, |out, c, raw| match c {
        '\\' | '\'' | '"' => {
            out.push(b"\\")?;
            out.push(raw)
        }
        '<' | '>' | '&' | '=' | '\0'..='\x1f' => {
            out.push(format!("\\u{:04X}", u32::from(c)).as_bytes())
        }
        c if c.is_ascii() || unicode::is_print(c) => out.push(raw),
        c => out.push(format!("\\u{:04X}", u32::from(c)).as_bytes()),
    })
}

/// `urlquery`
pub fn urlquery(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    escaped(heap, arguments, |out, c, raw| match c {
        ' ' => out.push(b"+"),
        c if c.is_ascii_alphanumeric() || "-_.~".contains(c) => out.push(raw),
        _ => raw.iter().try_for_each(|byte| out.push(format!("%{byte:02X}").as_bytes())),
    })
}
