//! sprig's conversions between types.
//!
//! Rule: cast 1.7.1 (`ToInt64E`, `ToFloat64E`; an error is zero) and sprig `numeric.go`.

use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::literal::{parse_float, parse_int};
use crate::rules::template::printf::text_of;
use crate::rules::template::value::{Fault, Value};

/// A float as Go converts it on amd64: what does not fit is the smallest integer.
pub fn truncated(value: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if (-BOUND..BOUND).contains(&value) { value as i64 } else { i64::MIN }
}

/// `cast.ToInt64`
pub fn integer(value: &Value) -> i64 {
    match value {
        Value::Bool(value) => i64::from(*value),
        Value::Int(value) | Value::Int64(value) => *value,
        Value::Uint8(value) => i64::from(*value),
        Value::Uint64(value) => *value as i64,
        Value::Float(value) => truncated(*value),
        Value::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| parse_int(without_zero_decimals(text), 0))
            .unwrap_or(0),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Version(_) => 0,
    }
}

/// `1.00` becomes `1`; `1.50` stays.
fn without_zero_decimals(text: &str) -> &str {
    let shorter = text.trim_end_matches(['0', '.']);
    let zeros = text.get(shorter.len()..).unwrap_or("");
    match zeros.rfind(".0") {
        Some(point) => text.get(..shorter.len() + point).unwrap_or(text),
        None => text,
    }
}

/// `cast.ToFloat64`
pub fn float(value: &Value) -> f64 {
    match value {
        Value::Float(value) => *value,
        Value::Uint64(value) => *value as f64,
        Value::Text(text) => std::str::from_utf8(text).ok().and_then(parse_float).unwrap_or(0.0),
        other => integer(other) as f64,
    }
}

/// `atoi text`: zero for what is no number, the nearest for what is too large.
pub fn atoi(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = std::str::from_utf8(arguments.text(0)).unwrap_or("");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let nearest = match (is_number, text.starts_with('-')) {
        (false, _) => 0,
        (true, false) => i64::MAX,
        (true, true) => i64::MIN,
    };
    Ok(Value::Int(parse_int(text, 10).unwrap_or(nearest)))
}

/// `int value`
pub fn int(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Int(integer(arguments.value(0))))
}

/// `int64 value`
pub fn int64(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Int64(integer(arguments.value(0))))
}

/// `float64 value`
pub fn float64(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Float(float(arguments.value(0))))
}

/// `toString value`
pub fn to_string(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    text_of(heap, arguments.value(0))
}

/// `toDecimal value`: reads octal digits.
pub fn to_decimal(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = text_of(heap, arguments.value(0))?;
    let Value::Text(text) = text else { return Ok(Value::Int64(0)) };
    let number = std::str::from_utf8(&text).ok().and_then(|text| parse_int(text, 8));
    Ok(Value::Int64(number.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decimals_that_are_zero_are_cut() {
        for (text, cut) in [
            ("1.0", "1"),
            ("1.00", "1"),
            ("10", "10"),
            ("1.50", "1.50"),
            ("1.", "1."),
            ("0", "0"),
            ("1.0.0", "1.0"),
            (".0", ""),
        ] {
            assert_eq!(without_zero_decimals(text), cut, "{text}");
        }
    }
}
