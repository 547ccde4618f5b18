//! sprig's defaults and choices, and JSON.
//!
//! Rule: sprig `defaults.go`; the JSON itself is in `json.rs`.

use super::json;
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::value::{Fault, Value, failed};

/// `default fallback value`
pub fn default(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let given = arguments.value(1);
    Ok(if given.is_true() { given.clone() } else { arguments.value(0).clone() })
}

/// `empty value`
pub fn empty(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(!arguments.value(0).is_true()))
}

/// `coalesce values…`
pub fn coalesce(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(arguments.from(0).iter().find(|value| value.is_true()).cloned().unwrap_or(Value::Nil))
}

/// `all values…`
pub fn all(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.from(0).iter().all(Value::is_true)))
}

/// `any values…`
pub fn any(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.from(0).iter().any(Value::is_true)))
}

/// `ternary yes no condition`
pub fn ternary(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(arguments.value(if arguments.bool(2) { 0 } else { 1 }).clone())
}

/// `fail message`
pub fn fail(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    failed(String::from_utf8_lossy(arguments.text(0)))
}

/// `fromJson text`: nil for what is no JSON.
pub fn from_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    or_else(must_from_json(heap, arguments), || Ok(Value::Nil))
}

/// `mustFromJson text`
pub fn must_from_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    json::decode(heap, arguments.text(0))
}

/// `toJson value`: an empty string for what has no JSON.
pub fn to_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    or_else(must_to_json(heap, arguments), || heap.text(""))
}

/// `mustToJson value`
pub fn must_to_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    json::encode(heap, arguments.value(0), json::Style { pretty: false, escapes_html: true })
}

/// `toPrettyJson value`
pub fn to_pretty_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    or_else(must_to_pretty_json(heap, arguments), || heap.text(""))
}

/// `mustToPrettyJson value`
pub fn must_to_pretty_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    json::encode(heap, arguments.value(0), json::Style { pretty: true, escapes_html: true })
}

/// `toRawJson value`
pub fn to_raw_json(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    json::encode(heap, arguments.value(0), json::Style { pretty: false, escapes_html: false })
}

/// A failure gives way to a value; a bound does not.
fn or_else(
    result: Result<Value, Fault>,
    value: impl FnOnce() -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    match result {
        Err(Fault::Failed(_)) => value(),
        result => result,
    }
}
