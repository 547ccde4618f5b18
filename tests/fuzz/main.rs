//! Every parser of bytes that somebody else wrote, fed with rubbish: no panic, no hang, no growth. Inputs are mutations
//! of good ones; each run of the tests tries some thousands for each parser. `IMGCOMPAT_FUZZ_SECONDS=600 cargo test
//! --release --test fuzz` tries as many as ten minutes hold; `fuzz/README.md` has the coverage-guided long runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use targets::{TARGETS, Target};

/// Longest input. What a larger one does is bounded elsewhere and tested there.
const LONGEST: usize = 16 << 10;
/// Words that parsers like.
const WORDS: [&str; 32] = [
    "null",
    "true",
    "-1",
    "0",
    "18446744073709551616",
    "1e999",
    "NaN",
    "\"",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\n",
    "\t",
    "&a",
    "*a",
    "!!",
    "<<",
    "|",
    ">",
    "---",
    "%",
    "{{",
    "}}",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
];

/// A sequence without any order (Steele, Vigna and Lea's SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound.max(1)
    }
}

/// One change somewhere.
fn mutate(bytes: &mut Vec<u8>, seeds: &[&str], random: &mut Random) {
    let place = random.below(bytes.len() + 1);
    let until = (place + random.below(16)).min(bytes.len());
    match random.below(9) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
        1 if place < bytes.len() => bytes[place] = random.next() as u8,
        2 => drop(bytes.drain(place..until)),
        3 => drop(bytes.splice(place..until, WORDS[random.below(WORDS.len())].bytes())),
        4 => drop(bytes.splice(place..place, WORDS[random.below(WORDS.len())].bytes())),
        5 => {
            let copy = bytes[place..until].to_vec();
            let times = 1 + random.below(64);
            drop(bytes.splice(place..place, copy.repeat(times)));
        }
        6 => {
            let other = seeds[random.below(seeds.len())].as_bytes();
            let from = random.below(other.len());
            let to = (from + random.below(80)).min(other.len());
            drop(bytes.splice(place..until, other[from..to].iter().copied()));
        }
        7 => bytes.truncate(place),
        _ => bytes.insert(place, random.next() as u8),
    }
    bytes.truncate(LONGEST);
}

fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn fuzz(target: &Target, time: Duration) {
    // Another sequence every day, and the same for whoever repeats a day's failure.
    let day = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let mut random = Random(
        std::env::var("IMGCOMPAT_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(day),
    );
    let slow = std::env::var("IMGCOMPAT_FUZZ_HANG_MS").ok().and_then(|text| text.parse().ok());
    // What is compiled without optimization takes up to twenty times as long.
    let usual = if cfg!(debug_assertions) { 20_000 } else { 1_000 };
    let slow = Duration::from_millis(slow.unwrap_or(usual));
    let began = Instant::now();
    let mut corpus: Vec<Vec<u8>> =
        target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let (mut executions, mut slowest) = (0u64, Duration::ZERO);
    while began.elapsed() < time {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..1 + random.below(6) {
            mutate(&mut input, target.seeds, &mut random);
        }
        let before = thread_time();
        let result = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let took = thread_time() - before;
        if result.is_err() || took > slow {
            let find = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("find-{}", target.name));
            std::fs::write(&find, &input).unwrap();
            panic!(
                "{} after {took:?}: {}: {:?}",
                target.name,
                find.display(),
                String::from_utf8_lossy(&input)
            );
        }
        executions += 1;
        slowest = slowest.max(took);
        // Some of what came out is where later changes begin, so that they pile up.
        if corpus.len() < 64 && random.below(50) == 0 {
            corpus.push(input);
        } else if random.below(200) == 0 {
            let place = target.seeds.len() + random.below(corpus.len() - target.seeds.len());
            if let Some(old) = corpus.get_mut(place) {
                *old = input;
            }
        }
    }
    println!("{}: {executions} executions, the slowest {} ms", target.name, slowest.as_millis());
}

/// One after the other, since each works with files of its own thread and time is taken of it.
#[test]
fn no_parser_panics_hangs_or_grows() {
    let seconds = std::env::var("IMGCOMPAT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(16.0) / TARGETS.len() as f64);
    let only = std::env::var("IMGCOMPAT_FUZZ_TARGET").ok();
    for target in
        TARGETS.iter().filter(|target| only.as_ref().is_none_or(|name| name == target.name))
    {
        fuzz(target, time);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    println!("peak memory: {peak:?} KiB");
    assert!(peak.is_some_and(|kib| kib < 256 << 10), "{peak:?} KiB");
}

#[test]
fn the_inputs_to_begin_from_are_parsed() {
    for target in &TARGETS {
        target.seeds.iter().for_each(|seed| (target.run)(seed.as_bytes()));
        (target.run)(b"");
    }
    // For `fuzz/seeds.sh`.
    let Some(folder) = std::env::var_os("IMGCOMPAT_FUZZ_SEEDS").map(std::path::PathBuf::from)
    else {
        return;
    };
    for target in &TARGETS {
        std::fs::create_dir_all(folder.join(target.name)).unwrap();
        for (number, seed) in target.seeds.iter().enumerate() {
            std::fs::write(folder.join(target.name).join(format!("seed-{number}")), seed).unwrap();
        }
    }
}
