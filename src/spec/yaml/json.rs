//! A document that is JSON: read here, because the YAML parser keeps all of it as tokens until its outermost bracket
//! closes (some 100 MiB for 1 MiB of text), in case the whole should turn out to be a key.
//!
//! The meaning is the same: JSON is YAML in which all strings are quoted. Whatever is not JSON (RFC 8259) to the
//! letter is left to the YAML parser, which also has the better messages.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{Collection, Document, Loader, Properties, number};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::model::Position;

/// The document; nothing if the text is not JSON.
///
/// # Errors
/// A bound that is exceeded.
pub(super) fn load(source: &str) -> Result<Option<Document>, Diagnostic> {
    if !source.trim_start().starts_with('{') {
        return Ok(None);
    }
    let mut reader = Reader {
        rest: source,
        at: Position { line: 1, column: 1 },
        loader: Loader::default(),
        open: Vec::new(),
    };
    Ok(reader.document()?.then_some(reader.loader.document))
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    FirstItem,
    Key,
    FirstKey,
    Colon,
    Separator,
}

struct Reader<'s> {
    rest: &'s str,
    at: Position,
    loader: Loader,
    /// The closing bracket of every collection that is open.
    open: Vec<char>,
}

impl Reader<'_> {
    /// Whether the text is JSON to its end.
    fn document(&mut self) -> Result<bool, Diagnostic> {
        let mut expect = Expect::Value;
        while let Some(next) = self.skip_space() {
            match self.step(expect, next)? {
                Some(Expect::Separator) if self.open.is_empty() => {
                    return Ok(self.skip_space().is_none());
                }
                Some(then) => expect = then,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    fn step(&mut self, expect: Expect, next: char) -> Result<Option<Expect>, Diagnostic> {
        use Expect::{Colon, FirstItem, FirstKey, Key, Separator, Value};
        let ends = self.open.last() == Some(&next);
        Ok(match (expect, next) {
            (Value | FirstItem, '{') => {
                self.open(Collection::Mapping, '}')?;
                Some(FirstKey)
            }
            (Value | FirstItem, '[') => {
                self.open(Collection::Sequence, ']')?;
                Some(FirstItem)
            }
            (FirstItem | FirstKey | Separator, _) if ends => {
                self.loader.close(self.at)?;
                self.open.pop();
                self.advance(1);
                Some(Separator)
            }
            (Value | FirstItem, '"') => self.string()?.then_some(Separator),
            (Value | FirstItem, _) => self.literal()?.then_some(Separator),
            (Key | FirstKey, '"') => self.string()?.then_some(Colon),
            (Colon, ':') => {
                self.advance(1);
                Some(Value)
            }
            (Separator, ',') => {
                self.advance(1);
                Some(if self.open.last() == Some(&'}') { Key } else { Value })
            }
            _ => None,
        })
    }

    fn open(&mut self, collection: Collection, end: char) -> Result<(), Diagnostic> {
        self.loader.open(collection, Properties::none(self.at))?;
        self.open.push(end);
        self.advance(1);
        Ok(())
    }

    fn string(&mut self) -> Result<bool, Diagnostic> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let token = end.and_then(|(end, _)| self.rest.get(..=end)).unwrap_or_default();
        let Ok(text) = serde_json::from_str::<Cow<'_, str>>(token) else {
            return Ok(false);
        };
        self.loader.scalar(&text, false, Properties::none(self.at))?;
        self.advance(token.len());
        Ok(true)
    }

    fn literal(&mut self) -> Result<bool, Diagnostic> {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let token = self.rest.get(..end).unwrap_or_default();
        if serde_json::from_str::<IgnoredAny>(token).is_err() {
            return Ok(false);
        }
        self.loader.scalar(token, true, Properties::none(self.at))?;
        self.advance(token.len());
        Ok(true)
    }

    fn skip_space(&mut self) -> Option<char> {
        loop {
            match self.rest.chars().next()? {
                '\n' => {
                    self.advance(1);
                    self.at = Position { line: self.at.line + 1, column: 1 };
                }
                ' ' | '\t' | '\r' => self.advance(1),
                other => return Some(other),
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.at.column += number(passed.chars().count());
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Value};
    use super::*;

    /// Everything about a document, as text.
    fn shape(document: &Document, node: u32) -> String {
        let at = document.position(node);
        match document.value(node) {
            Value::Scalar(scalar) => format!("{at} {:?} {}", scalar.text, scalar.plain),
            Value::Sequence(items) | Value::Mapping(items) => {
                let items: Vec<String> = items.iter().map(|item| shape(document, *item)).collect();
                format!("{at} [{}]", items.join(", "))
            }
        }
    }

    #[test]
    fn json_is_read_as_the_yaml_parser_reads_it() {
        let documents = [
            "{}",
            "{\"a\": [1, -2.5e3, true, null, \"x\"], \"é\": {\"b\": []}}\n",
            " {\n\"a\" :\r\n [ { } ,\"\\u0041\\n\\\"\" ] }",
            "{\"a\":\"[{,:\",\"a\":0200}",
        ];
        for document in documents {
            let ours = load(document).unwrap();
            let theirs = Loader::load(document).unwrap_or_else(|_| panic!("{document}"));
            let Some(ours) = ours else {
                assert!(document.contains("0200"), "{document}");
                continue;
            };
            assert_eq!(shape(&ours, ours.root().unwrap()), shape(&theirs, theirs.root().unwrap()));
        }
    }

    #[test]
    fn what_is_not_json_to_the_letter_is_left_to_yaml() {
        let documents = [
            "a: b",
            "{a: b}",
            "{\"a\": b}",
            "{\"a\": 1,}",
            "{\"a\": [1,]}",
            "{\"a\" 1}",
            "{\"a\": 1} x",
            "{\"a\": 'x'}",
            "{\"a\": 1",
            "{\"a\": \"x",
            "{\"a\": \"x\ny\"}",
            "{\"a\": 1}\n---\n",
            "{\"a\": &b 1}",
            "{]",
            "{\"a\": 01}",
            "{\"a\": \"\\x41\"}",
            "{\"a\": 1} # c",
            "",
            " ",
            "[1]",
        ];
        for document in documents {
            assert!(load(document).unwrap().is_none(), "{document}");
        }
    }
}
