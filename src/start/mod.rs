//! Room `start`: who is starting. A runtime's words come in, a [`ContainerStart`] goes out to [`crate::image`].
//!
//! | file | what |
//! |---|---|
//! | `hook.rs` | OCI state on standard input: the start as a runtime tells a hook |
//! | `runtime.rs` | a runtime's command line: the start as an engine tells a runtime |
//! | `bundle.rs` | the bundle's `config.json`, for both |

mod bundle;
pub mod hook;
pub mod runtime;

use std::path::PathBuf;

/// One container that is about to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStart {
    /// The container's id, as the engine and the runtime call it.
    pub id: String,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// The root file system's path (`root.path` of the configuration), absolute. Nothing below it is ever opened.
    pub root_path: Option<PathBuf>,
    /// True if the container has a terminal.
    pub terminal: bool,
    /// What an annotation says the image was asked for by. Annotations can be written by whoever creates a
    /// container, so this picks among candidates that the engine's own records confirm, and does nothing else.
    pub typed_image: Option<String>,
}

/// Why a start cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing on standard input.
    #[error(
        "the container state on standard input is empty; this program is run by an OCI runtime"
    )]
    StateEmpty,
    /// More than any runtime sends.
    #[error("the container state on standard input is larger than 32 MiB")]
    StateTooLarge,
    /// Standard input stays open.
    #[error("the container state on standard input does not end within the deadline")]
    StateNeverEnds,
    /// Standard input cannot be read.
    #[error("the container state on standard input cannot be read: {0}")]
    StateUnreadable(#[source] std::io::Error),
    /// Not JSON, or a field is missing or of the wrong type.
    #[error(
        "the container state on standard input is not valid JSON as the OCI runtime specification has it: {0}"
    )]
    StateMalformed(#[source] serde_json::Error),
    /// A field has a value that no runtime sends.
    #[error("`{name}` of the container state is refused: {problem}")]
    StateField {
        /// The field.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A runtime's command line without what every start has.
    #[error("the runtime's command line is not understood: {0}")]
    CommandLine(&'static str),
    /// The bundle's configuration cannot be read.
    #[error("{}/config.json cannot be read: {source}", bundle.display())]
    ConfigUnreadable {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bundle's configuration is not JSON of the right shape.
    #[error("{}/config.json is not a runtime configuration: {source}", bundle.display())]
    ConfigMalformed {
        /// The bundle.
        bundle: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
