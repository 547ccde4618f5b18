//! `[[exempt]]`: namespaces whose containers are not judged, so that a node's own pods start whatever happens to us.
//!
//! The namespace is the one that the engine's record of the pod's sandbox has ([`crate::image::known_as`]); where an
//! engine has no such record, nothing is exempt. Whoever may create pods in an exempt namespace is not held to anything:
//! that is Kubernetes' authorization, not ours.

use serde::{Deserialize, Serialize};

use crate::image::KnownAs;
use crate::image::pattern::glob;

/// One exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exemption {
    /// Which namespaces.
    pub namespace: NamespacePattern,
    /// Why; stands in every record of a container that it exempts.
    pub reason: String,
}

impl Exemption {
    /// True if the container is in such a namespace, by the engine's own record.
    pub fn applies(&self, known_as: &KnownAs) -> bool {
        known_as.namespace.as_deref().is_some_and(|namespace| self.namespace.matches(namespace))
    }
}

/// A namespace, in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespacePattern(String);

impl NamespacePattern {
    fn matches(&self, namespace: &str) -> bool {
        glob(self.0.as_bytes(), namespace.as_bytes())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NamespacePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'*';
        if text.is_empty() || text.len() > 63 || !text.bytes().all(plain) {
            let shown: String = text.chars().take(63).collect();
            return Err(format!(
                "`{shown}` is no namespace; write its name, such as kube-system, or openshift-* for all that begin so"
            ));
        }
        Ok(NamespacePattern(text))
    }
}

impl From<NamespacePattern> for String {
    fn from(pattern: NamespacePattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_exempt_by_its_name_and_by_nothing_else() {
        let exemption = |pattern: &str| Exemption {
            namespace: NamespacePattern::try_from(pattern.to_owned()).unwrap(),
            reason: "the node's own".to_owned(),
        };
        let table = [
            ("kube-system", "kube-system", true),
            ("kube-system", "kube-system-2", false),
            ("openshift-*", "openshift-dns", true),
            ("openshift-*", "my-openshift-dns", false),
            ("*", "any", true),
        ];
        for (pattern, namespace, expected) in table {
            let known_as = KnownAs::new("c", "p", namespace);
            assert_eq!(exemption(pattern).applies(&known_as), expected, "{pattern} {namespace}");
        }
        // A container whose namespace is not known is never exempt, nor one that is merely called so.
        assert!(!exemption("*").applies(&KnownAs::new("kube-system", "kube-system", "")));
    }

    #[test]
    fn what_cannot_be_a_namespace_is_an_error() {
        for text in ["", "Kube", "a/b", "a b", "?"] {
            assert!(NamespacePattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
