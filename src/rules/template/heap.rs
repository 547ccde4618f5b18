//! The heap of one execution: makes every value and counts what it costs.
//!
//! Rule: steps and bytes are paid for before they are used, so that no template takes more than `limits.rs` allows.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::value::{
    ANY_LIST, DICT, DOMAIN, ELEMENT, ELEMENT_LIST, Entries, Fault, List, MATCHED, Map, MapCell,
    STRING_MAP, Type, Value, failed,
};
use crate::host::Attributes;
use crate::limits;
use crate::rules::matched::Matched;
use crate::rules::pattern::Search;

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
