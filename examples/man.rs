//! Writes the manual pages of `imgcompat` and its subcommands, made from the command line's own help:
//! `cargo run --example man -- target/man` (or `make man`). Their date is that of `SOURCE_DATE_EPOCH`, so that pages of one
//! release are the same wherever they are made; today's without it. mandoc has nothing to say about them (the lane `packages`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;
use time::OffsetDateTime;

fn main() -> ExitCode {
    let directory: PathBuf = std::env::args_os().nth(1).unwrap_or("target/man".into()).into();
    let mut tree = imgcompat::cli::command::tree().disable_help_subcommand(true);
    tree.build();
    match fs::create_dir_all(&directory).and_then(|()| write(&tree, &date(), &directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn date() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let time = epoch.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.unwrap_or_else(OffsetDateTime::now_utc).date().to_string()
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
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n");
    fs::write(directory.join(format!("{name}.1")), text)
}
