//! `cpu.security`: enclaves and encrypted guests. NFD: `source/cpu/security_{amd64,s390x}.go`.
//!
//! Elements say "true" or do not exist.

use super::{Architecture, Cpuid, x86_flags};
use crate::host::{Absence, Attributes, Feature, Host, HostRoot};

/// `cpu.security`.
pub(in crate::host) fn security(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    let found = match host.processor().architecture() {
        Architecture::X86_64 => x86(root, host.processor().cpuid().ok()),
        Architecture::S390x if content_is(root, "/sys/firmware/uv/prot_virt_host", b"1\n") => {
            Attributes::from([("se.enabled".to_owned(), "true".to_owned())])
        }
        _ => Attributes::new(),
    };
    Ok(Feature::attributes(found))
}

fn x86(root: &HostRoot, cpuid: Option<&Cpuid>) -> Attributes {
    let mut found = Attributes::new();
    let mut set = |name: &str, value: String| found.insert(name.to_owned(), value);
    if let Some(cpuid) = cpuid {
        let enclave_memory = enclave_memory(cpuid);
        if enclave_memory > 0 {
            set("sgx.enabled", "true".to_owned());
            set("sgx.epc", enclave_memory.to_string());
        }
        if x86_flags::is_tdx_guest(cpuid) {
            set("tdx.protected", "true".to_owned());
        }
    }
    let capacity = misc_capacity(root);
    if content_is(root, "/sys/module/kvm_intel/parameters/tdx", b"Y\n") {
        set("tdx.enabled", "true".to_owned());
        capacity("tdx").map(|keys| set("tdx.total_keys", keys));
    }
    if sev_parameter(root, "sev") {
        set("sev.enabled", "true".to_owned());
        capacity("sev").map(|ids| set("sev.asids", ids));
    }
    if sev_parameter(root, "sev_es") {
        set("sev.es.enabled", "true".to_owned());
        capacity("sev_es").map(|ids| set("sev.encrypted_state_ids", ids));
    }
    if sev_parameter(root, "sev_snp") {
        set("sev.snp.enabled", "true".to_owned());
    }
    found
}

/// Size of the enclave page cache. Firmware reserves it only if SGX is enabled, which no file says.
fn enclave_memory(cpuid: &Cpuid) -> u64 {
    const SECTION: u32 = 1;
    if !x86_flags::has_sgx(cpuid) {
        return 0;
    }
    let sections = (2..10).map(|subleaf| cpuid.leaf(0x12, subleaf));
    let sections = sections.take_while(|registers| registers.eax & 0xf != 0);
    let sections = sections.filter(|registers| registers.eax & 0xf == SECTION);
    let size =
        |ecx: u32, edx: u32| u64::from(ecx & 0xffff_f000) + (u64::from(edx & 0xf_ffff) << 32);
    sections.map(|registers| size(registers.ecx, registers.edx)).sum()
}

fn content_is(root: &HostRoot, path: &str, wanted: &[u8]) -> bool {
    root.read(path).is_ok_and(|content| content == wanted)
}

fn sev_parameter(root: &HostRoot, name: &str) -> bool {
    let content = root.read(&format!("/sys/module/kvm_amd/parameters/{name}"));
    content.is_ok_and(|content| matches!(content.first(), Some(b'1' | b'Y')))
}

/// Looks up a resource in the capacity file of the misc cgroup controller, under cgroup v2 or v1.
fn misc_capacity(root: &HostRoot) -> impl Fn(&str) -> Option<String> {
    let read = |path| root.read_text(path).ok();
    let text = read("/sys/fs/cgroup/misc.capacity")
        .or_else(|| read("/sys/fs/cgroup/misc/misc.capacity"))
        .unwrap_or_default();
    move |resource| capacity_of(&text, resource).map(|capacity| capacity.to_string())
}

/// The resource's whole name must be that of the line: `sev` is not `sev_es`.
fn capacity_of(text: &str, resource: &str) -> Option<u64> {
    let (_, capacity) =
        text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == resource)?;
    capacity.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_capacity_is_that_of_exactly_this_resource() {
        let table = [
            ("sev 410\nsev_es 99\n", "sev", Some(410)),
            ("sev_es 99\nsev 410\n", "sev", Some(410)),
            ("sev_es 99\n", "sev", None),
            ("sev\n", "sev", None),
            ("sev max\n", "sev", None),
            ("", "sev", None),
        ];
        for (text, resource, wanted) in table {
            assert_eq!(capacity_of(text, resource), wanted, "{text:?}");
        }
    }

    #[test]
    fn enclave_memory_is_the_sum_of_its_sections() {
        let record = "0x0 0x0: eax=0x12 ebx=0x0 ecx=0x0 edx=0x0\n0x7 0x0: eax=0x0 ebx=0x4 ecx=0x0 edx=0x0\n\
                      0x12 0x2: eax=0x70200001 ebx=0x0 ecx=0x5d80001 edx=0x0\n\
                      0x12 0x3: eax=0x1 ebx=0x1 ecx=0x1 edx=0x1\n\
                      0x12 0x5: eax=0x1 ebx=0x1 ecx=0x1 edx=0x1\n";
        assert_eq!(enclave_memory(&Cpuid::from_record(record)), 0x5d8_0000 + (1 << 32));
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in any::<String>()) {
            capacity_of(&text, "sev");
        }
    }
}
