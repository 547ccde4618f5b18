//! Versions, for expressions of `type: version`.
//!
//! Two readers: [`Version::parse`] accepts what NFD does (Masterminds semver `NewVersion`, with the pre-release
//! discarded), and serves the values of a specification. [`Version::parse_host`] accepts more, because NFD fails
//! on the kernel versions of most distributions: it serves what a host reports. Called by [`super::expression`].

/// Three numbers that compare in order; what follows them in the text is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// Reads `v?D(.D)?(.D)?(-PRE)?(+META)?` as NFD does; missing parts are 0, PRE and META must be well-formed
    /// and do not count.
    pub fn parse(text: &str) -> Option<Version> {
        let (version, _, rest) = Version::numbers(text)?;
        let (pre, meta) = match rest.split_once('+') {
            Some((pre, meta)) => (pre, Some(meta)),
            None => (rest, None),
        };
        let pre_is_fine = match pre.strip_prefix('-') {
            Some(pre) => pre.split('.').all(|part| is_identifier(part) && !has_leading_zero(part)),
            None => pre.is_empty(),
        };
        let meta_is_fine = meta.is_none_or(|meta| meta.split('.').all(is_identifier));
        (pre_is_fine && meta_is_fine).then_some(version)
    }

    /// Reads a host's version: what [`Version::parse`] reads, and also any text that begins with at least two
    /// numeric parts, such as `5.14.0-427.el9.x86_64` or `5.10.102.1-microsoft-standard-WSL2`. What follows the
    /// third part is ignored.
    pub fn parse_host(text: &str) -> Option<Version> {
        Version::parse(text).or_else(|| match Version::numbers(text)? {
            (version, 2.., _) => Some(version),
            _ => None,
        })
    }

    /// The leading numeric parts, at most three; how many there are; and the rest of the text.
    fn numbers(text: &str) -> Option<(Version, usize, &str)> {
        let (major, mut rest) = number(text.strip_prefix('v').unwrap_or(text))?;
        let mut parts = [0, 0];
        let mut count = 1;
        for part in &mut parts {
            let Some((value, after)) = rest.strip_prefix('.').and_then(number) else { break };
            (*part, rest, count) = (value, after, count + 1);
        }
        let [minor, patch] = parts;
        Some((Version { major, minor, patch }, count, rest))
    }
}

/// The decimal number a text begins with, and what follows it. None without a digit, or past 64 bits.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

fn is_identifier(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn has_leading_zero(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u64, minor: u64, patch: u64) -> Option<Version> {
        Some(Version { major, minor, patch })
    }

    #[test]
    fn a_specification_writes_versions_as_nfd_reads_them() {
        let table = [
            ("1", version(1, 0, 0)),
            ("2.0", version(2, 0, 0)),
            ("v2.0.1", version(2, 0, 1)),
            ("24.04", version(24, 4, 0)),
            ("5.15.0-91-generic", version(5, 15, 0)),
            ("6.5-rc3", version(6, 5, 0)),
            ("1-2.3", version(1, 0, 0)),
            ("6.1.0+deb12", version(6, 1, 0)),
            ("6.1.0-1+b-2.c", version(6, 1, 0)),
            ("9223372036854775808", version(9_223_372_036_854_775_808, 0, 0)),
            ("18446744073709551616", None),
            ("1.18446744073709551616", None),
            ("", None),
            ("v", None),
            ("V2", None),
            ("x", None),
            ("-3", None),
            (" 1", None),
            ("1 ", None),
            ("1.x", None),
            ("1.", None),
            ("1.2.3-", None),
            ("1.2.3-01", None),
            ("1.2.3-0a", version(1, 2, 3)),
            ("1.2.3-a..b", None),
            ("1.2.3+", None),
            ("1.2.3+a+b", None),
            ("1.2.3+01", version(1, 2, 3)),
            ("1.2.3.4", None),
            ("5.14.0-427.el9.x86_64", None),
        ];
        for (text, expected) in table {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_host_may_have_any_version_that_begins_with_two_numbers() {
        let table = [
            ("5.14.0-427.el9.x86_64", version(5, 14, 0)),
            ("5.10.102.1-microsoft-standard-WSL2", version(5, 10, 102)),
            ("6.1.0_custom", version(6, 1, 0)),
            ("1.2.3-01", version(1, 2, 3)),
            ("2.0 ", version(2, 0, 0)),
            ("1.1.1k", version(1, 1, 1)),
            ("6", version(6, 0, 0)),
            ("", None),
            ("x", None),
            ("1.x", None),
            ("1_0", None),
            ("10de", None),
            ("0x10", None),
            ("-3.1", None),
            (" 5.10", None),
        ];
        for (text, expected) in table {
            assert_eq!(Version::parse_host(text), expected, "{text:?}");
        }
    }

    #[test]
    fn parts_compare_in_order() {
        let [low, middle, high] =
            ["1.99.99", "2.0", "2.0.1"].map(|text| Version::parse(text).unwrap());
        assert!(low < middle && middle < high);
    }
}
