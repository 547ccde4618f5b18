//! Local specifications: an administrator's own file in `/etc/imgcompat/specs.d`. It is a specification with two
//! more fields: `images`, the patterns of the images it is for, and `combine`, how it goes with the image's own.

use serde::{Deserialize, Serialize};

use super::{DOCUMENT, Decoder, Invalid, message, read};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::model::{Position, Specification};

const IMAGES: &str = "images";
const COMBINE: &str = "combine";

/// How a local specification goes with the one attached to the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Both must hold.
    #[default]
    And,
    /// The image's own does not count, and is not asked for.
    Replace,
}

/// One file of the administrator's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSpecification {
    /// Patterns of the images it is for, as written; never empty.
    pub images: Vec<String>,
    /// How it goes with the image's own specification.
    pub combine: Combine,
    /// What the images need.
    pub specification: Specification,
}

/// A local specification with what is suspicious about it.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedLocal {
    /// The specification.
    pub local: LocalSpecification,
    /// What decoding found odd, in document order.
    pub warnings: Vec<Diagnostic>,
}

/// Decodes the bytes of a local specification.
///
/// # Errors
/// [`Invalid`] with every error that could be found, each with its place.
pub fn decode_local(bytes: &[u8]) -> Result<DecodedLocal, Invalid> {
    let document = read(bytes).map_err(Invalid::from)?;
    let mut decoder = Decoder::new(&document);
    let known: Vec<&'static str> = DOCUMENT.iter().copied().chain([IMAGES, COMBINE]).collect();
    let (specification, fields) = decoder.specification(&known);
    let mut images = Vec::new();
    let mut combine = Combine::default();
    if let Some(fields) = fields {
        match fields.get(IMAGES) {
            Some(list) => {
                images = decoder.list(list, IMAGES, "patterns", |d, node| d.string(node, IMAGES));
            }
            None => decoder.findings.error(message::no_images(Position { line: 1, column: 1 })),
        }
        if let Some(node) = fields.get(COMBINE) {
            let at = decoder.document.position(node);
            match decoder.string(node, COMBINE).as_str() {
                "and" => combine = Combine::And,
                "replace" => combine = Combine::Replace,
                other => decoder.findings.error(message::unknown_combine(at, other)),
            }
        }
        if images.is_empty() && decoder.findings.no_errors() {
            decoder.findings.error(message::no_images(Position { line: 1, column: 1 }));
        }
    }
    let decoded = decoder.findings.result(specification)?;
    let local = LocalSpecification { images, combine, specification: decoded.specification };
    Ok(DecodedLocal { local, warnings: decoded.warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "version: v1alpha1\ncompatibilities:\n- description: d\n  rules: [{name: r}]\n";

    #[test]
    fn images_and_combine_are_read() {
        let text = format!("images: ['r.example/a/**', localhost/b]\ncombine: replace\n{RULES}");
        let local = decode_local(text.as_bytes()).unwrap().local;
        assert_eq!(local.images, ["r.example/a/**", "localhost/b"]);
        assert_eq!(local.combine, Combine::Replace);
        assert_eq!(local.specification.compatibilities.len(), 1);
        let text = format!("images: ['**']\n{RULES}");
        assert_eq!(decode_local(text.as_bytes()).unwrap().local.combine, Combine::And);
    }

    #[test]
    fn a_file_for_no_images_is_an_error() {
        for (head, expected) in [
            ("", "images"),
            ("images: []\n", "images"),
            ("images: x\n", "images"),
            ("images: [a]\ncombine: or\n", "combine"),
            ("images: [a]\nimage: [a]\n", "image"),
        ] {
            let text = format!("{head}{RULES}");
            let error = decode_local(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
