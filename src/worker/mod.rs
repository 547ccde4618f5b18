//! Room `worker`: the child process that does for the hook what root should not do: talk to registries, parse YAML.
//!
//! | file | what |
//! |---|---|
//! | `protocol.rs` | what hook and worker say to each other |
//! | `process.rs` | the hook's side: start, feed, read, kill at the deadline |
//! | `sandbox.rs` | the worker's side: another user, limits, no way back |
//! | `file_rules.rs`, `call_filter.rs` | parts of that: Landlock, seccomp |
//! | `fetch.rs` | the task: find and verify the specification attached to an image, in its registry |
//! | `documents.rs` | the task: an image's index and manifest, from its registry |
//! | `containerd.rs` | the task: ask containerd about a container |
//! | `compile.rs` | the task: a local specification into its checked form |
//! | `check.rs` | the task: an attached specification, found in a layout, into its checked form |

pub mod call_filter;
pub mod check;
pub mod compile;
pub mod containerd;
pub mod documents;
pub mod fetch;
pub mod file_rules;
pub mod process;
pub mod protocol;
pub mod sandbox;
