//! Patterns over image names: `registry.example/prod/**`.
//!
//! `*` stands for any characters but `/`, `**` for any characters at all, `?` for one character but `/`. A pattern
//! is compared with the name without tag and digest, and with the name as it was asked for, so `r/a` matches every
//! tag of it and `r/a:1.*` some of them. Matching takes time proportional to pattern times name, at worst.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::oci::Reference;

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern(String);

impl ImagePattern {
    /// True if one of the names matches.
    pub fn matches_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.matches(name))
    }

    /// True if `name`, whole or without tag and digest, matches.
    pub fn matches(&self, name: &str) -> bool {
        if glob(self.0.as_bytes(), name.as_bytes()) {
            return true;
        }
        match name.parse::<Reference>() {
            Ok(reference) => {
                let mut untagged = reference;
                untagged.digest = None;
                let tagged = untagged.to_string();
                let repository = untagged.repository.to_string();
                [tagged, repository].iter().any(|n| glob(self.0.as_bytes(), n.as_bytes()))
            }
            Err(_) => false,
        }
    }
}

/// Which positions of `name` can be reached by a prefix of `pattern`: one row of a table, updated token by token.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let mut rest = pattern;
    loop {
        rest = match rest {
            [] => return reached.last().copied().unwrap_or(false),
            [b'*', b'*', tail @ ..] => {
                spread(&mut reached, name, |_| true);
                tail
            }
            [b'*', tail @ ..] => {
                spread(&mut reached, name, |byte| byte != b'/');
                tail
            }
            [b'?', tail @ ..] => {
                reached = step(&reached, name, |byte| byte != b'/');
                tail
            }
            [literal, tail @ ..] => {
                reached = step(&reached, name, |byte| byte == *literal);
                tail
            }
        };
    }
}

fn spread(reached: &mut [bool], name: &[u8], accepts: impl Fn(u8) -> bool) {
    let mut running = false;
    for (place, here) in reached.iter_mut().enumerate() {
        let carried = place
            .checked_sub(1)
            .and_then(|before| name.get(before))
            .is_some_and(|byte| running && accepts(*byte));
        running = *here || carried;
        *here = running;
    }
}

fn step(reached: &[bool], name: &[u8], accepts: impl Fn(u8) -> bool) -> Vec<bool> {
    let moved = reached.iter().zip(name).map(|(here, byte)| *here && accepts(*byte));
    std::iter::once(false).chain(moved).collect()
}

impl TryFrom<String> for ImagePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let problem = if text.is_empty() {
            "it is empty; \"**\" matches every image"
        } else if text.len() > limits::IMAGE_PATTERN_BYTES {
            "it is longer than 1024 bytes"
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "it has white space"
        } else {
            return Ok(ImagePattern(text));
        };
        let cut: String = text.chars().take(60).collect();
        Err(format!("`{cut}` is not an image pattern: {problem}"))
    }
}

impl From<ImagePattern> for String {
    fn from(pattern: ImagePattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_with_and_without_tag() {
        let digested = format!("r.example/prod/a:1@sha256:{}", "a".repeat(64));
        let table = [
            ("r.example/prod/**", "r.example/prod/a:1", true),
            ("r.example/prod/**", "r.example/prod/a/b/c:1", true),
            ("r.example/prod/*", "r.example/prod/a/b:1", false),
            ("r.example/prod/*", "r.example/prod/a:1", true),
            ("r.example/prod/a", "r.example/prod/a:1", true),
            ("r.example/prod/a:1", digested.as_str(), true),
            ("r.example/prod/a:2", digested.as_str(), false),
            ("r.example/**/x", "r.example/a/b/x:9", true),
            ("**", "localhost/bb:1", true),
            ("*", "localhost/bb:1", false),
            ("r.example:5000/?", "r.example:5000/a", true),
            ("r.example/prod", "r.example/production", false),
            ("**", "sha256 of something odd", true),
        ];
        for (pattern, name, expected) in table {
            let pattern = ImagePattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = ImagePattern::try_from("*a".repeat(300)).unwrap();
        assert!(!pattern.matches(&"a".repeat(200)));
    }

    #[test]
    fn unusable_patterns_are_refused() {
        for text in ["", "a b", "a\n", &"x".repeat(2000)] {
            assert!(ImagePattern::try_from(text.to_owned()).is_err());
        }
    }
}
