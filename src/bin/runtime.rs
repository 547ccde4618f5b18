//! `imgcompat-runtime`: what container engines execute in place of their OCI runtime. It judges the starts among the
//! commands it is given, and hands everything else, and every start that is allowed, to the real runtime.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgcompat::runtime::main()
}
