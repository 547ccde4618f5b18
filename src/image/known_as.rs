//! What the engine's records call a container: its name, its pod, its pod's namespace. For people to find a decision by;
//! nothing is decided by it.
//!
//! | engine | name | pod and namespace |
//! |---|---|---|
//! | podman | the storage record's metadata | – (its pods are in its database only) |
//! | CRI-O | the same | the storage record of the sandbox that the container's record names |
//! | containerd, CRI | CRI's record of the container | CRI's record of the sandbox that the container's record names |
//! | nerdctl | its label | – |
//! | Docker | `config.v2.json` | – |

use crate::audit::sanitize;

/// Longest name that is kept; Kubernetes' are at most 253.
const NAME_BYTES: usize = 256;
/// Longest namespace (RFC 1123 label).
const NAMESPACE_BYTES: usize = 63;

/// The names of one container; `None` where the engine's records have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownAs {
    /// The container's name.
    pub name: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
}

impl KnownAs {
    /// The names as an engine has them; what cannot be a namespace is none.
    pub fn new(name: &str, pod: &str, namespace: &str) -> Self {
        KnownAs {
            name: printable(name),
            pod: printable(pod),
            namespace: Some(namespace).filter(|text| is_label(text)).map(str::to_owned),
        }
    }
}

fn printable(name: &str) -> Option<String> {
    let name = sanitize::bounded_line(name.trim_start_matches('/'), NAME_BYTES);
    Some(name).filter(|name| !name.is_empty())
}

fn is_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= NAMESPACE_BYTES && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_only_labels_are_namespaces() {
        let known = KnownAs::new("/web\u{1b}[2J", &"p".repeat(999), "kube-system");
        assert_eq!(known.name.as_deref(), Some("web\u{fffd}[2J"));
        assert!(known.pod.is_some_and(|pod| pod.len() <= NAME_BYTES));
        assert_eq!(known.namespace.as_deref(), Some("kube-system"));
        for text in ["", "Kube-System", "a b", "a/b", "*", &"n".repeat(64)] {
            assert_eq!(KnownAs::new("", "", text), KnownAs::default(), "{text}");
        }
    }
}
