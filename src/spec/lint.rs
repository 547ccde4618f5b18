//! What `imgcompat validate-spec` says about a specification beyond decoding: what can never hold or always does,
//! what hardly means what its author thinks, what fails when it is evaluated, and which NFD it needs.
//!
//! [`check`] takes the bytes, [`lint`] a decoded specification. An *error* is an expression that has no answer on
//! any host (an unknown operator, a pattern that is not valid); everything else is a warning. Every finding has a
//! stable code, a place, and where possible what to write instead. The traps are those of NFD's semantics, which
//! [`crate::rules`] keeps: they are no defects of the evaluation, so they must be found before it.

mod expression;
mod needs;
mod term;

use std::collections::{BTreeSet, HashMap};

pub use needs::{Needs, needs};

use super::decode::{Decoded, Invalid};
use super::diagnostic::{Diagnostic, Severity};
use super::model::{CompatibilitySet, Position, Rule, Specification};
use crate::rules::template;

/// All that can be said about a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The specification, if the document decodes.
    pub specification: Option<Specification>,
    /// Errors and warnings, in document order.
    pub findings: Vec<Diagnostic>,
    /// Errors that are not in the list, because there are too many.
    pub omitted: usize,
    /// The lowest version of NFD that understands the specification.
    pub needs: Option<Needs>,
}

/// Decodes and lints the bytes of a specification.
pub fn check(bytes: &[u8]) -> Checked {
    checked(super::decode(bytes))
}

/// The same for a local specification of the administrator's.
pub fn check_local(bytes: &[u8]) -> Checked {
    checked(super::decode::decode_local(bytes).map(|decoded| Decoded {
        specification: decoded.local.specification,
        warnings: decoded.warnings,
    }))
}

fn checked(decoded: Result<Decoded, Invalid>) -> Checked {
    match decoded {
        Ok(decoded) => {
            let mut findings = decoded.warnings;
            findings.extend(lint(&decoded.specification));
            findings.sort_by_key(|finding| finding.position);
            let needs = Some(needs(&decoded.specification));
            Checked { specification: Some(decoded.specification), findings, omitted: 0, needs }
        }
        Err(invalid) => {
            let mut findings = invalid.errors;
            findings.extend(invalid.warnings);
            findings.sort_by_key(|finding| finding.position);
            Checked { specification: None, findings, omitted: invalid.omitted, needs: None }
        }
    }
}

/// Lints a decoded specification; at most [`MOST`] findings.
pub fn lint(specification: &Specification) -> Vec<Diagnostic> {
    let mut linter = Linter::default();
    for set in &specification.compatibilities {
        linter.set(set);
    }
    linter.findings
}

/// More findings than this help nobody.
pub const MOST: usize = 200;

/// Walks a specification. Its methods return what a part is on every host alike, where that is certain: the
/// truth value of a constant.
#[derive(Default)]
struct Linter {
    findings: Vec<Diagnostic>,
    rule: Option<String>,
    /// The variables of the rules before; nothing once a template can have set any name.
    variables: BTreeSet<String>,
    any_variable: bool,
}

/// The alternatives around a term, as far as checks ask for them.
#[derive(Debug, Default)]
struct Surroundings {
    /// (feature, element) for which an alternative says DoesNotExist.
    absent: BTreeSet<(String, String)>,
    /// Whether an alternative asks for the kernel's configuration.
    config: bool,
}

impl Linter {
    fn set(&mut self, set: &CompatibilitySet) {
        let at = set.position.or_else(|| set.rules.first()?.position).unwrap_or(START);
        if set.description.trim().is_empty() && !set.rules.is_empty() {
            let help = "say in `description` what the image needs and why; a refusal can show it";
            self.warn("no-description", at, "this set has no description".to_owned(), help);
        }
        self.names(&set.rules);
        let constants: Vec<Option<bool>> = set.rules.iter().map(|rule| self.rule(rule)).collect();
        let never = constants.iter().position(|constant| *constant == Some(false));
        if let Some(rule) = never.and_then(|index| set.rules.get(index)) {
            let message = format!("this set can never hold, because rule {} cannot", label(rule));
            self.warn("never-holds", at, message, "correct or remove that rule");
        } else if !constants.is_empty() && constants.iter().all(|it| *it == Some(true)) {
            let message = "this set holds on every host".to_owned();
            self.warn("always-holds", at, message, "add the conditions that the image really has");
        }
    }

    fn names(&mut self, rules: &[Rule]) {
        let mut seen: HashMap<&str, Position> = HashMap::new();
        for rule in rules {
            let at = rule.position.unwrap_or(START);
            if rule.name.trim().is_empty() {
                let help = "name it after what it asks for; refusals and reports show the name";
                self.warn("unnamed-rule", at, "this rule has no name".to_owned(), help);
            } else if let Some(first) = seen.insert(&rule.name, at) {
                let message =
                    format!("the rule on line {} has the same name, {:?}", first.line, rule.name);
                self.warn(
                    "duplicate-rule-name",
                    at,
                    message,
                    "give each rule of a set its own name",
                );
            }
        }
    }

    fn rule(&mut self, rule: &Rule) -> Option<bool> {
        let at = rule.position.unwrap_or(START);
        self.rule = (!rule.name.is_empty()).then(|| rule.name.clone());
        if rule.match_features.is_empty() && rule.match_any.is_empty() {
            let message = "this rule asks for nothing, so it holds on every host".to_owned();
            self.warn(
                "empty-rule",
                at,
                message,
                "add terms under `matchFeatures`, or remove the rule",
            );
        }
        let all = self.terms(&rule.match_features, &Surroundings::default());
        let any = self.alternatives(rule, at);
        self.template(rule, at);
        self.variables.extend(rule.vars.keys().cloned());
        self.any_variable |= !rule.vars_template.is_empty();
        self.rule = None;
        and([all, any])
    }

    /// What a `varsTemplate` names is known before a node runs it.
    fn template(&mut self, rule: &Rule, at: Position) {
        if rule.vars_template.is_empty() {
            return;
        }
        match template::inspect(&rule.vars_template) {
            Err(error) => {
                let message = format!("the `varsTemplate` of this rule cannot be used: {error}");
                let help = "the rule is undecided wherever it is reached; correct the template";
                self.find(Severity::Error, "bad-template", at, message, Some(help.to_owned()));
            }
            Ok(refused) => {
                for function in refused {
                    let message = format!(
                        "`varsTemplate` names the function `{function}`, which imgcompat does not run"
                    );
                    let help = "what it gives depends on time, chance, secrets or the machine, or costs too much; do without it";
                    self.warn("refused-function", at, message, help);
                }
            }
        }
        if rule.match_features.is_empty() && rule.match_any.is_empty() {
            let message = "the `varsTemplate` of a rule without terms is never run".to_owned();
            self.warn("idle-template", at, message, "add terms, or use `vars`");
        }
    }

    fn alternatives(&mut self, rule: &Rule, at: Position) -> Option<bool> {
        if rule.match_any.is_empty() {
            return Some(true);
        }
        let surroundings = Surroundings::of(rule);
        let mut constants = Vec::new();
        for alternative in &rule.match_any {
            if alternative.match_features.is_empty() {
                let message =
                    "one alternative of `matchAny` has no terms, so it holds on every host"
                        .to_owned();
                self.warn("empty-alternative", at, message, "add terms to it, or remove it");
            }
            constants.push(self.terms(&alternative.match_features, &surroundings));
        }
        or(constants)
    }

    /// Whether looking on would find nothing that is kept.
    fn is_full(&self) -> bool {
        self.findings.len() >= MOST
    }

    fn warn(&mut self, code: &str, at: Position, message: String, help: impl Into<String>) {
        self.find(Severity::Warning, code, at, message, Some(help.into()));
    }

    fn find(
        &mut self,
        severity: Severity,
        code: &str,
        position: Position,
        message: String,
        help: Option<String>,
    ) {
        if !self.is_full() {
            let (code, rule) = (code.to_owned(), self.rule.clone());
            self.findings.push(Diagnostic { severity, code, position, rule, message, help });
        }
    }
}

impl Surroundings {
    fn of(rule: &Rule) -> Self {
        let mut surroundings = Surroundings::default();
        for term in rule.match_any.iter().flat_map(|alternative| &alternative.match_features) {
            let feature = term.feature.to_ascii_lowercase();
            surroundings.config |= feature == "kernel.config";
            for (element, expression) in term.match_expressions.iter().flatten() {
                if expression.op == "DoesNotExist" {
                    surroundings.absent.insert((feature.clone(), element.clone()));
                }
            }
        }
        surroundings
    }
}

const START: Position = Position { line: 1, column: 1 };

fn label(rule: &Rule) -> String {
    if rule.name.is_empty() {
        rule.position
            .map_or_else(|| "without a name".to_owned(), |at| format!("of line {}", at.line))
    } else {
        format!("{:?}", rule.name)
    }
}

/// Kleene's AND of constants, where nothing means that it depends on the host.
fn and(constants: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let constants: Vec<Option<bool>> = constants.into_iter().collect();
    let never = constants.contains(&Some(false)).then_some(false);
    never.or_else(|| (!constants.contains(&None)).then_some(true))
}

/// Kleene's OR.
fn or(constants: Vec<Option<bool>>) -> Option<bool> {
    and(constants.into_iter().map(|constant| constant.map(|truth| !truth))).map(|truth| !truth)
}

#[cfg(test)]
mod tests;
