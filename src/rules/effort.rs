//! What one evaluation may cost: its steps, and the memory of its patterns.
//!
//! Every stranger's document ends in bounded time: when the steps are used up, what is left to evaluate is
//! undecided. Steps are counted, not timed, so that the same document has the same verdict on a busy machine.

use std::collections::BTreeMap;

use super::expression_error::ExpressionError;
use super::pattern::{Pattern, PatternError};
use crate::limits;

/// The steps left, and the patterns compiled so far.
#[derive(Debug)]
pub(super) struct Effort<'s> {
    steps: u64,
    memory: usize,
    patterns: BTreeMap<&'s str, Result<Pattern, ExpressionError>>,
}

impl<'s> Effort<'s> {
    /// A fresh budget.
    pub(super) fn new() -> Self {
        Effort {
            steps: limits::EVALUATION_STEPS,
            memory: limits::PATTERNS_PROGRAM_BYTES,
            patterns: BTreeMap::new(),
        }
    }

    /// Takes steps from the budget.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), ExpressionError> {
        self.spend_steps(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    fn spend_steps(&mut self, steps: u64) -> Result<(), ExpressionError> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(ExpressionError::TooMuchWork)
            }
        }
    }

    /// Compiles a pattern, once for the whole evaluation.
    pub(super) fn compile(&mut self, pattern: &'s str) -> Result<(), ExpressionError> {
        self.spend(1)?;
        if let Some(known) = self.patterns.get(pattern) {
            return known.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        self.spend(pattern.len())?;
        let compiled = self.compile_within_memory(pattern);
        let result = compiled.as_ref().map(|_| ()).map_err(Clone::clone);
        self.patterns.insert(pattern, compiled);
        result
    }

    fn compile_within_memory(&mut self, pattern: &str) -> Result<Pattern, ExpressionError> {
        if self.memory == 0 {
            return Err(ExpressionError::TooMuchWork);
        }
        let compiled = Pattern::new(pattern);
        let memory = match &compiled {
            Ok(pattern) => pattern.memory(),
            Err(PatternError::TooLarge) => limits::PATTERN_PROGRAM_BYTES,
            Err(_) => 0,
        };
        let enough = memory <= self.memory;
        self.memory = self.memory.saturating_sub(memory);
        match compiled {
            Ok(_) if !enough => Err(ExpressionError::TooMuchWork),
            compiled => compiled.map_err(|error| bad_pattern(pattern, error)),
        }
    }

    /// Whether a compiled pattern matches somewhere in the text.
    pub(super) fn is_match(
        &mut self,
        pattern: &'s str,
        text: &str,
    ) -> Result<bool, ExpressionError> {
        self.compile(pattern)?;
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
        let Some(Ok(compiled)) = self.patterns.get(pattern) else { return Ok(false) };
        let steps = compiled.steps_per_byte().saturating_mul(bytes);
        let matches = steps <= self.steps && compiled.is_match(text);
        self.spend_steps(steps)?;
        Ok(matches)
    }

    /// Whether the budget is used up, so that asking on is pointless.
    pub(super) fn is_used_up(&self) -> bool {
        self.steps == 0
    }
}

fn bad_pattern(pattern: &str, source: PatternError) -> ExpressionError {
    ExpressionError::BadPattern { pattern: super::quote::quoted(pattern), source }
}
