//! One term of matchFeatures: its expressions on its feature, and the rows that show them.
//!
//! Source: NFD `rule.go` (evaluateFeatureMatcher) and `expression.go` (MatchMulti, MatchNamesMulti, with
//! failFast=false), in Kleene's logic. Flags and attributes of a feature are one pool of elements; of instances, one
//! must satisfy all expressions by itself. Called by [`super::evaluate`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effort::Effort;
use super::expression::{Check, Element, Operator, Outcome};
use super::expression_error::ExpressionError;
use super::facts::{Fact, Facts, RULE_MATCHED};
use super::matched::Collector;
use super::module_name;
use super::names::{NameCheck, Names};
use super::quote::cut;
use super::report::{ExpressionReport, ExpressionVerdict, HostValue, Matcher, Truth};
use crate::host::{Attributes, Discovery, Feature};
use crate::limits;
use crate::spec::{Expression, Position, Term};

/// Everything a term is evaluated with.
pub(super) struct Bench<'s, 'f> {
    pub facts: Facts<'f>,
    pub effort: Effort<'s>,
}

/// One expression of matchExpressions, looked at once for all elements.
struct Named<'s> {
    element: &'s str,
    expression: &'s Expression,
    check: Result<Check<'s>, ExpressionError>,
}

/// The instance that a term's rows show.
struct Closest {
    index: usize,
    truth: Truth,
    satisfied: usize,
    outcomes: Vec<Outcome>,
}

fn truth(outcome: &Outcome) -> Truth {
    outcome.as_ref().map_or(Truth::Undecided, |holds| Truth::from(*holds))
}

/// Evaluates a term: adds its rows to `rows`, what matched to `collector`, and returns whether it holds.
pub(super) fn evaluate<'s>(
    term: &'s Term,
    bench: &mut Bench<'s, '_>,
    rows: &mut Vec<ExpressionReport>,
    mut collector: Option<&mut Collector>,
) -> Truth {
    let name = term.feature.to_lowercase();
    let fact = bench.facts.get(&name);
    if let Some(collector) = &mut collector {
        collector.begin_term(&term.feature);
    }
    let feature = match &fact.discovery {
        Discovery::Present(feature) => feature,
        Discovery::Absent(reason) => {
            absent_rows(term, reason, rows);
            return Truth::False;
        }
    };
    let mut evaluation = TermEvaluation { term, name: &name, fact: &fact, feature, bench, rows };
    let expressions = match &term.match_expressions {
        Some(expressions) => evaluation.match_expressions(expressions, collector.as_deref_mut()),
        None => Truth::True,
    };
    let names = match &term.match_name {
        Some(expression) => evaluation.match_name(expression, collector),
        None => Truth::True,
    };
    if term.match_expressions.is_none() && term.match_name.is_none() {
        evaluation.feature_row(true);
    }
    expressions.and(names)
}

fn row(
    term: &Term,
    element: &str,
    matcher: Matcher,
    expression: Option<&Expression>,
    verdict: ExpressionVerdict,
) -> ExpressionReport {
    ExpressionReport {
        feature: cut(&term.feature, limits::REPORT_NAME_BYTES),
        element: element.to_owned(),
        matcher,
        op: expression.map(|e| e.op.clone()).unwrap_or_default(),
        value: expression.map(|e| e.value.clone()).unwrap_or_default(),
        value_type: expression.map(|e| e.value_type.clone()).unwrap_or_default(),
        verdict,
        host: None,
        error: None,
        note: None,
        position: expression.and_then(|e| e.position).or(term.position),
        instance: None,
    }
}

/// The rows of a term whose feature the host does not have.
fn absent_rows(term: &Term, reason: &str, rows: &mut Vec<ExpressionReport>) {
    let first = rows.len();
    let no = ExpressionVerdict::NoMatch;
    for (element, expression) in term.match_expressions.iter().flatten() {
        rows.push(row(term, element, Matcher::MatchExpressions, Some(expression), no));
    }
    if let Some(expression) = &term.match_name {
        rows.push(row(term, "", Matcher::MatchName, Some(expression), no));
    }
    if rows.len() == first {
        rows.push(row(term, "", Matcher::Feature, None, no));
    }
    let note = match reason {
        "" => "the host does not have this feature".to_owned(),
        reason => format!("the host does not have this feature: {}", cut(reason, 200)),
    };
    for row in rows.iter_mut().skip(first) {
        row.note = Some(note.clone());
    }
}

/// A term whose feature is there.
struct TermEvaluation<'s, 'e, 'f> {
    term: &'s Term,
    /// The feature's name in lower case.
    name: &'e str,
    fact: &'e Fact,
    feature: &'e Feature,
    bench: &'e mut Bench<'s, 'f>,
    rows: &'e mut Vec<ExpressionReport>,
}

impl<'s> TermEvaluation<'s, '_, '_> {
    fn report(
        &self,
        element: &str,
        matcher: Matcher,
        expression: Option<&Expression>,
        outcome: &Outcome,
    ) -> ExpressionReport {
        let mut row = row(self.term, element, matcher, expression, truth(outcome).into());
        row.error = outcome.as_ref().err().map(|error| match row.position {
            Some(Position { line, column }) => format!("{error} (line {line}, column {column})"),
            None => error.to_string(),
        });
        row
    }

    /// The row of a term that asks for nothing but the feature, or for anything in it.
    fn feature_row(&mut self, holds: bool) {
        let mut row = self.report("", Matcher::Feature, None, &Ok(holds));
        row.host = Some(HostValue::Present(true));
        self.rows.push(row);
    }

    // matchExpressions

    fn match_expressions(
        &mut self,
        expressions: &'s BTreeMap<String, Expression>,
        mut collector: Option<&mut Collector>,
    ) -> Truth {
        let named: Vec<Named<'s>> = expressions
            .iter()
            .map(|(element, expression)| Named {
                element,
                expression,
                check: Check::new(expression),
            })
            .collect();
        let pool = self.has_pool().then(|| self.on_pool(&named, collector.as_deref_mut()));
        let instances = self.feature.instances.as_ref();
        let closest = instances.and_then(|all| self.on_instances(&named, all, collector));
        let in_pool = pool.as_ref().map_or(Truth::False, |outcomes| all(outcomes));
        let in_instances = closest.as_ref().map_or(Truth::False, |closest| closest.truth);
        let holds = in_pool.or(in_instances);
        match (pool, closest) {
            _ if named.is_empty() => self.feature_row(holds == Truth::True),
            (Some(outcomes), closest) if in_pool == holds || closest.is_none() => {
                self.pool_rows(&named, &outcomes);
            }
            (_, Some(closest)) => self.instance_rows(&named, closest),
            (_, None) => self.no_instance_rows(&named),
        }
        holds
    }

    fn has_pool(&self) -> bool {
        self.feature.flags.is_some() || self.feature.attributes.is_some()
    }

    fn on_pool(
        &mut self,
        named: &[Named<'s>],
        mut collector: Option<&mut Collector>,
    ) -> Vec<Outcome> {
        let outcomes = named
            .iter()
            .map(|named| self.on_pool_element(named, collector.as_deref_mut()))
            .collect();
        if let Some(collector) = collector {
            collector.sort_named();
        }
        outcomes
    }

    /// One expression on the flags and attributes: one of them must satisfy it, DoesNotExist both.
    fn on_pool_element(
        &mut self,
        named: &Named<'s>,
        mut collector: Option<&mut Collector>,
    ) -> Outcome {
        let check = named.check.as_ref().map_err(Clone::clone)?;
        self.depends_on_decided_rules(named.element)?;
        let absence = check.operator == Operator::DoesNotExist;
        let mut holds = absence;
        if self.feature.flags.is_some() {
            let flag = if self.has_flag(named.element) { Element::Flag } else { Element::Missing };
            let found = check.holds(flag, &mut self.bench.effort)?;
            if let Some(collector) = collector.as_deref_mut().filter(|_| found) {
                collector.named(named.element, None);
            }
            holds = if absence { holds && found } else { holds || found };
            if absence && !found {
                return Ok(false);
            }
        }
        if let Some(attributes) = &self.feature.attributes {
            let value = attributes.get(named.element);
            let element = value.map_or(Element::Missing, |value| Element::Value(value));
            let found = check.holds(element, &mut self.bench.effort)?;
            if let Some(collector) = collector.filter(|_| found) {
                collector.named(named.element, Some(value.map_or("", String::as_str)));
            }
            holds = if absence { holds && found } else { holds || found };
        }
        Ok(holds)
    }

    fn has_flag(&self, name: &str) -> bool {
        let exact = self.feature.flags.as_ref().is_some_and(|flags| flags.contains(name));
        exact || module_name::applies_to(self.name) && self.fact.module(name).is_some()
    }

    fn depends_on_decided_rules(&self, variable: &str) -> Result<(), ExpressionError> {
        let rule = self.bench.facts.undecided_rule(variable).filter(|_| self.name == RULE_MATCHED);
        match rule {
            Some(rule) => Err(ExpressionError::DependsOnUndecided { rule: rule.to_owned() }),
            None => Ok(()),
        }
    }

    /// All expressions on each instance. Returns the instance that says most: one that satisfies all, else one that
    /// cannot be decided, else the one that satisfies most; the first of equals.
    fn on_instances(
        &mut self,
        named: &[Named<'s>],
        instances: &[Attributes],
        mut collector: Option<&mut Collector>,
    ) -> Option<Closest> {
        let mut closest: Option<Closest> = None;
        for (index, instance) in instances.iter().enumerate() {
            let outcomes: Vec<Outcome> =
                named.iter().map(|named| self.on_instance(named, instance)).collect();
            let satisfied = outcomes.iter().filter(|outcome| **outcome == Ok(true)).count();
            let this = Closest { index, truth: all(&outcomes), satisfied, outcomes };
            if let Some(collector) = collector.as_deref_mut().filter(|_| this.truth == Truth::True)
            {
                collector.instance(instance);
            }
            if closest.as_ref().is_none_or(|best| this.rank() > best.rank()) {
                closest = Some(this);
            }
            let decided = closest.as_ref().is_some_and(|best| best.truth == Truth::True);
            if self.bench.effort.is_used_up() || decided && collector.is_none() {
                break;
            }
        }
        if let Some(collector) = collector {
            collector.flush();
        }
        closest
    }

    fn on_instance(&mut self, named: &Named<'s>, instance: &Attributes) -> Outcome {
        let check = named.check.as_ref().map_err(Clone::clone)?;
        let value = instance.get(named.element);
        let element = value.map_or(Element::Missing, |value| Element::Value(value));
        check.holds(element, &mut self.bench.effort)
    }

    fn named_row(&self, named: &Named<'s>, outcome: &Outcome) -> ExpressionReport {
        self.report(named.element, Matcher::MatchExpressions, Some(named.expression), outcome)
    }

    fn pool_rows(&mut self, named: &[Named<'s>], outcomes: &[Outcome]) {
        for (named, outcome) in named.iter().zip(outcomes) {
            let value = self.feature.attributes.as_ref().and_then(|all| all.get(named.element));
            let host = match value {
                Some(value) => Some(shown(value)),
                None => self.has_flag(named.element).then_some(HostValue::Present(true)),
            };
            let mut row = self.named_row(named, outcome);
            row.host = host;
            self.rows.push(row);
        }
    }

    fn instance_rows(&mut self, named: &[Named<'s>], closest: Closest) {
        let instances = self.feature.instances.as_ref();
        let Some(instance) = instances.and_then(|all| all.get(closest.index)) else { return };
        let shared = self.fact.shared_instance(closest.index, instance);
        for (named, outcome) in named.iter().zip(&closest.outcomes) {
            let mut row = self.named_row(named, outcome);
            row.host = instance.get(named.element).map(|value| shown(value));
            row.instance = Some(Arc::clone(&shared));
            self.rows.push(row);
        }
    }

    fn no_instance_rows(&mut self, named: &[Named<'s>]) {
        for named in named {
            let mut row = self.named_row(named, &Ok(false));
            row.note = Some("the feature has no instances on this host".to_owned());
            self.rows.push(row);
        }
    }

    // matchName

    fn match_name(
        &mut self,
        expression: &'s Expression,
        mut collector: Option<&mut Collector>,
    ) -> Truth {
        let check = NameCheck::new(expression, module_name::applies_to(self.name));
        let mut names = Names::new(collector.is_some());
        let feature = self.feature;
        let flags = feature.flags.iter().flatten().map(|name| (name, None));
        let attributes = feature.attributes.iter().flatten();
        let attributes = attributes.map(|(name, value)| (name, Some(value.as_str())));
        for (name, value) in flags.chain(attributes) {
            if names.enough {
                break;
            }
            let matches = names.ask(name, &check, &mut self.bench.effort);
            if let Some(collector) = collector.as_deref_mut().filter(|_| matches) {
                collector.named(name, value);
            }
        }
        if let Some(collector) = collector.as_deref_mut() {
            collector.sort_named();
        }
        for instance in feature.instances.iter().flatten() {
            if names.enough {
                break;
            }
            let mut any = false;
            for name in instance.keys() {
                any |= names.ask(name, &check, &mut self.bench.effort);
            }
            if let Some(collector) = collector.as_deref_mut().filter(|_| any) {
                collector.instance(instance);
            }
        }
        if let Some(collector) = collector {
            collector.flush();
        }
        self.name_row(expression, &check, names)
    }

    /// The undecided rule that may have set a variable whose name satisfies the expression.
    fn undecided_name(&mut self, check: &NameCheck<'s>) -> Option<String> {
        let Bench { facts, effort } = &mut *self.bench;
        let mut names = facts.undecided_names();
        let named = names.find(|(name, _)| check.holds(name, effort) != Ok(false));
        named.map(|(_, rule)| rule).or_else(|| facts.undecided_template()).map(str::to_owned)
    }

    fn name_row(
        &mut self,
        expression: &'s Expression,
        check: &NameCheck<'s>,
        names: Names<'_>,
    ) -> Truth {
        let mut outcome = names.outcome();
        if self.name == RULE_MATCHED
            && outcome == Ok(false)
            && let Some(rule) = self.undecided_name(check)
        {
            outcome = Err(ExpressionError::DependsOnUndecided { rule });
        }
        let shown = if names.matching.is_empty() { &names.all } else { &names.matching };
        let host = shown.iter().map(|name| cut(name, limits::REPORT_NAME_BYTES)).collect();
        let cut_list = shown.len() == limits::REPORT_NAMES;
        let mut row = self.report("", Matcher::MatchName, Some(expression), &outcome);
        row.host = Some(HostValue::Names(host));
        if cut_list {
            row.note = Some(format!("at most {} names are shown", limits::REPORT_NAMES));
        }
        self.rows.push(row);
        truth(&outcome)
    }
}

impl Closest {
    fn rank(&self) -> (u8, usize) {
        let truth = match self.truth {
            Truth::True => 2,
            Truth::Undecided => 1,
            Truth::False => 0,
        };
        (truth, self.satisfied)
    }
}

fn all(outcomes: &[Outcome]) -> Truth {
    outcomes.iter().fold(Truth::True, |all, outcome| all.and(truth(outcome)))
}

fn shown(value: &str) -> HostValue {
    HostValue::Value(cut(value, limits::REPORT_VALUE_BYTES))
}
