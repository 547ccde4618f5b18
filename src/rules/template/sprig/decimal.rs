//! Decimal numbers, so that `addf 0.1 0.2` is 0.3.
//!
//! Rule: shopspring/decimal 1.4.0, as sprig's float functions use it; a division keeps 16 digits after the point. Its
//! numbers have any length; here 38 digits are the bound.

/// `digits · 10^exponent`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Digits after the point that a division keeps.
const DIVISION_DIGITS: i32 = 16;

fn scaled(digits: i128, by: i32) -> Option<i128> {
    digits.checked_mul(10i128.checked_pow(u32::try_from(by).ok()?)?)
}

impl Decimal {
    /// The shortest decimal that reads back as `value`; none for what is no finite number.
    pub fn new(value: f64) -> Option<Decimal> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        Some(Decimal {
            digits: mantissa.replace('.', "").parse().ok()?,
            exponent: exponent.parse::<i32>().ok()? - i32::try_from(fraction).ok()?,
        })
    }

    /// The nearest float.
    pub fn to_float(self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(0.0)
    }

    fn aligned(self, other: Decimal) -> Option<(i128, i128, i32)> {
        if self.digits == 0 || other.digits == 0 {
            let exponent = if self.digits == 0 { other.exponent } else { self.exponent };
            return Some((self.digits, other.digits, exponent));
        }
        let exponent = self.exponent.min(other.exponent);
        let left = scaled(self.digits, self.exponent - exponent)?;
        Some((left, scaled(other.digits, other.exponent - exponent)?, exponent))
    }

    /// The sum.
    pub fn add(self, other: Decimal) -> Option<Decimal> {
        let (left, right, exponent) = self.aligned(other)?;
        Some(Decimal { digits: left.checked_add(right)?, exponent })
    }

    /// The difference.
    pub fn sub(self, other: Decimal) -> Option<Decimal> {
        self.add(Decimal { digits: -other.digits, ..other })
    }

    /// The product.
    pub fn mul(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal {
            digits: self.digits.checked_mul(other.digits)?,
            exponent: self.exponent + other.exponent,
        })
    }

    /// The quotient to [`DIVISION_DIGITS`] after the point, halves away from zero; none for a division by zero.
    pub fn div(self, other: Decimal) -> Option<Decimal> {
        let shift = self.exponent - other.exponent + DIVISION_DIGITS;
        let (left, right) = if shift < 0 {
            // The divisor may outgrow every quotient; then the quotient is zero.
            (
                self.digits,
                scaled(other.digits, -shift).or(Some(i128::MAX)).filter(|_| other.digits != 0)?,
            )
        } else {
            (scaled(self.digits, shift)?, other.digits)
        };
        let quotient = left.checked_div(right)?;
        let remainder = left.checked_rem(right)?;
        let up = remainder.unsigned_abs() >= right.unsigned_abs().div_ceil(2);
        let away = if (left < 0) == (right < 0) { 1 } else { -1 };
        let digits = if up && remainder != 0 { quotient + away } else { quotient };
        Some(Decimal { digits, exponent: -DIVISION_DIGITS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let sum = Decimal::new(0.1).unwrap().add(Decimal::new(0.2).unwrap()).unwrap();
        assert_eq!(sum.to_float(), 0.3);
    }

    #[test]
    fn quotients_have_sixteen_places() {
        let third = Decimal::new(2.0).unwrap().div(Decimal::new(3.0).unwrap()).unwrap();
        assert_eq!(third.to_float(), 0.666_666_666_666_666_7);
        assert_eq!(Decimal::new(1.0).unwrap().div(Decimal::new(0.0).unwrap()), None);
    }

    #[test]
    fn what_is_too_long_or_no_number_is_none() {
        assert_eq!(Decimal::new(f64::NAN), None);
        assert_eq!(Decimal::new(1e300).unwrap().add(Decimal::new(1.0).unwrap()), None);
    }
}
