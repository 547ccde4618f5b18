//! Which of several attached artifacts counts: the newest, and among equally old ones the digest decides.
//!
//! Source: NFD's client sorts by `org.opencontainers.image.created` and takes the last; its documentation spells the
//! key `oci.opencontainers.image.created`, so that is read too. A missing or unreadable time is the oldest. Unlike
//! NFD's, the choice does not depend on the order in which a registry lists them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::oci::{Descriptor, media_type};

/// The artifact that counts among the entries of a referrers list; entries of other types are passed over.
pub fn newest(descriptors: &[Descriptor]) -> Option<&Descriptor> {
    descriptors
        .iter()
        .filter(|d| d.artifact_type.as_deref() == Some(media_type::ARTIFACT_TYPE))
        .max_by_key(|descriptor| (created_at(descriptor), descriptor.digest.as_str()))
}

/// When an artifact says it was made: the annotation's text.
pub fn created(annotations: Option<&std::collections::BTreeMap<String, String>>) -> Option<&str> {
    let annotations = annotations?;
    let text =
        annotations.get(media_type::CREATED).or(annotations.get(media_type::CREATED_MISSPELT));
    text.map(String::as_str)
}

fn created_at(descriptor: &Descriptor) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(created(descriptor.annotations.as_ref())?, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn artifact(name: &str, key: &str, created: &str) -> Descriptor {
        Descriptor {
            media_type: media_type::IMAGE_MANIFEST.to_owned(),
            digest: Digest::of(name.as_bytes()),
            size: 1,
            artifact_type: Some(media_type::ARTIFACT_TYPE.to_owned()),
            platform: None,
            annotations: Some([(key.to_owned(), created.to_owned())].into()),
        }
    }

    fn chosen(artifacts: &[Descriptor], names: &[&str]) -> String {
        let newest = newest(artifacts).unwrap();
        names.iter().find(|n| Digest::of(n.as_bytes()) == newest.digest).unwrap().to_string()
    }

    #[test]
    fn the_newest_counts_whichever_key_and_zone_it_is_written_with() {
        let artifacts = [
            artifact("old", media_type::CREATED, "2024-01-01T00:00:00Z"),
            artifact("new", media_type::CREATED_MISSPELT, "2024-01-01T01:30:00+01:00"),
            artifact("broken", media_type::CREATED, "9999 or so"),
            artifact("none", "other", "2030-01-01T00:00:00Z"),
        ];
        assert_eq!(chosen(&artifacts, &["old", "new", "broken", "none"]), "new");
    }

    #[test]
    fn among_equals_the_digest_decides_in_any_order() {
        let mut artifacts: Vec<Descriptor> = ["a", "b", "c"]
            .map(|n| artifact(n, media_type::CREATED, "2024-01-01T00:00:00Z"))
            .into();
        let first = chosen(&artifacts, &["a", "b", "c"]);
        artifacts.rotate_left(1);
        assert_eq!(chosen(&artifacts, &["a", "b", "c"]), first);
        artifacts.reverse();
        assert_eq!(chosen(&artifacts, &["a", "b", "c"]), first);
    }

    #[test]
    fn other_artifacts_are_passed_over() {
        let mut sbom = artifact("sbom", media_type::CREATED, "2030-01-01T00:00:00Z");
        sbom.artifact_type = Some("application/spdx+json".to_owned());
        let mut untyped = sbom.clone();
        untyped.artifact_type = None;
        assert_eq!(newest(&[sbom, untyped]), None);
    }
}
