//! `cpu.coprocessor`: the compression accelerator of POWER. NFD: `source/cpu/coprocessor_ppc64le.go`.

use super::Architecture;
use crate::host::{Absence, Attributes, Feature, Host};

/// `cpu.coprocessor`: `nx_gzip` if the accelerator is there; empty on other architectures.
pub(in crate::host) fn coprocessor(host: &Host) -> Result<Feature, Absence> {
    const NX_GZIP: &str = "/sys/devices/vio/ibm,compression-v1/nx_gzip_caps";
    let mut found = Attributes::new();
    if *host.processor().architecture() == Architecture::Ppc64le
        && host.root().exists(NX_GZIP).unwrap_or(false)
    {
        found.insert("nx_gzip".to_owned(), "true".to_owned());
    }
    Ok(Feature::attributes(found))
}
