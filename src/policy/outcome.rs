//! What a verdict can lead to, and what it leads to where the policy says nothing: a table.

use serde::{Deserialize, Serialize};

use crate::verdict::{Cause, Verdict};

/// What happens to a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The container starts.
    Allow,
    /// The container does not start.
    Deny,
}

impl Action {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
        }
    }
}

/// What each outcome leads to where the policy says nothing.
pub const DEFAULTS: [(Verdict, Action); 9] = [
    (Verdict::Compatible, Action::Allow),
    (Verdict::Incompatible, Action::Deny),
    (Verdict::NoArtifact, Action::Allow),
    (Verdict::Undecided(Cause::InvalidSpecification), Action::Deny),
    (Verdict::Undecided(Cause::EvaluationFailed), Action::Deny),
    (Verdict::Undecided(Cause::ImageUnidentified), Action::Allow),
    (Verdict::Undecided(Cause::RegistryUnavailable), Action::Allow),
    (Verdict::Undecided(Cause::DeadlineExceeded), Action::Allow),
    (Verdict::Undecided(Cause::Internal), Action::Allow),
];
