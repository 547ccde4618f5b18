//! `imgcompat`: the tool for people, and the hook's worker.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgcompat::cli::command::main()
}
