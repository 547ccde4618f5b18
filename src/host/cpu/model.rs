//! The words of `cpu.model`: its four elements, and what stands in them where nothing is known. NFD: `source/cpu/cpu.go`.

use crate::host::Attributes;

/// What NFD says of a processor that it cannot ask.
pub(super) fn unknown() -> Attributes {
    attributes(UNKNOWN, "0", "0", "none")
}

/// The four elements of the feature.
pub(super) fn attributes(vendor: &str, family: &str, id: &str, hypervisor: &str) -> Attributes {
    let pairs = [("vendor_id", vendor), ("family", family), ("id", id), ("hypervisor", hypervisor)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// NFD's word for a vendor that is not in its table.
pub(super) const UNKNOWN: &str = "VendorUnknown";

/// Each run of characters that no label value may have becomes one `_`.
pub(super) fn as_label(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        let allowed = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match (allowed, in_run) {
            (true, _) => label.push(c),
            (false, false) => label.push('_'),
            (false, true) => {}
        }
        in_run = !allowed;
    }
    label
}
