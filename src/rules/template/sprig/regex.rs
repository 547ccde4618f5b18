//! sprig's regular expressions, in Go's RE2 dialect.
//!
//! The pattern's syntax and program come from `rules/pattern.rs`; how matches follow each other, what `$1` in a
//! replacement means and how a text is split is Go's `regexp` package. Every search is paid for in steps, by the size
//! of the program times the length of the text. Text that is not UTF-8 is searched as if its broken bytes were U+FFFD.

use std::borrow::Cow;
use std::rc::Rc;

use crate::limits;
use crate::rules::pattern::{PatternError, Search};
use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::{Builder, Heap};
use crate::rules::template::unicode::{decode, is_alphanumeric};
use crate::rules::template::value::{Fault, Value, failed};

/// Where a pattern and its groups matched.
#[derive(Debug)]
pub struct Found {
    groups: Vec<Option<(usize, usize)>>,
}

impl Found {
    fn bounds(&self) -> (usize, usize) {
        self.groups.first().copied().flatten().unwrap_or((0, 0))
    }

    /// What a group matched; empty if it took no part.
    pub fn text<'t>(&self, text: &'t str, group: usize) -> &'t str {
        let bounds = self.groups.get(group).copied().flatten();
        bounds.and_then(|(start, end)| text.get(start..end)).unwrap_or("")
    }
}

/// Compiles a pattern, once for each execution.
pub fn compiled(heap: &Heap, pattern: &str) -> Result<Rc<Search>, Fault> {
    if let Some(known) = heap.pattern(pattern) {
        return Ok(known);
    }
    heap.step(200 + pattern.len())?;
    let search = match Search::new(pattern) {
        Ok(search) => Rc::new(search),
        Err(PatternError::TooLarge) => {
            return Err(Fault::Limit("bytes of one pattern", limits::TEMPLATE_PATTERN_BYTES));
        }
        Err(error) => return failed(error.to_string()),
    };
    heap.step(search.memory() / 256)?;
    heap.keep_pattern(pattern, search.clone())?;
    Ok(search)
}

/// The first match from `start` on. It is paid for as if the whole rest had to be read, which a pattern can bring about
/// for every match; before it runs.
pub fn find_from(
    heap: &Heap,
    search: &Search,
    text: &str,
    start: usize,
) -> Result<Option<Found>, Fault> {
    let bytes = u64::try_from(text.len().saturating_sub(start)).unwrap_or(u64::MAX);
    let work = search.steps_per_byte().saturating_mul(bytes.saturating_add(1)) / 32;
    heap.step(1 + usize::try_from(work).unwrap_or(usize::MAX))?;
    let Some(found) = search.find_at(text, start) else { return Ok(None) };
    let groups = (0..search.group_count()).map(|index| found.group(index)).collect();
    Ok(Some(Found { groups }))
}

/// Every match, at most `limit`; an empty one right after another does not count.
pub fn find_all(
    heap: &Heap,
    search: &Search,
    text: &str,
    limit: Option<usize>,
) -> Result<Vec<Found>, Fault> {
    let mut all = Vec::new();
    let mut position = 0;
    let mut previous_end = None;
    while position <= text.len() && limit.is_none_or(|limit| all.len() < limit) {
        let Some(found) = find_from(heap, search, text, position)? else { break };
        let (start, end) = found.bounds();
        let counts = start != end || Some(start) != previous_end;
        previous_end = Some(end);
        position = if end > position { end } else { after(text, position) };
        if counts {
            heap.charge(std::mem::size_of::<Found>() + 24 * found.groups.len())?;
            all.push(found);
        }
    }
    Ok(all)
}

/// The position behind the next character.
fn after(text: &str, position: usize) -> usize {
    let rest = text.as_bytes().get(position..).unwrap_or(&[]);
    position + decode(rest).map_or(1, |(_, length)| length)
}

/// The pattern and the text of a call.
fn search<'a>(heap: &Heap, arguments: Arguments<'a>) -> Result<(Rc<Search>, Cow<'a, str>), Fault> {
    let Ok(pattern) = std::str::from_utf8(arguments.text(0)) else {
        return failed("the pattern is not UTF-8");
    };
    Ok((compiled(heap, pattern)?, String::from_utf8_lossy(arguments.text(1))))
}

fn count(arguments: Arguments<'_>) -> Option<usize> {
    usize::try_from(arguments.int(2)).ok()
}

/// `mustRegexMatch pattern text`
pub fn must_match(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (search, text) = search(heap, arguments)?;
    Ok(Value::Bool(find_from(heap, &search, &text, 0)?.is_some()))
}

/// `regexMatch pattern text`: false for what is no pattern.
pub fn matches(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    match must_match(heap, arguments) {
        Err(Fault::Failed(_)) => Ok(Value::Bool(false)),
        result => result,
    }
}

/// `regexFind pattern text`
pub fn find(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (search, text) = search(heap, arguments)?;
    let found = find_from(heap, &search, &text, 0)?;
    heap.text(found.map_or("", |found| found.text(&text, 0)))
}

/// `regexFindAll pattern text count`
pub fn find_all_texts(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (search, text) = search(heap, arguments)?;
    let found = find_all(heap, &search, &text, count(arguments))?;
    let nil = found.is_empty();
    let texts = found.iter().map(|found| heap.text(found.text(&text, 0)));
    let list = heap.strings(texts.collect::<Result<Vec<Value>, Fault>>()?)?;
    Ok(match list {
        Value::List(list) if nil => heap.nil_list(list.kind),
        list => list,
    })
}

/// Replaces every match by what `write` gives for it.
fn replaced(
    heap: &Heap,
    arguments: Arguments<'_>,
    write: impl Fn(&mut Builder<'_>, &Search, &Found, &str) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let (search, text) = search(heap, arguments)?;
    let mut out = heap.builder();
    let mut copied = 0;
    for found in find_all(heap, &search, &text, None)? {
        let (start, end) = found.bounds();
        out.push(text.get(copied..start).unwrap_or("").as_bytes())?;
        write(&mut out, &search, &found, &text)?;
        copied = end;
    }
    out.push(text.get(copied..).unwrap_or("").as_bytes())?;
    out.finish()
}

/// `regexReplaceAllLiteral pattern text replacement`
pub fn replace_all_literal(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    replaced(heap, arguments, |out, _, _, _| out.push(arguments.text(2)))
}

/// `regexReplaceAll pattern text replacement`: `$1`, `${1}`, `$name` and `${name}` are groups, `$$` is `$`.
pub fn replace_all(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let template = String::from_utf8_lossy(arguments.text(2));
    replaced(heap, arguments, |out, search, found, text| {
        let mut rest: &str = &template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push(before.as_bytes())?;
            if let Some((name, after)) = reference(after) {
                let group = group_number(search, name);
                out.push(group.map_or("", |group| found.text(text, group)).as_bytes())?;
                rest = after;
            } else {
                out.push(b"$")?;
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
        out.push(rest.as_bytes())
    })
}

/// The name of a group after a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, body) = match text.strip_prefix('{') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let end = body.find(|c| !is_alphanumeric(c)).unwrap_or(body.len());
    let (name, rest) = body.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    if braced { Some((name, rest.strip_prefix('}')?)) } else { Some((name, rest)) }
}

fn group_number(search: &Search, name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let leads_with_zero = name.len() > 1 && name.starts_with('0');
    if is_number && !leads_with_zero {
        return name.parse().ok();
    }
    search.group_number(name)
}

/// `regexSplit pattern text count`
pub fn split(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let (search, text) = search(heap, arguments)?;
    let limit = count(arguments);
    if limit == Some(0) {
        return Ok(heap.nil_list(string_list(heap)?));
    }
    if !arguments.text(0).is_empty() && text.is_empty() {
        return heap.strings(vec![heap.text("")?]);
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in find_all(heap, &search, &text, limit)? {
        if limit.is_some_and(|limit| parts.len() + 1 == limit) {
            break;
        }
        let (start, after) = found.bounds();
        end = start;
        if after != 0 {
            parts.push(heap.text(text.get(begin..end).unwrap_or(""))?);
        }
        begin = after;
    }
    if end != text.len() {
        parts.push(heap.text(text.get(begin..).unwrap_or(""))?);
    }
    heap.strings(parts)
}

/// The type of a list of strings.
fn string_list(heap: &Heap) -> Result<&'static crate::rules::template::value::Type, Fault> {
    match heap.strings(Vec::new())? {
        Value::List(list) => Ok(list.kind),
        _ => failed("no list"),
    }
}

/// `regexQuoteMeta text`
pub fn quote_meta(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut out = heap.builder();
    for byte in arguments.text(0) {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b"\\")?;
        }
        out.push(&[*byte])?;
    }
    out.finish()
}
