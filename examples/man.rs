//! Writes the manual pages of `imgcompat` and its subcommands, made from the command line's own help:
//! `cargo run --example man -- DIRECTORY [DATE]` (or `make man`, which gives the last commit's date, so that the pages of one
//! commit are the same whenever they are made). mandoc has nothing to say about them (the lane `packages`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;
use time::OffsetDateTime;

/// What the command line's own help does not know of.
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR imgcompat (1),\n.BR imgcompat.toml (5),\n.BR imgcompat\\-specification (7),\n.BR imgcompat\\-hook (8)\n";

fn main() -> ExitCode {
    let directory: PathBuf = std::env::args_os().nth(1).unwrap_or("target/man".into()).into();
    let today = OffsetDateTime::now_utc().date().to_string();
    let date = std::env::args().nth(2).unwrap_or(today);
    let mut tree = imgcompat::cli::command::tree().disable_help_subcommand(true);
    tree.build();
    match fs::create_dir_all(&directory).and_then(|()| write(&tree, &date, &directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

/// The pages of a command and of all below it.
fn write(command: &clap::Command, date: &str, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(below, date, directory)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let page = Man::new(command.clone())
        .title(name.to_uppercase())
        .section("1")
        .date(date)
        .source(concat!("imgcompat ", env!("CARGO_PKG_VERSION")))
        .manual("imgcompat");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = String::from_utf8_lossy(&text)
        .replace("\n.br\n\n.br\n", "\n.sp\n")
        .replace("\n.SH EXTRA\n", "\n.SH NOTES\n")
        + SEE_ALSO;
    fs::write(directory.join(format!("{name}.1")), text)
}
