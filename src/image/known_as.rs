//! What the engine's record of a container calls it: its name, its pod, its pod's namespace. For people to find a
//! decision by; of them the namespace alone has a say, where the policy exempts it.
//!
//! | engine | name | pod and namespace |
//! |---|---|---|
//! | podman | the storage record's metadata | – (its pods are in its database only) |
//! | CRI-O | the same | the same: the name that CRI-O made for the pod ([`Pod::of_crio`]) |
//! | containerd, CRI | CRI's record of the container | the same: the labels that the kubelet gave the container |
//! | nerdctl | its label | – |
//! | Docker | `config.v2.json` | – |
//!
//! The kubelet says both of a pod whatever the pod's annotations and labels say.

use crate::sanitize;

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
    /// A container outside Kubernetes.
    pub fn container(name: &str) -> Self {
        KnownAs { name: printable(name), ..KnownAs::default() }
    }

    /// A container of a pod; what cannot be a namespace is none.
    pub fn in_pod(name: &str, pod: Pod<'_>) -> Self {
        KnownAs {
            name: printable(name),
            pod: printable(pod.name),
            namespace: Some(pod.namespace).filter(|text| is_label(text)).map(str::to_owned),
        }
    }
}

/// A pod's name and namespace, as an engine has them; either may be empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pod<'a> {
    /// The pod's name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

impl<'a> Pod<'a> {
    /// CRI-O calls a pod `k8s_<name>_<namespace>_<uid>_<attempt>` (its `server/naming.go`), and Kubernetes lets none of
    /// these have a `_`. What is not of that form names no pod.
    pub fn of_crio(name: &'a str) -> Self {
        let parts: Vec<&str> = name.split('_').collect();
        match parts.as_slice() {
            ["k8s", name, namespace, _, attempt] if attempt.parse::<u32>().is_ok() => {
                Pod { name, namespace }
            }
            _ => Pod::default(),
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
        let long = "p".repeat(999);
        let known = KnownAs::in_pod("/web\u{1b}[2J", Pod { name: &long, namespace: "kube-system" });
        assert_eq!(known.name.as_deref(), Some("web\u{fffd}[2J"));
        assert!(known.pod.is_some_and(|pod| pod.len() <= NAME_BYTES));
        assert_eq!(known.namespace.as_deref(), Some("kube-system"));
        for text in ["", "Kube-System", "a b", "a/b", "*", &"n".repeat(64)] {
            let nowhere = Pod { name: "", namespace: text };
            assert_eq!(KnownAs::in_pod("", nowhere), KnownAs::default(), "{text}");
        }
    }

    #[test]
    fn crio_s_name_of_a_pod_has_name_and_namespace() {
        for (text, name, namespace) in [
            ("k8s_web-0_team-a_6a1f_0", "web-0", "team-a"),
            ("k8s_etcd-node1_kube-system_0c1d_12", "etcd-node1", "kube-system"),
            ("", "", ""),
            ("web-0", "", ""),
            ("k8s_a_b_kube-system_u_0", "", ""),
            ("k8s_a_kube-system_u_x", "", ""),
        ] {
            assert_eq!(Pod::of_crio(text), Pod { name, namespace }, "{text}");
        }
    }
}
