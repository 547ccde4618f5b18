//! `cpu.rdt`: Intel's Resource Director Technology. NFD: `source/cpu/rdt_linux_amd64.go`.

use super::Architecture;
use super::cpuid::Cpuid;
use crate::host::{Absence, Attributes, Feature, Host, HostRoot};

/// `cpu.rdt`: what of it the processor has, and the number of classes the kernel offers. Empty on other architectures.
pub(in crate::host) fn rdt(host: &Host) -> Result<Feature, Absence> {
    let mut found = Attributes::new();
    if *host.processor().architecture() == Architecture::X86_64 {
        let cpuid = host.processor().cpuid()?;
        let capabilities = monitoring(cpuid).chain(allocation(cpuid));
        found.extend(capabilities.map(|name| (name.to_owned(), "true".to_owned())));
        if found.contains_key("RDTL3CA")
            && let Some(classes) = l3_classes(host.root())
        {
            found.insert("RDTL3CA_NUM_CLOSID".to_owned(), classes.to_string());
        }
    }
    Ok(Feature::attributes(found))
}

fn monitoring(cpuid: &Cpuid) -> impl Iterator<Item = &'static str> {
    const RDT_M: u32 = 1 << 12;
    const L3: u32 = 1 << 1;
    let there = cpuid.leaf(0x7, 0).ebx & RDT_M != 0 && cpuid.leaf(0xf, 0).edx & L3 != 0;
    let events = if there { cpuid.leaf(0xf, 1).edx } else { 0 };
    // Total and local bandwidth are two bits; both are needed.
    let table =
        [("RDTMON", there), ("RDTCMT", events & 1 != 0), ("RDTMBM", events & 0b110 == 0b110)];
    table.into_iter().filter(|(_, there)| *there).map(|(name, _)| name)
}

fn allocation(cpuid: &Cpuid) -> impl Iterator<Item = &'static str> {
    const RDT_A: u32 = 1 << 15;
    let there = cpuid.leaf(0x7, 0).ebx & RDT_A != 0;
    let resources = if there { cpuid.leaf(0x10, 0).ebx } else { 0 };
    let table = [(1, "RDTL3CA"), (2, "RDTL2CA"), (3, "RDTMBA")];
    table.into_iter().filter(move |(bit, _)| resources >> bit & 1 == 1).map(|(_, name)| name)
}

/// Classes of service for the L3 cache besides the default one.
fn l3_classes(root: &HostRoot) -> Option<u64> {
    let at = |mount: &str| root.read_trimmed(&format!("{mount}/info/L3/num_closids")).ok();
    let text = at("/sys/fs/resctrl").or_else(|| at(&resctrl_mount(root)?))?;
    text.parse::<u64>().ok()?.checked_sub(1)
}

/// Where resctrl is mounted, if not in its usual place: see proc_pid_mountinfo(5).
fn resctrl_mount(root: &HostRoot) -> Option<String> {
    let mounts = root.read_text("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_resctrl = filesystem.split(' ').next() == Some("resctrl");
        is_resctrl.then(|| mount.split(' ').nth(4).map(str::to_owned)).flatten()
    })
}
