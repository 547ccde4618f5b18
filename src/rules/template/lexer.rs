//! Splits a template into text and the tokens of its actions, with Go's rules for trim markers, comments and terminators.
//!
//! Called by `parser.rs`. The rule is Go 1.26, `text/template/parse/lex.go`. The whole source is split at once, so
//! that the parser can look ahead as far as it likes; the source is bounded before it comes here.

use super::TemplateError;
use super::unicode::{is_alphanumeric, is_print};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text outside of actions.
    Text,
    /// `{{`
    LeftDelim,
    /// `}}`
    RightDelim,
    /// A run of spaces between operands.
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// A string in double quotes, quotes included.
    Quoted,
    /// A string in back quotes, quotes included.
    Raw,
    /// A character constant, quotes included.
    Character,
    /// A number, with sign.
    Number,
    /// `1+2i`
    Complex,
    /// `true` or `false`
    Bool,
    /// `.name`
    Field,
    /// `$` or `$name`
    Variable,
    /// A function's name.
    Identifier,
    /// A keyword, `.` and `nil` included.
    Keyword(Keyword),
    /// Any other printable ASCII character.
    Other,
    /// The end of the source.
    End,
}

/// The words of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Dot,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// One token and where it starts.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'a str,
    /// The line it starts on, from 1.
    pub line: usize,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

struct Lexer<'a> {
    source: &'a str,
    position: usize,
    line: usize,
    parens: usize,
    tokens: Vec<Token<'a>>,
}

/// Splits `source`; the last token is always [`Kind::End`].
pub fn tokens(source: &str) -> Result<Vec<Token<'_>>, TemplateError> {
    let mut lexer = Lexer { source, position: 0, line: 1, parens: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

fn is_space(c: char) -> bool {
    SPACES.contains(&c)
}

fn has_left_trim(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

fn has_right_trim(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next().is_some_and(is_space) && chars.next() == Some('-')
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.position..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn error(&self, reason: impl Into<String>) -> TemplateError {
        TemplateError::Syntax { line: self.line, reason: reason.into() }
    }

    fn emit(&mut self, kind: Kind, start: usize) {
        let text = self.source.get(start..self.position).unwrap_or("");
        self.tokens.push(Token { kind, text, line: self.line });
        self.line += text.matches('\n').count();
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.position + bytes;
        let skipped = self.source.get(self.position..end).unwrap_or("");
        self.line += skipped.matches('\n').count();
        self.position = end;
    }

    fn run(&mut self) -> Result<(), TemplateError> {
        while let Some(offset) = self.rest().find("{{") {
            self.text_before(offset);
            self.left_delim()?;
        }
        let start = self.position;
        self.position = self.source.len();
        if self.position > start {
            self.emit(Kind::Text, start);
        }
        self.tokens.push(Token { kind: Kind::End, text: "", line: self.line });
        Ok(())
    }

    /// Emits the text before a delimiter, without its trailing spaces when the action trims them.
    fn text_before(&mut self, offset: usize) {
        let start = self.position;
        let text = self.rest().get(..offset).unwrap_or("");
        let after = self.rest().get(offset + 2..).unwrap_or("");
        let kept = if has_left_trim(after) { text.trim_end_matches(SPACES) } else { text };
        self.position = start + kept.len();
        if !kept.is_empty() {
            self.emit(Kind::Text, start);
        }
        self.skip(offset - kept.len());
    }

    fn left_delim(&mut self) -> Result<(), TemplateError> {
        let start = self.position;
        self.position += 2;
        let marker = if has_left_trim(self.rest()) { 2 } else { 0 };
        if self.rest().get(marker..).is_some_and(|rest| rest.starts_with("/*")) {
            self.skip(marker);
            return self.comment();
        }
        self.emit(Kind::LeftDelim, start);
        self.skip(marker);
        self.parens = 0;
        self.action()
    }

    fn comment(&mut self) -> Result<(), TemplateError> {
        let body = self.rest().get(2..).unwrap_or("");
        let Some(end) = body.find("*/") else {
            return Err(self.error("unclosed comment"));
        };
        self.skip(end + 4);
        let Some(trim) = self.right_delim_ahead() else {
            return Err(self.error("comment ends before closing delimiter"));
        };
        self.skip(if trim { 4 } else { 2 });
        self.trim_following(trim);
        Ok(())
    }

    /// Whether `}}` comes next, and if so whether with a trim marker.
    fn right_delim_ahead(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && rest.get(2..).is_some_and(|r| r.starts_with("}}")) {
            return Some(true);
        }
        rest.starts_with("}}").then_some(false)
    }

    fn trim_following(&mut self, trim: bool) {
        if trim {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(SPACES).len());
        }
    }

    fn action(&mut self) -> Result<(), TemplateError> {
        loop {
            if let Some(trim) = self.right_delim_ahead() {
                if self.parens > 0 {
                    return Err(self.error("unclosed left paren"));
                }
                self.skip(if trim { 2 } else { 0 });
                let start = self.position;
                self.position += 2;
                self.emit(Kind::RightDelim, start);
                self.trim_following(trim);
                return Ok(());
            }
            self.token()?;
        }
    }

    fn token(&mut self) -> Result<(), TemplateError> {
        let start = self.position;
        let Some(c) = self.next() else {
            return Err(self.error("unclosed action"));
        };
        let kind = match c {
            c if is_space(c) => return self.space(start),
            '=' => Kind::Assign,
            ':' if self.accept("=") => Kind::Declare,
            ':' => return Err(self.error("expected :=")),
            '|' => Kind::Pipe,
            '"' => self.quoted('"', "unterminated quoted string", Kind::Quoted)?,
            '\'' => self.quoted('\'', "unterminated character constant", Kind::Character)?,
            '`' => self.raw()?,
            '$' => self.name(Kind::Variable)?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => self.name(Kind::Field)?,
            '.' | '+' | '-' | '0'..='9' => return self.number(start),
            c if is_alphanumeric(c) => return self.word(start),
            '(' => {
                self.parens += 1;
                Kind::LeftParen
            }
            ')' if self.parens == 0 => return Err(self.error("unexpected right paren")),
            ')' => {
                self.parens -= 1;
                Kind::RightParen
            }
            c if c.is_ascii() && is_print(c) => Kind::Other,
            c => return Err(self.error(format!("unrecognized character in action: {c:?}"))),
        };
        self.emit(kind, start);
        Ok(())
    }

    /// A run of spaces. Its last space belongs to the delimiter when ` -}}` follows.
    fn space(&mut self, start: usize) -> Result<(), TemplateError> {
        let run = self.source.get(start..).unwrap_or("");
        let length = run.len() - run.trim_start_matches(SPACES).len();
        let ahead = run.get(length - 1..).unwrap_or("");
        let closes = has_right_trim(ahead) && ahead.get(2..).is_some_and(|r| r.starts_with("}}"));
        self.position = start + if closes { length - 1 } else { length };
        if self.position > start {
            self.emit(Kind::Space, start);
        }
        Ok(())
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) if is_space(c) => true,
            Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with("}}"),
        }
    }

    fn bad_character(&self) -> TemplateError {
        self.error(format!("bad character {:?} after a name", self.peek().unwrap_or(' ')))
    }

    fn name(&mut self, kind: Kind) -> Result<Kind, TemplateError> {
        if self.at_terminator() {
            return Ok(if kind == Kind::Field { Kind::Keyword(Keyword::Dot) } else { kind });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.at_terminator() { Ok(kind) } else { Err(self.bad_character()) }
    }

    fn word(&mut self, start: usize) -> Result<(), TemplateError> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            return Err(self.bad_character());
        }
        let kind = match self.source.get(start..self.position).unwrap_or("") {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "nil" => Kind::Keyword(Keyword::Nil),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind, start);
        Ok(())
    }

    fn quoted(&mut self, quote: char, error: &str, kind: Kind) -> Result<Kind, TemplateError> {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                Some('\\' | '\n') | None => return Err(self.error(error)),
                Some(c) if c == quote => return Ok(kind),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self) -> Result<Kind, TemplateError> {
        let Some(end) = self.rest().find('`') else {
            return Err(self.error("unterminated raw quoted string"));
        };
        self.position += end + 1;
        Ok(Kind::Raw)
    }

    fn number(&mut self, start: usize) -> Result<(), TemplateError> {
        self.position = start;
        let mut kind = Kind::Number;
        let mut valid = self.scan_number();
        if valid && self.peek().is_some_and(|c| c == '+' || c == '-') {
            valid = self.scan_number()
                && self.source.get(..self.position).is_some_and(|s| s.ends_with('i'));
            kind = Kind::Complex;
        }
        if !valid {
            let text = self.source.get(start..self.position).unwrap_or("");
            return Err(self.error(format!("bad number syntax: {text:?}")));
        }
        self.emit(kind, start);
        Ok(())
    }

    /// Scans generously; `literal.rs` finds what is wrong with `0x0.2` or `089`.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}
