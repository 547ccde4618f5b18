//! What a YAML scalar becomes where the format wants a string, exactly as in NFD.
//!
//! NFD decodes with sigs.k8s.io/yaml: go-yaml v2 resolves a plain scalar by the rules of YAML 1.1 (`0200` is the
//! octal number 128, `y` is true, `1e04` is a float), and where the format then wants a string, the resolved value
//! is printed again, floats with the shortest digits of a float32. A specification must mean the same everywhere,
//! so we do that too, and [`super::decode()`] warns wherever it changes what was written.
//!
//! The table `tests/data/spec/scalars.json` holds what the Go decoder answered for some 400 scalars.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::yaml::ScalarNode;

/// A scalar after YAML 1.1's implicit typing.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer that only fits without a sign.
    UInt(u64),
    /// A floating-point number, `.inf` or `.nan`.
    Float(f64),
    /// Everything else.
    Text(Cow<'a, str>),
}

/// A scalar that does not fit its explicit tag, for example `!!int x`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be read as {tag}")]
pub struct TagMismatch {
    /// The scalar as written.
    pub text: String,
    /// The tag in its short form.
    pub tag: String,
}

/// Why a scalar cannot be the key of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// NFD refuses `~: …`.
    #[error("a key cannot be null")]
    Null,
    /// NFD refuses integers beyond 63 bits as keys.
    #[error("a number this large cannot be a key")]
    TooLarge,
}

const CORE: &str = "tag:yaml.org,2002:";

/// Types a scalar as go-yaml v2 does.
///
/// # Errors
/// [`TagMismatch`] where an explicit tag does not fit.
pub fn resolve(scalar: ScalarNode<'_>) -> Result<Scalar<'_>, TagMismatch> {
    let Some(tag) = scalar.tag else {
        return Ok(if scalar.plain { implicit(scalar.text) } else { text(scalar.text) });
    };
    let Some(core) = tag.strip_prefix(CORE) else {
        return Ok(text(scalar.text));
    };
    let mismatch = || TagMismatch { text: scalar.text.to_owned(), tag: format!("!!{core}") };
    match core {
        "binary" => binary(scalar.text).ok_or_else(mismatch),
        "int" | "float" | "bool" | "null" | "timestamp" => {
            tagged(core, scalar.text).ok_or_else(mismatch)
        }
        _ => Ok(text(scalar.text)),
    }
}

impl<'a> Scalar<'a> {
    /// The value where a string is wanted.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Scalar::Null => Cow::Borrowed(""),
            Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Scalar::Int(value) => Cow::Owned(value.to_string()),
            Scalar::UInt(value) => Cow::Owned(value.to_string()),
            Scalar::Float(value) => float32(value),
            Scalar::Text(value) => value,
        }
    }

    /// The value as the key of a map; it differs from the string only for the infinities and NaN.
    ///
    /// # Errors
    /// [`BadKey`] for what NFD's decoder refuses as a key.
    pub fn into_key(self) -> Result<Cow<'a, str>, BadKey> {
        match self {
            Scalar::Null => Err(BadKey::Null),
            Scalar::UInt(_) => Err(BadKey::TooLarge),
            Scalar::Float(value) => Ok(match float32(value) {
                text if text == "+Inf" => Cow::Borrowed(".inf"),
                text if text == "-Inf" => Cow::Borrowed("-.inf"),
                text if text == "NaN" => Cow::Borrowed(".nan"),
                text => text,
            }),
            other => Ok(other.into_text()),
        }
    }

    /// The value where an integer is wanted; null is 0, and a float counts if it is integral.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Scalar::Null => Some(0),
            Scalar::Int(value) => Some(*value),
            Scalar::Float(value) => integral(*value),
            _ => None,
        }
    }

    /// A word for the type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "the boolean",
            Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) => "the number",
            Scalar::Text(_) => "the string",
        }
    }
}

fn text(text: &str) -> Scalar<'_> {
    Scalar::Text(Cow::Borrowed(text))
}

fn binary(text: &str) -> Option<Scalar<'_>> {
    let lines: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(lines).ok()?;
    Some(Scalar::Text(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())))
}

fn tagged<'a>(tag: &str, written: &'a str) -> Option<Scalar<'a>> {
    match (tag, implicit(written)) {
        ("int", value @ (Scalar::Int(_) | Scalar::UInt(_)))
        | ("float", value @ Scalar::Float(_))
        | ("bool", value @ Scalar::Bool(_))
        | ("null", value @ Scalar::Null) => Some(value),
        ("float", Scalar::Int(value)) => Some(Scalar::Float(value as f64)),
        ("timestamp", Scalar::Text(value)) if is_timestamp(&value) => Some(Scalar::Text(value)),
        _ => None,
    }
}

/// Types an unquoted scalar; the first character decides what it may be, as in go-yaml.
fn implicit(written: &str) -> Scalar<'_> {
    match written.bytes().next() {
        None => Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(written)
        }
        Some(b'.') => special_float(written)
            .or_else(|| dotted_float(written))
            .map_or_else(|| text(written), Scalar::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => number(written),
        Some(_) => text(written),
    }
}

fn word(written: &str) -> Scalar<'_> {
    match written {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => text(written),
    }
}

fn special_float(written: &str) -> Option<f64> {
    match written {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// `.5`: Go's parser of floats, which allows an underscore between two digits.
fn dotted_float(written: &str) -> Option<f64> {
    let bytes = written.as_bytes();
    let separates = |at: usize| {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_digit())
        };
        digit(at.checked_sub(1)) && digit(at.checked_add(1))
    };
    let underscores_separate =
        bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || separates(at));
    underscores_separate.then(|| written.replace('_', "")).and_then(|plain| decimal_float(&plain))
}

fn number(written: &str) -> Scalar<'_> {
    if let Some(value) = special_float(written) {
        return Scalar::Float(value);
    }
    let plain = written.replace('_', "");
    if let Some(value) = integer(&plain) {
        return value;
    }
    if let Some(value) = decimal_float(&plain) {
        return Scalar::Float(value);
    }
    binary_integer(&plain).unwrap_or_else(|| text(written))
}

/// Go's `ParseInt(…, 0, 64)`, then `ParseUint`: the base is in the prefix, a leading 0 is octal.
fn integer(plain: &str) -> Option<Scalar<'static>> {
    let (negative, signed, unsigned) = match plain.as_bytes().first()? {
        b'-' => (true, true, plain.get(1..)?),
        b'+' => (false, true, plain.get(1..)?),
        _ => (false, false, plain),
    };
    let (digits, radix) = base(unsigned);
    // Rust would take a second sign here.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if signed => None,
        Err(_) => u64::try_from(value).ok().map(Scalar::UInt),
    }
}

fn base(unsigned: &str) -> (&str, u32) {
    let after = |len: usize| unsigned.get(len..).unwrap_or_default();
    match unsigned.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (after(2), 16),
        [b'0', b'b' | b'B', _, ..] => (after(2), 2),
        [b'0', b'o' | b'O', _, ..] => (after(2), 8),
        [b'0', _, ..] => (after(1), 8),
        _ => (unsigned, 10),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and not beyond what a float64 can hold.
fn decimal_float(plain: &str) -> Option<f64> {
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at + 1..)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let shaped = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_fits;
    shaped.then(|| plain.parse::<f64>().ok()).flatten().filter(|value| value.is_finite())
}

/// go-yaml's own reading of `0b…`, which allows a sign after the prefix.
fn binary_integer(plain: &str) -> Option<Scalar<'static>> {
    let (negative, digits) = match plain.strip_prefix("-0b") {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix("0b")?),
    };
    if negative && digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i64::from_str_radix(digits, 2).ok()?;
    Some(Scalar::Int(if negative { -value } else { value }))
}

/// Whether a text starts like a date. go-yaml gives dates back as the strings they are.
fn is_timestamp(written: &str) -> bool {
    let mut parts = written.split('-');
    let year = parts.next().unwrap_or_default();
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && parts.count() >= 2
}

/// The integer that NFD makes of a float: it prints the shortest decimal digits and reads them again.
fn integral(value: f64) -> Option<i64> {
    value.to_string().parse().ok()
}

/// Go's `FormatFloat(value, 'g', -1, 32)`: the shortest digits that give the float32 back.
fn float32(value: f64) -> Cow<'static, str> {
    let value = value as f32;
    if value.is_nan() {
        return Cow::Borrowed("NaN");
    }
    if value.is_infinite() {
        return Cow::Borrowed(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return Cow::Owned(format!("{value}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Cow::Owned(format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::spec::decode::decode;

    /// One line of the table: what NFD's decoder makes of a scalar as an item of a list of values, as the name
    /// of an element, as the name of a rule, and as a weight. Nothing means that it refuses the document.
    #[derive(Deserialize)]
    struct Row {
        written: String,
        value: Option<String>,
        key: Option<String>,
        field: Option<String>,
        weight: Option<i64>,
    }

    fn table() -> Vec<Row> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/spec/scalars.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn rule(document: &str) -> Option<crate::spec::Rule> {
        let decoded = decode(document.as_bytes()).ok()?;
        decoded.specification.compatibilities.into_iter().next()?.rules.into_iter().next()
    }

    fn expressions(entry: &str) -> Option<Vec<(String, crate::spec::Expression)>> {
        let rule = rule(&format!(
            "compatibilities:\n- rules:\n  - matchFeatures:\n    - feature: f\n      matchExpressions:\n        {entry}\n"
        ))?;
        Some(rule.match_features.into_iter().next()?.match_expressions?.into_iter().collect())
    }

    #[test]
    fn values_become_the_strings_that_nfd_makes_of_them() {
        for row in table() {
            let entry =
                format!("e:\n          op: In\n          value:\n          - {}", row.written);
            let value =
                expressions(&entry).and_then(|all| all.into_iter().next()).map(|e| e.1.value);
            assert_eq!(value, row.value.map(|value| vec![value]), "{:?}", row.written);
        }
    }

    #[test]
    fn element_names_become_the_strings_that_nfd_makes_of_them() {
        for row in table() {
            // NFD reads these as something else than one element with an expression.
            if row.key.is_none() && !matches!(row.written.as_str(), "~" | "null" | "Null" | "NULL")
            {
                continue;
            }
            let key = expressions(&format!("{}: {{op: Exists}}", row.written))
                .and_then(|all| all.into_iter().next())
                .map(|expression| expression.0);
            assert_eq!(key, row.key, "{:?}", row.written);
        }
    }

    #[test]
    fn fields_become_the_strings_that_nfd_makes_of_them() {
        for row in table() {
            let name = rule(&format!("compatibilities:\n- rules:\n  - name: {}\n", row.written));
            assert_eq!(name.map(|rule| rule.name), row.field, "{:?}", row.written);
        }
    }

    #[test]
    fn weights_are_the_integers_that_nfd_makes_of_them() {
        for row in table() {
            let document = format!("compatibilities:\n- weight: {}\n", row.written);
            let weight = decode(document.as_bytes()).ok().map(|d| d.specification);
            let weight = weight.and_then(|s| s.compatibilities.first().map(|set| set.weight));
            assert_eq!(weight, row.weight, "{:?}", row.written);
        }
    }

    #[test]
    fn a_number_too_large_for_a_key_is_refused_as_in_nfd() {
        for key in ["9223372036854775808", "0xffffffffffffffff", "~", "null"] {
            assert!(expressions(&format!("{key}: {{op: Exists}}")).is_none(), "{key}");
        }
    }
}
