//! The values a template computes with, their Go types, and the heap that counts what they cost.
//!
//! Go decides many things by type (`int` and `int64` do not mix, `map[string]string` is no `dict`), so values and
//! lists carry theirs. Strings are bytes, as in Go: `trunc` may cut a character.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::sprig::semver::Version;
use crate::host::Attributes;
use crate::limits;
use crate::rules::matched::Matched;
use crate::rules::pattern::Search;

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
static ELEMENT_LIST: Type = Type::List(&ELEMENT);
static DOMAIN: Type =
    Type::Named("nodefeaturerule.domainMatchedFeatures", &Type::Map(&ELEMENT_LIST));
static MATCHED: Type = Type::Named("nodefeaturerule.matchedFeatures", &Type::Map(&DOMAIN));
static DICT: Type = Type::Map(&Type::Any);
static STRING_MAP: Type = Type::Map(&Type::String);

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
    fn map_element(&'static self) -> &'static Type {
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
    Version(Rc<Version>),
}

/// A slice; its elements never change.
#[derive(Clone, Debug)]
pub struct List {
    /// The type of the slice.
    pub kind: &'static Type,
    /// The elements; `None` is Go's nil slice.
    items: Option<Rc<Vec<Value>>>,
    depth: u8,
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
pub struct Map(Rc<MapCell>);

#[derive(Debug)]
struct MapCell {
    kind: &'static Type,
    nil: bool,
    entries: RefCell<Entries>,
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

    fn depth(&self) -> u8 {
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

/// What one value in a list costs.
const ITEM_BYTES: usize = std::mem::size_of::<Value>();
/// What one entry in a map costs besides its key's bytes.
pub const ENTRY_BYTES: usize = 40;
/// What a string, list or map costs besides its content.
const OBJECT_BYTES: usize = 32;

/// Makes every value of one execution and counts steps and bytes, which are never given back.
///
/// It keeps every map until the end: maps may refer to each other in circles, and dropping a long chain of them one
/// inside the other would recurse.
#[derive(Debug, Default)]
pub struct Heap {
    steps: Cell<usize>,
    bytes: Cell<usize>,
    /// How many of the bytes the data takes; they do not count against the template.
    data_bytes: Cell<usize>,
    maps: RefCell<Vec<Map>>,
    patterns: RefCell<HashMap<String, Rc<Search>>>,
}

impl Drop for Heap {
    fn drop(&mut self) {
        for map in self.maps.borrow().iter() {
            map.entries_mut().clear();
        }
    }
}

impl Heap {
    /// Counts work.
    pub fn step(&self, count: usize) -> Result<(), Fault> {
        let steps = self.steps.get().saturating_add(count);
        self.steps.set(steps);
        if steps > limits::TEMPLATE_STEPS {
            return Err(Fault::Limit("steps", limits::TEMPLATE_STEPS));
        }
        Ok(())
    }

    /// A pattern that was compiled before.
    pub fn pattern(&self, pattern: &str) -> Option<Rc<Search>> {
        self.patterns.borrow().get(pattern).cloned()
    }

    /// Keeps a compiled pattern.
    pub fn keep_pattern(&self, pattern: &str, search: Rc<Search>) -> Result<(), Fault> {
        self.charge(pattern.len() + search.memory())?;
        self.patterns.borrow_mut().insert(pattern.to_owned(), search);
        Ok(())
    }

    /// The steps so far; the data does not count.
    pub fn steps(&self) -> usize {
        self.steps.get()
    }

    /// Counts memory, before it is taken.
    pub fn charge(&self, bytes: usize) -> Result<(), Fault> {
        let total = self.bytes.get().saturating_add(bytes);
        self.bytes.set(total);
        if total > self.data_bytes.get() + limits::TEMPLATE_MEMORY_BYTES {
            return Err(Fault::Limit("bytes of values", limits::TEMPLATE_MEMORY_BYTES));
        }
        Ok(())
    }

    /// A string.
    pub fn text(&self, bytes: impl AsRef<[u8]>) -> Result<Value, Fault> {
        self.rc(bytes.as_ref()).map(Value::Text)
    }

    /// The bytes of a string.
    pub fn rc(&self, bytes: &[u8]) -> Result<Rc<[u8]>, Fault> {
        self.charge(OBJECT_BYTES + bytes.len())?;
        self.step(bytes.len() / 64)?;
        Ok(Rc::from(bytes))
    }

    /// A string to be built piece by piece.
    pub fn builder(&self) -> Builder<'_> {
        Builder { heap: self, bytes: Vec::new() }
    }

    /// A `[]interface {}`.
    pub fn list(&self, items: Vec<Value>) -> Result<Value, Fault> {
        self.typed_list(&ANY_LIST, items)
    }

    /// A `[]string`.
    pub fn strings(&self, items: Vec<Value>) -> Result<Value, Fault> {
        self.typed_list(&Type::List(&Type::String), items)
    }

    /// A list of a type. The caller has bounded the number of items, or charged for them.
    pub fn typed_list(&self, kind: &'static Type, items: Vec<Value>) -> Result<Value, Fault> {
        self.charge(OBJECT_BYTES + ITEM_BYTES * items.len())?;
        self.step(items.len() / 8)?;
        let depth = items.iter().map(Value::depth).max().unwrap_or(0) + 1;
        if usize::from(depth) > limits::TEMPLATE_VALUE_DEPTH {
            return Err(Fault::Limit("lists inside lists", limits::TEMPLATE_VALUE_DEPTH));
        }
        Ok(Value::List(List { kind, items: Some(Rc::new(items)), depth }))
    }

    /// The nil slice of a type.
    pub fn nil_list(&self, kind: &'static Type) -> Value {
        Value::List(List { kind, items: None, depth: 0 })
    }

    /// Counts `count` items before they are made; the list that takes them counts them again.
    pub fn expect_items(&self, count: usize) -> Result<(), Fault> {
        self.step(count / 4)?;
        self.charge(count.saturating_mul(ITEM_BYTES))
    }

    /// A `map[string]interface {}`.
    pub fn dict(&self, entries: Entries) -> Result<Map, Fault> {
        self.map(&DICT, entries, false)
    }

    /// A `map[string]string`.
    pub fn string_map(&self, entries: Entries) -> Result<Value, Fault> {
        self.map(&STRING_MAP, entries, false).map(Value::Map)
    }

    /// The nil `map[string]interface {}`.
    pub fn nil_dict(&self) -> Result<Map, Fault> {
        self.map(&DICT, Entries::new(), true)
    }

    /// A map of the type of another.
    pub fn map_like(&self, other: &Map, entries: Entries) -> Result<Map, Fault> {
        self.map(other.kind(), entries, false)
    }

    fn map(&self, kind: &'static Type, entries: Entries, nil: bool) -> Result<Map, Fault> {
        self.charge(2 * OBJECT_BYTES + ENTRY_BYTES * entries.len())?;
        self.step(entries.len())?;
        let map = Map(Rc::new(MapCell { kind, nil, entries: RefCell::new(entries) }));
        self.maps.borrow_mut().push(map.clone());
        Ok(map)
    }

    /// Sets a key of a dictionary.
    pub fn insert(&self, map: &Map, key: Rc<[u8]>, value: Value) -> Result<(), Fault> {
        if map.is_nil() {
            return failed("assignment to entry in nil map");
        }
        self.charge(ENTRY_BYTES)?;
        let moved = map.entries_mut().insert(key, value);
        self.step(moved / 64)
    }

    /// The zero value of a type.
    pub fn zero(&self, kind: &'static Type) -> Result<Value, Fault> {
        Ok(match kind {
            Type::Bool => Value::Bool(false),
            Type::Int => Value::Int(0),
            Type::Int64 => Value::Int64(0),
            Type::Uint8 => Value::Uint8(0),
            Type::Uint64 => Value::Uint64(0),
            Type::Float64 => Value::Float(0.0),
            Type::String => self.text("")?,
            Type::List(_) => self.nil_list(kind),
            Type::Map(_) | Type::Named(..) => Value::Map(self.map(kind, Entries::new(), true)?),
            Type::Any | Type::Version => Value::Nil,
        })
    }

    /// What a missing key of `map` reads as where it is no error.
    pub fn missing(&self, map: &Map) -> Result<Value, Fault> {
        self.zero(map.kind().map_element())
    }

    /// The data of a template, which may use its own bound of memory and no steps.
    pub fn matched(&self, data: &Matched) -> Result<Value, Fault> {
        self.data_bytes.set(limits::TEMPLATE_DATA_BYTES - limits::TEMPLATE_MEMORY_BYTES);
        let mut names = HashMap::new();
        let mut domains = Entries::new();
        for (domain, features) in data {
            let mut lists = Entries::new();
            for (feature, elements) in features {
                let items = elements.iter().map(|element| self.element(element, &mut names));
                let items = items.collect::<Result<Vec<Value>, Fault>>()?;
                lists.insert(self.rc(feature.as_bytes())?, self.typed_list(&ELEMENT_LIST, items)?);
            }
            let lists = Value::Map(self.map(&DOMAIN, lists, false)?);
            domains.insert(self.rc(domain.as_bytes())?, lists);
        }
        let matched = self.map(&MATCHED, domains, false)?;
        self.steps.set(0);
        self.data_bytes.set(self.bytes.get());
        Ok(Value::Map(matched))
    }

    /// One element; names that return are kept once.
    fn element<'d>(
        &self,
        element: &'d Attributes,
        names: &mut HashMap<&'d str, Rc<[u8]>>,
    ) -> Result<Value, Fault> {
        self.steps.set(0);
        let mut entries = Entries::new();
        for (name, value) in element {
            let key = match names.get(name.as_str()) {
                Some(known) => known.clone(),
                None => self.rc(name.as_bytes())?,
            };
            names.insert(name, key.clone());
            entries.insert(key, self.text(value)?);
        }
        self.map(&ELEMENT, entries, false).map(Value::Map)
    }
}

/// A string that is paid for while it grows.
pub struct Builder<'h> {
    heap: &'h Heap,
    bytes: Vec<u8>,
}

impl Builder<'_> {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.heap.charge(bytes.len())?;
        self.heap.step(bytes.len() / 64)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a character.
    pub fn push_char(&mut self, c: char) -> Result<(), Fault> {
        self.push(c.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// Appends the same bytes again and again.
    pub fn push_repeated(&mut self, bytes: &[u8], count: usize) -> Result<(), Fault> {
        let total = bytes.len().saturating_mul(count);
        self.heap.charge(total)?;
        self.heap.step(total / 64)?;
        self.bytes.extend(bytes.iter().copied().cycle().take(total));
        Ok(())
    }

    /// The string.
    pub fn finish(self) -> Result<Value, Fault> {
        self.heap.charge(OBJECT_BYTES)?;
        Ok(Value::Text(Rc::from(self.bytes)))
    }
}
