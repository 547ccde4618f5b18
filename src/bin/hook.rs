//! `imgcompat-hook`: what container engines execute at every start. It reads the container's state on standard input
//! and exits 0 to allow the start, 1 to refuse it.
//!
//! No command line parser, no network, no YAML: those are the tool's. See `docs/ARCHITECTURE.md`.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgcompat::hook::main()
}
