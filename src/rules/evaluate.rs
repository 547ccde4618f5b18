//! The entry of the room: a specification against features.
//!
//! Source: NFD `rule.go` (ExecuteGroupRule, failFast=false) and `node-validator.go`, in Kleene's logic: a set is the
//! AND of its rules, an image the OR of its sets, and what cannot be evaluated taints only what depends on it.
//! Called by the gate and by `imgcompat validate-node`.

use std::collections::BTreeMap;

use super::effort::Effort;
use super::facts::Facts;
use super::matched::Collector;
use super::report::{
    Evaluation, ExpressionReport, MatchAnyReport, RuleReport, SetReport, SetVerdict, Truth,
};
use super::template::Execution;
use super::term::{self, Bench};
use crate::host::{Attributes, Features};
use crate::limits;
use crate::spec::{CompatibilitySet, Rule, Specification, Term};

/// What to evaluate of a specification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only sets with one of these tags; the empty tag stands for sets without one. None, or no tag, for all sets.
    pub tags: Option<Vec<String>>,
}

impl Options {
    fn selects(&self, set: &CompatibilitySet) -> bool {
        match self.tags.as_deref() {
            None | Some([]) => true,
            Some(tags) => tags.contains(&set.tag),
        }
    }
}

/// Evaluates the selected sets. Never fails: what cannot be evaluated is undecided, with the reason in its row. If
/// no set is selected the verdict is undecided, and `sets` is empty.
pub fn evaluate(spec: &Specification, features: &dyn Features, options: &Options) -> Evaluation {
    let mut bench = Bench { facts: Facts::new(features), effort: Effort::new() };
    let selected = spec.compatibilities.iter().enumerate().filter(|(_, set)| options.selects(set));
    let sets: Vec<SetReport> =
        selected.map(|(index, set)| evaluate_set(index, set, &mut bench)).collect();
    let verdicts = sets.iter().map(|set| set.verdict);
    let verdict = verdicts.reduce(any).unwrap_or(SetVerdict::Undecided);
    Evaluation { verdict, set: preferred(&sets), sets }
}

/// Kleene's OR, for verdicts.
fn any(a: SetVerdict, b: SetVerdict) -> SetVerdict {
    match (a, b) {
        (SetVerdict::Compatible, _) | (_, SetVerdict::Compatible) => SetVerdict::Compatible,
        (SetVerdict::Undecided, _) | (_, SetVerdict::Undecided) => SetVerdict::Undecided,
        _ => SetVerdict::Incompatible,
    }
}

/// The compatible set with the highest weight, the first of equals.
fn preferred(sets: &[SetReport]) -> Option<usize> {
    let compatible = sets.iter().filter(|set| set.verdict == SetVerdict::Compatible);
    let best = compatible.reduce(|best, set| if set.weight > best.weight { set } else { best });
    best.map(|set| set.index)
}

fn evaluate_set<'s>(
    index: usize,
    set: &'s CompatibilitySet,
    bench: &mut Bench<'s, '_>,
) -> SetReport {
    let mut truth = Truth::True;
    let mut rules = Vec::with_capacity(set.rules.len());
    for rule in &set.rules {
        let (rule_truth, report) = RuleEvaluation::run(rule, bench);
        truth = truth.and(rule_truth);
        rules.push(report);
    }
    SetReport {
        index,
        description: set.description.clone(),
        tag: set.tag.clone(),
        weight: set.weight,
        verdict: truth.into(),
        rules,
    }
}

/// One rule while it is evaluated.
struct RuleEvaluation<'s> {
    rule: &'s Rule,
    /// What the template has set so far.
    variables: Attributes,
    template_error: Option<String>,
}

impl<'s> RuleEvaluation<'s> {
    fn run(rule: &'s Rule, bench: &mut Bench<'s, '_>) -> (Truth, RuleReport) {
        let mut this = RuleEvaluation { rule, variables: BTreeMap::new(), template_error: None };
        let (any, match_any) = this.match_any(bench);
        let mut expressions = Vec::new();
        let features = match rule.match_features.as_slice() {
            // NFD executes no template here, but it does for an alternative without terms.
            [] => Truth::True,
            terms => this.match_features(terms, bench, &mut expressions),
        };
        let matchers = any.and(features);
        let truth = match &this.template_error {
            Some(_) => matchers.and(Truth::Undecided),
            None => matchers,
        };
        this.hand_over_variables(truth, bench);
        let error = match (truth, matchers) {
            (Truth::Undecided, Truth::True) => this.template_error,
            (Truth::Undecided, _) => first_error(&expressions, &match_any),
            _ => None,
        };
        let note = remark(rule).map(str::to_owned);
        let (name, verdict) = (rule.name.clone(), truth.into());
        (truth, RuleReport { name, verdict, error, note, expressions, match_any })
    }

    /// The OR of the alternatives, true if there are none. Every alternative is evaluated, for the report and for
    /// the template.
    fn match_any(&mut self, bench: &mut Bench<'s, '_>) -> (Truth, Vec<MatchAnyReport>) {
        if self.rule.match_any.is_empty() {
            return (Truth::True, Vec::new());
        }
        let mut any = Truth::False;
        let mut reports = Vec::with_capacity(self.rule.match_any.len());
        for alternative in &self.rule.match_any {
            let mut expressions = Vec::new();
            let truth = self.match_features(&alternative.match_features, bench, &mut expressions);
            any = any.or(truth);
            reports.push(MatchAnyReport { verdict: truth.into(), expressions });
        }
        (any, reports)
    }

    /// The AND of the terms, true if there are none; executes the template on what matched.
    fn match_features(
        &mut self,
        terms: &'s [Term],
        bench: &mut Bench<'s, '_>,
        rows: &mut Vec<ExpressionReport>,
    ) -> Truth {
        let mut collector = (!self.rule.vars_template.is_empty()).then(Collector::default);
        let mut all = Truth::True;
        for term in terms {
            all = all.and(term::evaluate(term, bench, rows, collector.as_mut()));
        }
        if let Some(collector) = collector.filter(|_| all == Truth::True) {
            self.execute_template(collector, bench);
        }
        all
    }

    fn execute_template(&mut self, collector: Collector, bench: &mut Bench<'s, '_>) {
        match expand(&self.rule.vars_template, collector, &mut bench.effort) {
            Ok(variables) => self.variables.extend(variables),
            Err(error) => {
                self.template_error.get_or_insert(format!("varsTemplate: {error}"));
            }
        }
    }

    fn hand_over_variables(&mut self, truth: Truth, bench: &mut Bench<'s, '_>) {
        let mut variables = Attributes::new();
        match truth {
            Truth::True => {
                variables = std::mem::take(&mut self.variables);
                let fixed = self.rule.vars.iter();
                variables.extend(fixed.map(|(name, value)| (name.clone(), value.clone())));
            }
            Truth::Undecided => {
                let template = !self.rule.vars_template.is_empty();
                bench.facts.add_uncertain(&self.rule.name, self.rule.vars.keys(), template);
            }
            Truth::False => {}
        }
        bench.facts.add_variables(variables);
    }
}

/// Executes a template within [`limits`]. What it cost is taken from the evaluation's budget afterwards; a budget that is
/// used up executes no more.
fn expand(
    source: &str,
    collector: Collector,
    effort: &mut Effort<'_>,
) -> Result<Vec<(String, String)>, String> {
    let max = limits::TEMPLATE_ELEMENTS;
    let matched = collector.finish().ok_or(format!("more than {max} elements match"))?;
    effort.spend(source.len() + 1).map_err(|error| error.to_string())?;
    let execution = Execution::new(source, &matched);
    let steps = execution.steps.saturating_mul(limits::TEMPLATE_STEP_COST);
    let affordable = effort.spend(steps).map_err(|error| error.to_string());
    let variables = execution.variables().map_err(|error| error.to_string())?;
    // They stay until the evaluation ends.
    let kept = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    affordable?;
    effort.spend(kept).map_err(|error| error.to_string())?;
    Ok(variables)
}

/// The reason of an undecided rule: the first row that could not be evaluated.
fn first_error(rows: &[ExpressionReport], alternatives: &[MatchAnyReport]) -> Option<String> {
    let all = rows.iter().chain(alternatives.iter().flat_map(|a| &a.expressions));
    let (row, error) = all.filter_map(|row| Some((row, row.error.as_ref()?))).next()?;
    let place = if row.element.is_empty() { "matchName" } else { &row.element };
    Some(format!("{} {place}: {error}", row.feature))
}

/// Why a rule, or an alternative of it, holds though it asks for nothing.
fn remark(rule: &Rule) -> Option<&'static str> {
    if rule.match_features.is_empty() && rule.match_any.is_empty() {
        return Some("has no conditions, so it always holds");
    }
    let empty = rule.match_any.iter().any(|alternative| alternative.match_features.is_empty());
    empty.then_some("an alternative of matchAny has no conditions, so it always holds")
}
