//! sprig's questions about types, and equality in depth.
//!
//! Rule: sprig `reflect.go` and Go `reflect.DeepEqual`.

use crate::limits;
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::value::{Fault, Value};

/// `typeOf value`
pub fn type_of(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.text(arguments.value(0).type_name())
}

/// `typeIs name value`
pub fn type_is(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.value(1).type_name().as_bytes() == arguments.text(0)))
}

/// `typeIsLike name value`: pointers count as what they point to.
pub fn type_is_like(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let name = arguments.value(1).type_name();
    let plain = name.strip_prefix('*').unwrap_or(&name);
    Ok(Value::Bool([&name, plain].iter().any(|name| name.as_bytes() == arguments.text(0))))
}

/// `kindOf value`
pub fn kind_of(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.text(arguments.value(0).kind_name())
}

/// `kindIs name value`
pub fn kind_is(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.value(1).kind_name().as_bytes() == arguments.text(0)))
}

/// `deepEqual a b`
pub fn deep_equal(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    deeply_equal(heap, arguments.value(0), arguments.value(1)).map(Value::Bool)
}

/// Whether two values have the same type and content.
pub fn deeply_equal(heap: &Heap, left: &Value, right: &Value) -> Result<bool, Fault> {
    equal_at(heap, left, right, 0)
}

fn equal_at(heap: &Heap, left: &Value, right: &Value, depth: usize) -> Result<bool, Fault> {
    heap.step(1)?;
    if depth > limits::TEMPLATE_VALUE_DEPTH {
        return Err(Fault::Limit("values inside values", limits::TEMPLATE_VALUE_DEPTH));
    }
    if left.kind() != right.kind() || left.is_nil() != right.is_nil() {
        return Ok(false);
    }
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Int64(left), Value::Int64(right)) => left == right,
        (Value::Uint8(left), Value::Uint8(right)) => left == right,
        (Value::Uint64(left), Value::Uint64(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => {
            heap.step(left.len() / 64)?;
            left == right
        }
        (Value::Version(left), Value::Version(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            let (left, right) = (left.items(), right.items());
            left.len() == right.len() && all_equal(heap, left.iter().zip(right), depth)?
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.is_same(right) {
                return Ok(true);
            }
            let (left, right) = (left.entries(), right.entries());
            let same_keys = left.len() == right.len()
                && left.iter().zip(right.iter()).all(|((left, _), (right, _))| left == right);
            let values = left.iter().zip(right.iter()).map(|((_, left), (_, right))| (left, right));
            same_keys && all_equal(heap, values, depth)?
        }
        _ => false,
    })
}

fn all_equal<'v>(
    heap: &Heap,
    pairs: impl Iterator<Item = (&'v Value, &'v Value)>,
    depth: usize,
) -> Result<bool, Fault> {
    for (left, right) in pairs {
        if !equal_at(heap, left, right, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}
