//! imgcompat holds a node to what a container image says it needs of it.
//!
//! An image's *compatibility specification* (Node Feature Discovery's format, attached to the image as an OCI
//! artifact) is evaluated on this host at every container start; what cannot run here is refused, or only recorded.
//!
//! ```text
//!  container start ─▶ image identity ─▶ artifact ─▶ specification ─▶ rules × host ─▶ verdict ─▶ policy ─▶ decision ─▶ audit
//!      start            image           artifact        spec        rules   host     verdict   policy      gate      audit
//! ```
//!
//! Data goes one way; each room knows the types of the rooms before it, and only [`gate`] sees them all. Read this page,
//! then `gate.rs`, and you have understood the program. In the order of the data:
//!
//! | room | what goes in | what comes out |
//! |---|---|---|
//! | [`start`] | a runtime's words: OCI state on standard input | a [`start::ContainerStart`] |
//! | [`image`] | a start | an [`image::ImageIdentity`], by the engine's own records |
//! | [`artifact`] | an identity | an [`artifact::Artifact`]: local files, then the cache, then the registry |
//! | [`registry`] | a repository and digests | an attached specification's bytes, verified (tool and worker only) |
//! | [`worker`] | a question of the hook's | an answer, from an unprivileged child process |
//! | [`spec`] | bytes | a checked [`spec::Specification`], or diagnostics with line and column |
//! | [`host`] | the name of a feature | what this machine has of it |
//! | [`rules`] | a specification and features | an [`rules::Evaluation`] in three-valued logic |
//! | [`verdict`] | | the closed list of answers, and of causes for having none |
//! | [`policy`] | a verdict | a [`policy::Decision`] |
//! | [`audit`] | a decision | a record in the logs, and one sentence for a person |
//! | [`cli`] | a command line | printing, and an exit code |
//!
//! Beside the rooms stand the words they share: [`oci`] (digests, references, manifests), [`limits`] (every bound on
//! what strangers can make this program do), [`deadline`], [`files`], [`kept`], [`paths`]; and [`hook`], the hook as a program,
//! with [`surroundings`], what it puts away first.

pub mod artifact;
pub mod audit;
pub mod cli;
pub mod deadline;
pub mod doctor;
pub mod engine;
pub mod files;
pub mod gate;
pub mod hook;
pub mod host;
pub mod image;
pub mod kept;
pub mod limits;
pub mod oci;
pub mod paths;
pub mod policy;
pub mod registry;
pub mod rules;
pub mod runtime;
pub mod spec;
pub mod start;
pub mod surroundings;
pub mod verdict;
pub mod worker;

pub use verdict::{Cause, Verdict};
