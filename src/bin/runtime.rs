//! `imgcompat-runtime`: what container engines execute in place of their OCI runtime. It judges the starts among the
//! commands it is given, and hands everything else, and every start that is allowed, to the real runtime.

use std::process::ExitCode;

/// As in the hook, and for the same reason.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    imgcompat::runtime::main()
}
