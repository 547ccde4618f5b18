//! Writes floating point numbers as Go does.
//!
//! Used by `printf.rs` and `json.rs`. Rule: `strconv.FormatFloat` for 64 bits. Digits come from Rust's formatter, which
//! is exact for every precision and shortest without one; layout and thresholds are Go's.

/// Digits after the point that any `f64` can have; more are zeros.
const EXACT_DIGITS: usize = 1100;

/// `strconv.FormatFloat(value, verb, precision, 64)`; no precision means the shortest that reads back the same.
pub fn format(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match verb {
        'e' | 'E' => exponential(value, verb, precision),
        'f' => fixed(value, precision),
        _ => general(value, if verb == 'G' { 'E' } else { 'e' }, precision),
    }
}

fn fixed(value: f64, precision: Option<usize>) -> String {
    match precision {
        None => format!("{value}"),
        Some(digits) => {
            let exact = digits.min(EXACT_DIGITS);
            let mut text = format!("{value:.exact$}");
            text.extend(std::iter::repeat_n('0', digits - exact));
            text
        }
    }
}

/// `-d.ddde±dd` with at least two digits of exponent.
fn exponential(value: f64, verb: char, precision: Option<usize>) -> String {
    let text = match precision {
        None => format!("{value:e}"),
        Some(digits) => {
            let exact = digits.min(EXACT_DIGITS);
            format!("{value:.exact$e}")
        }
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut mantissa = mantissa.to_owned();
    if let Some(digits) = precision {
        mantissa.extend(std::iter::repeat_n('0', digits.saturating_sub(EXACT_DIGITS)));
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{verb}{sign}{:02}", exponent.abs())
}

/// Exponential for very small and large exponents, fixed otherwise.
fn general(value: f64, verb: char, precision: Option<usize>) -> String {
    let significant = precision.map(|digits| digits.clamp(1, EXACT_DIGITS));
    let (digits, exponent) = significant_digits(value, significant);
    let threshold = match significant {
        None => 6,
        Some(wanted) if wanted > digits && digits as i32 > exponent => digits as i32,
        Some(wanted) => wanted as i32,
    };
    if exponent < -4 || exponent >= threshold {
        return exponential(value, verb, significant.map(|_| digits - 1));
    }
    let fraction = (digits as i32 - exponent - 1).max(0) as usize;
    fixed(value, significant.map(|_| fraction))
}

/// How many digits are left without trailing zeros, and the decimal exponent of the first.
fn significant_digits(value: f64, significant: Option<usize>) -> (usize, i32) {
    let text = match significant {
        None => format!("{value:e}"),
        Some(count) => {
            let after_first = count - 1;
            format!("{value:.after_first$e}")
        }
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let kept = digits.trim_end_matches('0').len().max(1);
    (kept, exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_go_s() {
        let cases = [
            (1e6, 'g', None, "1e+06"),
            (123456.0, 'g', None, "123456"),
            (0.0001, 'g', None, "0.0001"),
            (0.00001, 'g', None, "1e-05"),
            (123456789.0, 'g', Some(3), "1.23e+08"),
            (100000.0, 'g', Some(10), "100000"),
            (2.5, 'f', Some(0), "2"),
            (0.25, 'f', Some(1), "0.2"),
            (1.005, 'f', Some(2), "1.00"),
            (1e-10, 'G', None, "1E-10"),
            (1234.5678, 'e', Some(2), "1.23e+03"),
            (-0.0, 'g', None, "-0"),
        ];
        for (value, verb, precision, text) in cases {
            assert_eq!(format(value, verb, precision), text);
        }
    }

    #[test]
    fn any_precision_is_written() {
        assert_eq!(format(1.5, 'f', Some(70_000)).len(), 70_002);
    }
}
