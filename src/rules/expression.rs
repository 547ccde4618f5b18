//! One expression on one element: the fourteen operators.
//!
//! Source: NFD `pkg/apis/nfd/nodefeaturerule/expression.go` (evaluateMatchExpression), including the order of its
//! checks: an unknown operator is an error even where the element is missing, but values are looked at only where
//! there is something to compare them with. Called by `term.rs`.

use super::effort::Effort;
use super::expression_error::{ExpressionError, Side};
use super::quote::quoted;
use super::version::Version;
use crate::spec::Expression;

/// The operators that NFD knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The empty operator: holds for anything.
    Any,
    /// The value is one of those given.
    In,
    /// The value is none of those given.
    NotIn,
    /// The value matches one of the patterns given.
    InRegexp,
    /// The element is there.
    Exists,
    /// The element is not there.
    DoesNotExist,
    /// The value is greater.
    Gt,
    /// The value is greater or equal.
    Ge,
    /// The value is less.
    Lt,
    /// The value is less or equal.
    Le,
    /// The value is between two others.
    GtLt,
    /// The value is between two others, or one of them.
    GeLe,
    /// The value is `true`.
    IsTrue,
    /// The value is `false`.
    IsFalse,
}

impl Operator {
    /// Every operator with its name, which is case-sensitive.
    pub const ALL: [(&'static str, Operator); 14] = [
        ("", Operator::Any),
        ("In", Operator::In),
        ("NotIn", Operator::NotIn),
        ("InRegexp", Operator::InRegexp),
        ("Exists", Operator::Exists),
        ("DoesNotExist", Operator::DoesNotExist),
        ("Gt", Operator::Gt),
        ("Ge", Operator::Ge),
        ("Lt", Operator::Lt),
        ("Le", Operator::Le),
        ("GtLt", Operator::GtLt),
        ("GeLe", Operator::GeLe),
        ("IsTrue", Operator::IsTrue),
        ("IsFalse", Operator::IsFalse),
    ];

    /// The operator of this name.
    pub fn from_name(name: &str) -> Option<Operator> {
        Operator::ALL.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// The name somebody most probably meant who wrote this one.
    pub fn suggestion(name: &str) -> Option<&'static str> {
        let other_words = [
            ("=", "In"),
            ("==", "In"),
            ("Equals", "In"),
            ("!=", "NotIn"),
            ("NotEquals", "NotIn"),
            ("=~", "InRegexp"),
            ("Matches", "InRegexp"),
            ("Regex", "InRegexp"),
            ("Regexp", "InRegexp"),
            ("NotExists", "DoesNotExist"),
            (">", "Gt"),
            (">=", "Ge"),
            ("<", "Lt"),
            ("<=", "Le"),
            ("True", "IsTrue"),
            ("False", "IsFalse"),
        ];
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        let names =
            || Operator::ALL.iter().map(|(known, _)| *known).filter(|known| !known.is_empty());
        names()
            .find(|known| same(known))
            .or_else(|| other_words.iter().find(|(word, _)| same(word)).map(|(_, known)| *known))
            .or_else(|| {
                if name.len() > 16 {
                    return None;
                }
                let distance = |known: &str| strsim::levenshtein(name, known);
                names()
                    .min_by_key(|known| distance(known))
                    .filter(|known| distance(known) <= known.len() / 3)
            })
    }
}

/// What the host has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element<'a> {
    /// Nothing.
    Missing,
    /// A name without a value.
    Flag,
    /// A value.
    Value(&'a str),
}

/// What an expression says about one element.
pub(super) type Outcome = Result<bool, ExpressionError>;

/// What is wrong with an expression in itself: the error that it gives for any element with a value, such as a
/// pattern that is not valid. The linter asks for it.
pub fn fault(expression: &Expression) -> Option<ExpressionError> {
    let check = match Check::new(expression) {
        Ok(check) => check,
        Err(error) => return Some(error),
    };
    // 0 is an integer and a version, so that an error is never about this value.
    check.holds(Element::Value("0"), &mut Effort::new()).err()
}

/// An expression that is ready to be asked about elements: its operator is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check<'s> {
    name: &'static str,
    /// The operator.
    pub operator: Operator,
    /// The operator's values.
    pub values: &'s [String],
    value_type: &'s str,
}

impl<'s> Check<'s> {
    /// Looks at what is wrong with an expression whatever element it meets.
    pub fn new(expression: &'s Expression) -> Result<Check<'s>, ExpressionError> {
        let known = Operator::ALL.iter().find(|(name, _)| *name == expression.op);
        let Some(&(name, operator)) = known else {
            return Err(ExpressionError::UnknownOperator {
                op: quoted(&expression.op),
                suggestion: Operator::suggestion(&expression.op),
            });
        };
        let about_existence =
            matches!(operator, Operator::Any | Operator::Exists | Operator::DoesNotExist);
        if about_existence && !expression.value.is_empty() {
            let count = expression.value.len();
            return Err(ExpressionError::UnexpectedValues { op: name, count });
        }
        let value_type = &expression.value_type;
        Ok(Check { name, operator, values: &expression.value, value_type })
    }

    /// Whether the expression holds for an element.
    pub fn holds(
        &self,
        element: Element<'_>,
        effort: &mut Effort<'s>,
    ) -> Result<bool, ExpressionError> {
        effort.spend(1)?;
        match (self.operator, element) {
            (Operator::Any, _) => Ok(true),
            (Operator::Exists, element) => Ok(element != Element::Missing),
            (Operator::DoesNotExist, element) => Ok(element == Element::Missing),
            (_, Element::Missing | Element::Flag) => Ok(false),
            (_, Element::Value(value)) => self.compare(value, effort),
        }
    }

    fn compare(&self, value: &str, effort: &mut Effort<'s>) -> Result<bool, ExpressionError> {
        match self.operator {
            Operator::In => self.contains(value, effort),
            Operator::NotIn => self.contains(value, effort).map(|found| !found),
            Operator::InRegexp => self.matches(value, effort),
            Operator::IsTrue => self.no_values().map(|()| value == "true"),
            Operator::IsFalse => self.no_values().map(|()| value == "false"),
            Operator::GtLt | Operator::GeLe => self.between(value),
            _ => self.order(value),
        }
    }

    fn no_values(&self) -> Result<(), ExpressionError> {
        match self.values.len() {
            0 => Ok(()),
            count => Err(ExpressionError::UnexpectedValues { op: self.name, count }),
        }
    }

    fn wrong_count(&self, needed: &'static str) -> ExpressionError {
        ExpressionError::WrongCount { op: self.name, needed, count: self.values.len() }
    }

    fn contains(&self, value: &str, effort: &mut Effort<'s>) -> Result<bool, ExpressionError> {
        if self.values.is_empty() {
            return Err(self.wrong_count("at least one value"));
        }
        effort.spend(self.values.len() / 4)?;
        Ok(self.values.iter().any(|wanted| wanted == value))
    }

    /// All patterns must be valid, also those behind one that matches.
    fn matches(&self, value: &str, effort: &mut Effort<'s>) -> Result<bool, ExpressionError> {
        if self.values.is_empty() {
            return Err(self.wrong_count("at least one pattern"));
        }
        self.values.iter().try_for_each(|pattern| effort.compile(pattern))?;
        for pattern in self.values {
            if effort.is_match(pattern, value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn order(&self, value: &str) -> Result<bool, ExpressionError> {
        let [bound] = self.values else { return Err(self.wrong_count("exactly one value")) };
        let ordering = if self.is_version()? {
            self.host_version(value)?.cmp(&self.version(bound)?)
        } else {
            self.integer(Side::Host, value)?.cmp(&self.integer(Side::Specification, bound)?)
        };
        Ok(match self.operator {
            Operator::Gt => ordering.is_gt(),
            Operator::Ge => ordering.is_ge(),
            Operator::Lt => ordering.is_lt(),
            _ => ordering.is_le(),
        })
    }

    fn between(&self, value: &str) -> Result<bool, ExpressionError> {
        let [low, high] = self.values else { return Err(self.wrong_count("exactly two values")) };
        if self.is_version()? {
            let value = self.host_version(value)?;
            return Ok(self.inside(value, self.version(low)?, self.version(high)?));
        }
        let value = self.integer(Side::Host, value)?;
        let low = self.integer(Side::Specification, low)?;
        let high = self.integer(Side::Specification, high)?;
        // NFD asks for this of integers only.
        if low >= high {
            return Err(ExpressionError::BoundsOrder { op: self.name, low, high });
        }
        Ok(self.inside(value, low, high))
    }

    fn inside<T: Ord>(&self, value: T, low: T, high: T) -> bool {
        match self.operator {
            Operator::GtLt => low < value && value < high,
            _ => low <= value && value <= high,
        }
    }

    fn is_version(&self) -> Result<bool, ExpressionError> {
        match self.value_type {
            "" => Ok(false),
            "version" => Ok(true),
            other => Err(ExpressionError::UnknownType { op: self.name, value_type: quoted(other) }),
        }
    }

    /// Go's `strconv.Atoi`: an optional sign and decimal digits, 64 bits.
    fn integer(&self, side: Side, text: &str) -> Result<i64, ExpressionError> {
        let error = |_| ExpressionError::NotAnInteger { op: self.name, side, text: quoted(text) };
        text.parse().map_err(error)
    }

    fn version(&self, text: &str) -> Result<Version, ExpressionError> {
        Version::parse(text).ok_or_else(|| self.not_a_version(Side::Specification, text))
    }

    fn host_version(&self, text: &str) -> Result<Version, ExpressionError> {
        Version::parse_host(text).ok_or_else(|| self.not_a_version(Side::Host, text))
    }

    fn not_a_version(&self, side: Side, text: &str) -> ExpressionError {
        ExpressionError::NotAVersion { op: self.name, side, text: quoted(text) }
    }
}
