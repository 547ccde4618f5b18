//! `system.osrelease`, `system.dmiid`, `system.name`. NFD: `source/system/system.go`.

use super::kernel::{dotted_number, leading_digits};
use super::{Absence, Attributes, Feature, Host};
use crate::spec::known::DMI;

/// Go's scanner, with which NFD reads the file, stops at a line of this length.
const LONGEST_LINE: usize = 64 * 1024;

/// `system.osrelease`: /etc/os-release, and `VERSION_ID` in its parts.
pub(super) fn osrelease(host: &Host) -> Result<Feature, Absence> {
    let text = host.root().read_text("/etc/os-release")?;
    Ok(Feature::attributes(parse_osrelease(&text)))
}

fn parse_osrelease(text: &str) -> Attributes {
    let lines = text.lines().take_while(|line| line.len() < LONGEST_LINE);
    let mut release: Attributes = lines.filter_map(parse_line).collect();
    let version = release.get("VERSION_ID").cloned().unwrap_or_default();
    let parts = ["VERSION_ID.major", "VERSION_ID.minor"].into_iter().zip(split_version(&version));
    for (name, part) in parts.filter(|(_, part)| !part.is_empty()) {
        release.insert(name.to_owned(), part.to_owned());
    }
    release
}

/// All quotes around the value are dropped, of either kind; nothing inside is unescaped.
fn parse_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && !value.is_empty())
        .then(|| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
}

/// Major and minor of `N[.N][.…]`; empty where there is none.
fn split_version(version: &str) -> [&str; 2] {
    let (major, rest) = leading_digits(version);
    if major.is_empty() || !(rest.is_empty() || rest.starts_with('.')) {
        return ["", ""];
    }
    let (minor, rest) = dotted_number(rest);
    if rest.is_empty() || rest.starts_with('.') { [major, minor] } else { [major, ""] }
}

/// `system.dmiid`: the readable files of the DMI identification; absent if there are none.
pub(super) fn dmiid(host: &Host) -> Result<Feature, Absence> {
    const DIRECTORY: &str = "/sys/devices/virtual/dmi/id";
    let found = host.root().attribute_files(DIRECTORY, DMI);
    if found.is_empty() {
        host.root().list(DIRECTORY)?;
        return Err(Absence::Because(format!("{DIRECTORY}: no file in it can be read")));
    }
    Ok(Feature::attributes(found))
}

/// `system.name`: the node's name as the environment gives it; empty if it does not, or for a recorded host.
pub(super) fn name(host: &Host) -> Result<Feature, Absence> {
    let name = if host.root().is_recorded() { None } else { std::env::var_os("NODE_NAME") };
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    Ok(Feature::attributes([("nodename", name)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_is_split_at_its_first_dots() {
        let table = [
            ("9.3", ["9", "3"]),
            ("8.5.2111", ["8", "5"]),
            ("24.04", ["24", "04"]),
            ("rolling", ["", ""]),
            ("15-SP4", ["", ""]),
            ("42.3.1.2", ["42", "3"]),
            ("2023.0.20230503", ["2023", "0"]),
            ("12", ["12", ""]),
            ("15.", ["15", ""]),
            ("9.3-beta", ["9", ""]),
            ("", ["", ""]),
        ];
        for (version, wanted) in table {
            assert_eq!(split_version(version), wanted, "{version}");
        }
    }

    #[test]
    fn os_release_loses_quotes_only() {
        let text = "NAME=\"Fedora Linux\"\nID=fedora\n VARIANT=x\nEMPTY=\nV='a\"b'\nT=x \nB-C=d\nM=\"it's\"'\n";
        let wanted =
            [("ID", "fedora"), ("M", "it's"), ("NAME", "Fedora Linux"), ("T", "x "), ("V", "a\"b")];
        let parsed = parse_osrelease(text);
        assert_eq!(
            parsed.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(),
            wanted
        );
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in any::<String>()) {
            parse_osrelease(&text);
            parse_osrelease(&format!("VERSION_ID={text}"));
        }
    }
}
