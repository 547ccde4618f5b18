//! A JSON object as text: its members in their order, each with the text of its value, so that an edit changes
//! nothing that it does not name.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    members: Vec<(String, String)>,
    indent: String,
}

struct Raw(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Raw(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Members {
    /// Reads an object.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('\u{feff}') {
            return Err("it begins with a byte order mark".to_owned());
        }
        let raw: Raw = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let members: Vec<(String, String)> =
            raw.0.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect();
        // Which of two counts, readers disagree about.
        let twice = members.iter().enumerate().find(|(at, (name, _))| {
            members.iter().skip(at + 1).any(|(other, _)| other.eq_ignore_ascii_case(name))
        });
        if let Some((_, (name, _))) = twice {
            return Err(format!("`{name}` stands in it twice"));
        }
        let indented = text.lines().skip(1).find(|line| line.trim_start().starts_with('"'));
        let indent = indented.map(|line| line.chars().take_while(|c| c.is_whitespace()).collect());
        Ok(Members { members, indent: indent.unwrap_or_else(|| "  ".to_owned()) })
    }

    /// The text of a member's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The names, in their order.
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Sets a member's value, in its place or at the end.
    pub fn set(&mut self, name: &str, value: String) {
        match self.members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name.to_owned(), value)),
        }
    }

    /// The object's text, one member a line, `depth` levels deep.
    pub fn text(&self, depth: usize) -> String {
        let (inner, outer) = (self.indent.repeat(depth + 1), self.indent.repeat(depth));
        let name = |name: &String| serde_json::Value::from(name.as_str()).to_string();
        let members: Vec<String> =
            self.members.iter().map(|(n, value)| format!("{inner}{}: {value}", name(n))).collect();
        if members.is_empty() {
            return "{}".to_owned();
        }
        format!("{{\n{}\n{outer}}}", members.join(",\n"))
    }

    /// An object with the same indentation and no members.
    pub fn empty(&self) -> Self {
        Members { members: Vec::new(), indent: self.indent.clone() }
    }

    /// An object that is a member's value, with this one's indentation.
    pub fn object(&self, name: &str) -> Result<Self, String> {
        match self.get(name) {
            Some(text) => Members::parse(text)
                .map(|inner| Members { indent: self.indent.clone(), ..inner })
                .map_err(|error| format!("`{name}`: {error}")),
            None => Ok(self.empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_values_stay_as_they_are() {
        let text = "{\n\t\"b\": [1,  2],\n\t\"a\": {\"x\": 1.0e3}\n}";
        let mut members = Members::parse(text).unwrap();
        assert_eq!(members.text(0), text);
        members.set("c", "true".to_owned());
        members.set("b", "[]".to_owned());
        assert_eq!(members.text(0), "{\n\t\"b\": [],\n\t\"a\": {\"x\": 1.0e3},\n\t\"c\": true\n}");
        assert_eq!(Members::parse("{}").unwrap().text(0), "{}");
        assert!(Members::parse("[]").is_err());
    }
}
