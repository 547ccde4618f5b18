//! Room `policy`: what the administrator wants done with a verdict. A verdict comes in, a [`Decision`] goes out.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | the files: reading, merging, errors with file, line and column |
//! | `duration.rs` | `"5s"`, `"10m"`, `"7d"` |
//! | `outcome.rs` | what a verdict leads to where nothing is said: the table of defaults |
//! | `decide.rs` | verdict and policy make a decision: a pure function |

pub mod config;
pub mod decide;
pub mod duration;
pub mod outcome;

pub use config::{ConfigError, Mode, Policy, Profile};
pub use decide::{Decision, decide};
pub use outcome::Action;
