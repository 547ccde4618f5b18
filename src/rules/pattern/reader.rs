//! The reader of Go's regular expression syntax: text in, regex-syntax's HIR out.
//!
//! It follows Go `regexp/syntax/parse.go` construct by construct (flags `Perl`), because a pattern must be accepted
//! or refused exactly as NFD does: `{` is literal unless it begins a repeat count, `a**` is an error, `\Q..\E`
//! quotes, `\pN` and `[[:alpha:]]` are classes, `(?<n>` names a group. It never recurses; open groups are on a stack
//! of its own. Captures keep their number and their name; `Pattern` ignores them, templates ask for them.

use std::collections::BTreeMap;

use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look};

use super::tree::{Count, Flags, Group, Kind, MAX_HEIGHT, Node};
use super::{PatternError, class};
use crate::limits;

/// Go's limit for a repeat count, and for the product of nested ones.
const MAX_REPEAT: u32 = 1000;
/// Go folds case between these two characters only; there is nothing to fold outside.
const FOLDED: (char, char) = ('A', '\u{1E943}');

/// A pattern that was read.
pub(super) struct Parsed {
    pub hir: Hir,
    /// Go's count of instructions; it bounds the states that are active at one time.
    pub size: u64,
}

pub(super) struct Reader<'p> {
    pattern: &'p str,
    pub(super) rest: &'p str,
    pub(super) flags: Flags,
    open: Vec<Group>,
    group: Group,
    captures: u32,
    pub(super) ranges: usize,
    folded: usize,
    pub(super) named: BTreeMap<(&'p str, bool), ClassUnicode>,
}

/// Reads a whole pattern.
pub(super) fn read(pattern: &str) -> Result<Parsed, PatternError> {
    let mut reader = Reader {
        pattern,
        rest: pattern,
        flags: Flags::default(),
        open: Vec::new(),
        group: Group::new(Flags::default(), None),
        captures: 0,
        ranges: 0,
        folded: 0,
        named: BTreeMap::new(),
    };
    let mut after_repeat = false;
    while let Some(c) = reader.rest.chars().next() {
        after_repeat = reader.step(c, after_repeat)?;
    }
    if !reader.open.is_empty() {
        return Err(reader.error("missing closing )", pattern));
    }
    let node = reader.group.close()?;
    Ok(Parsed { hir: node.hir, size: node.size })
}

impl<'p> Reader<'p> {
    /// Reads one construct that begins with `c`. Returns whether it was a repetition.
    fn step(&mut self, c: char, after_repeat: bool) -> Result<bool, PatternError> {
        match c {
            '(' => self.open_group()?,
            '|' => self.alternative()?,
            ')' => self.close_group()?,
            '[' => self.bracket_class()?,
            '\\' => self.backslash()?,
            '*' | '+' | '?' => {
                let at = self.rest;
                self.skip(1);
                let (min, max) = match c {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(at, Count { min, max, counted: false }, after_repeat)?;
                return Ok(true);
            }
            '{' => return self.counted_repeat(after_repeat),
            _ => {
                self.skip(c.len_utf8());
                match c {
                    '^' if self.flags.multi_line => self.look(Look::StartLF)?,
                    '^' => self.look(Look::Start)?,
                    '$' if self.flags.multi_line => self.look(Look::EndLF)?,
                    '$' => self.look(Look::End)?,
                    '.' if self.flags.dot_newline => self.dot(Dot::AnyChar)?,
                    '.' => self.dot(Dot::AnyCharExceptLF)?,
                    _ => self.literal(c)?,
                }
            }
        }
        Ok(false)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    /// An error about the text from `start` to where the reader stands.
    pub(super) fn error(&self, what: &'static str, start: &str) -> PatternError {
        let length = start.len().saturating_sub(self.rest.len());
        let part = start.get(..length).filter(|part| !part.is_empty()).unwrap_or(start);
        let offset = self.pattern.len().saturating_sub(start.len());
        PatternError::Syntax { what, part: super::super::quote::cut(part, 60), offset }
    }

    fn push(&mut self, node: Node) -> Result<(), PatternError> {
        if node.height > MAX_HEIGHT {
            return Err(PatternError::TooDeep);
        }
        self.group.sequence.push(node);
        Ok(())
    }

    fn look(&mut self, look: Look) -> Result<(), PatternError> {
        self.push(Node::leaf(Hir::look(look), Kind::Other))
    }

    fn dot(&mut self, dot: Dot) -> Result<(), PatternError> {
        self.push(Node::leaf(Hir::dot(dot), Kind::OneCharacter))
    }

    pub(super) fn literal(&mut self, c: char) -> Result<(), PatternError> {
        let fold = self.flags.fold;
        let hir = if fold {
            let mut class = class::ranges(&[(c, c)]);
            self.fold(&mut class)?;
            Hir::class(Class::Unicode(class))
        } else {
            let mut buffer = [0; 4];
            Hir::literal(c.encode_utf8(&mut buffer).as_bytes().to_vec())
        };
        self.push(Node::leaf(hir, Kind::Literal { fold }))
    }

    /// A literal given by number; surrogates are numbers that no text contains.
    fn code_point(&mut self, number: u32) -> Result<(), PatternError> {
        match char::from_u32(number) {
            Some(c) => self.literal(c),
            None => self.push(Node::leaf(Hir::fail(), Kind::OneCharacter)),
        }
    }

    pub(super) fn class(&mut self, class: ClassUnicode) -> Result<(), PatternError> {
        self.ranges += class.ranges().len();
        if self.ranges > limits::PATTERN_RANGES {
            return Err(PatternError::TooLarge);
        }
        self.push(Node::leaf(Hir::class(Class::Unicode(class)), Kind::OneCharacter))
    }

    /// Adds everything that differs from the class's characters by simple case folding only.
    pub(super) fn fold(&mut self, class: &mut ClassUnicode) -> Result<(), PatternError> {
        let mut foldable = ClassUnicode::new([ClassUnicodeRange::new(FOLDED.0, FOLDED.1)]);
        foldable.intersect(class);
        self.folded += foldable.ranges().iter().map(ClassUnicodeRange::len).sum::<usize>();
        if self.folded > limits::PATTERN_FOLDED {
            return Err(PatternError::TooLarge);
        }
        foldable.try_case_fold_simple().map_err(|_| PatternError::TooLarge)?;
        class.union(&foldable);
        Ok(())
    }

    // Groups

    fn open_group(&mut self) -> Result<(), PatternError> {
        if self.rest.starts_with("(?") {
            return self.perl_group();
        }
        self.skip(1);
        self.begin_capture(None);
        Ok(())
    }

    fn begin_capture(&mut self, name: Option<Box<str>>) {
        self.captures += 1;
        self.begin(Some((self.captures, name)));
    }

    fn begin(&mut self, captures: Option<(u32, Option<Box<str>>)>) {
        let group = Group::new(self.flags, captures);
        self.open.push(std::mem::replace(&mut self.group, group));
    }

    fn alternative(&mut self) -> Result<(), PatternError> {
        self.skip(1);
        self.group.end_alternative()
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        let Some(outer) = self.open.pop() else {
            return Err(self.error("unexpected )", self.rest));
        };
        self.skip(1);
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.outer;
        let mut group = group;
        let captures = group.captures.take();
        let mut node = group.close()?;
        if let Some((index, name)) = captures {
            node.hir = Hir::capture(Capture { index, name, sub: Box::new(node.hir) });
            node.kind = Kind::Other;
            node.size += 2;
            node.height += 1;
        }
        self.push(node)
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` and `(?flags:`.
    fn perl_group(&mut self) -> Result<(), PatternError> {
        let start = self.rest;
        let name = match start.strip_prefix("(?P<") {
            Some("") | None => start.strip_prefix("(?<").filter(|name| !name.is_empty()),
            name => name,
        };
        if let Some(name) = name {
            return self.named_group(start, name);
        }
        self.skip(2);
        let mut flags = self.flags;
        let (mut value, mut saw_flag) = (true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.fold = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_newline = value,
                'U' => flags.lazy = value,
                '-' if value => {
                    (value, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if value || saw_flag => {
                    if c == ':' {
                        self.begin(None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            saw_flag = true;
        }
        Err(self.error("invalid or unsupported Perl syntax", start))
    }

    fn named_group(&mut self, start: &'p str, name: &'p str) -> Result<(), PatternError> {
        let valid = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        match name.split_once('>') {
            Some((name, rest)) if valid(name) => {
                self.rest = rest;
                self.begin_capture(Some(name.into()));
                Ok(())
            }
            _ => Err(self.error("invalid named capture", start)),
        }
    }

    // Repetition

    /// Applies a repetition, which was read from `start` to where the reader stands, to the piece before it.
    fn repeat(
        &mut self,
        start: &'p str,
        count: Count,
        after_repeat: bool,
    ) -> Result<(), PatternError> {
        let Count { min, max, counted } = count;
        let marked = self.rest.starts_with('?');
        if marked {
            self.skip(1);
        }
        if after_repeat {
            return Err(self.error("invalid nested repetition operator", start));
        }
        let Some(node) = self.group.sequence.pop() else {
            return Err(self.error("missing argument to repetition operator", start));
        };
        let node = node.repeated(count, marked == self.flags.lazy);
        let checked = counted && (min >= 2 || max.is_some_and(|max| max >= 2));
        if checked && node.repeats > MAX_REPEAT {
            return Err(self.error("invalid repeat count", start));
        }
        self.push(node)
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else that begins with `{` is a literal brace.
    fn counted_repeat(&mut self, after_repeat: bool) -> Result<bool, PatternError> {
        let start = self.rest;
        let Some((min, max, rest)) = repeat_count(start) else {
            self.skip(1);
            self.literal('{')?;
            return Ok(false);
        };
        self.rest = rest;
        let too_large = min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max);
        if too_large {
            return Err(self.error("invalid repeat count", start));
        }
        self.repeat(start, Count { min, max, counted: true }, after_repeat)?;
        Ok(true)
    }

    // Escapes

    fn backslash(&mut self) -> Result<(), PatternError> {
        let start = self.rest;
        let escaped = start.get(1..).and_then(|rest| rest.chars().next());
        let look = match escaped {
            Some('A') => Look::Start,
            Some('z') => Look::End,
            Some('b') => Look::WordAscii,
            Some('B') => Look::WordAsciiNegate,
            Some('Q') => return self.quoted(),
            Some('p' | 'P') => {
                let class = self.unicode_class()?;
                return self.class(class);
            }
            Some(letter) => {
                if let Some(class) = self.perl_class(letter)? {
                    return self.class(class);
                }
                let number = self.escape()?;
                return self.code_point(number);
            }
            None => return Err(self.error("trailing backslash at end of expression", start)),
        };
        self.skip(2);
        self.look(look)
    }

    fn quoted(&mut self) -> Result<(), PatternError> {
        let text = self.rest.get(2..).unwrap_or("");
        let (literal, rest) = text.split_once("\\E").unwrap_or((text, ""));
        self.rest = rest;
        literal.chars().try_for_each(|c| self.literal(c))
    }

    /// An escape that stands for one character, given as its number.
    pub(super) fn escape(&mut self) -> Result<u32, PatternError> {
        let start = self.rest;
        self.skip(1);
        let Some(c) = self.next() else {
            return Err(self.error("trailing backslash at end of expression", start));
        };
        let number = match c {
            '1'..='7' if !self.rest.starts_with(|c| matches!(c, '0'..='7')) => None,
            '0'..='7' => Some(self.octal(c)),
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        number.ok_or_else(|| self.error("invalid escape sequence", start))
    }

    /// Up to three octal digits, of which the first is read already.
    fn octal(&mut self, first: char) -> u32 {
        let mut number = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else { break };
            self.skip(1);
            number = number * 8 + digit;
        }
        number
    }

    /// `\xFF` or `\x{10FFFF}`, from behind the `x`.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            return Some(first.to_digit(16)? * 16 + self.next()?.to_digit(16)?);
        }
        let mut number = self.next()?.to_digit(16)?;
        loop {
            match self.next()? {
                '}' => return Some(number),
                c => number = number * 16 + c.to_digit(16)?,
            }
            if number > u32::from(char::MAX) {
                return None;
            }
        }
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`: the counts, and the text behind. Counts past all limits saturate.
fn repeat_count(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            (Some(max), rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

fn count(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
