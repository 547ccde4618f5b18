//! What a `varsTemplate` works on: the elements that satisfied the terms of one matchFeatures.
//!
//! Source: NFD `rule.go` (evaluateFeatureMatcher) and `expression.go` (MatchMulti, MatchNamesMulti). A flag is
//! `{Name}`, an attribute `{Name, Value}`, an instance its attributes. Filled by `term.rs`.

use std::collections::BTreeMap;

use crate::host::Attributes;
use crate::limits;

/// Domain to feature to elements; `kernel.version` is domain `kernel`, feature `version`, spelled as in the term.
pub type Matched = BTreeMap<String, BTreeMap<String, Vec<Attributes>>>;

/// The elements of one matchFeatures, term by term.
#[derive(Debug, Default)]
pub(super) struct Collector {
    data: Matched,
    domain: String,
    feature: String,
    pending: Vec<Attributes>,
    elements: usize,
}

impl Collector {
    /// Begins a term; `written` is the feature as the term spells it.
    pub(super) fn begin_term(&mut self, written: &str) {
        let (domain, feature) = match written.split_once('.') {
            Some((domain, feature)) => (domain.to_owned(), feature.to_owned()),
            None => (written.to_lowercase(), String::new()),
        };
        self.data.entry(domain.clone()).or_default().entry(feature.clone()).or_default();
        (self.domain, self.feature) = (domain, feature);
    }

    /// A flag, or an attribute with its value.
    pub(super) fn named(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(|value| ("Value".to_owned(), value.to_owned()));
        self.add([("Name".to_owned(), name.to_owned())].into_iter().chain(value).collect());
    }

    /// An instance.
    pub(super) fn instance(&mut self, attributes: &Attributes) {
        self.add(attributes.clone());
    }

    fn add(&mut self, element: Attributes) {
        self.elements += 1;
        if self.elements <= limits::TEMPLATE_ELEMENTS {
            self.pending.push(element);
        }
    }

    /// Sorts the flags and attributes added since the last call by name, as NFD does before it adds instances.
    pub(super) fn sort_named(&mut self) {
        self.pending.sort_by(|a, b| a.get("Name").cmp(&b.get("Name")));
        self.flush();
    }

    /// Keeps what was added, in the order in which it was.
    pub(super) fn flush(&mut self) {
        let features = self.data.entry(self.domain.clone()).or_default();
        features.entry(self.feature.clone()).or_default().append(&mut self.pending);
    }

    /// The collection, or None if it has more than [`limits::TEMPLATE_ELEMENTS`] elements.
    pub(super) fn finish(self) -> Option<Matched> {
        (self.elements <= limits::TEMPLATE_ELEMENTS).then_some(self.data)
    }
}
