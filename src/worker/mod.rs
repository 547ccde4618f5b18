//! Room `worker`: the unprivileged child process that talks to registries for the hook.

pub mod protocol;
