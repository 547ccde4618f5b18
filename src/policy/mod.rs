//! Room `policy`: what the administrator wants done with a verdict. A verdict comes in, a [`Decision`] goes out.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | what the files say, merged, and what of it applies to an image |
//! | `sources.rs` | the files themselves: which, whether to believe them, errors with file, line and column |
//! | `duration.rs`, `expiry.rs` | `"5s"`, `"10m"`, `"7d"`; when an override ends |
//! | `outcome.rs` | what a verdict leads to where nothing is said: the table of defaults |
//! | `decide.rs` | verdict and policy make a decision: a pure function |

pub mod config;
pub mod decide;
pub mod duration;
mod expiry;
mod outcome;
mod sources;

pub use config::{Mode, Policy, Profile};
pub use decide::{Decision, decide};
pub use outcome::{Action, DEFAULTS};
pub use sources::ConfigError;
