//! Room `tasks`: what the hook's worker does once it is started: one request in, one answer out (tool only).
//!
//! The words are [`crate::worker::protocol`]'s. Each task reads what only root can, enters the sandbox, and only then
//! touches what a stranger wrote.
//!
//! | file | task |
//! |---|---|
//! | `fetch.rs` | find and verify the specification attached to an image, in its registry |
//! | `documents.rs` | an image's index and manifest, from its registry |
//! | `containerd.rs` | ask containerd about a container |
//! | `compile.rs` | a local specification into its checked form |
//! | `check.rs` | an attached specification, found in a layout, into its checked form |

pub mod check;
pub mod compile;
pub mod containerd;
pub mod documents;
pub mod fetch;
