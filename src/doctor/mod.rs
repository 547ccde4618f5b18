//! Room `doctor`: whether imgcompat works on this node, as findings that each say what to do.
//!
//! | file | what |
//! |---|---|
//! | `finding.rs` | a finding: its level, a sentence, a command that mends it |
//! | `programs.rs` | our programs: there, of one version, nobody else's to change |
//! | `engines.rs` | each engine found: whether every way of starting containers calls us |
//! | `records.rs` | policy, exceptions, local specifications, cache, logs, the last decision of each engine |
//! | `registries.rs` | whether the registries that starts depend on answer, and as whom they are asked |
//! | `running.rs` | whether a daemon has read the configuration that is there |
//! | `probe/` | throw-away containers, to see that imgcompat is really called and really obeyed |
//!
//! It reads and changes nothing (a probe starts a container and removes it). An engine that silently starts everything
//! unjudged is the failure it exists for; what a missing hook leads to differs from engine to engine (`engines.rs`).

pub mod engines;
mod finding;
pub mod probe;
mod programs;
mod records;
mod registries;
pub mod running;

pub use finding::{Finding, Level};

use crate::engine::Node;
use crate::paths::Paths;

/// Everything that can be found out without starting anything; with `offline` without asking a registry.
pub fn examine(node: &Node, paths: &Paths, offline: bool) -> Vec<Finding> {
    let mut findings = programs::examine(node);
    findings.extend(as_root(node));
    findings.extend(engines::examine(node));
    findings.extend(records::examine(node, paths));
    findings.extend(registries::examine(node, paths, offline));
    findings
}

/// What root alone can read would look as if it were not there.
fn as_root(node: &Node) -> Option<Finding> {
    if !node.is_running() || nix::unistd::geteuid().is_root() {
        return None;
    }
    let text = "not run as root: what root alone can read is not seen";
    Some(Finding::warning("programs", text, "sudo imgcompat doctor"))
}
