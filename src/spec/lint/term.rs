//! Checks of a term and of terms together: names of features and elements, devices, modules, contradictions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Linter, START, Surroundings, and};
use crate::spec::decode::{nearest, quoted};
use crate::spec::known::{self, Feature, Kind};
use crate::spec::model::{Expression, Position, Term};

/// A term with what is known about its feature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) term: &'a Term,
    pub(super) feature: Option<&'static Feature>,
    pub(super) surroundings: &'a Surroundings,
}

impl Subject<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.term.feature.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_of_devices(&self) -> bool {
        self.feature.is_some_and(|feature| feature.kind == Kind::Instances)
    }

    fn position(&self) -> Position {
        self.term.position.unwrap_or(START)
    }
}

impl Linter {
    /// Terms that must all hold.
    pub(super) fn terms(&mut self, terms: &[Term], surroundings: &Surroundings) -> Option<bool> {
        let constants: Vec<Option<bool>> =
            terms.iter().map(|term| self.term(term, surroundings)).collect();
        self.split_devices(terms);
        let contradiction = self.contradictions(terms).then_some(false);
        and(constants.into_iter().chain(contradiction.map(Some)))
    }

    fn term(&mut self, term: &Term, surroundings: &Surroundings) -> Option<bool> {
        let subject = Subject { term, feature: known::find(&term.feature), surroundings };
        if self.is_full() {
            return None;
        }
        if term.feature.is_empty() {
            let help = "add `feature: <name>`, for example `feature: cpu.cpuid`";
            let message = "this term names no feature, so it never holds".to_owned();
            self.warn("no-feature", subject.position(), message, help);
            return Some(false);
        }
        self.feature_name(subject);
        if term.match_expressions.is_none() && term.match_name.is_none() {
            return self.bare_term(subject);
        }
        let mut constants = Vec::new();
        for (element, expression) in term.match_expressions.iter().flatten() {
            let at = expression.position.unwrap_or(subject.position());
            self.element_name(subject, element, at);
            self.module(subject, element, expression, at);
            constants.push(self.expression(subject, element, expression, at));
        }
        if let Some(expression) = &term.match_name {
            let at = expression.position.unwrap_or(subject.position());
            constants.push(self.match_name(subject, expression, at));
        }
        // An absent feature makes any term false, so nothing here is true for certain.
        let everywhere = subject.feature.is_some_and(|feature| feature.everywhere);
        and(constants).filter(|constant| !constant || everywhere)
    }

    fn feature_name(&mut self, subject: Subject<'_>) {
        if subject.feature.is_some() {
            return;
        }
        let names: Vec<&str> = known::FEATURES.iter().map(|feature| feature.name).collect();
        let help = match nearest(&subject.term.feature, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "features are called like `cpu.cpuid` or `kernel.version`; `imgcompat export features` lists those of a host".to_owned(),
        };
        let message = format!(
            "NFD reports no feature {}, and a term on an absent feature never holds",
            quoted(&subject.term.feature)
        );
        self.warn("unknown-feature", subject.position(), message, help);
    }

    fn bare_term(&mut self, subject: Subject<'_>) -> Option<bool> {
        let feature = subject.feature?;
        let message = if subject.is_of_devices() {
            format!(
                "this term asks only whether the host reports {} at all, which hosts without any such device do too",
                feature.name
            )
        } else {
            format!("this term asks only whether the host reports {} at all", feature.name)
        };
        let help = if subject.is_of_devices() {
            "add `matchExpressions`, or `matchExpressions: {}` to ask for at least one device"
        } else {
            "add `matchExpressions` with what it must have"
        };
        self.warn("bare-term", subject.position(), message, help);
        feature.everywhere.then_some(true)
    }

    fn element_name(&mut self, subject: Subject<'_>, element: &str, at: Position) {
        let Some(feature) = subject.feature else {
            return;
        };
        if feature.name == known::MATCHED {
            self.variable(element, at);
        } else if !feature.may_have(element) {
            let help = match feature.nearest(element) {
                Some(name) => format!("did you mean `{name}`?"),
                None => elements(feature),
            };
            let message = format!("NFD reports no {} in {}", quoted(element), feature.name);
            self.warn("unknown-element", at, message, help);
        } else if feature.name == "kernel.config" && element.starts_with("CONFIG_") {
            let bare = element.trim_start_matches("CONFIG_");
            let message = format!(
                "kernel options are named without `CONFIG_`, so {} is absent",
                quoted(element)
            );
            self.warn("config-prefix", at, message, format!("write `{bare}`"));
        }
    }

    fn variable(&mut self, name: &str, at: Position) {
        if !self.any_variable && !self.variables.contains(name) {
            let message = format!("no rule before this one sets the variable {}", quoted(name));
            self.warn(
                "unknown-variable",
                at,
                message,
                "set it in `vars` of a rule that stands before",
            );
        }
    }

    fn module(
        &mut self,
        subject: Subject<'_>,
        module: &str,
        expression: &Expression,
        at: Position,
    ) {
        let loaded = subject.is("kernel.loadedmodule");
        if !loaded && !subject.is("kernel.enabledmodule") {
            return;
        }
        let underscored = module.replace('-', "_");
        if underscored != module {
            let message = format!(
                "the kernel calls this module {underscored}; NFD finds no {module}, imgcompat takes both for the same"
            );
            self.warn("module-name", at, message, format!("write `{underscored}`"));
        }
        let out_of_tree = known::OUT_OF_TREE_MODULES.contains(&underscored.as_str());
        if expression.op != "Exists" || out_of_tree {
            return;
        }
        if loaded {
            let message = format!(
                "{underscored} is not in kernel.loadedmodule where it is built into the kernel"
            );
            self.warn(
                "built-in-module",
                at,
                message,
                "use `feature: kernel.enabledmodule`, which has both",
            );
        }
        if !subject.surroundings.config {
            let option = known::module_option(&underscored).unwrap_or("<OPTION>");
            let message =
                format!("this refuses hosts that would load {underscored} when it is needed");
            let help = format!(
                "make it one alternative of `matchAny`, with `feature: kernel.config` and `{option}: {{op: In, value: [\"y\", \"m\"]}}` as the other"
            );
            self.warn("module-on-demand", at, message, help);
        }
    }

    /// Two terms on the same kind of device can match two different devices.
    fn split_devices(&mut self, terms: &[Term]) {
        let mut seen: Vec<(&Term, BTreeSet<&String>)> = Vec::new();
        for term in terms {
            let devices = known::find(&term.feature).is_some_and(|it| it.kind == Kind::Instances);
            let elements: BTreeSet<&String> =
                term.match_expressions.iter().flat_map(BTreeMap::keys).collect();
            if !devices || elements.is_empty() {
                continue;
            }
            let other = seen.iter().find(|(before, theirs)| {
                before.feature.eq_ignore_ascii_case(&term.feature) && theirs.is_disjoint(&elements)
            });
            if let Some((before, _)) = other {
                let line = before.position.unwrap_or(START).line;
                let message = format!(
                    "this term and the one on line {line} may be satisfied by two different devices"
                );
                let help = "put the expressions into one term if they are about the same device";
                self.warn("split-device", term.position.unwrap_or(START), message, help);
            }
            if seen.len() < 32 {
                seen.push((term, elements));
            }
        }
    }

    /// Whether two expressions on one element of one host exclude each other.
    fn contradictions(&mut self, terms: &[Term]) -> bool {
        let mut seen: BTreeMap<(String, &String), &Expression> = BTreeMap::new();
        let mut found = false;
        let about_the_host = |term: &&Term| {
            known::find(&term.feature).is_some_and(|feature| feature.kind != Kind::Instances)
        };
        let expressions = terms.iter().filter(about_the_host).flat_map(|term| {
            term.match_expressions.iter().flatten().map(move |asked| (&term.feature, asked))
        });
        for (feature, (element, expression)) in expressions {
            let before = seen.insert((feature.to_ascii_lowercase(), element), expression);
            if let Some(before) = before.filter(|before| exclude(before, expression)) {
                let line = before.position.unwrap_or(START).line;
                let message = format!("this excludes the expression for {element} on line {line}");
                let at = expression.position.unwrap_or(START);
                self.warn("contradiction", at, message, "use `matchAny` if either will do");
                found = true;
            }
        }
        found
    }
}

fn exclude(one: &Expression, other: &Expression) -> bool {
    match (one.op.as_str(), other.op.as_str()) {
        ("In", "In") => !one.value.iter().any(|value| other.value.contains(value)),
        ("IsTrue", "IsFalse") | ("IsFalse", "IsTrue") => true,
        ("DoesNotExist", "" | "DoesNotExist") | ("", "DoesNotExist") => false,
        ("DoesNotExist", _) | (_, "DoesNotExist") => true,
        _ => false,
    }
}

fn elements(feature: &Feature) -> String {
    match feature.elements {
        known::Elements::Closed(names) => format!("it can have {}", names.join(", ")),
        known::Elements::CpuFlags => {
            "flags have NFD's names, such as AVX2, SSE42, FMA3, LZCNT".to_owned()
        }
        known::Elements::Hugepages => {
            "it can have enabled and sizes such as hugepages-1Gi".to_owned()
        }
        known::Elements::Open => String::new(),
    }
}
