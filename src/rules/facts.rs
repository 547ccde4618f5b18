//! The features an evaluation looks at: the host's, asked for once each, and `rule.matched`.
//!
//! `rule.matched` has the variables of the rules that matched so far (NFD: node-validator.go). It does not exist
//! before the first rule is done. Variables of an undecided rule may or may not be there: expressions about them
//! are undecided too.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::module_name;
use super::quote::quoted;
use crate::host::{Attributes, Discovery, Features};

/// The feature that NFD makes of the variables of matching rules.
pub(super) const RULE_MATCHED: &str = "rule.matched";

/// One feature of the host, with what is worth remembering about it.
#[derive(Debug)]
pub(super) struct Fact {
    pub discovery: Discovery,
    modules: OnceCell<HashMap<String, String>>,
    shared: Vec<OnceCell<Arc<Attributes>>>,
}

impl Fact {
    fn new(discovery: Discovery) -> Fact {
        let instances = discovery.feature().and_then(|f| f.instances.as_ref()).map_or(0, Vec::len);
        Fact { discovery, modules: OnceCell::new(), shared: vec![OnceCell::new(); instances] }
    }

    /// The host's spelling of a module's name (for features whose elements are module names).
    pub(super) fn module(&self, name: &str) -> Option<&str> {
        let modules = self.modules.get_or_init(|| {
            let flags = self.discovery.feature().and_then(|feature| feature.flags.as_ref());
            let names = flags.into_iter().flatten();
            names.map(|name| (module_name::canonical(name), name.clone())).collect()
        });
        modules.get(&module_name::canonical(name)).map(String::as_str)
    }

    /// An instance in a form that many rows of a report can share.
    pub(super) fn shared_instance(&self, index: usize, instance: &Attributes) -> Arc<Attributes> {
        match self.shared.get(index) {
            Some(shared) => shared.get_or_init(|| Arc::new(instance.clone())).clone(),
            None => Arc::new(instance.clone()),
        }
    }
}

/// All features asked for so far.
pub(super) struct Facts<'f> {
    features: &'f dyn Features,
    known: BTreeMap<String, Rc<Fact>>,
    matched: Option<Rc<Fact>>,
    uncertain: Uncertain,
}

/// Variables that an undecided rule would have set, with the rule's name, quoted and cut.
#[derive(Debug, Default)]
struct Uncertain {
    named: BTreeMap<String, Rc<str>>,
    /// A rule whose template could set any variable.
    any: Option<Rc<str>>,
}

impl<'f> Facts<'f> {
    /// Nothing is asked for yet.
    pub(super) fn new(features: &'f dyn Features) -> Self {
        Facts { features, known: BTreeMap::new(), matched: None, uncertain: Uncertain::default() }
    }

    /// The feature of this lower-case name.
    pub(super) fn get(&mut self, name: &str) -> Rc<Fact> {
        if name == RULE_MATCHED
            && let Some(matched) = &self.matched
        {
            return Rc::clone(matched);
        }
        if let Some(fact) = self.known.get(name) {
            return Rc::clone(fact);
        }
        let fact = Rc::new(Fact::new(self.features.discover(name)));
        self.known.insert(name.to_owned(), Rc::clone(&fact));
        fact
    }

    /// Adds the variables of a rule that matched; they replace older ones. Called for every rule, because
    /// `rule.matched` exists as soon as one rule is done.
    pub(super) fn add_variables(&mut self, variables: Attributes) {
        if self.matched.is_some() && variables.is_empty() {
            return;
        }
        for name in variables.keys() {
            self.uncertain.named.remove(name);
        }
        let host = self.matched.take().unwrap_or_else(|| self.get(RULE_MATCHED));
        let mut feature = match host.discovery {
            Discovery::Present(ref feature) => Rc::clone(feature),
            Discovery::Absent(_) => Rc::default(),
        };
        // The only other holder, so that nothing is copied.
        drop(host);
        Rc::make_mut(&mut feature).attributes.get_or_insert_default().extend(variables);
        self.matched = Some(Rc::new(Fact::new(Discovery::Present(feature))));
    }

    /// Remembers that a rule could not be evaluated: `names` are the variables it would have set; with a template
    /// it could have set any.
    pub(super) fn add_uncertain<'n>(
        &mut self,
        rule: &str,
        names: impl Iterator<Item = &'n String>,
        template: bool,
    ) {
        let rule: Rc<str> = quoted(rule).into();
        for name in names {
            self.uncertain.named.insert(name.clone(), Rc::clone(&rule));
        }
        if template {
            self.uncertain.any = Some(rule);
        }
    }

    /// The undecided rule that this variable of `rule.matched` depends on.
    pub(super) fn undecided_rule(&self, variable: &str) -> Option<&str> {
        let named = self.uncertain.named.get(variable);
        named.or(self.uncertain.any.as_ref()).map(AsRef::as_ref)
    }

    /// Variables that may or may not be in `rule.matched`, each with the undecided rule it depends on.
    pub(super) fn undecided_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.uncertain.named.iter().map(|(name, rule)| (name.as_str(), rule.as_ref()))
    }

    /// An undecided rule whose template could have set any variable.
    pub(super) fn undecided_template(&self) -> Option<&str> {
        self.uncertain.any.as_deref()
    }
}
