//! `kernel.version`, `kernel.selinux`, `kernel.kvm`. NFD: `source/kernel/{version,selinux,kvm}.go`.

use super::{Absence, Attributes, Feature, Host, HostRoot, ReadError};

const OSRELEASE: &str = "/proc/sys/kernel/osrelease";
const ENFORCE: &str = "/sys/fs/selinux/enforce";

/// The kernel's release as `uname -r` prints it; part of many path names.
pub(super) fn release(root: &HostRoot) -> Result<String, ReadError> {
    root.read_trimmed(OSRELEASE)
}

/// `kernel.version`: `full`, and `major`, `minor`, `revision` where the release has that form.
pub(super) fn version(host: &Host) -> Result<Feature, Absence> {
    Ok(Feature::attributes(parse_release(&release(host.root())?)))
}

/// Characters that no Kubernetes label may have become `_`. Missing numbers are present and empty, but if the release
/// does not have the form `N[.N[.N]][-…]` at all (WSL2 has four numbers), only `full` exists.
fn parse_release(release: &str) -> Attributes {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let replaced: String = release.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let full = replaced.trim_matches(['-', '_', '.']).to_owned();
    let mut version = Attributes::new();
    if let Some([major, minor, revision]) = numbers(&full) {
        version.insert("major".to_owned(), major.to_owned());
        version.insert("minor".to_owned(), minor.to_owned());
        version.insert("revision".to_owned(), revision.to_owned());
    }
    version.insert("full".to_owned(), full);
    version
}

fn numbers(full: &str) -> Option<[&str; 3]> {
    let (major, rest) = leading_digits(full);
    let (minor, rest) = dotted_number(rest);
    let (revision, rest) = dotted_number(rest);
    let fits = !major.is_empty() && (rest.is_empty() || rest.starts_with('-'));
    fits.then_some([major, minor, revision])
}

/// The digits at the start, and what follows.
pub(super) fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The number after a dot at the start, and what follows; nothing is taken if there is no such number.
pub(super) fn dotted_number(text: &str) -> (&str, &str) {
    match text.strip_prefix('.').map(leading_digits) {
        Some((digits, rest)) if !digits.is_empty() => (digits, rest),
        _ => ("", text),
    }
}

/// `kernel.selinux`: `enabled` is "true" if SELinux enforces, else "false", also where there is no SELinux.
pub(super) fn selinux(host: &Host) -> Result<Feature, Absence> {
    let root = host.root();
    let enforcing = match root.read(ENFORCE) {
        Ok(content) => match content.first() {
            Some(first) => *first == b'1',
            None => return Err(senseless(ENFORCE, "is empty")),
        },
        Err(error) if error.is_missing() => {
            root.list("/sys/fs")?;
            false
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Feature::attributes([("enabled", enforcing.to_string())]))
}

/// `kernel.kvm`: `enabled` is "true" if the kernel offers KVM.
pub(super) fn kvm(host: &Host) -> Result<Feature, Absence> {
    let enabled = host.root().exists("/sys/devices/virtual/misc/kvm")?;
    Ok(Feature::attributes([("enabled", enabled.to_string())]))
}

fn senseless(path: &str, why: &str) -> Absence {
    Absence::Senseless { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(release: &str) -> Vec<(String, String)> {
        parse_release(release).into_iter().collect()
    }

    #[test]
    fn a_release_is_split_as_nfd_does() {
        let table: [(&str, &str, Option<[&str; 3]>); 13] = [
            ("5.15.0-91-generic", "5.15.0-91-generic", Some(["5", "15", "0"])),
            ("6", "6", Some(["6", "", ""])),
            ("6.1.0", "6.1.0", Some(["6", "1", "0"])),
            ("6.1", "6.1", Some(["6", "1", ""])),
            ("6.6.0+", "6.6.0", Some(["6", "6", "0"])),
            ("5.10.102.1-microsoft-standard-WSL2", "5.10.102.1-microsoft-standard-WSL2", None),
            ("5.14.0-427.el9.x86_64", "5.14.0-427.el9.x86_64", Some(["5", "14", "0"])),
            ("5.4.0+foo", "5.4.0_foo", None),
            ("4.14.0-rc1", "4.14.0-rc1", Some(["4", "14", "0"])),
            ("6.1.0_custom", "6.1.0_custom", None),
            ("6.5-rc3", "6.5-rc3", Some(["6", "5", ""])),
            ("5.10.0-8-amd64 #1", "5.10.0-8-amd64__1", Some(["5", "10", "0"])),
            ("", "", None),
        ];
        for (release, full, numbers) in table {
            let mut wanted = vec![("full".to_owned(), full.to_owned())];
            let names = ["major", "minor", "revision"];
            wanted.extend(numbers.into_iter().flat_map(|numbers| {
                names.into_iter().zip(numbers).map(|(n, v)| (n.to_owned(), v.to_owned()))
            }));
            assert_eq!(parsed(release), wanted, "{release}");
        }
    }

    proptest! {
        #[test]
        fn any_release_has_a_full_form_that_is_a_label_value(release in any::<String>()) {
            let full = parse_release(&release).remove("full").unwrap();
            prop_assert!(full.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        }
    }
}
