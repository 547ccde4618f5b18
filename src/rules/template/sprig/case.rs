//! sprig's functions that change case.
//!
//! Rule: Go `strings.ToUpper`, `ToLower`, `Title`; goutils `wordutils.go`; xstrings 1.5.0 `convert.go`.

use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::{Builder, Heap};
use crate::rules::template::unicode::{
    REPLACEMENT, characters, decode, is_alphanumeric, is_letter, is_lower, is_number,
    is_punctuation, is_space, is_title, is_upper, to_lower, to_title, to_upper,
};
use crate::rules::template::value::{Fault, Value};

/// Every character through `change`, which may remember the one before.
fn mapped(
    heap: &Heap,
    arguments: Arguments<'_>,
    mut change: impl FnMut(char) -> char,
) -> Result<Value, Fault> {
    let text = arguments.text(0);
    heap.step(text.len() / 8)?;
    let mut out = heap.builder();
    for (_, c, _) in characters(text) {
        out.push_char(change(c))?;
    }
    out.finish()
}

/// `upper text`
pub fn upper(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    mapped(heap, arguments, to_upper)
}

/// `lower text`
pub fn lower(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    mapped(heap, arguments, to_lower)
}

/// `title text`: the first letter of every word.
pub fn title(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut previous = ' ';
    mapped(heap, arguments, |c| {
        let starts = separates(previous);
        previous = c;
        if starts { to_title(c) } else { c }
    })
}

/// What ends a word for `strings.Title`.
fn separates(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_alphanumeric() && c != '_';
    }
    !is_alphanumeric(c) && is_space(c)
}

/// `untitle text`
pub fn untitle(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut next = true;
    mapped(heap, arguments, |c| {
        if is_space(c) {
            next = true;
            return c;
        }
        if std::mem::take(&mut next) { to_lower(c) } else { c }
    })
}

/// `swapcase text`
pub fn swapcase(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut after_space = true;
    mapped(heap, arguments, |c| {
        if is_upper(c) || is_title(c) {
            after_space = false;
            to_lower(c)
        } else if is_lower(c) {
            if std::mem::take(&mut after_space) { to_title(c) } else { to_upper(c) }
        } else {
            after_space = is_space(c);
            c
        }
    })
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// `camelcase text`: `some_words` becomes `SomeWords`.
pub fn camelcase(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = arguments.text(0);
    heap.step(text.len() / 8)?;
    let mut out = heap.builder();
    let mut rest = characters(text).map(|(_, c, _)| c).peekable();
    while let Some(connector) = rest.next_if(|c| is_connector(*c)) {
        if rest.peek().is_none() {
            // The last character of nothing but connectors is written twice by xstrings.
            out.push_char(connector)?;
        }
        out.push_char(connector)?;
    }
    let Some(first) = rest.next() else { return out.finish() };
    let mut in_upper = is_upper(first);
    let mut current = to_upper(first);
    for c in rest {
        let previous = std::mem::replace(&mut current, c);
        if is_connector(c) && is_connector(previous) {
            out.push_char(previous)?;
            continue;
        }
        if is_connector(previous) {
            in_upper = is_upper(c);
            current = to_upper(c);
            continue;
        }
        if in_upper {
            in_upper = is_upper(c);
            current = if in_upper { to_lower(c) } else { c };
        }
        out.push_char(previous)?;
    }
    out.push_char(current)?;
    out.finish()
}

/// `snakecase text`
pub fn snakecase(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    separated(heap, arguments.text(0), '_')
}

/// `kebabcase text`
pub fn kebabcase(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    separated(heap, arguments.text(0), '-')
}

/// A letter of a script that is written in words; xstrings leaves Chinese characters out.
fn is_alphabet(c: char) -> bool {
    let is_chinese = matches!(
        c,
        '\u{4E00}'..='\u{9FCC}' | '\u{3400}'..='\u{4D85}' | '\u{20000}'..='\u{2B81D}'
    );
    is_letter(c) && !is_chinese
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// A run of characters of one class.
type Word<'a> = (Class, &'a [u8]);

/// xstrings' `camelCaseToLowerCase`, step by step, because its treatment of digits follows no simpler rule.
fn separated(heap: &Heap, text: &[u8], connector: char) -> Result<Value, Fault> {
    heap.step(text.len() / 2)?;
    let mut out = heap.builder();
    let mut words = Words { rest: text };
    let mut word = words.next();
    while !words.rest.is_empty() {
        heap.step(1)?;
        if word.0 != Class::Connector {
            lowered(&mut out, word, connector)?;
        }
        let last = std::mem::replace(&mut word, words.next());
        match last.0 {
            Class::Number => {
                word = words.copy_run(&mut out, word, connector)?;
                connect_unless(&mut out, word.0, connector, true)?;
            }
            Class::Connector => lowered(&mut out, last, connector)?,
            Class::Punctuation => {}
            _ if word.0 != Class::Number => connect_unless(&mut out, word.0, connector, false)?,
            _ if words.rest.is_empty() => {}
            _ => word = words.number_after_word(&mut out, word, connector)?,
        }
    }
    lowered(&mut out, word, connector)?;
    out.finish()
}

fn connect_unless(
    out: &mut Builder<'_>,
    class: Class,
    connector: char,
    needs_word: bool,
) -> Result<(), Fault> {
    let stops = matches!(class, Class::Connector | Class::Punctuation);
    if stops || (needs_word && class == Class::Invalid) {
        return Ok(());
    }
    out.push_char(connector)
}

fn lowered(out: &mut Builder<'_>, word: Word<'_>, connector: char) -> Result<(), Fault> {
    if !matches!(word.0, Class::Upper | Class::Connector) {
        return out.push(word.1);
    }
    for (_, c, _) in characters(word.1) {
        out.push_char(match c {
            c if is_connector(c) => connector,
            c if is_upper(c) => to_lower(c),
            c => c,
        })?;
    }
    Ok(())
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn take(&mut self, class: Class, length: usize) -> Word<'a> {
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        (class, word)
    }

    fn next(&mut self) -> Word<'a> {
        let (first, size) = next_valid(self.rest, REPLACEMENT);
        if self.rest.is_empty() || first == REPLACEMENT {
            return self.take(Class::Invalid, size);
        }
        if is_upper(first) {
            let length = self.upper(first, size);
            return self.take(Class::Upper, length);
        }
        let (class, belongs): (Class, fn(char) -> bool) = match first {
            c if is_connector(c) => (Class::Connector, is_connector),
            c if is_punctuation(c) => (Class::Punctuation, is_punctuation),
            c if is_alphabet(c) => (Class::Alphabet, |c| is_alphabet(c) && !is_upper(c)),
            c if is_number(c) => (Class::Number, is_number),
            _ => (Class::Other, |c| {
                !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c))
            }),
        };
        let length = self.run(size, first, belongs).0;
        self.take(class, length)
    }

    /// From `start` over all characters that belong; the length, the last size, and the character that ended it.
    fn run(
        &self,
        start: usize,
        previous: char,
        belongs: impl Fn(char) -> bool,
    ) -> (usize, usize, char) {
        let (mut length, mut last_size, mut c) = (start, 0, previous);
        while let Some(rest) = self.rest.get(length..).filter(|rest| !rest.is_empty()) {
            let (next, size) = next_valid(rest, c);
            c = next;
            if !belongs(c) {
                break;
            }
            (length, last_size) = (length + size, size);
        }
        (length, last_size, c)
    }

    /// Capitals, or one capital and small letters. `HTTPStatus` ends before its `S`.
    fn upper(&self, first: char, size: usize) -> usize {
        let Some(rest) = self.rest.get(size..).filter(|rest| !rest.is_empty()) else { return size };
        let (second, second_size) = next_valid(rest, first);
        if is_upper(second) {
            let (length, last_size, c) = self.run(size + second_size, second, is_upper);
            let last_size = if last_size == 0 { second_size } else { last_size };
            let goes_on = length < self.rest.len() && is_alphabet(c);
            return if goes_on { length - last_size } else { length };
        }
        if is_alphabet(second) {
            return self.run(size + second_size, second, |c| is_alphabet(c) && !is_upper(c)).0;
        }
        size
    }

    /// Small letters and digits after a number stay together with it.
    fn copy_run(
        &mut self,
        out: &mut Builder<'_>,
        word: Word<'a>,
        connector: char,
    ) -> Result<Word<'a>, Fault> {
        let mut word = word;
        while matches!(word.0, Class::Alphabet | Class::Number) {
            lowered(out, word, connector)?;
            word = self.next();
        }
        Ok(word)
    }

    /// A number after a word belongs to it (`bld4_floor`), or to small letters that follow (`http_2xx`).
    fn number_after_word(
        &mut self,
        out: &mut Builder<'_>,
        number: Word<'a>,
        connector: char,
    ) -> Result<Word<'a>, Fault> {
        let word = self.next();
        if word.0 != Class::Alphabet {
            lowered(out, number, connector)?;
            connect_unless(out, word.0, connector, false)?;
            return Ok(word);
        }
        out.push_char(connector)?;
        lowered(out, number, connector)?;
        let word = self.copy_run(out, word, connector)?;
        connect_unless(out, word.0, connector, true)?;
        Ok(word)
    }
}

/// The next character that is not broken, with the length of what was passed; `previous` when there is none.
fn next_valid(bytes: &[u8], previous: char) -> (char, usize) {
    let mut passed = 0;
    while let Some((c, size)) = bytes.get(passed..).and_then(decode) {
        passed += size;
        if c != REPLACEMENT {
            return (c, passed);
        }
    }
    (previous, passed)
}
