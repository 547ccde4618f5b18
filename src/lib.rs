//! imgcompat holds a node to what a container image says it needs of it.
//!
//! ```text
//!  container start ─▶ image identity ─▶ artifact ─▶ specification ─▶ rules × host ─▶ verdict ─▶ policy ─▶ decision ─▶ audit
//! ```

pub mod artifact;
pub mod audit;
pub mod cli;
pub mod deadline;
pub mod files;
pub mod gate;
pub mod hook;
pub mod host;
pub mod image;
pub mod limits;
pub mod oci;
pub mod paths;
pub mod policy;
pub mod registry;
pub mod rules;
pub mod spec;
pub mod start;
pub mod surroundings;
pub mod verdict;
pub mod worker;

pub use verdict::{Cause, Verdict};
