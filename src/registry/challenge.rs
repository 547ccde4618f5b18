//! `WWW-Authenticate`: what a registry wants to see before it answers.
//!
//! Source: RFC 9110, section 11.6.1 (a list of challenges, each a scheme with parameters; the commas between
//! challenges and between parameters are the same character) and the distribution project's token specification.

use std::collections::BTreeMap;

use crate::limits;

/// One challenge: a scheme and its parameters, names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, for example `bearer`.
    pub scheme: String,
    /// The parameters; of two with the same name the first counts.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// Reads a header's value as far as it can be understood.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = header;
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((word, after)) = token(rest) else { return challenges };
        let spaces = after.trim_start_matches([' ', '\t']);
        match spaces.strip_prefix('=') {
            Some(value) if !challenges.is_empty() => {
                let Some((value, after)) = parameter_value(value) else { return challenges };
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                }
                rest = after;
            }
            Some(_) => return challenges,
            None if challenges.len() == limits::AUTH_CHALLENGES => return challenges,
            None => {
                let scheme = word.to_ascii_lowercase();
                challenges.push(Challenge { scheme, parameters: BTreeMap::new() });
                rest = after;
            }
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c));
    let (word, rest) = text.split_at_checked(text.find(ends).unwrap_or(text.len()))?;
    (!word.is_empty()).then_some((word, rest))
}

fn parameter_value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_challenges_of_real_registries_are_understood() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/a:pull""#;
        let parsed = parse(hub);
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].scheme, "bearer");
        assert_eq!(parsed[0].get("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(parsed[0].get("scope"), Some("repository:library/a:pull"));
        assert_eq!(parse("Basic realm=\"Registry Realm\"")[0].get("realm"), Some("Registry Realm"));
        assert_eq!(parse("basic")[0].scheme, "basic");
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let parsed =
            parse(r#"Basic realm="a, b=\"c\"", Bearer realm=https://x/t , service=s,error="x""#);
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].get("realm"), Some("a, b=\"c\""));
        assert_eq!(parsed[1].get("realm"), Some("https://x/t"));
        assert_eq!(parsed[1].get("error"), Some("x"));
    }

    #[test]
    fn what_cannot_be_understood_ends_the_list() {
        assert!(parse("").is_empty());
        assert!(parse("=x").is_empty());
        assert!(parse("a=b").is_empty());
        assert_eq!(parse("Bearer realm=\"never closed")[0].get("realm"), None);
        assert_eq!(parse(&"A ".repeat(1000)).len(), limits::AUTH_CHALLENGES);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_end_or_panic(text in "\\PC{0,200}") {
            prop_assert!(parse(&text).len() <= limits::AUTH_CHALLENGES);
        }

        #[test]
        fn quoted_values_come_back_as_they_went_in(value in "[ -~]{0,60}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("Bearer realm=\"{escaped}\", service=\"s\""));
            prop_assert_eq!(parsed[0].get("realm"), Some(value.as_str()));
            prop_assert_eq!(parsed[0].get("service"), Some("s"));
        }
    }
}
