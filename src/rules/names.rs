//! matchName: an expression on the names of a feature's elements.
//!
//! Source: NFD `expression.go` (MatchNamesMulti): it holds if one name satisfies it. Called by [`super::term`].

use std::collections::BTreeSet;

use super::effort::Effort;
use super::expression::{Check, Element, Operator, Outcome};
use super::expression_error::ExpressionError;
use super::module_name;
use crate::limits;
use crate::spec::Expression;

/// The expression of a matchName, with what it needs for names of kernel modules.
pub(super) struct NameCheck<'s> {
    check: Result<Check<'s>, ExpressionError>,
    /// The values with `_` for `-`, where names are compared as modules'.
    modules: Option<BTreeSet<String>>,
}

impl<'s> NameCheck<'s> {
    /// Looks at the expression once for all names; `modules` says that they are names of kernel modules.
    pub(super) fn new(expression: &'s Expression, modules: bool) -> Self {
        let values =
            || expression.value.iter().map(|value| module_name::canonical(value)).collect();
        NameCheck { check: Check::new(expression), modules: modules.then(values) }
    }

    /// Whether a name satisfies the expression.
    pub(super) fn holds(&self, name: &str, effort: &mut Effort<'s>) -> Outcome {
        let check = self.check.as_ref().map_err(Clone::clone)?;
        let plain = check.holds(Element::Value(name), effort)?;
        let Some(values) = &self.modules else { return Ok(plain) };
        let wanted = || values.contains(&module_name::canonical(name));
        match check.operator {
            Operator::In => Ok(wanted()),
            Operator::NotIn => Ok(!wanted()),
            // The author of a pattern may have thought of either spelling.
            Operator::InRegexp if !plain => {
                let underscored = module_name::canonical(name);
                let dashed = module_name::dashed(name);
                Ok(check.holds(Element::Value(&underscored), effort)?
                    || check.holds(Element::Value(&dashed), effort)?)
            }
            _ => Ok(plain),
        }
    }
}

/// The names asked about so far.
#[derive(Default)]
pub(super) struct Names<'n> {
    /// Every matching name is wanted, not only whether there is one.
    collecting: bool,
    /// Asking on changes nothing.
    pub enough: bool,
    /// The first names asked about.
    pub all: BTreeSet<&'n str>,
    /// The first names that match.
    pub matching: BTreeSet<&'n str>,
    error: Option<ExpressionError>,
}

impl<'n> Names<'n> {
    /// No name is asked about yet.
    pub(super) fn new(collecting: bool) -> Self {
        Names { collecting, ..Names::default() }
    }

    /// Asks about one name. Returns whether it matches.
    pub(super) fn ask<'s>(
        &mut self,
        name: &'n str,
        check: &NameCheck<'s>,
        effort: &mut Effort<'s>,
    ) -> bool {
        if self.all.len() < limits::REPORT_NAMES {
            self.all.insert(name);
        }
        let outcome = check.holds(name, effort);
        let matches = outcome == Ok(true);
        if matches && self.matching.len() < limits::REPORT_NAMES {
            self.matching.insert(name);
        }
        if let Err(error) = outcome {
            self.error.get_or_insert(error);
        }
        let full = self.matching.len() >= limits::REPORT_NAMES;
        self.enough = effort.is_used_up() || full && !self.collecting;
        matches
    }

    /// Whether some name matches; an error counts only where none does.
    pub(super) fn outcome(&self) -> Outcome {
        match &self.error {
            Some(error) if self.matching.is_empty() => Err(error.clone()),
            _ => Ok(!self.matching.is_empty()),
        }
    }
}
