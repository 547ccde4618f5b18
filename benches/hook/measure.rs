//! Running programs and comparing how long they take: in random order, since a fixed one favours whichever comes second
//! by more than what is measured here, and medians with their spread, since a machine has bad moments.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One thing to run.
#[derive(Clone)]
pub struct Candidate {
    /// What the table calls it.
    pub name: String,
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Its standard input.
    pub input: PathBuf,
}

impl Candidate {
    /// A program that gets this file as its input.
    pub fn new(
        name: &str,
        program: impl Into<OsString>,
        arguments: &[&str],
        input: PathBuf,
    ) -> Self {
        let words = std::iter::once(program.into()).chain(arguments.iter().map(OsString::from));
        Candidate { name: name.to_owned(), words: words.collect(), input }
    }

    /// Starts it. What it says is not kept.
    pub fn spawn(&self) -> Child {
        let (program, arguments) = self.words.split_first().expect("a program");
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::from(File::open(&self.input).expect("the input")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}"))
    }

    /// From before it is started until it has ended.
    pub fn time(&self) -> Duration {
        let began = Instant::now();
        self.spawn().wait().expect("it ends");
        began.elapsed()
    }
}

/// Sorted times of one candidate.
pub struct Times(Vec<Duration>);

impl Times {
    fn at(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }

    /// The median.
    pub fn median(&self) -> Duration {
        self.at(50)
    }
}

/// Runs all candidates `runs` times each on average, in random order.
pub fn compare(candidates: &[Candidate], runs: usize) -> Vec<Times> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); candidates.len()];
    for candidate in candidates {
        candidate.time();
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..runs * candidates.len() {
        let choice = random.below(candidates.len());
        times[choice].push(candidates[choice].time());
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort();
            Times(times)
        })
        .collect()
}

/// Prints a table; ratios are to the first row.
pub fn print(title: &str, candidates: &[Candidate], times: &[Times]) {
    println!(
        "\n{title}\n\n| what | median | 10 % | 90 % | ratio | runs |\n|---|---|---|---|---|---|"
    );
    let first = times.first().map_or(Duration::ZERO, Times::median);
    for (candidate, times) in candidates.iter().zip(times) {
        let ratio = times.median().as_secs_f64() / first.as_secs_f64();
        println!(
            "| {} | {} | {} | {} | {ratio:.2} | {} |",
            candidate.name,
            show(times.median()),
            show(times.at(10)),
            show(times.at(90)),
            times.0.len()
        );
    }
}

/// Compares and prints.
pub fn table(title: &str, candidates: &[Candidate], runs: usize) -> Vec<Times> {
    let times = compare(candidates, runs);
    print(title, candidates, &times);
    times
}

/// Milliseconds.
pub fn show(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// A sequence without any order (Steele, Vigna and Lea's SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 11).unwrap_or(0) % bound
    }
}
