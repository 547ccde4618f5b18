//! Patterns of InRegexp: RE2 syntax as Go's `regexp` package reads it, searched in linear time.
//!
//! `pattern/reader.rs` (with `brackets.rs` for classes and `tree.rs` for Go's limits) reads Go's syntax into the form
//! that regex-automata compiles, so that neither more nor less is accepted than by NFD. A [`Pattern`] says whether a
//! text matches, a [`Search`] where. Source of the rules: Go `regexp/syntax` (Perl flags), and the bounds in
//! [`crate::limits`]. Called by [`super::expression`] and [`super::template`].

mod brackets;
mod class;
mod reader;
mod search;
mod tree;

pub use search::Search;

use std::cell::RefCell;

use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use thiserror::Error;

use crate::limits;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    program: PikeVM,
    cache: RefCell<Cache>,
    size: u64,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Longer than [`limits::PATTERN_BYTES`].
    #[error("the pattern has {0} bytes, {max} are allowed", max = limits::PATTERN_BYTES)]
    TooLong(usize),
    /// Its program would be larger than [`limits::PATTERN_PROGRAM_BYTES`], or Go's own limit.
    #[error("the pattern is too large once its classes and repetitions are written out")]
    TooLarge,
    /// Deeper than Go's limit of 1000.
    #[error("the pattern nests too deeply")]
    TooDeep,
    /// Syntax that RE2 does not have.
    #[error("{what}: `{part}` (byte {offset}); patterns are RE2 syntax, as in Go")]
    Syntax {
        /// What is wrong.
        what: &'static str,
        /// The part of the pattern that is wrong, cut to a readable length.
        part: String,
        /// Where the part begins, in bytes from 0.
        offset: usize,
    },
}

impl Pattern {
    /// Reads and compiles a pattern.
    pub fn new(pattern: &str) -> Result<Pattern, PatternError> {
        if pattern.len() > limits::PATTERN_BYTES {
            return Err(PatternError::TooLong(pattern.len()));
        }
        let parsed = reader::read(pattern)?;
        let config = Config::new()
            .which_captures(WhichCaptures::None)
            .shrink(false)
            .nfa_size_limit(Some(limits::PATTERN_PROGRAM_BYTES));
        let nfa = Compiler::new()
            .configure(config)
            .build_from_hir(&parsed.hir)
            .map_err(|_| PatternError::TooLarge)?;
        let program = PikeVM::new_from_nfa(nfa).map_err(|_| PatternError::TooLarge)?;
        let cache = RefCell::new(program.create_cache());
        Ok(Pattern { program, cache, size: parsed.size })
    }

    /// Whether the pattern matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.program.is_match(&mut self.cache.borrow_mut(), text)
    }

    /// The memory the compiled pattern holds, in bytes.
    pub fn memory(&self) -> usize {
        self.program.get_nfa().memory_usage() + self.cache.borrow().memory_usage()
    }

    /// An upper bound of the steps [`Pattern::is_match`] takes for one byte of text.
    pub fn steps_per_byte(&self) -> u64 {
        self.size
    }
}
