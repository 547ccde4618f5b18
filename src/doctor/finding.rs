//! A finding: its level, a sentence, a command that mends it.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; nothing starts unjudged because of it.
    Warning,
    /// Containers start unjudged, or do not start at all.
    Problem,
}

impl Level {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is about: `programs`, an engine's name, `policy`, …
    pub subject: String,
    /// What was found.
    pub finding: String,
    /// The command, or the words, that mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(subject: &str, finding: impl Into<String>) -> Self {
        Finding {
            level: Level::Ok,
            subject: subject.to_owned(),
            finding: finding.into(),
            remedy: None,
        }
    }

    /// Worth a look.
    pub fn warning(subject: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Finding {
            level: Level::Warning,
            subject: subject.to_owned(),
            finding: finding.into(),
            remedy,
        }
    }

    /// Something is wrong.
    pub fn problem(subject: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Finding {
            level: Level::Problem,
            subject: subject.to_owned(),
            finding: finding.into(),
            remedy,
        }
    }
}
