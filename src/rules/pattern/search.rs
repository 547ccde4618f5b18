//! Where a pattern matches: what templates ask, and InRegexp never does.
//!
//! The same syntax and bounds as [`Pattern`](super::Pattern), with captures. Called by the regular expression functions
//! of templates. Rule: Go `regexp`, leftmost-first.

use std::cell::RefCell;

use regex_automata::Input;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::captures::Captures;
use regex_automata::util::primitives::PatternID;

use super::{PatternError, reader};
use crate::limits;

/// A compiled pattern that knows its captures.
#[derive(Debug)]
pub struct Search {
    program: PikeVM,
    cache: RefCell<Cache>,
    size: u64,
}

impl Search {
    /// Reads and compiles a pattern.
    pub fn new(pattern: &str) -> Result<Search, PatternError> {
        if pattern.len() > limits::PATTERN_BYTES {
            return Err(PatternError::TooLong(pattern.len()));
        }
        let parsed = reader::read(pattern)?;
        let config = Config::new()
            .which_captures(WhichCaptures::All)
            .utf8(true)
            .nfa_size_limit(Some(limits::TEMPLATE_PATTERN_BYTES));
        let nfa = Compiler::new()
            .configure(config)
            .build_from_hir(&parsed.hir)
            .map_err(|_| PatternError::TooLarge)?;
        let program = PikeVM::new_from_nfa(nfa).map_err(|_| PatternError::TooLarge)?;
        let slots = program.get_nfa().group_info().slot_len();
        let states = program.get_nfa().states().len();
        if states.saturating_mul(slots) > limits::TEMPLATE_PATTERN_BYTES {
            return Err(PatternError::TooLarge);
        }
        let cache = RefCell::new(program.create_cache());
        Ok(Search { program, cache, size: parsed.size })
    }

    /// The first match that begins at `start` or later, as the captures' bounds.
    pub fn find_at(&self, text: &str, start: usize) -> Option<Match> {
        let mut captures = self.program.create_captures();
        let input = Input::new(text).range(start..);
        self.program.captures(&mut self.cache.borrow_mut(), input, &mut captures);
        captures.is_match().then_some(Match(captures))
    }

    /// How many groups there are, the whole match included.
    pub fn group_count(&self) -> usize {
        self.program.get_nfa().group_info().group_len(PatternID::ZERO)
    }

    /// The number of a named group.
    pub fn group_number(&self, name: &str) -> Option<usize> {
        self.program.get_nfa().group_info().to_index(PatternID::ZERO, name)
    }

    /// The memory the compiled pattern holds, in bytes.
    pub fn memory(&self) -> usize {
        self.program.get_nfa().memory_usage() + self.cache.borrow().memory_usage()
    }

    /// The steps a search takes for one byte of text, at most; copying eight captures is one.
    pub fn steps_per_byte(&self) -> u64 {
        let slots = u64::try_from(self.program.get_nfa().group_info().slot_len()).unwrap_or(1);
        self.size.saturating_mul(slots.div_ceil(16))
    }
}

/// One match with its captures.
#[derive(Debug)]
pub struct Match(Captures);

impl Match {
    /// Where a group matched, if it took part.
    pub fn group(&self, index: usize) -> Option<(usize, usize)> {
        self.0.get_group(index).map(|span| (span.start, span.end))
    }
}
