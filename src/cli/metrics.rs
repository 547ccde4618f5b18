//! `imgcompat metrics`: the figures of this node for Prometheus, as text that node_exporter's textfile collector reads.
//!
//! Format: Prometheus text exposition 0.0.4. The file ends in `.prom`, is written beside and renamed, has no
//! timestamps; and no label names an image, because there are too many of them.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use time::OffsetDateTime;

use super::{Failure, Outcome};
use crate::audit::counters::{Counters, DURATIONS};
use crate::doctor::engines;
use crate::engine::ENGINES;
use crate::files;
use crate::paths::Paths;
use crate::policy::{Mode, Policy};

/// The file that is written.
const FILE_NAME: &str = "imgcompat.prom";

/// Arguments of `metrics`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "imgcompat-metrics.timer runs this every minute. Counters go on when the log is rotated: how far it was read is kept in the cache.\n\n\
    Examples:\n  \
    imgcompat metrics\n  \
    imgcompat metrics --textfile /var/lib/prometheus/node-exporter"
)]
pub struct Args {
    /// Write imgcompat.prom into node_exporter's textfile directory instead of to standard output
    #[arg(long, value_name = "DIR")]
    textfile: Option<PathBuf>,
    /// imgcompat's files are below this directory instead of /
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    root: PathBuf,
}

/// Runs `metrics`.
pub fn run(args: &Args) -> Outcome {
    let paths = Paths::below(&args.root);
    let mut counters = Counters::load(&paths.cache());
    counters.catch_up(&paths.log_dir()).map_err(|error| {
        Failure::unreadable(format!("the log in {}", paths.log_dir().display()), &error)
    })?;
    // What is written is right even if it cannot be kept: the next run counts the same part again.
    let kept = counters.store(&paths.cache());
    let text = exposition(&counters, &args.root, &paths);
    match &args.textfile {
        None => super::print(&text)?,
        Some(directory) => {
            files::publish(directory, FILE_NAME, text.as_bytes()).map_err(|error| {
                let place = directory.join(FILE_NAME);
                Failure::undecided(format!("{} cannot be written: {error}", place.display()))
            })?;
            std::process::ExitCode::SUCCESS
        }
    };
    kept.map(|()| std::process::ExitCode::SUCCESS).map_err(|error| {
        let place = paths.cache();
        Failure::undecided(format!(
            "the counts cannot be kept in {}: {error}; run as root, or they go down when the log is rotated",
            place.display()
        ))
    })
}

fn exposition(counters: &Counters, root: &Path, paths: &Paths) -> String {
    let mut text = Exposition::default();
    text.decisions(counters);
    text.durations(counters);
    text.family("imgcompat_specifications_total", "counter", "Specifications by their source.");
    for source in ["registry", "cache", "stale-cache", "layout", "local"] {
        let count = counters.sources.get(source).copied().unwrap_or_default();
        text.sample("imgcompat_specifications_total", &[("source", source)], count);
    }
    let last = counters.newest;
    text.gauge("imgcompat_last_decision_timestamp_seconds", "Time of the newest decision.", last);
    let help = "Time of the newest decision without an answer (undecided); 0 if there was none.";
    let last = counters.newest_undecided;
    text.gauge("imgcompat_last_undecided_timestamp_seconds", help, last);
    let help = "Lines of the decision log that are no records.";
    text.counter("imgcompat_log_unreadable_lines_total", help, counters.unreadable);
    text.family(
        "imgcompat_hook_installed",
        "gauge",
        "1 if the engine's configuration has it call imgcompat at every start, and what it calls can run.",
    );
    for (engine, judged) in engines(root) {
        text.sample("imgcompat_hook_installed", &[("engine", engine)], i64::from(judged));
    }
    text.policy(Policy::load(paths).ok().as_ref());
    text.family("imgcompat_build_info", "gauge", "The version of this program.");
    text.sample("imgcompat_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.0
}

/// Text that grows family by family.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl ToString) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.push_str(&format!("{name}{labels} {}\n", value.to_string()));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn decisions(&mut self, counters: &Counters) {
        let help = "Decisions about container starts, refusals that repeat included.";
        self.family("imgcompat_decisions_total", "counter", help);
        for (kind, count) in &counters.decisions {
            let labels = [
                ("verdict", kind.verdict.as_str()),
                ("cause", kind.cause.as_str()),
                ("mode", kind.mode.as_str()),
                ("engine", kind.engine.as_str()),
                ("decision", kind.decision.as_str()),
            ];
            self.sample("imgcompat_decisions_total", &labels, count);
        }
        let help = "Starts that audit mode let through and enforcing would refuse.";
        self.counter("imgcompat_would_be_refused_total", help, counters.would_be_refused);
    }

    fn durations(&mut self, counters: &Counters) {
        const NAME: &str = "imgcompat_decision_duration_seconds";
        self.family(NAME, "histogram", "Time from the hook's start to a decision on record.");
        let mut count = 0;
        let bounds = DURATIONS.iter().map(|us| seconds(*us)).chain(["+Inf".to_owned()]);
        for (bound, here) in bounds.zip(&counters.durations) {
            count += here;
            self.sample(&format!("{NAME}_bucket"), &[("le", &bound)], count);
        }
        self.sample(&format!("{NAME}_sum"), &[], seconds(counters.duration_us));
        self.sample(&format!("{NAME}_count"), &[], count);
    }

    fn policy(&mut self, policy: Option<&Policy>) {
        let help = "1 if the policy can be read, 0 if every start is recorded as an error.";
        self.gauge("imgcompat_policy_valid", help, policy.is_some().into());
        let Some(policy) = policy else { return };
        let help = "1 for the mode that applies where no entry says otherwise.";
        self.family("imgcompat_policy_mode", "gauge", help);
        for mode in [Mode::Enforce, Mode::Audit, Mode::Off] {
            let labels = [("mode", mode.as_str())];
            self.sample("imgcompat_policy_mode", &labels, i64::from(policy.mode == mode));
        }
        let now = OffsetDateTime::now_utc();
        let active = policy.overrides.iter().filter(|o| o.until.at() >= now).count();
        self.family("imgcompat_exceptions", "gauge", "Exceptions of the policy.");
        self.sample("imgcompat_exceptions", &[("state", "active")], active);
        let expired = policy.overrides.len() - active;
        self.sample("imgcompat_exceptions", &[("state", "expired")], expired);
    }
}

/// Microseconds as seconds, exactly.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The engines that are here, and podman, which an alert can wait for; as `doctor` sees them.
fn engines(root: &Path) -> Vec<(&'static str, bool)> {
    let node = super::enable::node(root);
    let present = engines::present(&node);
    let here = |name: &str| present.iter().any(|engine| engine.name() == name);
    let shown = ENGINES.iter().filter(|engine| engine.name() == "podman" || here(engine.name()));
    shown.map(|engine| (engine.name(), engines::is_judged(&node, *engine))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        let table = [(0, "0"), (1, "0.000001"), (2_500, "0.0025"), (10_000_000, "10")];
        for (us, expected) in table {
            assert_eq!(seconds(us), expected);
        }
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut text = Exposition::default();
        text.sample("a", &[("b", "\"} 1\n\\")], 1);
        assert_eq!(text.0, "a{b=\"\\\"} 1\\n\\\\\"} 1\n");
    }
}
