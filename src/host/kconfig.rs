//! `kernel.config`: how the running kernel was configured. NFD: `source/kernel/kconfig.go`.
//!
//! The first readable file of the search list counts. Values are as in the file (`y`, `m`, numbers, strings without
//! their quotes); an option that is not set does not exist.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::root::into_text;
use super::{Absence, Attributes, Feature, Host, HostRoot, ReadError, kernel};
use crate::limits::HOST_FILE_BYTES;

/// `kernel.config`: option without `CONFIG_` to value.
pub(super) fn config(host: &Host) -> Result<Feature, Absence> {
    let text = read_first(host.root())?;
    let parsed = text.split('\n').filter_map(parse_line).map(|(n, v)| (n, v.trim_matches('"')));
    Ok(Feature::attributes(parsed))
}

/// The values for node labels, where "y" and "m" are "true". Empty if there is no configuration.
pub(super) fn for_labels(host: &Host) -> Attributes {
    let Ok(text) = read_first(host.root()) else { return Attributes::new() };
    let for_label = |value: &str| match value {
        "y" | "m" => "true".to_owned(),
        value => value.trim_matches('"').to_owned(),
    };
    text.split('\n').filter_map(parse_line).map(|(n, v)| (n.to_owned(), for_label(v))).collect()
}

fn parse_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("CONFIG_")?.split_once('=')
}

fn read_first(root: &HostRoot) -> Result<String, Absence> {
    let mut unreadable: Option<Absence> = None;
    for path in search_list(root) {
        match read_config(root, &path) {
            Ok(text) => return Ok(text),
            Err(Absence::Read(ReadError::Missing { .. })) => {}
            Err(absence) => unreadable = unreadable.or(Some(absence)),
        }
    }
    Err(unreadable.unwrap_or_else(|| {
        let why = "no kernel configuration: neither /proc/config.gz nor a config file of the running kernel in /boot, /usr/lib or /usr/src";
        Absence::Because(why.to_owned())
    }))
}

fn search_list(root: &HostRoot) -> Vec<String> {
    let Ok(release) = kernel::release(root) else {
        return vec!["/proc/config.gz".to_owned(), "/usr/src/linux/.config".to_owned()];
    };
    vec![
        "/proc/config.gz".to_owned(),
        format!("/usr/src/linux-{release}/.config"),
        format!("/usr/src/linux-rt-{release}/.config"),
        "/usr/src/linux/.config".to_owned(),
        format!("/usr/lib/modules/{release}/config"),
        format!("/usr/lib/ostree-boot/config-{release}"),
        format!("/usr/lib/kernel/config-{release}"),
        format!("/usr/src/linux-headers-{release}/.config"),
        format!("/lib/modules/{release}/build/.config"),
        format!("/usr/src/linux-rt-headers-{release}/.config"),
        format!("/boot/config-{release}"),
    ]
}

fn read_config(root: &HostRoot, path: &str) -> Result<String, Absence> {
    let content = root.read(path)?;
    if !path.ends_with(".gz") {
        return Ok(into_text(content));
    }
    let plain =
        gunzip(&content).map_err(|why| Absence::Senseless { path: path.to_owned(), why })?;
    Ok(into_text(plain))
}

fn gunzip(compressed: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut bounded = MultiGzDecoder::new(compressed).take(HOST_FILE_BYTES + 1);
    bounded.read_to_end(&mut plain).map_err(|error| format!("cannot be decompressed: {error}"))?;
    if plain.len() as u64 > HOST_FILE_BYTES {
        return Err(format!("is larger than the limit of {HOST_FILE_BYTES} when decompressed"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let lines = text.split('\n').filter_map(parse_line);
        lines.map(|(n, v)| (n.to_owned(), v.trim_matches('"').to_owned())).collect()
    }

    #[test]
    fn an_option_is_what_the_file_says_without_quotes() {
        let table = [
            ("CONFIG_A=y", Some(("A", "y"))),
            ("# CONFIG_C is not set", None),
            ("CONFIG_D=\"str\"", Some(("D", "str"))),
            ("CONFIG_E=\"\"", Some(("E", ""))),
            ("CONFIG_F=0x10", Some(("F", "0x10"))),
            ("CONFIG_G=\"a=b\"", Some(("G", "a=b"))),
            (" CONFIG_H=y", None),
            ("CONFIG_I=y ", Some(("I", "y "))),
            ("CONFIG_J", None),
            ("CONFIG_K=\"\"x\"\"", Some(("K", "x"))),
            ("CONFIG_M=", Some(("M", ""))),
        ];
        for (line, wanted) in table {
            let wanted: Vec<_> =
                wanted.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
            assert_eq!(parsed(line), wanted, "{line}");
        }
    }

    #[test]
    fn decompression_is_bounded() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..9 {
            bomb.write_all(&zeros).unwrap();
        }
        assert!(gunzip(&bomb.finish().unwrap()).unwrap_err().contains("larger than the limit"));
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(content in any::<Vec<u8>>()) {
            let _ = gunzip(&content);
            let _ = parsed(&into_text(content));
        }
    }
}
