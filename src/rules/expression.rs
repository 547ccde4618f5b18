//! One expression on one element: the fourteen operators.
//!
//! Source: NFD `pkg/apis/nfd/nodefeaturerule/expression.go` (evaluateMatchExpression), including the order of its
//! checks: an unknown operator is an error even where the element is missing, but values are looked at only where
//! there is something to compare them with. Called by `term.rs`.

use thiserror::Error;

use super::effort::Effort;
use super::pattern::PatternError;
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

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// The operator is none of NFD's.
    #[error("unknown operator {op}{}", did_you_mean(*suggestion))]
    UnknownOperator {
        /// The operator as written, quoted.
        op: String,
        /// What was probably meant.
        suggestion: Option<&'static str>,
    },
    /// Operators that take no values got some.
    #[error("operator {op:?} takes no values, but {count} are given{}", op_hint(op))]
    UnexpectedValues {
        /// The operator.
        op: &'static str,
        /// How many values it got.
        count: usize,
    },
    /// Operators that need a value, or exactly so many, got another number.
    #[error("operator {op} needs {needed}, but {count} are given")]
    WrongCount {
        /// The operator.
        op: &'static str,
        /// How many it needs.
        needed: &'static str,
        /// How many values it got.
        count: usize,
    },
    /// The `type` is neither empty nor `version`.
    #[error("unknown type {value_type} for operator {op}; it can be \"version\" or be left out")]
    UnknownType {
        /// The operator.
        op: &'static str,
        /// The type as written, quoted.
        value_type: String,
    },
    /// A text is not a number.
    #[error(
        "{side} {text} is not an integer of 64 bits, which operator {op} compares{}",
        version_hint(text)
    )]
    NotAnInteger {
        /// The operator.
        op: &'static str,
        /// Whose text it is.
        side: Side,
        /// The text, quoted.
        text: String,
    },
    /// A text is not a version.
    #[error("{side} {text} is not a version, which operator {op} compares")]
    NotAVersion {
        /// The operator.
        op: &'static str,
        /// Whose text it is.
        side: Side,
        /// The text, quoted.
        text: String,
    },
    /// The lower bound is not below the upper one.
    #[error("operator {op} needs a first value below the second, but {low} is not below {high}")]
    BoundsOrder {
        /// The operator.
        op: &'static str,
        /// The first value.
        low: i64,
        /// The second value.
        high: i64,
    },
    /// A pattern cannot be compiled.
    #[error("pattern {pattern} is not valid: {source}")]
    BadPattern {
        /// The pattern, quoted.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// It depends on the variables of a rule that is itself undecided.
    #[error("depends on the variables of rule {rule}, which could not be evaluated")]
    DependsOnUndecided {
        /// The rule's name, quoted.
        rule: String,
    },
    /// The steps of [`crate::limits::EVALUATION_STEPS`] are used up, or the patterns take too much memory.
    #[error("the specification takes too much work to evaluate")]
    TooMuchWork,
}

/// Whose text an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The host's value.
    Host,
    /// A value of the specification.
    Specification,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Host => "the host's value",
            Side::Specification => "the value",
        })
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn op_hint(op: &str) -> &'static str {
    if op.is_empty() { "; is \"op\" missing?" } else { "" }
}

/// Kernel and operating system versions are the usual texts that people compare as if they were integers.
fn version_hint(text: &str) -> &'static str {
    if Version::parse_host(text.trim_matches('"')).is_some() {
        "; \"type: version\" compares versions"
    } else {
        ""
    }
}

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
