//! `cpu.cstate`, `cpu.pstate`, `cpu.sst`: power management of Intel processors.
//! NFD: `source/cpu/{cstate,pstate,power}_amd64.go`. On other architectures the features are present and empty.

use super::Architecture;
use crate::host::{Absence, Attributes, Feature, Host, HostRoot, ReadError};

const CPU: &str = "/sys/devices/system/cpu";

/// `cpu.cstate`: `enabled` if the intel_idle driver may use sleep states.
pub(in crate::host) fn cstate(host: &Host) -> Result<Feature, Absence> {
    let mut found = Attributes::new();
    if *host.processor().architecture() == Architecture::X86_64
        && let Some(max) = max_cstate(host.root())?
    {
        found.insert("enabled".to_owned(), (max > 0).to_string());
    }
    Ok(Feature::attributes(found))
}

fn max_cstate(root: &HostRoot) -> Result<Option<i64>, Absence> {
    const MAX: &str = "/sys/module/intel_idle/parameters/max_cstate";
    if !root.exists(CPU)? {
        return Err(ReadError::Missing { path: CPU.to_owned() }.into());
    }
    if !root.exists(&format!("{CPU}/cpuidle")).unwrap_or(true)
        || root.read_trimmed(&format!("{CPU}/cpuidle/current_driver"))? != "intel_idle"
    {
        return Ok(None);
    }
    Ok(Some(number(MAX, &root.read_trimmed(MAX)?)?))
}

fn number(path: &str, text: &str) -> Result<i64, Absence> {
    let why = || format!("is not a number: {text:?}");
    text.parse().map_err(|_| Absence::Senseless { path: path.to_owned(), why: why() })
}

/// `cpu.pstate`: state of the intel_pstate driver. Present and empty where there is none.
pub(in crate::host) fn pstate(host: &Host) -> Result<Feature, Absence> {
    let found = match host.processor().architecture() {
        Architecture::X86_64 => intel_pstate(host.root()),
        _ => Attributes::new(),
    };
    Ok(Feature::attributes(found))
}

fn intel_pstate(root: &HostRoot) -> Attributes {
    let mut found = Attributes::new();
    let Ok(status) = root.read_trimmed(&format!("{CPU}/intel_pstate/status")) else { return found };
    if status == "off" {
        return found;
    }
    if let Ok(content) = root.read(&format!("{CPU}/intel_pstate/no_turbo"))
        && let Some(first) = content.first()
    {
        found.insert("turbo".to_owned(), (*first == b'0').to_string());
    }
    if status == "active"
        && let Some(governor) = common_governor(root)
    {
        found.insert("scaling_governor".to_owned(), governor);
    }
    found.insert("status".to_owned(), status);
    found
}

/// The governor of all policies that any processor follows, if it is the same one.
fn common_governor(root: &HostRoot) -> Option<String> {
    let policies = root.list(&format!("{CPU}/cpufreq")).ok()?;
    let governor = |policy: String| {
        let path = format!("{CPU}/cpufreq/{policy}");
        let cpus = root.read_trimmed(&format!("{path}/affected_cpus")).ok()?;
        let governor = root.read_trimmed(&format!("{path}/scaling_governor")).ok()?;
        (!cpus.is_empty()).then_some(governor)
    };
    let mut governors = policies.into_iter().filter_map(governor);
    let first = governors.next()?;
    (!first.is_empty() && governors.all(|other| other == first)).then_some(first)
}

/// `cpu.sst`: `bf.enabled` if Speed Select gives some processor a higher base frequency than the nominal one.
pub(in crate::host) fn sst(host: &Host) -> Result<Feature, Absence> {
    let mut found = Attributes::new();
    if *host.processor().architecture() == Architecture::X86_64 {
        let nominal = host.processor().cpuid()?.leaf(0x16, 0).eax;
        if has_raised_base_frequency(host.root(), i64::from(nominal)) {
            found.insert("bf.enabled".to_owned(), "true".to_owned());
        }
    }
    Ok(Feature::attributes(found))
}

/// NFD stops at the first file that is there and makes no sense, and says nothing then.
fn has_raised_base_frequency(root: &HostRoot, nominal_mhz: i64) -> bool {
    const DEVICES: &str = "/sys/bus/cpu/devices";
    for cpu in root.list(DEVICES).unwrap_or_default() {
        let path = format!("{DEVICES}/{cpu}/cpufreq/base_frequency");
        let khz = match root.read_trimmed(&path) {
            Err(error) if error.is_missing() => continue,
            Err(_) => return false,
            Ok(text) => number(&path, &text),
        };
        match khz {
            Ok(khz) if nominal_mhz > 0 && khz / 1000 > nominal_mhz => return true,
            Ok(_) if nominal_mhz > 0 => {}
            _ => return false,
        }
    }
    false
}
