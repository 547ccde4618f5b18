//! Room `doctor`: whether imgcompat works on this node, as findings that each say what to do.
//!
//! | file | what |
//! |---|---|
//! | `finding.rs` | a finding: its level, a sentence, a command that mends it |
//! | `programs.rs` | our programs: there, of one version, nobody else's to change |
//! | `engines.rs` | each engine found: whether every way of starting containers calls us |
//! | `records.rs` | policy, exceptions, local specifications, cache, logs, the last decision of each engine |
//! | `probe.rs` | a throw-away container, to see that the hook is really called |
//!
//! It reads and changes nothing (a probe starts a container and removes it). An engine that silently starts everything
//! unjudged is the failure it exists for: a hook whose program is missing is skipped without a word by every engine.

pub mod engines;
pub mod finding;
pub mod probe;
pub mod programs;
pub mod records;

pub use finding::{Finding, Level};

use crate::engine::Node;
use crate::paths::Paths;

/// Everything that can be found out without starting anything.
pub fn examine(node: &Node, paths: &Paths) -> Vec<Finding> {
    let mut findings = programs::examine(node);
    findings.extend(engines::examine(node));
    findings.extend(records::examine(node, paths));
    findings
}
