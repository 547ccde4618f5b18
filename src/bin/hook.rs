//! `imgcompat-hook`: what container engines execute at every start. It reads the container's state on standard input
//! and exits 0 to allow the start, 1 to refuse it.
//!
//! No command line parser, no network, no YAML: those are the tool's. See `docs/ARCHITECTURE.md`.

use std::process::ExitCode;

/// musl's allocator asks the kernel for a page at a time and gives each back at once: some 30 calls and page faults of
/// the hook's short life. This one asks once.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    imgcompat::hook::main()
}
