//! Room `worker`: the child process that does for the hook what root should not do: talk to registries, parse YAML.
//! What it does there is in [`crate::tasks`].
//!
//! | file | what |
//! |---|---|
//! | `protocol.rs` | what hook and worker say to each other |
//! | `process.rs` | the hook's side: start, feed, read, kill at the deadline |
//! | `sandbox.rs` | the worker's side: another user, limits, no way back |
//! | `file_rules.rs`, `call_filter.rs` | parts of that: Landlock, seccomp |

pub mod call_filter;
pub mod file_rules;
pub mod process;
pub mod protocol;
pub mod sandbox;
