//! sprig's lists, and strings to lists and back.
//!
//! Rule: sprig `list.go`, `strings.go`, `numeric.go`. Lists never change in place: `sortAlpha` of a `[]string` gives a new
//! list, where Go's sorts the argument as well.

use std::rc::Rc;

use super::convert::integer;
use super::reflection::deeply_equal;
use super::strings::{charge_search, position};
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::printf::text_of;
use crate::rules::template::unicode;
use crate::rules::template::value::{ANY_LIST, Entries, Fault, List, Type, Value, failed};

/// The elements of a list argument; anything else is an error.
fn items(value: &Value) -> Result<&[Value], Fault> {
    match value {
        Value::List(list) => Ok(list.items()),
        other => failed(format!("{} is no list", other.type_name())),
    }
}

/// `list values…`, `tuple values…`
pub fn list(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.list(arguments.from(0).to_vec())
}

/// `append list value`
pub fn append(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let items = items(arguments.value(0))?;
    heap.expect_items(items.len())?;
    heap.list(items.iter().chain([arguments.value(1)]).cloned().collect())
}

/// `prepend list value`
pub fn prepend(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let items = items(arguments.value(0))?;
    heap.expect_items(items.len())?;
    heap.list([arguments.value(1)].into_iter().chain(items).cloned().collect())
}

/// `first list`
pub fn first(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(items(arguments.value(0))?.first().cloned().unwrap_or(Value::Nil))
}

/// `last list`
pub fn last(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(items(arguments.value(0))?.last().cloned().unwrap_or(Value::Nil))
}

/// `rest list`
pub fn rest(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    part(heap, items(arguments.value(0))?.split_first().map(|(_, rest)| rest))
}

/// `initial list`
pub fn initial(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    part(heap, items(arguments.value(0))?.split_last().map(|(_, rest)| rest))
}

/// A part of a list; the nil list for a part of nothing.
fn part(heap: &Heap, items: Option<&[Value]>) -> Result<Value, Fault> {
    match items {
        Some(items) => {
            heap.expect_items(items.len())?;
            heap.list(items.to_vec())
        }
        None => Ok(heap.nil_list(&ANY_LIST)),
    }
}

/// `reverse list`
pub fn reverse(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let items = items(arguments.value(0))?;
    heap.expect_items(items.len())?;
    heap.list(items.iter().rev().cloned().collect())
}

/// `compact list`: without empty values.
pub fn compact(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let items = items(arguments.value(0))?;
    heap.expect_items(items.len())?;
    heap.list(items.iter().filter(|item| item.is_true()).cloned().collect())
}

/// `uniq list`
pub fn uniq(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items(arguments.value(0))? {
        if !contains(heap, &kept, item)? {
            kept.push(item.clone());
        }
    }
    heap.list(kept)
}

/// `without list values…`
pub fn without(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut kept = Vec::new();
    for item in items(arguments.value(0))? {
        if !contains(heap, arguments.from(1), item)? {
            kept.push(item.clone());
        }
    }
    heap.list(kept)
}

/// `has value list`
pub fn has(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    if matches!(arguments.value(1), Value::Nil) {
        return Ok(Value::Bool(false));
    }
    contains(heap, items(arguments.value(1))?, arguments.value(0)).map(Value::Bool)
}

fn contains(heap: &Heap, items: &[Value], wanted: &Value) -> Result<bool, Fault> {
    for item in items {
        if deeply_equal(heap, wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `slice list [from [to]]`
pub fn slice(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let Value::List(list) = arguments.value(0) else {
        return items(arguments.value(0)).map(|_| Value::Nil);
    };
    if list.items().is_empty() {
        return Ok(Value::Nil);
    }
    let bound = |index: usize| arguments.from(1).get(index).map(integer);
    let from = usize::try_from(bound(0).unwrap_or(0)).ok();
    let to = bound(1).map_or(Some(list.items().len()), |to| usize::try_from(to).ok());
    match from.zip(to).and_then(|(from, to)| list.items().get(from..to)) {
        Some(part) => {
            heap.expect_items(part.len())?;
            heap.typed_list(list.kind, part.to_vec())
        }
        None => failed("slice bounds out of range"),
    }
}

/// `concat lists…`
pub fn concat(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut joined = Vec::new();
    for value in arguments.from(0) {
        let items = items(value)?;
        heap.expect_items(items.len())?;
        joined.extend_from_slice(items);
    }
    if joined.is_empty() { Ok(heap.nil_list(&ANY_LIST)) } else { heap.list(joined) }
}

/// `chunk size list`
pub fn chunk(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    static CHUNKS: Type = Type::List(&ANY_LIST);
    let (size, items) = (arguments.int(0), items(arguments.value(1))?);
    let count = ((items.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0 && count.is_finite())
    else {
        // Go reckons the number of chunks with floats; for a negative size it may be none or one.
        return match items {
            [_] if size != 0 => heap.typed_list(&CHUNKS, vec![heap.list(items.to_vec())?]),
            _ if count == 0.0 => heap.typed_list(&CHUNKS, Vec::new()),
            _ => failed("chunks of this size are impossible"),
        };
    };
    heap.expect_items(items.len())?;
    let chunks = items.chunks(size).map(|part| heap.list(part.to_vec()));
    let chunks = chunks.collect::<Result<Vec<Value>, Fault>>()?;
    heap.typed_list(&CHUNKS, chunks)
}

/// `until count`
pub fn until(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let count = arguments.int(0);
    integers(heap, numbers(heap, 0, count, if count < 0 { -1 } else { 1 })?)
}

/// `untilStep start stop step`
pub fn until_step(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    integers(heap, numbers(heap, arguments.int(0), arguments.int(1), arguments.int(2))?)
}

fn integers(heap: &Heap, numbers: Vec<i64>) -> Result<Value, Fault> {
    heap.typed_list(&Type::List(&Type::Int), numbers.into_iter().map(Value::Int).collect())
}

/// The numbers from `start` up or down to `stop`, which is left out. They are paid for before they are made.
fn numbers(heap: &Heap, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let distance = i128::from(stop) - i128::from(start);
    if step == 0 || (distance < 0) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = distance.unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    heap.expect_items(count)?;
    Ok(std::iter::successors(Some(start), |last| last.checked_add(step)).take(count).collect())
}

/// `seq`: one to three numbers as `seq` of the shell takes them, joined by spaces.
pub fn seq(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (start, step, end) = match arguments.0 {
        [_] => (1, None, arguments.int(0)),
        [_, _] => (arguments.int(0), None, arguments.int(1)),
        [_, _, _] => (arguments.int(0), Some(arguments.int(1)), arguments.int(2)),
        _ => return heap.text(""),
    };
    let increment = if end < start { -1 } else { 1 };
    if end < start && step.is_some_and(|step| step > 0) {
        return heap.text("");
    }
    let stop = end.wrapping_add(increment);
    let numbers = numbers(heap, start, stop, step.unwrap_or(increment))?;
    let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
    heap.text(words.join(" "))
}

/// Splits at a separator; an empty one splits into characters. At most `limit` parts.
fn parts<'t>(
    heap: &Heap,
    text: &'t [u8],
    separator: &[u8],
    limit: Option<usize>,
) -> Result<Vec<&'t [u8]>, Fault> {
    charge_search(heap, text, separator)?;
    let mut parts = Vec::new();
    let mut rest = text;
    let limit = limit.unwrap_or(usize::MAX);
    while parts.len() + 1 < limit {
        let found = match separator {
            // The last character is the last part.
            b"" => unicode::decode(rest).map(|(_, length)| length).filter(|n| *n < rest.len()),
            separator => position(rest, separator),
        };
        let Some(end) = found else { break };
        heap.charge(std::mem::size_of::<&[u8]>())?;
        parts.push(rest.get(..end).unwrap_or(rest));
        rest = rest.get(end + separator.len()..).unwrap_or(&[]);
    }
    if limit > 0 && !(separator.is_empty() && rest.is_empty()) {
        parts.push(rest);
    }
    Ok(parts)
}

fn numbered(heap: &Heap, parts: Vec<&[u8]>) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    for (index, part) in parts.into_iter().enumerate() {
        let moved = entries.insert(heap.rc(format!("_{index}").as_bytes())?, heap.text(part)?);
        heap.step(1 + moved / 64)?;
        heap.charge(64)?;
    }
    heap.string_map(entries)
}

/// `split separator text`: a map from `_0` on.
pub fn split(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    numbered(heap, parts(heap, arguments.text(1), arguments.text(0), None)?)
}

/// `splitn separator count text`
pub fn splitn(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let limit = usize::try_from(arguments.int(1)).ok();
    numbered(heap, parts(heap, arguments.text(2), arguments.text(0), limit)?)
}

/// `splitList separator text`
pub fn split_list(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let parts = parts(heap, arguments.text(1), arguments.text(0), None)?;
    let items = parts.into_iter().map(|part| heap.text(part));
    heap.strings(items.collect::<Result<Vec<Value>, Fault>>()?)
}

/// The text of every element that is not nil; one value alone is a list of itself.
fn texts(heap: &Heap, value: &Value) -> Result<Vec<Rc<[u8]>>, Fault> {
    let items = match value {
        Value::List(list) => list.items(),
        Value::Nil => &[],
        other => std::slice::from_ref(other),
    };
    heap.expect_items(items.len())?;
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !matches!(item, Value::Nil)) {
        if let Value::Text(text) = text_of(heap, item)? {
            texts.push(text);
        }
    }
    Ok(texts)
}

/// `join separator list`
pub fn join(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut out = heap.builder();
    for (index, text) in texts(heap, arguments.value(1))?.iter().enumerate() {
        if index > 0 {
            out.push(arguments.text(0))?;
        }
        out.push(text)?;
    }
    out.finish()
}

/// `toStrings value`
pub fn to_strings(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    if let Value::List(List { kind: Type::List(Type::String), .. }) = arguments.value(0) {
        return Ok(arguments.value(0).clone());
    }
    let texts = texts(heap, arguments.value(0))?;
    heap.strings(texts.into_iter().map(Value::Text).collect())
}

/// `sortAlpha list`
pub fn sort_alpha(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let value = arguments.value(0);
    if !matches!(value, Value::List(_)) {
        return heap.strings(vec![text_of(heap, value)?]);
    }
    let mut texts = texts(heap, value)?;
    heap.step(texts.len().saturating_mul(8))?;
    texts.sort_unstable();
    heap.strings(texts.into_iter().map(Value::Text).collect())
}
