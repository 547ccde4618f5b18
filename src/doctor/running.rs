//! Whether a daemon that runs has read the configuration that is there now.
//!
//! containerd, Docker and CRI-O read theirs when they start. One that started before `enable` changed it starts
//! containers as before, and nothing in its files shows it. Source: proc(5): `/proc/PID/stat`, `/proc/stat`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::engine::ledger::Ledger;
use crate::engine::{Adapter, Node};

/// Clock ticks a second in `/proc`: the kernel's USER_HZ, which is 100 on every architecture that is built for.
const TICKS: u64 = 100;
/// `btime` is in whole seconds.
const PRECISION: Duration = Duration::from_secs(1);

/// A finding if the engine's daemon runs and is older than what `enable` changed in its configuration.
pub fn is_older_than_its_configuration(node: &Node, engine: &dyn Adapter) -> Option<Finding> {
    let service = engine.service().filter(|_| node.is_running())?;
    let ledger = Ledger::load(node, engine.name()).ok()?;
    let read = ledger.paths().filter(|path| engine.read_at_start(path));
    let changed = read.filter_map(|path| changed(&node.file(path))).max()?;
    let started = started(Path::new("/proc"), engine.program())?;
    if started + PRECISION >= changed {
        return None;
    }
    let text = "its configuration was changed after it had been started, so it starts containers as before";
    Some(Finding::problem(engine.name(), text, format!("systemctl restart {service}")))
}

/// When a file was changed, or taken out of its directory.
fn changed(file: &Path) -> Option<SystemTime> {
    let metadata = fs::metadata(file).or_else(|_| fs::metadata(file.parent().unwrap_or(file)));
    metadata.ok()?.modified().ok()
}

/// True if the engine's daemon runs with a configuration that is there no more, or if that cannot be seen.
pub fn may_call_us(node: &Node, engine: &dyn Adapter) -> bool {
    let unseen = engine.service().is_some() && !Path::new("/proc/stat").exists();
    node.is_running() && (unseen || is_older_than_its_configuration(node, engine).is_some())
}

/// When the daemon of that name was started; the oldest if there are several. None if none runs.
fn started(proc: &Path, program: &str) -> Option<SystemTime> {
    let boot = fs::read_to_string(proc.join("stat")).ok()?;
    let boot: u64 =
        boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let processes = fs::read_dir(proc).ok()?.flatten().map(|entry| entry.path());
    let ticks = processes.filter_map(|process| ticks_of(&process, program)).min()?;
    let since_boot = Duration::from_millis(ticks.saturating_mul(1000 / TICKS));
    Some(UNIX_EPOCH + Duration::from_secs(boot) + since_boot)
}

/// The start of one process, in ticks since boot, if it is that program.
fn ticks_of(process: &Path, program: &str) -> Option<u64> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name stands in parentheses and may have any character, so the last parenthesis ends it.
    let (head, fields) = stat.rsplit_once(')')?;
    if head.split_once('(')?.1 != program {
        return None;
    }
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    if !is_on_this_root(process) || reads_another(&String::from_utf8_lossy(&words)) {
        return None;
    }
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// False for a daemon in a container or a chroot, whose `/etc` is another one.
fn is_on_this_root(process: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|root| (root.dev(), root.ino()));
    identity(&process.join("root")).is_none_or(|root| Some(root) == identity(Path::new("/")))
}

/// True if the command line names a configuration elsewhere than in `/etc`, as that of a containerd has it which
/// Docker or k3s started.
fn reads_another(command_line: &str) -> bool {
    let mut words = command_line.split('\0');
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word, None),
        };
        if matches!(option, "-c" | "--config" | "--config-file") {
            let value = value.or_else(|| words.next());
            return value.is_some_and(|value| !value.starts_with("/etc/"));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_as_old_as_the_kernel_says() {
        let proc = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let place = proc.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        let fields = |ticks: u64| format!("S 1 {}{ticks} 0 0", "0 ".repeat(17));
        write("stat", "cpu 1 2\nbtime 1000\n");
        write("7/stat", &format!("7 (containerd) {}", fields(500)));
        write("7/cmdline", "containerd\0--config\0/var/run/docker/containerd/containerd.toml\0");
        write("8/stat", &format!("8 (containerd) {}", fields(900)));
        write("6/stat", &format!("6 (containerd) {}", fields(400)));
        write(
            "6/cmdline",
            "containerd\0-c=/var/lib/rancher/k3s/agent/etc/containerd/config.toml\0",
        );
        write("8/cmdline", "/usr/bin/containerd\0-c\0/etc/containerd/config.toml\0");
        write("9/stat", &format!("9 (a) (b) {}", fields(1)));
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(started(proc.path(), "containerd"), at(1009));
        assert_eq!(started(proc.path(), "a) (b"), at(1000).map(|t| t + Duration::from_millis(10)));
        assert_eq!(started(proc.path(), "dockerd"), None);
    }

    #[test]
    fn a_file_that_was_removed_was_changed_when_its_directory_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("daemon.json");
        fs::write(&file, "{}").unwrap();
        assert_eq!(changed(&file), fs::metadata(&file).unwrap().modified().ok());
        fs::remove_file(&file).unwrap();
        assert_eq!(changed(&file), fs::metadata(dir.path()).unwrap().modified().ok());
        assert_eq!(changed(&dir.path().join("none/daemon.json")), None);
    }

    #[test]
    fn this_process_has_started_in_the_past() {
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        let started = started(Path::new("/proc"), name.trim()).unwrap();
        assert!(started <= SystemTime::now() + PRECISION);
    }
}
