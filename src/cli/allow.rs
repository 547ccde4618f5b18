//! `imgcompat allow`: an exception for one image or digest, with a reason and an end, as a file of its own among the
//! policy's drop-ins.
//!
//! The file is the `[[override]]` an administrator would write by hand. It is written only if the whole policy can be
//! read with it: a broken file would put every other rule of the node out of force. It counts from the next start on.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Failure, Outcome};
use crate::files;
use crate::image::ImagePattern;
use crate::oci::Digest;
use crate::paths::Paths;
use crate::policy::config::{Expiry, Override};
use crate::policy::{Action, Mode, Policy};
use crate::sanitize;

/// Longest reason; it stands in every record that it changes.
const REASON_BYTES: usize = 500;
/// Longest part of a file's name that shows the image.
const SLUG_BYTES: usize = 60;

/// Arguments of `allow`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The digest is an image id, a manifest's or an index's: sha256:…, or NAME@sha256:….\n\n\
    Exit codes: 0 done, 1 the policy cannot be read, 2 usage error, 3 there is no such exception to remove\n\n\
    Example: imgcompat allow registry.example/ml:2 --until 2026-12-31 --reason 'ticket 1234'"
)]
pub struct Args {
    /// The image, as podman names it in full (patterns as in [[override]] of the policy), or a digest
    #[arg(value_name = "IMAGE|DIGEST", required_unless_present = "list")]
    what: Option<String>,
    /// The last day (UTC) on which it counts, or an RFC 3339 time
    #[arg(long, value_name = "DATE", required_unless_present_any = ["list", "remove"],
        value_parser = |text: &str| Expiry::try_from(text.to_owned()))]
    until: Option<Expiry>,
    /// Why; stands in every decision that it changes
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "remove"])]
    reason: Option<String>,
    /// Remove the exception for IMAGE or DIGEST that this command made
    #[arg(long, conflicts_with_all = ["list", "until", "reason"])]
    remove: bool,
    /// List all exceptions of the policy, in the order they are looked at
    #[arg(long, conflicts_with_all = ["what", "until", "reason"])]
    list: bool,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// One file's content.
#[derive(Serialize)]
struct Exception<'a> {
    #[serde(rename = "override")]
    overrides: [&'a Override; 1],
}

/// Runs `allow`. Exit code 1: the configuration cannot be used; 3: there is no such exception.
pub fn run(args: &Args) -> Outcome {
    let paths = Paths::below(&args.root);
    if args.list {
        return list(&paths);
    }
    let what = args.what.as_deref().unwrap_or_default();
    if args.remove {
        return remove(&paths, what, &args.root);
    }
    let (Some(until), Some(reason)) = (&args.until, &args.reason) else {
        return Err(Failure::usage("an exception needs --until and --reason"));
    };
    let exception = exception(what, until, reason)?;
    write(&paths, what, &exception, &args.root)
}

fn exception(what: &str, until: &Expiry, reason: &str) -> Result<Override, Failure> {
    if until.at() <= OffsetDateTime::now_utc() {
        let until = String::from(until.clone());
        return Err(Failure::usage(format!("--until {until} is in the past; nothing was written")));
    }
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES || reason.chars().any(char::is_control) {
        return Err(Failure::usage(format!(
            "--reason: one line of 1 to {REASON_BYTES} bytes, please; it stands in every decision that it changes"
        )));
    }
    let (image, digest) = target(what)?;
    let (reason, until) = (reason.to_owned(), until.clone());
    Ok(Override { image, digest, action: Action::Allow, reason, until })
}

/// `sha256:…` and `NAME@sha256:…` are digests; anything else is a pattern of names.
fn target(what: &str) -> Result<(Option<ImagePattern>, Option<Digest>), Failure> {
    let digest = what.split_once('@').map_or(what, |(_, digest)| digest);
    if what.contains('@') || what.starts_with("sha256:") {
        let digest = digest.parse().map_err(|e| Failure::usage(format!("`{digest}`: {e}")))?;
        return Ok((None, Some(digest)));
    }
    let pattern = ImagePattern::try_from(what.to_owned()).map_err(Failure::usage)?;
    Ok((Some(pattern), None))
}

/// The same image has the same file; different ones that look alike are told apart by the end of the name.
fn file_name(target: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let slug: String = target.chars().take(SLUG_BYTES).map(plain).collect();
    let digest = Digest::of(target.as_bytes());
    format!("50-allow-{slug}-{}.toml", digest.hex().get(..8).unwrap_or_default())
}

/// The name of the file for what was typed.
fn file_for(what: &str) -> Result<String, Failure> {
    Ok(match target(what)? {
        (_, Some(digest)) => file_name(digest.as_str()),
        (Some(pattern), None) => file_name(&pattern.to_string()),
        (None, None) => file_name(what),
    })
}

fn write(paths: &Paths, what: &str, exception: &Override, root: &Path) -> Outcome {
    must_be_root(root)?;
    let name = file_for(what)?;
    let text = content(exception)?;
    let policy = Policy::load_with(paths, &name, &text).map_err(|error| Failure {
        message: format!(
            "nothing was written: with the exception, the policy cannot be read: {error}"
        ),
        code: 1,
    })?;
    let directory = paths.config_dir();
    let place = directory.join(&name);
    let replaced = place.exists();
    fs::create_dir_all(&directory)
        .and_then(|()| files::publish(&directory, &name, text.as_bytes()))
        .map_err(|error| {
            Failure::undecided(format!("{} cannot be written: {error}", place.display()))
        })?;
    let mut said = format!(
        "{}: {} is allowed until {} (\"{}\"), from the next start on.\n",
        place.display(),
        describe(exception),
        String::from(exception.until.clone()),
        sanitize::bounded_line(&exception.reason, REASON_BYTES),
    );
    if replaced {
        said.push_str("It replaces the former exception for the same image.\n");
    }
    for warning in warnings(&policy, what, exception) {
        said.push_str(&format!("Note: {warning}\n"));
    }
    super::print(&said)
}

fn content(exception: &Override) -> Result<String, Failure> {
    let body = toml::to_string(&Exception { overrides: [exception] })
        .map_err(|error| Failure::undecided(format!("the exception cannot be written: {error}")))?;
    let day = OffsetDateTime::now_utc().date();
    let by = std::env::var("SUDO_USER").map(|user| format!(" for {}", plain_word(&user)));
    let by = by.unwrap_or_default();
    Ok(format!(
        "# Written by `imgcompat allow` on {day}{by}. It may be changed or removed.\n{body}"
    ))
}

fn plain_word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(64).collect()
}

/// What would keep the exception from doing what it was made for.
fn warnings(policy: &Policy, what: &str, exception: &Override) -> Vec<String> {
    let mut warnings = Vec::new();
    let digests: Vec<&Digest> = exception.digest.iter().collect();
    let names: Vec<&str> = exception.image.iter().map(|_| what).collect();
    let effective = policy.for_image(&names, &digests, OffsetDateTime::now_utc());
    if let Some(first) = effective.overridden.filter(|first| first != exception) {
        warnings.push(format!(
            "another exception comes first and decides: {} for {} (see imgcompat allow --list)",
            first.action.as_str(),
            describe(&first)
        ));
    }
    if effective.mode != Mode::Enforce {
        let mode = effective.mode.as_str();
        warnings.push(format!("the mode for it is {mode}: nothing is refused anyway"));
    }
    if exception.image.is_some() && !is_full_name(what) {
        warnings.push(format!(
            "`{what}` names no registry; images are compared by their full names, such as docker.io/library/{what}"
        ));
    }
    warnings
}

/// True if the first part can be a registry, or a pattern may stand for one.
fn is_full_name(what: &str) -> bool {
    let first = what.split('/').next().unwrap_or_default();
    first.contains('*')
        || what.contains('/') && (first.contains(['.', ':', '?']) || first == "localhost")
}

fn describe(exception: &Override) -> String {
    match (&exception.image, &exception.digest) {
        (Some(image), _) => sanitize::bounded_line(&image.to_string(), 200),
        (None, Some(digest)) => digest.to_string(),
        (None, None) => String::new(),
    }
}

fn must_be_root(root: &Path) -> Result<(), Failure> {
    if root == Path::new("/") && !nix::unistd::geteuid().is_root() {
        return Err(Failure::usage("exceptions are root's to make; run it with sudo"));
    }
    Ok(())
}

fn remove(paths: &Paths, what: &str, root: &Path) -> Outcome {
    must_be_root(root)?;
    let place = paths.config_dir().join(file_for(what)?);
    match fs::remove_file(&place) {
        Ok(()) => super::print(&format!(
            "{} is removed; it counts no more from the next start on.\n{}",
            place.display(),
            still_allowed(paths, what)?
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure {
            message: format!(
                "there is no {}: `imgcompat allow --list` lists all exceptions, those in other files are removed by hand",
                place.display()
            ),
            code: 3,
        }),
        Err(error) => {
            Err(Failure::undecided(format!("{} cannot be removed: {error}", place.display())))
        }
    }
}

/// What else is said about the image: who removes an exception expects that none is left.
fn still_allowed(paths: &Paths, what: &str) -> Result<String, Failure> {
    let (image, digest) = target(what)?;
    let names: Vec<&str> = image.iter().map(|_| what).collect();
    let digests: Vec<&Digest> = digest.iter().collect();
    let policy = Policy::load(paths).ok();
    let other = policy.and_then(|policy| {
        policy.for_image(&names, &digests, OffsetDateTime::now_utc()).overridden
    });
    let note = |other: Override| {
        format!(
            "Note: another exception counts for it: {} for {} (see imgcompat allow --list)\n",
            other.action.as_str(),
            describe(&other)
        )
    };
    Ok(other.map(note).unwrap_or_default())
}

fn list(paths: &Paths) -> Outcome {
    let policy =
        Policy::load(paths).map_err(|error| Failure { message: error.to_string(), code: 1 })?;
    if policy.overrides.is_empty() {
        super::print("There are no exceptions.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = OffsetDateTime::now_utc();
    let line = |exception: &Override| {
        let state = if exception.until.at() < now { "expired" } else { exception.action.as_str() };
        format!(
            "{state:7}  until {:20}  {}  ({})\n",
            String::from(exception.until.clone()),
            describe(exception),
            sanitize::bounded_line(&exception.reason, REASON_BYTES)
        )
    };
    super::print(&policy.overrides.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_digests_and_names_with_digests_are_told_apart() {
        let hex = "a".repeat(64);
        for what in [format!("sha256:{hex}"), format!("r.example/a:1@sha256:{hex}")] {
            let (image, digest) = target(&what).unwrap();
            assert!(image.is_none());
            assert_eq!(digest.unwrap().hex(), hex);
        }
        assert!(target("r.example/a:1").unwrap().0.is_some());
        for what in ["", "a b", "sha256:abc", "r.example/a@md5:abc"] {
            assert!(target(what).is_err(), "{what}");
        }
    }

    #[test]
    fn a_file_is_named_after_its_image_and_cannot_leave_the_directory() {
        let name = file_for("r.example/../ml:2").unwrap();
        assert!(name.starts_with("50-allow-r.example-..-ml-2-"), "{name}");
        assert!(!name.contains('/') && name.ends_with(".toml"));
        assert_ne!(file_for("r.example/a-b").unwrap(), file_for("r.example/a/b").unwrap());
        assert!(file_for(&"x".repeat(1000)).unwrap().len() < 120);
    }

    #[test]
    fn full_names_begin_with_a_registry() {
        for what in ["r.example/a", "localhost/a:1", "r:5000/a", "**", "*/a"] {
            assert!(is_full_name(what), "{what}");
        }
        for what in ["a", "a:1", "library/a"] {
            assert!(!is_full_name(what), "{what}");
        }
    }
}
