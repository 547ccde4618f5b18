//! `Link`: where the next page of a list is.
//!
//! Source: RFC 8288; OCI distribution specification, "Listing Referrers" (`Link: <url>; rel="next"`).

/// The target of the first link whose relation is `next`.
pub fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, following) = after.split_at_checked(end)?;
        if parameters.split([';', ',']).any(is_next) {
            return Some(target.trim());
        }
        rest = following;
    }
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        for (header, expected) in [
            ("</v2/a/referrers/x?last=1>; rel=\"next\"", Some("/v2/a/referrers/x?last=1")),
            ("</first>; rel=first, </n>; title=\"x\"; REL=Next", Some("/n")),
            ("</both>; rel=\"prev next\"", Some("/both")),
            ("</p>; rel=prev", None),
            ("no link", None),
            ("<never closed; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_end_or_panic(text in "\\PC{0,200}") {
            let _ = next(&text);
        }
    }
}
