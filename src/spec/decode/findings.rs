//! What decoding finds: collected, capped, and put into document order.

use super::{Decoded, Invalid};
use crate::spec::diagnostic::{Diagnostic, Severity};
use crate::spec::model::Specification;

/// More errors than this help nobody, and a stranger's document must not make us hold more.
const ERRORS: usize = 50;
/// The same for warnings.
const WARNINGS: usize = 100;

/// The findings so far, and the rule that is being decoded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Diagnostic>,
    omitted: usize,
    warnings: Vec<Diagnostic>,
    rule: Option<String>,
}

impl Findings {
    pub(super) fn enter(&mut self, rule: &str) {
        self.rule = (!rule.is_empty()).then(|| rule.to_owned());
    }

    pub(super) fn leave(&mut self) {
        self.rule = None;
    }

    pub(super) fn error(&mut self, error: Diagnostic) {
        if self.errors.len() < ERRORS {
            let rule = self.rule.clone();
            self.errors.push(Diagnostic { rule, ..error });
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn warning(&mut self, warning: Diagnostic) {
        if self.warnings.len() < WARNINGS {
            let (severity, rule) = (Severity::Warning, self.rule.clone());
            self.warnings.push(Diagnostic { severity, rule, ..warning });
        }
    }

    pub(super) fn no_errors(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether going on would only find more of the same.
    pub(super) fn is_full(&self) -> bool {
        self.omitted >= ERRORS
    }

    pub(super) fn result(mut self, specification: Specification) -> Result<Decoded, Invalid> {
        self.errors.sort_by_key(|error| error.position);
        self.warnings.sort_by_key(|warning| warning.position);
        if self.errors.is_empty() {
            Ok(Decoded { specification, warnings: self.warnings })
        } else {
            Err(Invalid { errors: self.errors, omitted: self.omitted, warnings: self.warnings })
        }
    }
}

/// The first error in one line, and how many more there are.
pub(super) fn summary(errors: &[Diagnostic], omitted: usize) -> String {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    match errors.len().saturating_sub(1) + omitted {
        0 => first,
        1 => format!("{first}; and 1 more error"),
        more => format!("{first}; and {more} more errors"),
    }
}
