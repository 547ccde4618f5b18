//! sprig's arithmetic on integers and floats.
//!
//! Rule: sprig `numeric.go` and `functions.go`. Integers wrap around, as in Go; `addf` and its kin compute with decimals.

use super::convert::{float, integer};
use super::decimal::Decimal;
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::value::{Fault, Value, failed};

/// `add1 value`
pub fn add1(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Int64(integer(arguments.value(0)).wrapping_add(1)))
}

/// `add values…`
pub fn add(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let sum = arguments.from(0).iter().map(integer).fold(0i64, i64::wrapping_add);
    Ok(Value::Int64(sum))
}

/// `sub a b`
pub fn sub(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (left, right) = (integer(arguments.value(0)), integer(arguments.value(1)));
    Ok(Value::Int64(left.wrapping_sub(right)))
}

/// `div a b`
pub fn div(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    match integer(arguments.value(1)) {
        0 => failed("integer divide by zero"),
        divisor => Ok(Value::Int64(integer(arguments.value(0)).wrapping_div(divisor))),
    }
}

/// `mod a b`
pub fn modulo(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    match integer(arguments.value(1)) {
        0 => failed("integer divide by zero"),
        divisor => Ok(Value::Int64(integer(arguments.value(0)).wrapping_rem(divisor))),
    }
}

/// `mul values…`
pub fn mul(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let product = arguments.from(0).iter().map(integer).fold(1i64, i64::wrapping_mul);
    Ok(Value::Int64(product))
}

/// `max values…`, `biggest values…`
pub fn max(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Int64(arguments.from(0).iter().map(integer).max().unwrap_or(0)))
}

/// `min values…`
pub fn min(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Int64(arguments.from(0).iter().map(integer).min().unwrap_or(0)))
}

/// `maxf values…`
pub fn maxf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    extreme(arguments, |a, b| if a > b || (a == b && b.is_sign_negative()) { a } else { b })
}

/// `minf values…`
pub fn minf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    extreme(arguments, |a, b| if a < b || (a == b && a.is_sign_negative()) { a } else { b })
}

/// One that is no number makes the result none.
fn extreme(arguments: Arguments<'_>, choose: fn(f64, f64) -> f64) -> Result<Value, Fault> {
    let numbers = arguments.from(0).iter().map(float);
    let chosen =
        numbers.reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { choose(a, b) });
    Ok(Value::Float(chosen.unwrap_or(0.0)))
}

/// `ceil value`
pub fn ceil(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Float(float(arguments.value(0)).ceil()))
}

/// `floor value`
pub fn floor(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Float(float(arguments.value(0)).floor()))
}

/// `round value places [from]`: rounds up from a fraction of `from`, one half if not given.
pub fn round(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let from = if arguments.from(2).is_empty() { 0.5 } else { arguments.float(2) };
    let places = i32::try_from(arguments.int(1)).unwrap_or(i32::MAX);
    let power = match 10f64.powi(places.saturating_abs()) {
        power if places < 0 => 1.0 / power,
        power => power,
    };
    let digits = power * float(arguments.value(0));
    let rounded = if digits.fract() >= from { digits.ceil() } else { digits.floor() };
    Ok(Value::Float(rounded / power))
}

/// Folds the arguments from `start` on as decimals.
fn folded(
    start: f64,
    rest: &[Value],
    operation: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Result<Value, Fault> {
    let mut result = Decimal::new(start);
    for value in rest {
        result = result.zip(Decimal::new(float(value))).and_then(|(a, b)| operation(a, b));
    }
    match result {
        Some(result) => Ok(Value::Float(result.to_float())),
        None => failed("the result is no number, or has more than 38 digits"),
    }
}

/// `add1f value`
pub fn add1f(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    folded(float(arguments.value(0)), &[Value::Int(1)], Decimal::add)
}

/// `addf values…`
pub fn addf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    folded(0.0, arguments.from(0), Decimal::add)
}

/// `subf a values…`
pub fn subf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    folded(float(arguments.value(0)), arguments.from(1), Decimal::sub)
}

/// `mulf a values…`
pub fn mulf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    folded(float(arguments.value(0)), arguments.from(1), Decimal::mul)
}

/// `divf a values…`
pub fn divf(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    folded(float(arguments.value(0)), arguments.from(1), Decimal::div)
}
