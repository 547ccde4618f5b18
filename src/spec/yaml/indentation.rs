//! Brackets and quotes over several lines: those indented too little for YAML 1.2, and those that hold too much.
//!
//! NFD's decoder (and YAML 1.1 as it is lived) accepts
//!
//! ```yaml
//! value: [
//!   "a",
//! ]
//! ```
//!
//! at any indentation, while `saphyr-parser` holds to the letter of YAML 1.2 and wants every line deeper than its
//! parent. White space at the start of such a line means nothing, so when that complaint comes, the document is
//! parsed once more with these lines moved to the right, and places are moved back by [`Indented::column`].

use crate::limits;

/// A text whose lines inside brackets and quotes are moved to the right.
#[derive(Debug, Default)]
pub(super) struct Indented {
    /// The text to parse.
    pub(super) text: String,
    /// By how much each line was moved.
    moved: Vec<u32>,
}

impl Indented {
    /// The column that a column of the moved text had in the document.
    pub(super) fn column(&self, line: u32, column: u32) -> u32 {
        let moved = self.moved.get(line.saturating_sub(1) as usize).copied().unwrap_or(0);
        column.saturating_sub(moved).max(1)
    }
}

/// Moves the lines; nothing if the text would grow beyond what a document may be.
pub(super) fn indented(source: &str) -> Option<Indented> {
    let mut result = Indented::default();
    let mut state = State::default();
    for line in source.split_inclusive('\n') {
        let leading = line.len() - line.trim_start_matches(' ').len();
        let moved = if state.inside() && !line.trim().is_empty() {
            (state.opened_at + 1).saturating_sub(leading)
        } else {
            0
        };
        if (result.text.len() + moved + line.len()) as u64 > 2 * limits::SPECIFICATION_BYTES {
            return None;
        }
        result.text.extend(std::iter::repeat_n(' ', moved));
        result.text.push_str(line);
        result.moved.push(u32::try_from(moved).ok()?);
        state.line(line, leading);
    }
    Some(result)
}

/// The most bytes that one pair of brackets or quotes spans, in whole lines.
pub(super) fn longest_span(source: &str) -> usize {
    let mut state = State::default();
    let (mut span, mut longest) = (0, 0);
    for line in source.split_inclusive('\n') {
        span = if state.inside() { span + line.len() } else { line.len() };
        longest = longest.max(span);
        state.line(line, line.len() - line.trim_start_matches(' ').len());
    }
    longest
}

/// Where the end of a line leaves the reader. It knows only as much of YAML as is needed to tell brackets and
/// quotes from text; it is asked only about documents that are very large, or that the parser has refused.
#[derive(Debug, Default)]
struct State {
    depth: usize,
    quote: Option<char>,
    /// The column of the outermost bracket or quote that is open.
    opened_at: usize,
    /// Inside a block scalar: how deep its lines must be.
    block: Option<usize>,
    /// Whether the next line that is not blank is the first of a block scalar, which says how deep it is.
    first_of_block: bool,
}

impl State {
    fn inside(&self) -> bool {
        self.depth > 0 || self.quote.is_some()
    }

    fn line(&mut self, line: &str, leading: usize) {
        if self.is_block(line, leading) {
            return;
        }
        let mut before = ' ';
        let mut plain = false;
        let mut characters = line.chars().enumerate().peekable();
        while let Some((column, c)) = characters.next() {
            if let Some(quote) = self.quote {
                let next = characters.peek().map(|next| next.1);
                let doubled = c == quote && quote == '\'' && next == Some('\'');
                if doubled || (c == '\\' && quote == '"') {
                    characters.next();
                } else if c == quote {
                    self.quote = None;
                }
                before = c;
                continue;
            }
            let starts = before.is_whitespace() || matches!(before, '[' | '{' | ',' | ':');
            match c {
                '#' if before.is_whitespace() => return,
                '"' | '\'' if starts && !plain => self.open(column, Some(c)),
                '[' | '{' if self.depth > 0 || (starts && !plain) => self.open(column, None),
                ']' | '}' if self.depth > 0 => self.depth -= 1,
                '|' | '>' if starts && !plain && self.depth == 0 => {
                    (self.block, self.first_of_block) = (Some(leading + 1), true);
                    return;
                }
                _ => {}
            }
            plain = match c {
                c if c.is_whitespace() && matches!(before, ':' | '-' | '?') => false,
                ',' | '[' | '{' if self.depth > 0 => false,
                c if c.is_whitespace() => plain,
                '-' | '?' | '&' | '!' if !plain => false,
                _ => true,
            };
            before = c;
        }
    }

    fn is_block(&mut self, line: &str, leading: usize) -> bool {
        let Some(depth) = self.block else {
            return false;
        };
        if line.trim().is_empty() {
            return true;
        }
        let inside = leading >= depth;
        self.block = inside.then_some(if self.first_of_block { leading } else { depth });
        self.first_of_block = false;
        inside
    }

    fn open(&mut self, column: usize, quote: Option<char>) {
        if !self.inside() {
            self.opened_at = column;
        }
        match quote {
            Some(_) => self.quote = quote,
            None => self.depth += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::decode;

    #[test]
    fn brackets_and_quotes_may_close_at_any_indentation() {
        let documents = [
            "compatibilities: [\n{rules: [{name: \"a\"}]}\n]\n",
            "compatibilities:\n- rules: [ {\n    name: a,\n  }, {\n    name: b\n} ]\n",
            "compatibilities:\n  - rules:\n    - matchFeatures: [\n      {feature: a}\n    ]\n",
            "compatibilities:\n  - description: \"a [\nb\"\n    rules: [\n    # a ] comment\n    {name: 'it''s ]'},\n]\n",
            "compatibilities:\n  - description: |\n     an [ open\n    rules: [\n{name: a}]\n",
        ];
        for document in documents {
            let decoded = decode(document.as_bytes());
            assert!(decoded.is_ok(), "{document}\n{:?}", decoded.err());
        }
    }

    #[test]
    fn places_are_those_of_the_document() {
        let document = "version: v1alpha1\ncompatibilities: [\n{rules: [{nam: a}]}\n]\n";
        let error = decode(document.as_bytes()).unwrap_err().errors.remove(0);
        assert_eq!(
            (error.code.as_str(), error.position.line, error.position.column),
            ("unknown-field", 3, 11)
        );
    }
}
