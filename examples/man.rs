//! Writes the manual pages of `imgcompat` and its subcommands, made from the command line's own help:
//! `cargo run --example man -- target/man` (or `make man`).

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory: PathBuf = std::env::args_os().nth(1).unwrap_or("target/man".into()).into();
    let written = std::fs::create_dir_all(&directory)
        .and_then(|()| clap_mangen::generate_to(imgcompat::cli::command::tree(), &directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}
