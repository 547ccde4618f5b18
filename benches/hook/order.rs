//! The functions that a warm start runs, as a script for the linker: `.cargo/start-order.ld`. Linked side by side they lie
//! in a third of the pages that they are strewn over otherwise, and every page that is touched costs at each start.
//!
//! Functions are named by patterns without the hash at their end, so that the file outlives changes; what it no longer
//! matches is linked where it would be without it. Generic functions share a pattern; those of which little is run come
//! last. Needs valgrind and a hook that still has its symbols (`CARGO_PROFILE_RELEASE_STRIP=false`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Wanted;
use crate::measure::Candidate;

/// Prints the script for what these starts run.
pub fn script(wanted: &Wanted, starts: &[Candidate]) {
    let mut run = BTreeSet::new();
    for (number, start) in starts.iter().enumerate() {
        run.extend(functions_of(start, &wanted.path(&format!("callgrind{number}"))));
    }
    let mut shares: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, size) in sizes(&wanted.hook) {
        let (all, used) = shares.entry(pattern(&name)).or_default();
        *all += size;
        *used += if run.contains(&name) { size } else { 0 };
    }
    let mut patterns: Vec<(u64, String)> = shares
        .into_iter()
        .filter(|(_, (_, used))| *used > 0)
        .map(|(pattern, (all, used))| (100 - used * 100 / all, pattern))
        .collect();
    patterns.sort();
    println!(
        "/* What a warm start runs, side by side. Made by `make order`; see benches/hook/order.rs. */"
    );
    println!(
        "SECTIONS\n{{\n  .text.start : ALIGN(4096)\n  {{\n    *:memcpy.lo(.text) *:memset.lo(.text) *:memmove.lo(.text)"
    );
    patterns.iter().for_each(|(_, pattern)| println!("    *(\".text.{pattern}\")"));
    println!("  }}\n}}\nINSERT BEFORE .text;");
}

fn functions_of(start: &Candidate, profile: &Path) -> BTreeSet<String> {
    let input = fs::File::open(&start.input).expect("the input");
    let ended = Command::new("valgrind")
        .args(["--tool=callgrind", "--demangle=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .args(&start.words)
        .stdin(Stdio::from(input))
        .stderr(Stdio::null())
        .status();
    assert!(ended.is_ok_and(|status| status.success()), "valgrind");
    let text = fs::read_to_string(profile).expect("the profile");
    let named = text.lines().filter_map(|line| {
        let entry = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="))?;
        let (_, name) = entry.split_once(' ')?;
        Some(name.split('\'').next().unwrap_or(name).to_owned())
    });
    named.collect()
}

fn sizes(program: &Path) -> Vec<(String, u64)> {
    let listed = Command::new("nm").args(["-S"]).arg(program).output().expect("nm");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let functions = text.lines().filter_map(|line| {
        let [_, size, kind, name] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let size = u64::from_str_radix(size, 16).ok().filter(|size| *size > 0)?;
        "tTwW".contains(kind).then(|| (name.to_owned(), size))
    });
    functions.collect()
}

/// The name without what changes from one build to the next: the hash, or what names a crate's version.
fn pattern(name: &str) -> String {
    if let Some(place) = name.rfind("17h").filter(|_| name.starts_with("_ZN")) {
        return format!("{}17h*", &name[..place]);
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut pattern = String::new();
    // What follows a full stop numbers copies.
    let mut rest = name.split('.').next().unwrap_or(name);
    while let Some((before, after)) = rest.split_once("Cs") {
        pattern += before;
        match after.split_once('_') {
            Some((_, after)) => (pattern, rest) = (pattern + "Cs*_", after),
            None => (pattern, rest) = (pattern + "Cs", after),
        }
    }
    pattern + rest + "*"
}
