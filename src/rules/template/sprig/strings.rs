//! sprig's string functions, except those that change case.
//!
//! Rule: sprig `strings.go`, goutils `wordutils.go` and `stringutils.go`. Lengths and cuts count bytes, as there.

use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::printf::text_of;
use crate::rules::template::quote::quote as quote_text;
use crate::rules::template::unicode;
use crate::rules::template::value::{Fault, Value, failed};

/// `bytes[from..to]`, with Go's panic as an error.
fn cut(bytes: &[u8], from: i64, to: i64) -> Result<&[u8], Fault> {
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.and_then(|(from, to)| bytes.get(from..to)) {
        Some(part) => Ok(part),
        None => failed("slice bounds out of range"),
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// Where `needle` is first found.
pub fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Counts the work of a search, which is the product of both lengths at worst.
pub fn charge_search(heap: &Heap, haystack: &[u8], needle: &[u8]) -> Result<(), Fault> {
    heap.step(haystack.len().saturating_mul(1 + needle.len() / 16) / 32)
}

/// `hello`
pub fn hello(heap: &Heap, _: Arguments<'_>) -> Result<Value, Fault> {
    heap.text("Hello!")
}

/// `abbrev width text`
pub fn abbrev(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (width, text) = (arguments.int(0), arguments.text(1));
    if width < 4 {
        return Ok(arguments.value(1).clone());
    }
    heap.text(abbreviated(text, 0, width)?)
}

/// `abbrevboth left right text`
pub fn abbrevboth(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (left, right, text) = (arguments.int(0), arguments.int(1), arguments.text(2));
    if right < 4 || (left > 0 && right < 7) {
        return Ok(arguments.value(2).clone());
    }
    heap.text(abbreviated(text, left, right)?)
}

fn abbreviated(text: &[u8], offset: i64, width: i64) -> Result<Vec<u8>, Fault> {
    if text.is_empty() || width < 4 {
        return Ok(Vec::new());
    }
    let size = length(text);
    if size <= width {
        return Ok(text.to_vec());
    }
    let mut offset = offset.min(size);
    if size - offset < width - 3 {
        offset = size - (width - 3);
    }
    if offset <= 4 {
        return Ok([cut(text, 0, width - 3)?, b"..."].concat());
    }
    if width < 7 {
        return Ok(Vec::new());
    }
    if offset + width - 3 < size {
        // One step deep: without an offset the call cannot come back here.
        let tail = abbreviated(cut(text, offset, size)?, 0, width - 3)?;
        return Ok([b"...", tail.as_slice()].concat());
    }
    Ok([b"...", cut(text, size - (width - 3), size)?].concat())
}

/// `trunc count text`: the first bytes, or the last for a negative count.
pub fn trunc(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (count, text) = (arguments.int(0), arguments.text(1));
    let size = length(text);
    if count < 0 && size.saturating_add(count) > 0 {
        return heap.text(cut(text, size + count, size)?);
    }
    if count >= 0 && size > count {
        return heap.text(cut(text, 0, count)?);
    }
    Ok(arguments.value(1).clone())
}

/// `trim text`
pub fn trim(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.text(trimmed(arguments.text(0), unicode::is_space))
}

/// Without the characters at both ends that `drops` names.
fn trimmed(text: &[u8], drops: impl Fn(char) -> bool) -> &[u8] {
    let kept = |(_, c, _): &(usize, char, usize)| !drops(*c);
    let mut kept_characters = unicode::characters(text).filter(kept);
    let Some((start, _, first_length)) = kept_characters.next() else { return &[] };
    let end = kept_characters.last().map_or(start + first_length, |(at, _, length)| at + length);
    text.get(start..end).unwrap_or(text)
}

/// `trimAll characters text`
pub fn trim_all(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (set, text) = (arguments.text(0), arguments.text(1));
    heap.step(text.len().saturating_mul(set.len()) / 8)?;
    heap.text(trimmed(text, |c| unicode::characters(set).any(|(_, known, _)| known == c)))
}

/// `trimSuffix suffix text`
pub fn trim_suffix(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = arguments.text(1);
    heap.text(text.strip_suffix(arguments.text(0)).unwrap_or(text))
}

/// `trimPrefix prefix text`
pub fn trim_prefix(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = arguments.text(1);
    heap.text(text.strip_prefix(arguments.text(0)).unwrap_or(text))
}

/// `substr start end text`
pub fn substr(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (start, end, text) = (arguments.int(0), arguments.int(1), arguments.text(2));
    let size = length(text);
    heap.text(match () {
        () if start < 0 => cut(text, 0, end)?,
        () if end < 0 || end > size => cut(text, start, size)?,
        () => cut(text, start, end)?,
    })
}

/// `repeat count text`
pub fn repeat(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let Ok(count) = usize::try_from(arguments.int(0)) else {
        return failed("negative repeat count");
    };
    let mut out = heap.builder();
    out.push_repeated(arguments.text(1), count)?;
    out.finish()
}

/// `nospace text`: reads bytes as characters, as goutils does, which changes what is not ASCII.
pub fn nospace(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = arguments.text(0);
    let is_space = |byte: &u8| unicode::is_space(char::from(*byte));
    if !text.iter().any(is_space) {
        return Ok(arguments.value(0).clone());
    }
    let kept: String =
        text.iter().filter(|byte| !is_space(byte)).copied().map(char::from).collect();
    heap.text(kept)
}

/// `initials text`: reads bytes as characters, as goutils does.
pub fn initials(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    let mut after_gap = true;
    for c in arguments.text(0).iter().copied().map(char::from) {
        let gap = unicode::is_space(c);
        if after_gap && !gap {
            out.push(c);
        }
        after_gap = gap;
    }
    heap.text(out)
}

/// `wrap width text`
pub fn wrap(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    wrapped(heap, arguments.text(1), arguments.int(0), b"\n", false)
}

/// `wrapWith width separator text`: long words are cut.
pub fn wrap_with(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let separator = match arguments.text(1) {
        b"" => b"\n",
        separator => separator,
    };
    wrapped(heap, arguments.text(2), arguments.int(0), separator, true)
}

fn wrapped(
    heap: &Heap,
    text: &[u8],
    width: i64,
    separator: &[u8],
    cuts_words: bool,
) -> Result<Value, Fault> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let mut out = heap.builder();
    let mut rest = text;
    while rest.len() > width {
        heap.step(1 + width / 64)?;
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let window = rest.get(..width.saturating_add(1)).unwrap_or(rest);
        let last_space = window.iter().rposition(|byte| *byte == b' ');
        let next_space = || {
            let after = rest.iter().skip(width).position(|byte| *byte == b' ');
            after.map(|offset| offset + width)
        };
        let (end, skip) = match last_space {
            Some(space) => (space, 1),
            None if cuts_words => (width, 0),
            None => match next_space() {
                Some(space) => (space, 1),
                None => break,
            },
        };
        out.push(rest.get(..end).unwrap_or(rest))?;
        out.push(separator)?;
        rest = rest.get(end + skip..).unwrap_or(&[]);
    }
    out.push(rest)?;
    out.finish()
}

/// `contains part text`
pub fn contains(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (part, text) = (arguments.text(0), arguments.text(1));
    charge_search(heap, text, part)?;
    Ok(Value::Bool(position(text, part).is_some()))
}

/// `hasPrefix prefix text`
pub fn has_prefix(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.text(1).starts_with(arguments.text(0))))
}

/// `hasSuffix suffix text`
pub fn has_suffix(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.text(1).ends_with(arguments.text(0))))
}

/// Joins the text of every value that is not nil by spaces.
fn joined(
    heap: &Heap,
    values: &[Value],
    write: impl Fn(&mut crate::rules::template::heap::Builder<'_>, &[u8]) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let mut out = heap.builder();
    let mut first = true;
    for value in values.iter().filter(|value| !matches!(value, Value::Nil)) {
        if !std::mem::take(&mut first) {
            out.push(b" ")?;
        }
        if let Value::Text(text) = text_of(heap, value)? {
            write(&mut out, &text)?;
        }
    }
    out.finish()
}

/// `quote values…`
pub fn quote(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    joined(heap, arguments.from(0), |out, text| {
        heap.step(text.len() / 16)?;
        out.push(quote_text(text, false).as_bytes())
    })
}

/// `squote values…`
pub fn squote(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    joined(heap, arguments.from(0), |out, text| {
        out.push(b"'")?;
        out.push(text)?;
        out.push(b"'")
    })
}

/// `cat values…`
pub fn cat(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    joined(heap, arguments.from(0), |out, text| out.push(text))
}

/// `indent spaces text`
pub fn indent(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    indented(heap, arguments, b"")
}

/// `nindent spaces text`
pub fn nindent(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    indented(heap, arguments, b"\n")
}

fn indented(heap: &Heap, arguments: Arguments<'_>, before: &[u8]) -> Result<Value, Fault> {
    let Ok(spaces) = usize::try_from(arguments.int(0)) else {
        return failed("negative repeat count");
    };
    let mut out = heap.builder();
    out.push(before)?;
    for (index, line) in arguments.text(1).split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b"\n")?;
        }
        out.push_repeated(b" ", spaces)?;
        out.push(line)?;
    }
    out.finish()
}

/// `replace old new text`
pub fn replace(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (old, new, text) = (arguments.text(0), arguments.text(1), arguments.text(2));
    charge_search(heap, text, old)?;
    let mut out = heap.builder();
    if old.is_empty() {
        for (start, _, length) in unicode::characters(text) {
            out.push(new)?;
            out.push(text.get(start..start + length).unwrap_or(&[]))?;
        }
        out.push(new)?;
        return out.finish();
    }
    let mut rest = text;
    while let Some(at) = position(rest, old) {
        heap.step(1)?;
        out.push(rest.get(..at).unwrap_or(&[]))?;
        out.push(new)?;
        rest = rest.get(at + old.len()..).unwrap_or(&[]);
    }
    out.push(rest)?;
    out.finish()
}

/// `plural one many count`
pub fn plural(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(arguments.value(if arguments.int(2) == 1 { 0 } else { 1 }).clone())
}
