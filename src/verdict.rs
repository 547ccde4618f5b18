//! What can be said about an image on this host: the closed list of verdicts, and of causes for "undecided".
//!
//! A verdict is a fact, without policy: whether a start is allowed is decided from it by [`crate::policy`].
//! The words are stable; they appear in policy files, in the decision log and in the tool's JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to "may this image run on this host, as far as its specification goes?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Some compatibility set holds on this host.
    Compatible,
    /// Every compatibility set fails on this host.
    Incompatible,
    /// The image has no specification, and that is known for certain.
    NoArtifact,
    /// No answer could be found; the cause says why.
    Undecided(Cause),
}

/// Why a verdict is [`Verdict::Undecided`]. Policy can treat each cause differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The specification cannot be decoded, names an unknown field or version, has no sets, or is too large.
    InvalidSpecification,
    /// A rule could not be evaluated, and nothing else decides.
    EvaluationFailed,
    /// Which image the container is made from cannot be established.
    ImageUnidentified,
    /// The registry gave no answer, refused one, or gave one that cannot be verified; and none is cached.
    RegistryUnavailable,
    /// The time for a start is used up.
    DeadlineExceeded,
    /// A broken configuration, a full disk, or a defect of this program.
    Internal,
}

impl Cause {
    /// Every cause, in the order of the documentation.
    pub const ALL: [Cause; 6] = [
        Cause::InvalidSpecification,
        Cause::EvaluationFailed,
        Cause::ImageUnidentified,
        Cause::RegistryUnavailable,
        Cause::DeadlineExceeded,
        Cause::Internal,
    ];

    /// The stable word for this cause.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::InvalidSpecification => "invalid-specification",
            Cause::EvaluationFailed => "evaluation-failed",
            Cause::ImageUnidentified => "image-unidentified",
            Cause::RegistryUnavailable => "registry-unavailable",
            Cause::DeadlineExceeded => "deadline-exceeded",
            Cause::Internal => "internal",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Verdict {
    /// The stable word for this verdict, without its cause.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Compatible => "compatible",
            Verdict::Incompatible => "incompatible",
            Verdict::NoArtifact => "no-artifact",
            Verdict::Undecided(_) => "undecided",
        }
    }

    /// The cause, where the verdict has one.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Verdict::Undecided(cause) => Some(cause),
            _ => None,
        }
    }

    /// The word that policy uses: the cause of an undecided verdict, else the verdict itself.
    pub const fn outcome(self) -> &'static str {
        match self {
            Verdict::Undecided(cause) => cause.as_str(),
            other => other.as_str(),
        }
    }

    /// The tool's exit code for this verdict: 0, 1, 3 or 4 (2 is kept for usage errors).
    pub const fn exit_code(self) -> u8 {
        match self {
            Verdict::Compatible => 0,
            Verdict::Incompatible => 1,
            Verdict::NoArtifact => 3,
            Verdict::Undecided(_) => 4,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Undecided(cause) => write!(f, "undecided ({cause})"),
            other => f.write_str(other.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_documentation() {
        let table = [
            (Verdict::Compatible, "compatible", 0),
            (Verdict::Incompatible, "incompatible", 1),
            (Verdict::NoArtifact, "no-artifact", 3),
            (Verdict::Undecided(Cause::Internal), "internal", 4),
        ];
        for (verdict, outcome, code) in table {
            assert_eq!((verdict.outcome(), verdict.exit_code()), (outcome, code));
        }
    }

    #[test]
    fn a_cause_is_one_word_everywhere() {
        for cause in Cause::ALL {
            let json = serde_json::to_string(&cause).unwrap();
            assert_eq!(json, format!("\"{cause}\""));
        }
    }
}
