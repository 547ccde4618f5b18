//! The way through a map: merge keys, duplicate keys, the spelling of field names.
//!
//! NFD's decoder applies a merge key where it stands and lets the last of several equal keys win; a field's name
//! may be written in any case, the exact one preferred. We decode the same, and say so where it matters.

use std::collections::HashMap;

use super::{Decoder, message};
use crate::spec::model::Position;
use crate::spec::scalar;
use crate::spec::yaml::{NodeId, Value};

/// The known fields of one map that are present.
pub(super) struct Fields {
    found: Vec<Field>,
}

struct Field {
    name: &'static str,
    position: Position,
    value: NodeId,
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<NodeId> {
        self.found.iter().find(|field| field.name == name).map(|field| field.value)
    }

    pub(super) fn position(&self, name: &str) -> Option<Position> {
        self.found.iter().find(|field| field.name == name).map(|field| field.position)
    }
}

/// What the format says of a map.
#[derive(Clone, Copy)]
pub(super) struct Shape<'k> {
    /// What it is, in messages.
    pub(super) what: &'k str,
    pub(super) known: &'k [&'static str],
    /// Fields that cost a warning.
    ignored: &'k [&'k str],
}

impl<'k> Shape<'k> {
    pub(super) const fn of(what: &'k str, known: &'k [&'static str]) -> Self {
        Shape { what, known, ignored: &[] }
    }

    pub(super) const fn ignoring(self, ignored: &'k [&'k str]) -> Self {
        Shape { ignored, ..self }
    }
}

/// A key, its place, and its value.
type Entry = (String, Position, NodeId);

impl Decoder<'_> {
    /// As [`Self::map`], but null stands for a map without fields, as in NFD.
    pub(super) fn map_or_null(&mut self, node: NodeId, shape: Shape<'_>) -> Option<Fields> {
        if self.is_null(node) {
            return Some(Fields { found: Vec::new() });
        }
        self.map(node, shape)
    }

    /// The known fields of a map; the ignored ones cost a warning, all others an error.
    pub(super) fn map(&mut self, node: NodeId, shape: Shape<'_>) -> Option<Fields> {
        let mut fields = Fields { found: Vec::new() };
        for entry in self.checked_entries(node, shape)? {
            self.field(&mut fields, entry, shape);
        }
        Some(fields)
    }

    fn field(&mut self, fields: &mut Fields, (key, position, value): Entry, shape: Shape<'_>) {
        let Shape { what, known, ignored } = shape;
        let name = known.iter().find(|name| name.eq_ignore_ascii_case(&key));
        match name {
            Some(name) if fields.get(name).is_some() => {
                self.findings.error(message::field_twice(position, name));
            }
            Some(name) => {
                if *name != key {
                    self.findings.warning(message::field_case(position, &key, name));
                }
                fields.found.push(Field { name, position, value });
            }
            None if ignored.iter().any(|name| name.eq_ignore_ascii_case(&key)) => {
                self.findings.warning(message::field_ignored(position, &key));
            }
            None if self.is_shelf(value, &key, known) => {
                self.findings.warning(message::shelf(position, &key));
            }
            None => {
                let legacy = message::legacy_term(self.document, &key, value, known);
                self.findings.error(message::unknown_field(position, &key, what, known, legacy));
            }
        }
    }

    /// Whether a field of the document only keeps a node for aliases elsewhere, as is custom in YAML. A name that
    /// looks like a known one is a slip of the pen all the same.
    fn is_shelf(&self, value: NodeId, key: &str, known: &[&'static str]) -> bool {
        known.starts_with(super::DOCUMENT)
            && self.document.is_aliased(value)
            && message::nearest(key, known).is_none()
    }

    /// The entries of a map in document order, merge keys applied, of equal keys the last.
    pub(super) fn entries(&mut self, node: NodeId, what: &str) -> Vec<Entry> {
        self.checked_entries(node, Shape::of(what, &[])).unwrap_or_default()
    }

    fn checked_entries(&mut self, node: NodeId, shape: Shape<'_>) -> Option<Vec<Entry>> {
        let Value::Mapping(_) = self.document.value(node) else {
            let found = message::found(self.document, node);
            let at = self.document.position(node);
            self.findings.error(message::not_a_map(at, shape.what, shape.known, &found));
            return None;
        };
        let mut gathered = Gathered::default();
        self.gather(node, &mut gathered, false);
        Some(gathered.entries)
    }

    /// The depth of merges in merges is bounded by the depth of the document.
    fn gather(&mut self, map: NodeId, gathered: &mut Gathered, merged: bool) {
        let document = self.document;
        let Value::Mapping(pairs) = document.value(map) else {
            self.findings.error(message::merge_wants_map(document.position(map)));
            return;
        };
        for pair in pairs.chunks_exact(2) {
            let &[key, value] = pair else { continue };
            if document.is_merge_key(key) {
                self.merge(value, gathered);
            } else if let Some(name) = self.key(key) {
                let at = document.position(key);
                if let Some(before) = gathered.put(name, at, value, merged) {
                    self.findings.warning(message::duplicate_key(at, before, merged));
                }
            }
        }
    }

    fn merge(&mut self, value: NodeId, gathered: &mut Gathered) {
        match self.document.value(value) {
            // Of several maps the first wins, so they are applied from the last.
            Value::Sequence(maps) => {
                for map in maps.iter().rev() {
                    self.gather(*map, gathered, true);
                }
            }
            _ => self.gather(value, gathered, true),
        }
    }

    fn key(&mut self, node: NodeId) -> Option<String> {
        let at = self.document.position(node);
        let Some(scalar) = self.scalar(node) else {
            self.findings.error(message::bad_key(at, "a key must be a string"));
            return None;
        };
        let resolved = match scalar::resolve(scalar) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.findings.error(message::bad_tag(at, &error));
                return None;
            }
        };
        match resolved.clone().into_key() {
            Ok(text) => Some(self.converted(node, scalar, resolved, text)),
            Err(error) => {
                self.findings.error(message::bad_key(at, &error.to_string()));
                None
            }
        }
    }
}

#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    /// Where each key's entry is, and whether it came from a merged map.
    places: HashMap<String, (usize, bool)>,
}

impl Gathered {
    /// Puts an entry, and says where the one was that it replaces, if that is worth a warning: to replace what a
    /// merge brought is what merges are for.
    fn put(&mut self, key: String, at: Position, value: NodeId, merged: bool) -> Option<Position> {
        let place = self.places.get(&key).copied();
        let existing = place.and_then(|(index, from)| Some((self.entries.get_mut(index)?, from)));
        match existing {
            Some((entry, from_merge)) => {
                let before = entry.1;
                *entry = (key.clone(), at, value);
                self.places.entry(key).and_modify(|place| place.1 = merged);
                (!from_merge).then_some(before)
            }
            None => {
                self.places.insert(key.clone(), (self.entries.len(), merged));
                self.entries.push((key, at, value));
                None
            }
        }
    }
}
