//! Character classes of a pattern: `\d`, `\pN`, `[a-z]`, `[[:alpha:]]`.
//!
//! The part of the reader that follows Go `regexp/syntax/parse.go` (parseClass, parseUnicodeClass, parseNamedClass).

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::reader::Reader;
use super::{PatternError, class};
use crate::limits;

impl<'p> Reader<'p> {
    /// `\d` and its kin, if the escape with this letter is one.
    pub(super) fn perl_class(
        &mut self,
        letter: char,
    ) -> Result<Option<ClassUnicode>, PatternError> {
        let Some(pairs) = class::perl(letter.to_ascii_lowercase()) else { return Ok(None) };
        self.skip(2);
        self.small_class(pairs, letter.is_ascii_uppercase()).map(Some)
    }

    fn small_class(
        &mut self,
        pairs: &[(char, char)],
        negated: bool,
    ) -> Result<ClassUnicode, PatternError> {
        let mut class = class::ranges(pairs);
        if self.flags.fold {
            self.fold(&mut class)?;
        }
        if negated {
            class.negate();
        }
        Ok(class)
    }

    /// `\pN`, `\p{Name}`, `\p{^Name}` and the same with `P`.
    pub(super) fn unicode_class(&mut self) -> Result<ClassUnicode, PatternError> {
        let start = self.rest;
        let mut negated = start.starts_with("\\P");
        self.skip(2);
        let name = match self.next() {
            Some('{') => match self.rest.split_once('}') {
                Some((name, rest)) => {
                    self.rest = rest;
                    name
                }
                None => return Err(self.error("invalid character class range", start)),
            },
            _ => start.get(2..start.len() - self.rest.len()).unwrap_or(""),
        };
        let positive = name.strip_prefix('^').unwrap_or(name);
        negated ^= positive.len() != name.len();
        let Some(mut class) = self.named_class(positive)? else {
            return Err(self.error("invalid character class range", start));
        };
        if negated {
            class.negate();
        }
        Ok(class)
    }

    fn named_class(&mut self, name: &'p str) -> Result<Option<ClassUnicode>, PatternError> {
        let key = (name, self.flags.fold);
        if let Some(class) = self.named.get(&key) {
            return Ok(Some(class.clone()));
        }
        let Some(mut class) = class::unicode(name) else { return Ok(None) };
        if self.flags.fold {
            self.fold(&mut class)?;
        }
        self.named.insert(key, class.clone());
        Ok(Some(class))
    }

    /// `[…]`. There are no set operations and no nesting; `[` inside is a literal, or begins `[:name:]`.
    pub(super) fn bracket_class(&mut self) -> Result<(), PatternError> {
        let start = self.rest;
        self.skip(1);
        let negated = self.rest.starts_with('^');
        if negated {
            self.skip(1);
        }
        let mut class = ClassRanges::default();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            self.class_item(start, &mut class)?;
            if self.ranges + class.0.len() > limits::PATTERN_RANGES {
                return Err(PatternError::TooLarge);
            }
        }
        self.skip(1);
        let mut class = ClassUnicode::new(class.0);
        if negated {
            class.negate();
        }
        self.class(class)
    }

    fn class_item(&mut self, start: &str, class: &mut ClassRanges) -> Result<(), PatternError> {
        if let Some(named) = self.posix_class()? {
            class.add(&named);
            return Ok(());
        }
        if self.rest.starts_with("\\p") || self.rest.starts_with("\\P") {
            class.add(&self.unicode_class()?);
            return Ok(());
        }
        let letter = self.rest.strip_prefix('\\').and_then(|rest| rest.chars().next());
        if let Some(letter) = letter
            && let Some(perl) = self.perl_class(letter)?
        {
            class.add(&perl);
            return Ok(());
        }
        let range = self.rest;
        let first = self.class_character(start)?;
        let mut last = first;
        let dash = self.rest.strip_prefix('-');
        if dash.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(']')) {
            self.skip(1);
            last = self.class_character(start)?;
            if last < first {
                return Err(self.error("invalid character class range", range));
            }
        }
        let mut characters = numbered(first, last);
        if self.flags.fold {
            self.fold(&mut characters)?;
        }
        class.add(&characters);
        Ok(())
    }

    fn class_character(&mut self, start: &str) -> Result<u32, PatternError> {
        if self.rest.starts_with('\\') {
            return self.escape();
        }
        match self.next() {
            Some(c) => Ok(u32::from(c)),
            None => Err(self.error("missing closing ]", start)),
        }
    }

    /// `[:name:]` or `[:^name:]`, if the reader stands at one.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let start = self.rest;
        let Some((name, rest)) = start.strip_prefix("[:").and_then(|rest| rest.split_once(":]"))
        else {
            return Ok(None);
        };
        self.rest = rest;
        let positive = name.strip_prefix('^').unwrap_or(name);
        match class::posix(positive) {
            Some(pairs) => self.small_class(pairs, positive.len() != name.len()).map(Some),
            None => Err(self.error("invalid character class range", start)),
        }
    }
}

/// The ranges of a class while it is read; they are put in order once, at its end.
#[derive(Default)]
struct ClassRanges(Vec<ClassUnicodeRange>);

impl ClassRanges {
    fn add(&mut self, class: &ClassUnicode) {
        self.0.extend_from_slice(class.ranges());
    }
}

/// The characters with these numbers; surrogates between them are no characters.
fn numbered(first: u32, last: u32) -> ClassUnicode {
    let below = (first, last.min(0xD7FF));
    let above = (first.max(0xE000), last);
    ClassUnicode::new([below, above].into_iter().filter(|(first, last)| first <= last).filter_map(
        |(first, last)| Some(ClassUnicodeRange::new(char::from_u32(first)?, char::from_u32(last)?)),
    ))
}
