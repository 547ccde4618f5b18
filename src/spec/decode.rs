//! YAML to model: strict where a mistake would change the verdict, and otherwise as NFD decodes.
//!
//! The worker and the tool call [`decode`] with the bytes of a specification; the hook never does. What NFD ignores
//! without a word (misspelt fields, an empty document, an unknown version) is an error here, with its place and the way
//! out; what NFD accepts with a meaning that its author hardly intended is a warning. The list of differences
//! is in `docs/nfd-differences.md`. What NFD reports only when a rule is evaluated (an unknown operator, a bad
//! pattern) is not looked at.
//!
//! Source of the rules: NFD `api/image-compatibility/v1alpha1`, decoded by sigs.k8s.io/yaml v1.6.

mod fields;
mod findings;
mod local;
mod message;

pub(crate) use message::{nearest, quoted};

pub use local::{Combine, DecodedLocal, LocalSpecification, decode_local};

use std::borrow::Cow;
use std::collections::BTreeMap;

use fields::{Fields, Shape};
use findings::Findings;

use super::diagnostic::Diagnostic;
use super::model::{CompatibilitySet, Expression, MatchAny, Position, Rule, Specification, Term};
use super::scalar::{self, Scalar};
use super::yaml::{self, Document, NodeId, ScalarNode, Value};
use crate::limits;

/// The one version of the format.
pub const VERSION: &str = "v1alpha1";

const DOCUMENT: &[&str] = &["version", "compatibilities"];
const SET: Shape<'_> = Shape::of("a compatibility set", &["rules", "weight", "tag", "description"]);
const RULE: Shape<'_> =
    Shape::of("a rule", &["name", "vars", "varsTemplate", "matchFeatures", "matchAny"])
        .ignoring(RULE_IGNORED);
/// Fields of NFD's other rule types, which its image compatibility ignores.
const RULE_IGNORED: &[&str] =
    &["labels", "labelsTemplate", "annotations", "taints", "extendedResources"];
const ALTERNATIVE: Shape<'_> = Shape::of("an item of `matchAny`", &["matchFeatures"]);
const TERM: Shape<'_> = Shape::of("a term", &["feature", "matchExpressions", "matchName"]);
const EXPRESSION: Shape<'_> = Shape::of("an expression", &["op", "value", "type"]);

/// A specification that can be evaluated, with what is suspicious about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The specification.
    pub specification: Specification,
    /// What decoding found odd, in document order; at most a hundred.
    pub warnings: Vec<Diagnostic>,
}

/// A document that is no specification.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", findings::summary(.errors, *.omitted))]
pub struct Invalid {
    /// What is wrong, in document order; never empty, at most fifty.
    pub errors: Vec<Diagnostic>,
    /// How many more errors there are.
    pub omitted: usize,
    /// What decoding found odd besides.
    pub warnings: Vec<Diagnostic>,
}

/// Decodes the bytes of a specification.
///
/// # Errors
/// [`Invalid`] with every error that could be found, each with its place.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Invalid> {
    let document = read(bytes).map_err(Invalid::from)?;
    let mut decoder = Decoder::new(&document);
    let (specification, _) = decoder.specification(DOCUMENT);
    decoder.findings.result(specification)
}

impl From<Diagnostic> for Invalid {
    fn from(error: Diagnostic) -> Self {
        Invalid { errors: vec![error], omitted: 0, warnings: Vec::new() }
    }
}

fn read(bytes: &[u8]) -> Result<Document, Diagnostic> {
    if bytes.len() as u64 > limits::SPECIFICATION_BYTES {
        return Err(message::too_many_bytes());
    }
    Document::parse(&yaml::text(bytes)?)
}

/// Walks the tree once. The walk recurses along the format's own structure only, never along the input's.
struct Decoder<'a> {
    document: &'a Document,
    findings: Findings,
    /// Sets, rules, alternatives, terms and expressions so far.
    parts: usize,
}

impl<'a> Decoder<'a> {
    fn new(document: &'a Document) -> Self {
        Decoder { document, findings: Findings::default(), parts: 0 }
    }

    /// The specification, and the document's fields, of which `known` may be there.
    fn specification(&mut self, known: &[&'static str]) -> (Specification, Option<Fields>) {
        let start = Position { line: 1, column: 1 };
        let Some(root) = self.document.root().filter(|root| !self.is_null(*root)) else {
            self.findings.error(message::empty(start));
            return (Specification::default(), None);
        };
        let Some(fields) = self.map(root, Shape::of("a specification", known)) else {
            return (Specification::default(), None);
        };
        let specification = self.sets(&fields, root);
        (specification, Some(fields))
    }

    fn sets(&mut self, fields: &Fields, root: NodeId) -> Specification {
        let version = self.version(fields, self.document.position(root));
        let Some(list) = fields.get("compatibilities") else {
            self.findings.error(message::no_sets(self.document.position(root)));
            return Specification { version, compatibilities: Vec::new() };
        };
        let compatibilities = self.list(list, "compatibilities", "sets", Self::set);
        if compatibilities.is_empty() && self.findings.no_errors() {
            self.findings.error(message::no_sets(self.document.position(list)));
        }
        Specification { version, compatibilities }
    }

    fn version(&mut self, fields: &Fields, document: Position) -> String {
        match fields.get("version").filter(|version| !self.is_null(*version)) {
            None => self.findings.warning(message::version_missing(document)),
            Some(node) => {
                let version = self.string(node, "version");
                if version != VERSION && self.is_scalar(node) {
                    let at = self.document.position(node);
                    self.findings.error(message::version_unknown(at, &version));
                }
            }
        }
        VERSION.to_owned()
    }

    fn set(&mut self, node: NodeId) -> CompatibilitySet {
        let at = self.document.position(node);
        let Some(fields) = self.map_or_null(node, SET) else {
            return CompatibilitySet::default();
        };
        let set = CompatibilitySet {
            position: Some(at),
            description: self.string_of(&fields, "description"),
            tag: self.string_of(&fields, "tag"),
            weight: self.weight(&fields),
            rules: self.list_of(&fields, "rules", "rules", Self::rule),
        };
        if fields.get("rules").is_none_or(|rules| self.is_null(rules) || self.is_empty_list(rules))
        {
            self.findings.warning(message::set_without_rules(at));
        }
        set
    }

    fn weight(&mut self, fields: &Fields) -> i64 {
        let Some(node) = fields.get("weight") else {
            return 0;
        };
        let resolved = self.scalar(node).and_then(|scalar| scalar::resolve(scalar).ok());
        let weight = resolved.and_then(|scalar| scalar.as_integer());
        if weight.is_none() {
            let found = message::found(self.document, node);
            let at = self.document.position(node);
            self.findings.error(message::not_an_integer(at, "weight", &found));
        }
        weight.unwrap_or(0)
    }

    fn rule(&mut self, node: NodeId) -> Rule {
        // Errors of the rule's own fields belong to it too.
        self.findings.enter(self.written_name(node));
        let fields = self.map_or_null(node, RULE);
        self.findings.leave();
        let Some(fields) = fields else {
            return Rule { position: Some(self.document.position(node)), ..Rule::default() };
        };
        let name = self.string_of(&fields, "name");
        self.findings.enter(&name);
        let rule = Rule {
            vars: self.vars(&fields),
            vars_template: self.string_of(&fields, "varsTemplate"),
            match_features: self.list_of(&fields, "matchFeatures", "terms", Self::term),
            match_any: self.list_of(&fields, "matchAny", "alternatives", Self::alternative),
            position: Some(self.document.position(node)),
            name,
        };
        self.findings.leave();
        rule
    }

    fn written_name(&self, rule: NodeId) -> &'a str {
        let Value::Mapping(pairs) = self.document.value(rule) else {
            return "";
        };
        let named = pairs.chunks_exact(2).find_map(|pair| {
            let key = self.scalar(*pair.first()?)?;
            (key.text == "name").then(|| self.scalar(*pair.last()?)).flatten()
        });
        named.map_or("", |name| name.text)
    }

    fn vars(&mut self, fields: &Fields) -> BTreeMap<String, String> {
        let Some(node) = fields.get("vars").filter(|vars| !self.is_null(*vars)) else {
            return BTreeMap::new();
        };
        let entries = self.entries(node, "`vars`");
        entries
            .into_iter()
            .map(|(name, _, value)| (name, self.string(value, "a variable")))
            .collect()
    }

    fn alternative(&mut self, node: NodeId) -> MatchAny {
        match self.map_or_null(node, ALTERNATIVE) {
            Some(fields) => MatchAny {
                match_features: self.list_of(&fields, "matchFeatures", "terms", Self::term),
            },
            None => MatchAny::default(),
        }
    }

    fn term(&mut self, node: NodeId) -> Term {
        let position = Some(self.document.position(node));
        let Some(fields) = self.map_or_null(node, TERM) else {
            return Term { position, ..Term::default() };
        };
        Term {
            feature: self.string_of(&fields, "feature"),
            match_expressions: self.match_expressions(&fields),
            match_name: self.match_name(&fields),
            position,
        }
    }

    fn match_expressions(&mut self, fields: &Fields) -> Option<BTreeMap<String, Expression>> {
        let node = fields.get("matchExpressions").filter(|node| !self.is_null(*node))?;
        let entries = self.entries(node, "`matchExpressions`");
        let mut expressions = BTreeMap::new();
        for (element, at, value) in entries {
            if let Some(expression) = self.expression(&element, at, value) {
                expressions.insert(element, expression);
            }
        }
        Some(expressions)
    }

    fn match_name(&mut self, fields: &Fields) -> Option<Expression> {
        let node = fields.get("matchName").filter(|node| !self.is_null(*node))?;
        self.expression("matchName", fields.position("matchName")?, node)
    }

    fn expression(&mut self, name: &str, at: Position, node: NodeId) -> Option<Expression> {
        if !self.count_part(at) {
            return None;
        }
        if self.is_null(node) {
            self.findings.error(message::null_expression(at, name));
            return None;
        }
        if !matches!(self.document.value(node), Value::Mapping(_)) {
            let found = message::found(self.document, node);
            let long_form = message::long_form(self.document, name, node);
            let at = self.document.position(node);
            self.findings.error(message::legacy_shorthand(at, name, &found, &long_form));
            return None;
        }
        let fields = self.map(node, EXPRESSION)?;
        Some(Expression {
            op: self.string_of(&fields, "op"),
            value: self.values(&fields),
            value_type: self.string_of(&fields, "type"),
            position: Some(at),
        })
    }

    fn values(&mut self, fields: &Fields) -> Vec<String> {
        let Some(node) = fields.get("value").filter(|node| !self.is_null(*node)) else {
            return Vec::new();
        };
        let document = self.document;
        let Value::Sequence(items) = document.value(node) else {
            let found = message::found(document, node);
            let list = message::as_list(document, node);
            self.findings.error(message::value_not_a_list(document.position(node), &found, list));
            return Vec::new();
        };
        items.iter().map(|item| self.string(*item, "an item of `value`")).collect()
    }

    // From a node to what the format wants there.

    fn list_of<T>(
        &mut self,
        fields: &Fields,
        name: &str,
        items: &str,
        decode: fn(&mut Self, NodeId) -> T,
    ) -> Vec<T> {
        match fields.get(name) {
            Some(node) => self.list(node, name, items, decode),
            None => Vec::new(),
        }
    }

    fn list<T>(
        &mut self,
        node: NodeId,
        name: &str,
        items: &str,
        decode: fn(&mut Self, NodeId) -> T,
    ) -> Vec<T> {
        if self.is_null(node) {
            return Vec::new();
        }
        let document = self.document;
        let Value::Sequence(nodes) = document.value(node) else {
            let found = message::found(document, node);
            let at = document.position(node);
            self.findings.error(message::not_a_list(at, name, items, &found));
            return Vec::new();
        };
        let mut list = Vec::new();
        for item in nodes {
            if !self.count_part(document.position(*item)) {
                break;
            }
            list.push(decode(self, *item));
        }
        list
    }

    fn string_of(&mut self, fields: &Fields, name: &str) -> String {
        fields.get(name).map_or_else(String::new, |node| self.string(node, name))
    }

    fn string(&mut self, node: NodeId, what: &str) -> String {
        let Some(scalar) = self.scalar(node) else {
            let found = message::found(self.document, node);
            self.findings.error(message::not_a_string(self.document.position(node), what, &found));
            return String::new();
        };
        match scalar::resolve(scalar) {
            Ok(resolved) => self.converted(node, scalar, resolved.clone(), resolved.into_text()),
            Err(error) => {
                let at = self.document.position(node);
                self.findings.error(message::bad_tag(at, &error));
                String::new()
            }
        }
    }

    /// The text of a scalar after NFD's conversion, with a warning where that is not what was written.
    fn converted(
        &mut self,
        node: NodeId,
        scalar: ScalarNode<'_>,
        resolved: Scalar<'_>,
        text: Cow<'_, str>,
    ) -> String {
        if scalar.plain && text != scalar.text && scalar.tag.is_none() && !scalar.text.is_empty() {
            let at = self.document.position(node);
            self.findings.warning(message::converted(at, scalar.text, resolved.kind(), &text));
        }
        text.into_owned()
    }

    fn count_part(&mut self, at: Position) -> bool {
        self.parts += 1;
        if self.parts == limits::SPECIFICATION_PARTS + 1 {
            self.findings.error(message::too_many_parts(at));
        }
        self.parts <= limits::SPECIFICATION_PARTS && !self.findings.is_full()
    }

    fn scalar(&self, node: NodeId) -> Option<ScalarNode<'a>> {
        match self.document.value(node) {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn is_scalar(&self, node: NodeId) -> bool {
        self.scalar(node).is_some()
    }

    fn is_null(&self, node: NodeId) -> bool {
        self.scalar(node).is_some_and(|scalar| scalar::resolve(scalar) == Ok(Scalar::Null))
    }

    fn is_empty_list(&self, node: NodeId) -> bool {
        matches!(self.document.value(node), Value::Sequence([]))
    }
}
