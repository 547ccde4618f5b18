//! What decoding says: each finding's stable code, its sentence, and what to write instead.
//!
//! A function here makes one diagnostic. Whether it is an error or a warning is decided where it is reported.

use crate::limits;
use crate::spec::diagnostic::{Diagnostic, Severity};
use crate::spec::model::Position;
use crate::spec::scalar::{self, Scalar, TagMismatch};
use crate::spec::yaml::{Document, NodeId, Value};

fn finding(code: &str, position: Position, message: String, help: Option<String>) -> Diagnostic {
    let (severity, code) = (Severity::Error, code.to_owned());
    Diagnostic { severity, code, position, rule: None, message, help }
}

/// What stands at a node, for "but found …".
pub(super) fn found(document: &Document, node: NodeId) -> String {
    match document.value(node) {
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Scalar(scalar) => match scalar::resolve(scalar) {
            Ok(Scalar::Null) => "nothing".to_owned(),
            Ok(Scalar::Text(text)) => format!("the string {}", quoted(&text)),
            Ok(value) => format!("{} {}", value.kind(), value.into_text()),
            Err(_) => quoted(scalar.text),
        },
    }
}

/// A foreign text as part of a sentence: quoted, escaped, and cut after 60 characters.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

/// The known name that a mistyped one most resembles, if it resembles any.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_ascii_lowercase()), *known))
        .filter(|(distance, known)| *distance <= (known.len() / 4).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many there are is not known: nobody reads on.
pub(super) fn too_many_bytes() -> Diagnostic {
    let message = format!(
        "the document has more than {} bytes, which is all a specification may have",
        limits::SPECIFICATION_BYTES
    );
    finding("too-large", Position { line: 1, column: 1 }, message, None)
}

pub(super) fn too_many_parts(at: Position) -> Diagnostic {
    let message = format!(
        "a specification may have {} sets, rules, terms and expressions together",
        limits::SPECIFICATION_PARTS
    );
    finding("too-large", at, message, None)
}

pub(super) fn no_sets(at: Position) -> Diagnostic {
    let message =
        "the specification has no compatibility sets, so nothing can be checked".to_owned();
    let help = "list at least one set with rules under `compatibilities`";
    finding("no-sets", at, message, Some(help.to_owned()))
}

pub(super) fn empty(at: Position) -> Diagnostic {
    let message = "the document is empty".to_owned();
    let help = "write at least one set with rules under `compatibilities`";
    finding("no-sets", at, message, Some(help.to_owned()))
}

pub(super) fn version_missing(at: Position) -> Diagnostic {
    let message = "there is no `version`; v1alpha1 is assumed".to_owned();
    finding("version-missing", at, message, Some("add `version: v1alpha1`".to_owned()))
}

pub(super) fn version_unknown(at: Position, version: &str) -> Diagnostic {
    let message = format!("the version {} is unknown", quoted(version));
    let help = "write `version: v1alpha1`, or use a newer imgcompat";
    finding("version-unknown", at, message, Some(help.to_owned()))
}

pub(super) fn set_without_rules(at: Position) -> Diagnostic {
    let message = "this set has no rules, so every host is compatible with it".to_owned();
    finding("set-without-rules", at, message, Some("add rules, or remove the set".to_owned()))
}

pub(super) fn not_a_map(at: Position, what: &str, known: &[&str], found: &str) -> Diagnostic {
    let message = format!("{what} must be a map, but this is {found}");
    let help = (!known.is_empty()).then(|| format!("its fields are {}", names(known)));
    finding("wrong-type", at, message, help)
}

pub(super) fn not_a_list(at: Position, name: &str, items: &str, found: &str) -> Diagnostic {
    let message = format!("`{name}` must be a list of {items}, but this is {found}");
    let help = "start each item with `- `";
    finding("wrong-type", at, message, Some(help.to_owned()))
}

pub(super) fn not_a_string(at: Position, what: &str, found: &str) -> Diagnostic {
    let what = if what.contains(' ') { what.to_owned() } else { format!("`{what}`") };
    finding("wrong-type", at, format!("{what} must be a string, but this is {found}"), None)
}

pub(super) fn not_an_integer(at: Position, name: &str, found: &str) -> Diagnostic {
    let message = format!("`{name}` must be an integer of 64 bits, but this is {found}");
    finding("wrong-type", at, message, Some(format!("write a number without quotes: `{name}: 10`")))
}

pub(super) fn value_not_a_list(at: Position, found: &str, list: Option<String>) -> Diagnostic {
    let message = format!("`value` must be a list of strings, but this is {found}");
    finding("wrong-type", at, message, list.map(|list| format!("write `value: {list}`")))
}

pub(super) fn null_expression(at: Position, name: &str) -> Diagnostic {
    let message = format!("{} has no expression", quoted(name));
    let help = format!("write `{name}: {{op: Exists}}`, or remove the line");
    finding("null-expression", at, message, Some(help))
}

pub(super) fn legacy_shorthand(at: Position, name: &str, found: &str, long: &str) -> Diagnostic {
    let message = format!("the expression for {} must be a map, but this is {found}", quoted(name));
    let help = format!("the short form of NFD's custom rules is not allowed here; write `{long}`");
    finding("legacy-shorthand", at, message, Some(help))
}

pub(super) fn unknown_field(
    at: Position,
    key: &str,
    what: &str,
    known: &[&str],
    legacy: Option<String>,
) -> Diagnostic {
    let message = format!("{what} has no field {}", quoted(key));
    let help = legacy.unwrap_or_else(|| match (nearest(key, known), belongs(key)) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, Some(place)) => place,
        (None, None) => format!("its fields are {}", names(known)),
    });
    finding("unknown-field", at, message, Some(help))
}

/// What to do with a field that is known, but not here.
fn belongs(key: &str) -> Option<String> {
    match key {
        "apiVersion" | "kind" => Some(
            "this looks like a Kubernetes object; put its rules under `compatibilities: [{rules: …}]`".to_owned(),
        ),
        "images" | "combine" => Some(format!(
            "`{key}` is for local specifications in /etc/imgcompat/specs.d, which `validate-spec --local` checks"
        )),
        _ => [super::SET, super::RULE, super::TERM, super::EXPRESSION]
            .iter()
            .find(|shape| shape.known.contains(&key))
            .map(|shape| format!("`{key}` is a field of {}; look at the indentation", shape.what)),
    }
}

pub(super) fn field_case(at: Position, key: &str, name: &str) -> Diagnostic {
    let message = format!("the field is called `{name}`; other readers may not accept `{key}`");
    finding("field-case", at, message, Some(format!("write `{name}`")))
}

pub(super) fn field_twice(at: Position, name: &str) -> Diagnostic {
    let message = format!("`{name}` is given twice, in two spellings");
    finding("duplicate-field", at, message, Some(format!("keep one, and write it `{name}`")))
}

pub(super) fn field_ignored(at: Position, key: &str) -> Diagnostic {
    let message = format!("`{key}` belongs to NFD's labelling rules and does nothing here");
    finding("ignored-field", at, message, Some("remove it".to_owned()))
}

pub(super) fn shelf(at: Position, key: &str) -> Diagnostic {
    let message =
        format!("{} is no field of a specification; only its anchor is used", quoted(key));
    let help = "move the anchor to where the node is used first";
    finding("ignored-field", at, message, Some(help.to_owned()))
}

pub(super) fn duplicate_key(at: Position, before: Position, merged: bool) -> Diagnostic {
    let message = if merged {
        format!("this merged key replaces the one of line {}", before.line)
    } else {
        format!("this key is also on line {}; the last one counts", before.line)
    };
    let help = if merged { "put the merge key `<<` first" } else { "remove one of them" };
    finding("duplicate-key", at, message, Some(help.to_owned()))
}

pub(super) fn merge_wants_map(at: Position) -> Diagnostic {
    let message = "the merge key `<<` needs a map or a list of maps".to_owned();
    finding("wrong-type", at, message, None)
}

pub(super) fn bad_key(at: Position, message: &str) -> Diagnostic {
    finding("bad-key", at, message.to_owned(), Some("put the key in quotes".to_owned()))
}

pub(super) fn bad_tag(at: Position, error: &TagMismatch) -> Diagnostic {
    let message = format!("{} cannot be read as {}", quoted(&error.text), error.tag);
    finding("bad-tag", at, message, Some("remove the tag, and quote the string".to_owned()))
}

pub(super) fn converted(at: Position, written: &str, kind: &str, text: &str) -> Diagnostic {
    let message = match kind {
        "null" => format!("`{written}` without quotes is null, so an empty string is compared"),
        kind => {
            format!("`{written}` without quotes is {kind} {text}, and that is what is compared")
        }
    };
    finding("unquoted-scalar", at, message, Some(format!("write {}", quoted(written))))
}

/// A list of one, as flow YAML.
pub(super) fn as_list(document: &Document, node: NodeId) -> Option<String> {
    match document.value(node) {
        Value::Scalar(scalar) => Some(format!("[{}]", quoted(scalar.text))),
        _ => None,
    }
}

/// Operators that need no value: as a word alone they are no short form of `In`.
const WITHOUT_VALUE: [&str; 4] = ["Exists", "DoesNotExist", "IsTrue", "IsFalse"];

/// An expression as it must be written, from what stands there in NFD's short form.
pub(super) fn long_form(document: &Document, name: &str, node: NodeId) -> String {
    let values = match document.value(node) {
        Value::Sequence(items) => {
            let scalars = items.iter().take(4).filter_map(|item| match document.value(*item) {
                Value::Scalar(scalar) => Some(quoted(scalar.text)),
                _ => None,
            });
            format!("[{}]", scalars.collect::<Vec<_>>().join(", "))
        }
        Value::Scalar(scalar) if WITHOUT_VALUE.contains(&scalar.text) => {
            return format!("{name}: {{op: {}}}", scalar.text);
        }
        Value::Scalar(scalar) => format!("[{}]", quoted(scalar.text)),
        Value::Mapping(_) => "[…]".to_owned(),
    };
    format!("{name}: {{op: In, value: {values}}}")
}

/// The help for a term in NFD's short form, `- pci.device: {…}`.
pub(super) fn legacy_term(
    document: &Document,
    key: &str,
    value: NodeId,
    known: &[&str],
) -> Option<String> {
    let is_term = known == super::TERM.known && key.contains('.');
    let is_map = matches!(document.value(value), Value::Mapping(_));
    (is_term && is_map)
        .then(|| format!("write `feature: {key}` and put the expressions under `matchExpressions`"))
}

fn names(known: &[&str]) -> String {
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn no_images(at: Position) -> Diagnostic {
    let message = "the local specification is for no images".to_owned();
    let help =
        "list name patterns under `images`, for example `images: [\"registry.example/prod/**\"]`";
    finding("no-images", at, message, Some(help.to_owned()))
}

pub(super) fn unknown_combine(at: Position, found: &str) -> Diagnostic {
    let message = format!("`combine` is {}", quoted(found));
    let help = "write `and` (this and the image's own must hold) or `replace` (only this counts)";
    finding("unknown-combine", at, message, Some(help.to_owned()))
}
