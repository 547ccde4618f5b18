//! The values a template computes with and their Go types. `heap.rs` makes them.
//!
//! Go decides many things by type (`int` and `int64` do not mix, `map[string]string` is no `dict`), so values and
//! lists carry theirs. Strings are bytes, as in Go: `trunc` may cut a character.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use super::semantic_version::SemanticVersion;

/// Why a function or an action stopped.
#[derive(Debug)]
pub enum Fault {
    /// Go's template would fail as well.
    Failed(String),
    /// A function of sprig that this interpreter refuses.
    Unsupported(&'static str),
    /// A bound of `limits.rs`.
    Limit(&'static str, usize),
}

/// Shorthand for a failure with a message.
pub fn failed<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(reason.into()))
}

/// A Go type, as far as values have it.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Type {
    Any,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint64,
    Float64,
    String,
    /// A slice.
    List(&'static Type),
    /// A map with string keys.
    Map(&'static Type),
    /// A named type and what it is made of.
    Named(&'static str, &'static Type),
    /// `*semver.Version`
    Version,
}

/// `[]interface {}`
pub static ANY_LIST: Type = Type::List(&Type::Any);
/// One matched element.
pub static ELEMENT: Type = Type::Named("nodefeaturerule.MatchedElement", &Type::Map(&Type::String));
pub(super) static ELEMENT_LIST: Type = Type::List(&ELEMENT);
pub(super) static DOMAIN: Type =
    Type::Named("nodefeaturerule.domainMatchedFeatures", &Type::Map(&ELEMENT_LIST));
pub(super) static MATCHED: Type =
    Type::Named("nodefeaturerule.matchedFeatures", &Type::Map(&DOMAIN));
pub(super) static DICT: Type = Type::Map(&Type::Any);
pub(super) static STRING_MAP: Type = Type::Map(&Type::String);

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("interface {}"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Int64 => f.write_str("int64"),
            Type::Uint8 => f.write_str("uint8"),
            Type::Uint64 => f.write_str("uint64"),
            Type::Float64 => f.write_str("float64"),
            Type::String => f.write_str("string"),
            Type::List(element) => write!(f, "[]{element}"),
            Type::Map(element) => write!(f, "map[string]{element}"),
            Type::Named(name, _) => f.write_str(name),
            Type::Version => f.write_str("*semver.Version"),
        }
    }
}

impl Type {
    /// The type of the elements of a map type.
    pub(super) fn map_element(&'static self) -> &'static Type {
        match self {
            Type::Map(element) => element,
            Type::Named(_, inner) => inner.map_element(),
            other => other,
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value, or an interface without one.
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `int64`
    Int64(i64),
    /// `uint8`, an indexed byte of a string.
    Uint8(u8),
    /// `uint64`
    Uint64(u64),
    /// `float64`
    Float(f64),
    /// `string`
    Text(Rc<[u8]>),
    /// A slice.
    List(List),
    /// A map.
    Map(Map),
    /// `*semver.Version`
    Version(Rc<SemanticVersion>),
}

/// A slice; its elements never change.
#[derive(Clone, Debug)]
pub struct List {
    /// The type of the slice.
    pub kind: &'static Type,
    /// The elements; `None` is Go's nil slice.
    pub(super) items: Option<Rc<Vec<Value>>>,
    pub(super) depth: u8,
}

impl List {
    /// The elements.
    pub fn items(&self) -> &[Value] {
        self.items.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether this is the nil slice.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }
}

/// A map; dictionaries change in place and are shared.
#[derive(Clone, Debug)]
pub struct Map(pub(super) Rc<MapCell>);

#[derive(Debug)]
pub(super) struct MapCell {
    pub(super) kind: &'static Type,
    pub(super) nil: bool,
    pub(super) entries: RefCell<Entries>,
}

/// The entries of a map, in the order Go prints them. A sorted list, because most maps have two entries.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<(Rc<[u8]>, Value)>);

impl Entries {
    /// No entries.
    pub fn new() -> Entries {
        Entries::default()
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.0.get(self.position(key).ok()?).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.position(key).is_ok()
    }

    /// Sets a key. Returns how many entries had to move.
    pub fn insert(&mut self, key: Rc<[u8]>, value: Value) -> usize {
        match self.position(&key) {
            Ok(at) => {
                if let Some((_, slot)) = self.0.get_mut(at) {
                    *slot = value;
                }
                0
            }
            Err(at) => {
                self.0.insert(at, (key, value));
                self.0.len() - at
            }
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &[u8]) {
        if let Ok(at) = self.position(key) {
            self.0.remove(at);
        }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Rc<[u8]>, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl IntoIterator for Entries {
    type Item = (Rc<[u8]>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Map {
    /// The type of the map.
    pub fn kind(&self) -> &'static Type {
        self.0.kind
    }

    /// Whether this is the nil map, which cannot be written.
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// The entries to read.
    pub fn entries(&self) -> Ref<'_, Entries> {
        self.0.entries.borrow()
    }

    /// The entries to change.
    pub fn entries_mut(&self) -> RefMut<'_, Entries> {
        self.0.entries.borrow_mut()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries().get(key).cloned()
    }

    /// Whether a function that asks for `map[string]interface{}` takes it.
    pub fn is_dict(&self) -> bool {
        *self.kind() == DICT
    }

    /// Whether two maps are one.
    pub fn is_same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Value {
    /// Its Go type; none for nil.
    pub fn kind(&self) -> Option<&'static Type> {
        Some(match self {
            Value::Nil => return None,
            Value::Bool(_) => &Type::Bool,
            Value::Int(_) => &Type::Int,
            Value::Int64(_) => &Type::Int64,
            Value::Uint8(_) => &Type::Uint8,
            Value::Uint64(_) => &Type::Uint64,
            Value::Float(_) => &Type::Float64,
            Value::Text(_) => &Type::String,
            Value::List(list) => list.kind,
            Value::Map(map) => map.kind(),
            Value::Version(_) => &Type::Version,
        })
    }

    /// `%T`
    pub fn type_name(&self) -> String {
        self.kind().map_or_else(|| "<nil>".to_owned(), Type::to_string)
    }

    /// `reflect.Kind`
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Nil => "invalid",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Int64(_) => "int64",
            Value::Uint8(_) => "uint8",
            Value::Uint64(_) => "uint64",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Version(_) => "ptr",
        }
    }

    /// Whether `if` takes it for true: anything but the zero of its type.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Int64(value) => *value != 0,
            Value::Uint8(value) => *value != 0,
            Value::Uint64(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.items().is_empty(),
            Value::Map(map) => !map.entries().is_empty(),
            Value::Version(_) => true,
        }
    }

    /// Nil, or the nil of its type.
    pub fn is_nil(&self) -> bool {
        match self {
            Value::Nil => true,
            Value::List(list) => list.is_nil(),
            Value::Map(map) => map.is_nil(),
            _ => false,
        }
    }

    pub(super) fn depth(&self) -> u8 {
        match self {
            Value::List(list) => list.depth,
            _ => 0,
        }
    }

    /// What a call with it costs beforehand: most functions read the whole of a string. What reads a list or a map
    /// counts that itself.
    pub fn weight(&self) -> usize {
        match self {
            Value::Text(text) => text.len() / 128,
            _ => 0,
        }
    }
}
