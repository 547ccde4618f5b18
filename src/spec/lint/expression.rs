//! Checks of one expression: operators and values, and what absence does to them.

use super::Linter;
use super::term::Subject;
use crate::rules::ExpressionError;
use crate::rules::expression::{Operator, fault};
use crate::spec::decode::{nearest, quoted};
use crate::spec::diagnostic::Severity;
use crate::spec::known;
use crate::spec::model::{Expression, Position};

/// One expression with what it is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    subject: Subject<'a>,
    element: &'a str,
    operator: Operator,
    expression: &'a Expression,
    at: Position,
}

impl Linter {
    /// One expression of matchExpressions; returns its truth value if it is the same on every host that has the
    /// feature.
    pub(super) fn expression(
        &mut self,
        subject: Subject<'_>,
        element: &str,
        expression: &Expression,
        at: Position,
    ) -> Option<bool> {
        if self.has_no_answer(expression, at) {
            return None;
        }
        let operator = Operator::from_name(&expression.op)?;
        self.type_is_used(operator, expression, at);
        if operator == Operator::Any {
            let message =
                format!("an expression without operator holds whatever {} is", quoted(element));
            self.warn("empty-expression", at, message, "write `{op: Exists}` to ask for it");
            return (!subject.is_of_devices()).then_some(true);
        }
        let asked = Asked { subject, element, operator, expression, at };
        if subject.feature.is_some_and(|feature| feature.is_flag(element)) {
            if operator == Operator::DoesNotExist {
                self.absence(asked);
            }
            return self.flag(element, operator, at);
        }
        self.absence(asked);
        let never = [
            self.empty_range(operator, expression, at),
            self.device_ids(asked),
            self.kernel_option(asked),
            self.cpu_vendor(asked),
        ];
        never.contains(&true).then_some(false)
    }

    /// An expression about the names of elements.
    pub(super) fn match_name(
        &mut self,
        subject: Subject<'_>,
        expression: &Expression,
        at: Position,
    ) -> Option<bool> {
        if self.has_no_answer(expression, at) {
            return None;
        }
        let help = "use `In` or `InRegexp`";
        match Operator::from_name(&expression.op)? {
            Operator::DoesNotExist => {
                let message =
                    "`matchName` looks at names that are there, so DoesNotExist never holds";
                self.warn("match-name-operator", at, message.to_owned(), "use `matchExpressions`");
                Some(false)
            }
            Operator::NotIn => {
                let message = "this holds as soon as there is any other name, so nearly always";
                let help = "to ask for absence, write the name in `matchExpressions` with `op: DoesNotExist`";
                self.warn("match-name-operator", at, message.to_owned(), help);
                None
            }
            Operator::In => {
                self.known_names(subject, &expression.value, at);
                None
            }
            Operator::InRegexp | Operator::Any | Operator::Exists => None,
            _ => {
                let message =
                    format!("`matchName` compares names, which {} can hardly mean", expression.op);
                self.warn("match-name-operator", at, message, help);
                None
            }
        }
    }

    fn known_names(&mut self, subject: Subject<'_>, names: &[String], at: Position) {
        let Some(feature) = subject.feature else {
            return;
        };
        for name in names.iter().filter(|name| !feature.may_have(name)) {
            let message = format!("NFD reports no {} in {}", quoted(name), feature.name);
            let help = match feature.nearest(name) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "remove it".to_owned(),
            };
            self.warn("unknown-element", at, message, help);
        }
    }

    /// What is an error for any element that has a value.
    fn has_no_answer(&mut self, expression: &Expression, at: Position) -> bool {
        let Some(error) = fault(expression) else {
            return false;
        };
        let (code, help) = advice(&error);
        self.find(Severity::Error, code, at, error.to_string(), help.map(str::to_owned));
        true
    }

    fn type_is_used(&mut self, operator: Operator, expression: &Expression, at: Position) {
        let compares = matches!(
            operator,
            Operator::Gt
                | Operator::Ge
                | Operator::Lt
                | Operator::Le
                | Operator::GtLt
                | Operator::GeLe
        );
        if !compares && !expression.value_type.is_empty() {
            let message = format!("`type` does nothing with {}", expression.op);
            self.warn(
                "type-ignored",
                at,
                message,
                "remove it, or use Gt, Ge, Lt, Le, GtLt or GeLe",
            );
        }
    }

    /// A flag has no value, so only its presence can be asked for.
    fn flag(&mut self, element: &str, operator: Operator, at: Position) -> Option<bool> {
        if matches!(operator, Operator::Exists | Operator::DoesNotExist) {
            return None;
        }
        let message =
            format!("{} is a flag without a value, so this operator never holds", quoted(element));
        self.warn("flag-operator", at, message, "use `op: Exists` or `op: DoesNotExist`");
        Some(false)
    }

    /// What many authors do not expect of things that are not there.
    fn absence(&mut self, asked: Asked<'_>) {
        let Asked { subject, element, operator, at, .. } = asked;
        let Some(feature) = subject.feature else {
            return;
        };
        if subject.is_of_devices()
            && matches!(operator, Operator::NotIn | Operator::DoesNotExist | Operator::IsFalse)
        {
            let message = format!(
                "this asks for some device in {} of which it is true, not that there is no other",
                feature.name
            );
            let help = "that no such device is there cannot be said in this format";
            self.warn("negation-of-devices", at, message, help);
            return;
        }
        let name = (feature.name.to_owned(), element.to_owned());
        let may_be_absent =
            !feature.always.contains(&element) && !subject.surroundings.absent.contains(&name);
        match operator {
            Operator::NotIn | Operator::IsFalse if may_be_absent => {
                let message = format!("this does not hold on hosts without {}", quoted(element));
                let help = format!(
                    "if it should, add an alternative `{element}: {{op: DoesNotExist}}` under `matchAny`"
                );
                self.warn("absent-is-false", at, message, help);
            }
            Operator::DoesNotExist if !feature.everywhere => {
                let message =
                    format!("this does not hold on hosts that report no {} at all", feature.name);
                let help =
                    "if it should, there is no way to say so; keep it if such hosts do not matter";
                self.warn("absent-feature", at, message, help);
            }
            _ => {}
        }
    }

    fn empty_range(&mut self, operator: Operator, expression: &Expression, at: Position) -> bool {
        use crate::rules::version::Version;
        let [low, high] = expression.value.as_slice() else {
            return false;
        };
        let ranges = matches!(operator, Operator::GtLt | Operator::GeLe);
        let empty = match expression.value_type.as_str() {
            "version" => match (Version::parse(low), Version::parse(high)) {
                (Some(low), Some(high)) => {
                    low > high || (low == high && operator == Operator::GtLt)
                }
                _ => false,
            },
            _ => {
                let gap = (low.parse::<i64>(), high.parse::<i64>());
                let next = |low: i64, high: i64| low.checked_add(1) == Some(high);
                operator == Operator::GtLt && matches!(gap, (Ok(low), Ok(high)) if next(low, high))
            }
        };
        if ranges && empty {
            let message = format!("nothing lies between {} and {}", quoted(low), quoted(high));
            self.warn(
                "empty-range",
                at,
                message,
                "write the smaller value first, or use Ge, Le or In",
            );
        }
        ranges && empty
    }

    /// Identifiers of devices, as the kernel prints them. Returns whether none of the values can match.
    fn device_ids(&mut self, asked: Asked<'_>) -> bool {
        let Asked { subject, element, operator, expression, at } = asked;
        let digits = match (subject.is("pci.device"), subject.is("usb.device"), element) {
            (true, _, "class" | "vendor" | "device" | "subsystem_vendor" | "subsystem_device") => 4,
            (_, true, "class") => 2,
            (_, true, "vendor" | "device") => 4,
            _ => return false,
        };
        if !matches!(operator, Operator::In | Operator::NotIn) {
            return false;
        }
        let mut possible = false;
        for value in &expression.value {
            match id_fault(value, digits) {
                None => possible = true,
                Some((code, message, help)) => self.warn(code, at, message, help),
            }
        }
        operator == Operator::In && !possible
    }

    /// Values of kernel options. Returns whether the expression holds nowhere.
    fn kernel_option(&mut self, asked: Asked<'_>) -> bool {
        let Asked { subject, element: option, operator, expression, at } = asked;
        if !subject.is("kernel.config") {
            return false;
        }
        if matches!(operator, Operator::IsTrue | Operator::IsFalse) {
            let message = format!("the value of {option} is y or m, never true or false");
            let help = format!("write `{option}: {{op: In, value: [\"y\", \"m\"]}}`");
            self.warn("config-value", at, message, help);
            return true;
        }
        let values = &expression.value;
        if operator != Operator::In || !values.iter().all(|value| is_no_option_value(value)) {
            return false;
        }
        let off = values.iter().any(|value| matches!(value.as_str(), "n" | "no" | "false" | "off"));
        let (message, help) = if off {
            (
                format!("an option that is off is not there, so {option} never has this value"),
                format!("write `{option}: {{op: DoesNotExist}}`"),
            )
        } else {
            (
                format!("the value of {option} is y or m, so this never holds"),
                format!("write `{option}: {{op: In, value: [\"y\", \"m\"]}}`, with the quotes"),
            )
        };
        self.warn("config-value", at, message, help);
        true
    }

    /// Names of processor vendors. Returns whether none of the values can match.
    fn cpu_vendor(&mut self, asked: Asked<'_>) -> bool {
        let Asked { subject, element, operator, expression, at } = asked;
        if !subject.is("cpu.model") || element != "vendor_id" || operator != Operator::In {
            return false;
        }
        let mut possible = false;
        for vendor in &expression.value {
            if known::CPU_VENDORS.contains(&vendor.as_str()) {
                possible = true;
                continue;
            }
            let meant = match vendor.as_str() {
                "GenuineIntel" => Some("Intel"),
                "AuthenticAMD" => Some("AMD"),
                "HygonGenuine" => Some("Hygon"),
                other => nearest(other, known::CPU_VENDORS),
            };
            possible |= meant.is_none();
            let message = format!("NFD reports no processor vendor {}", quoted(vendor));
            let help = match meant {
                Some(name) => format!("write {name:?}"),
                None => "vendors are called like \"Intel\", \"AMD\", \"ARM\"".to_owned(),
            };
            self.warn("unknown-vendor", at, message, help);
        }
        !possible
    }
}

fn is_no_option_value(value: &str) -> bool {
    matches!(value, "true" | "false" | "yes" | "no" | "on" | "off" | "n" | "Y" | "M" | "N")
}

/// What is wrong with an identifier of so many hexadecimal digits: code, message and help.
fn id_fault(value: &str, digits: usize) -> Option<(&'static str, String, String)> {
    let bare = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
    let lower = bare.to_ascii_lowercase();
    let is_hex = lower.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare.len() != value.len() {
        let message =
            format!("identifiers are reported without 0x, so {} matches nothing", quoted(value));
        return Some(("device-id", message, format!("write {lower:?}")));
    }
    if is_hex && lower != bare && bare.len() == digits {
        let message =
            format!("identifiers are reported in lower case, so {} matches nothing", quoted(value));
        return Some(("upper-case-id", message, format!("write {lower:?}")));
    }
    if is_hex && bare.len() == 6 && digits == 4 {
        let class = lower.get(..4).unwrap_or_default();
        let message = format!(
            "of a class only the first four digits are reported, so {} matches nothing",
            quoted(value)
        );
        return Some(("device-id", message, format!("write {class:?}")));
    }
    if !is_hex || bare.len() != digits {
        let message = format!("{} is no identifier of {digits} hexadecimal digits", quoted(value));
        let help =
            "quote identifiers: without quotes, YAML turns 0200 into 128 and 1e04 into 10000";
        return Some(("device-id", message, help.to_owned()));
    }
    None
}

/// The stable code of an error of evaluation, and what helps.
fn advice(error: &ExpressionError) -> (&'static str, Option<&'static str>) {
    match error {
        ExpressionError::UnknownOperator { .. } => (
            "unknown-operator",
            Some(
                "operators are In, NotIn, InRegexp, Exists, DoesNotExist, Gt, Ge, Lt, Le, GtLt, GeLe, IsTrue and IsFalse, in this spelling",
            ),
        ),
        ExpressionError::UnexpectedValues { op: "", .. } => {
            ("missing-operator", Some("add `op: In`"))
        }
        ExpressionError::UnexpectedValues { .. } => {
            ("wrong-count", Some("remove `value`, or use an operator that compares, such as In"))
        }
        ExpressionError::WrongCount { .. } => ("wrong-count", None),
        ExpressionError::UnknownType { .. } => ("unknown-type", None),
        ExpressionError::NotAnInteger { .. } => (
            "not-an-integer",
            Some("use In to compare texts, or add `type: version` to compare versions"),
        ),
        ExpressionError::NotAVersion { .. } => {
            ("not-a-version", Some("NFD reads versions like 5, 5.15 and 5.15.3-rc1"))
        }
        ExpressionError::BoundsOrder { .. } => {
            ("reversed-bounds", Some("write the smaller value first; for one value use In"))
        }
        ExpressionError::BadPattern { .. } => (
            "bad-pattern",
            Some("patterns are Go's regular expressions (RE2): no look-around, no back-references"),
        ),
        ExpressionError::DependsOnUndecided { .. } | ExpressionError::TooMuchWork => {
            ("too-large", None)
        }
    }
}
