//! sprig's dictionaries, which change in place.
//!
//! Rule: sprig `dict.go`, mergo 1.0.1 `merge.go`, copystructure. Go gives `keys` and `values` in random order; here they
//! are sorted by key.

use std::rc::Rc;

use crate::limits;
use crate::rules::template::arguments::{Arguments, shared};
use crate::rules::template::heap::{ENTRY_BYTES, Heap};
use crate::rules::template::printf::text_of;
use crate::rules::template::value::{Entries, Fault, Map, Value, failed};

/// `dict key value…`
pub fn dict(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    for pair in arguments.from(0).chunks(2) {
        let key = shared(&text_of(heap, Arguments(pair).value(0))?);
        let value = match pair.get(1) {
            Some(value) => value.clone(),
            None => heap.text("")?,
        };
        entries.insert(key, value);
    }
    heap.dict(entries).map(Value::Map)
}

/// `get dict key`: an empty string for a missing key.
pub fn get(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    arguments.dict(0)?.get(arguments.text(1)).map_or_else(|| heap.text(""), Ok)
}

/// `set dict key value`
pub fn set(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let key = shared(arguments.value(1));
    heap.insert(arguments.dict(0)?, key, arguments.value(2).clone())?;
    Ok(arguments.value(0).clone())
}

/// `unset dict key`
pub fn unset(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let dict = arguments.dict(0)?;
    heap.step(dict.entries().len() / 64)?;
    dict.entries_mut().remove(arguments.text(1));
    Ok(arguments.value(0).clone())
}

/// `hasKey dict key`
pub fn has_key(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(arguments.dict(0)?.entries().contains(arguments.text(1))))
}

/// `pluck key dicts…`
pub fn pluck(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let dicts = arguments.from(1).iter().filter_map(|value| match value {
        Value::Map(dict) => dict.get(arguments.text(0)),
        _ => None,
    });
    heap.list(dicts.collect())
}

/// `keys dicts…`
pub fn keys(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut keys = Vec::new();
    for value in arguments.from(0) {
        if let Value::Map(dict) = value {
            heap.expect_items(dict.entries().len())?;
            keys.extend(dict.entries().iter().map(|(key, _)| Value::Text(key.clone())));
        }
    }
    heap.strings(keys)
}

/// `values dict`
pub fn values(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let dict = arguments.dict(0)?;
    heap.expect_items(dict.entries().len())?;
    let values = dict.entries().iter().map(|(_, value)| value.clone()).collect();
    heap.list(values)
}

/// `pick dict keys…`
pub fn pick(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let dict = arguments.dict(0)?;
    let mut picked = Entries::new();
    for key in arguments.from(1).iter().map(shared) {
        if let Some(value) = dict.get(&key) {
            picked.insert(key, value);
        }
    }
    heap.dict(picked).map(Value::Map)
}

/// `omit dict keys…`
pub fn omit(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut kept = arguments.dict(0)?.entries().clone();
    for key in arguments.from(1).iter().map(shared) {
        heap.step(1 + kept.len() / 64)?;
        kept.remove(&key);
    }
    heap.dict(kept).map(Value::Map)
}

/// `dig keys… default dict`
pub fn dig(_: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let [keys @ .., default, Value::Map(dict)] = arguments.0 else {
        return failed("the last argument must be a dictionary");
    };
    if keys.is_empty() || !keys.iter().all(|key| matches!(key, Value::Text(_))) {
        return failed("keys, a default and a dictionary are needed");
    }
    let mut step = Value::Map(dict.clone());
    for key in keys.iter().map(shared) {
        step = match &step {
            Value::Map(dict) if dict.is_dict() => match dict.get(&key) {
                Some(value) => value,
                None => return Ok(default.clone()),
            },
            other => return failed(format!("a {} is no dictionary", other.type_name())),
        };
    }
    Ok(step)
}

/// `merge dict dicts…`: what the first has, stays.
pub fn merge(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Merge { heap, overwrite: false }.all(arguments)
}

/// `mergeOverwrite dict dicts…`: the last wins.
pub fn merge_overwrite(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    Merge { heap, overwrite: true }.all(arguments)
}

/// One call of `merge` or `mergeOverwrite`.
struct Merge<'h> {
    heap: &'h Heap,
    overwrite: bool,
}

impl Merge<'_> {
    fn all(&self, arguments: Arguments<'_>) -> Result<Value, Fault> {
        let mut target = arguments.dict(0)?.clone();
        for value in arguments.from(1) {
            let Value::Map(source) = value else { continue };
            if target.is_nil() && !source.is_nil() {
                target = self.heap.dict(Entries::new())?;
            }
            self.map(&target, source, 0)?;
        }
        Ok(Value::Map(target))
    }

    fn map(&self, target: &Map, source: &Map, depth: usize) -> Result<(), Fault> {
        const DEPTH: usize = limits::TEMPLATE_VALUE_DEPTH;
        if depth > DEPTH {
            return Err(Fault::Limit("dictionaries inside dictionaries", DEPTH));
        }
        if target.is_nil() || target.is_same(source) {
            return Ok(());
        }
        self.heap.charge(source.entries().len() * ENTRY_BYTES)?;
        let entries = source.entries().clone();
        for (key, value) in entries {
            self.heap.step(1)?;
            self.entry(target, key, value, depth)?;
        }
        Ok(())
    }

    fn entry(&self, target: &Map, key: Rc<[u8]>, value: Value, depth: usize) -> Result<(), Fault> {
        let present = target.get(&key);
        let set = |value| {
            if target.is_dict() || matches!(value, Value::Text(_)) {
                self.heap.insert(target, key.clone(), value)
            } else {
                failed("dictionaries of different types cannot be merged")
            }
        };
        if matches!(value, Value::Nil) {
            return if self.overwrite { set(value) } else { Ok(()) };
        }
        if let (Value::Map(inner), Some(Value::Map(present))) = (&value, &present) {
            self.map(present, inner, depth + 1)?;
        }
        let is_empty = !present.as_ref().is_some_and(Value::is_true);
        let keeps_its_map = matches!((&value, &present), (Value::Map(_), Some(Value::Map(_))));
        if is_empty || (self.overwrite && !keeps_its_map) { set(value) } else { Ok(()) }
    }
}

/// `deepCopy value`
pub fn deep_copy(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    match arguments.value(0) {
        Value::Nil => failed("nil cannot be copied"),
        value => copied(heap, value, 0),
    }
}

fn copied(heap: &Heap, value: &Value, depth: usize) -> Result<Value, Fault> {
    heap.step(1)?;
    if depth > limits::TEMPLATE_VALUE_DEPTH {
        return Err(Fault::Limit("values inside values", limits::TEMPLATE_VALUE_DEPTH));
    }
    match value {
        Value::List(list) if !list.is_nil() => {
            let items = list.items().iter().map(|item| copied(heap, item, depth + 1));
            heap.typed_list(list.kind, items.collect::<Result<Vec<Value>, Fault>>()?)
        }
        Value::Map(map) if !map.is_nil() => {
            let mut entries = Entries::new();
            for (key, item) in map.entries().iter() {
                entries.insert(key.clone(), copied(heap, item, depth + 1)?);
            }
            heap.map_like(map, entries).map(Value::Map)
        }
        // copystructure sees no exported field in a version and gives an empty one.
        Value::Version(_) => Ok(Value::Version(Rc::default())),
        other => Ok(other.clone()),
    }
}
