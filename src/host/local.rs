//! `local.feature` and `local.label`: what the administrator says of the node in files. NFD: `source/local/local.go`.
//!
//! A line is `name=value`, or `name` alone for "true". Comments of the form `# +directive` change how the lines after
//! them count: `+expiry-time=TIME` all of them, `+no-feature` and `+no-label` the next one.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::root::{FEATURES_D, into_text};
use super::{Absence, Attributes, Feature, Host};

/// NFD's own limit; a larger file is skipped.
const FILE_BYTES: u64 = 65_536;

/// `local.feature`. Always present: a node without such files says nothing.
pub(super) fn feature(host: &Host) -> Result<Feature, Absence> {
    Ok(Feature::attributes(read_all(host).features))
}

/// `local.label`. Always present.
pub(super) fn label(host: &Host) -> Result<Feature, Absence> {
    Ok(Feature::attributes(read_all(host).labels))
}

#[derive(Default)]
struct Said {
    features: Attributes,
    labels: Attributes,
}

fn read_all(host: &Host) -> Said {
    let root = host.root();
    let mut said = Said::default();
    let names = root.list(FEATURES_D).unwrap_or_default();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let Ok(content) = root.read_at_most(&format!("{FEATURES_D}/{name}"), FILE_BYTES) else {
            continue;
        };
        let file = parse(&into_text(content), OffsetDateTime::now_utc());
        said.features.extend(file.features);
        said.labels.extend(file.labels);
    }
    said
}

fn parse(text: &str, now: OffsetDateTime) -> Said {
    let mut said = Said::default();
    let mut expiry = now;
    let (mut skip_feature, mut skip_label) = (false, false);
    for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        match directive(line) {
            Line::Expiry(time) => expiry = time,
            Line::NoFeature => skip_feature = true,
            Line::NoLabel => skip_label = true,
            Line::Data(name, value) if expiry >= now => {
                set(&mut said.features, name, value, std::mem::take(&mut skip_feature));
                set(&mut said.labels, name, value, std::mem::take(&mut skip_label));
            }
            Line::Comment | Line::Data(..) => {}
        }
    }
    said
}

/// What is said once as "no feature" also takes back what an earlier line said.
fn set(map: &mut Attributes, name: &str, value: &str, skip: bool) {
    if skip {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value.to_owned());
    }
}

enum Line<'a> {
    Comment,
    Expiry(OffsetDateTime),
    NoFeature,
    NoLabel,
    Data(&'a str, &'a str),
}

fn directive(line: &str) -> Line<'_> {
    if !line.starts_with('#') {
        let (name, value) = line.split_once('=').unwrap_or((line, "true"));
        return Line::Data(name, value);
    }
    let Some(directive) = line.strip_prefix("# +") else { return Line::Comment };
    match directive.split_once('=').unwrap_or((directive, "")) {
        ("no-feature", _) => Line::NoFeature,
        ("no-label", _) => Line::NoLabel,
        ("expiry-time", time) => {
            OffsetDateTime::parse(time.trim(), &Rfc3339).map_or(Line::Comment, Line::Expiry)
        }
        _ => Line::Comment,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(map: &Attributes) -> Vec<(&str, &str)> {
        map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    #[test]
    fn lines_and_directives_count_as_in_nfd() {
        let past = "# +expiry-time=2012-07-28T11:22:33Z\n";
        let future = "# +expiry-time=2080-07-28T11:22:33Z\n";
        type Pairs = &'static [(&'static str, &'static str)];
        let table: [(String, Pairs, Pairs); 11] = [
            (
                "# comment\na=1\nb\nc=\n d = 5 \n".to_owned(),
                &[("a", "1"), ("b", "true"), ("c", ""), ("d ", " 5")],
                &[("a", "1"), ("b", "true"), ("c", ""), ("d ", " 5")],
            ),
            ("# +no-feature\na=1\nb=2\n".to_owned(), &[("b", "2")], &[("a", "1"), ("b", "2")]),
            ("# +no-label\na=1\nb=2\n".to_owned(), &[("a", "1"), ("b", "2")], &[("b", "2")]),
            (format!("{past}a=1\n{future}b=2\n"), &[("b", "2")], &[("b", "2")]),
            (format!("{past}a=1\n# +expiry-time=garbage\nb=2"), &[], &[]),
            (format!("{future}# +expiry-time\nb=2"), &[("b", "2")], &[("b", "2")]),
            ("a=1\n# +no-feature\na=2\n".to_owned(), &[], &[("a", "2")]),
            ("# +bogus\na=1".to_owned(), &[("a", "1")], &[("a", "1")]),
            ("#+no-label\na=1".to_owned(), &[("a", "1")], &[("a", "1")]),
            ("=1".to_owned(), &[("", "1")], &[("", "1")]),
            // An expired line does not use up a directive.
            (format!("{past}# +no-label\na\n{future}b"), &[("b", "true")], &[]),
        ];
        for (text, features, labels) in table {
            let said = parse(&text, OffsetDateTime::now_utc());
            assert_eq!(pairs(&said.features), features, "{text}");
            assert_eq!(pairs(&said.labels), labels, "{text}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in "(?s)(# \\+(expiry-time|no-label|no-feature)?=?)?.*") {
            parse(&text, OffsetDateTime::UNIX_EPOCH);
        }
    }
}
