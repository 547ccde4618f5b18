//! The lowest version of NFD that understands a specification.
//!
//! Source: the changes between NFD v0.17, the first with image compatibility, and v0.19. An older NFD fails on a
//! newer operator, and takes a newer feature or element for absent.

use std::fmt;

use serde::Serialize;

use crate::spec::known::{self, NfdVersion};
use crate::spec::model::{Expression, Rule, Specification, Term};

/// A version of NFD, and what in the specification asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// For example `v0.18`.
    pub version: String,
    /// What older versions do not know, in alphabetical order; at most a few.
    pub because: Vec<String>,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NFD {} or newer", self.version)?;
        if self.because.is_empty() { Ok(()) } else { write!(f, " ({})", self.because.join(", ")) }
    }
}

/// Looks through a specification for what came after the first NFD.
pub fn needs(specification: &Specification) -> Needs {
    let rules = specification.compatibilities.iter().flat_map(|set| &set.rules);
    let mut newer: Vec<(NfdVersion, String)> =
        rules.flat_map(all_terms).flat_map(of_term).collect();
    newer.sort();
    newer.dedup();
    let version = newer.last().map_or(NfdVersion::FIRST, |(version, _)| *version);
    let because = newer.into_iter().filter(|(since, _)| *since == version);
    Needs { version: version.to_string(), because: because.map(|(_, what)| what).take(5).collect() }
}

fn all_terms(rule: &Rule) -> impl Iterator<Item = &Term> {
    let alternatives = rule.match_any.iter().flat_map(|alternative| &alternative.match_features);
    rule.match_features.iter().chain(alternatives)
}

fn of_term(term: &Term) -> Vec<(NfdVersion, String)> {
    let mut newer = Vec::new();
    let feature = known::find(&term.feature);
    if let Some(feature) = feature {
        newer.push((feature.since, feature.name.to_owned()));
    }
    for (element, expression) in term.match_expressions.iter().flatten() {
        if let Some(feature) = feature {
            let since = known::element_since(feature, element);
            if since > feature.since {
                newer.push((since, format!("{} {element}", feature.name)));
            }
        }
        newer.extend(of_expression(expression));
    }
    newer.extend(term.match_name.iter().flat_map(of_expression));
    newer.retain(|(since, _)| *since > NfdVersion::FIRST);
    newer
}

fn of_expression(expression: &Expression) -> Vec<(NfdVersion, String)> {
    let mut newer = Vec::new();
    if matches!(expression.op.as_str(), "Ge" | "Le" | "GeLe") {
        newer.push((NfdVersion(18), format!("operator {}", expression.op)));
    }
    if !expression.value_type.is_empty() {
        newer.push((NfdVersion(18), format!("type: {}", expression.value_type)));
    }
    newer
}
