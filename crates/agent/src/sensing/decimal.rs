//! Decimal text to scaled integers, without floats: `12.345` at scale 100 is 1235.

/// Reads a decimal number such as `-12.5` and returns it times `scale`, rounded half away from zero.
///
/// # Errors
/// A reason for people: no such number, or one that does not fit 32 bits.
pub(super) fn scaled(text: &str, scale: u32) -> Result<i32, &'static str> {
    const SYNTAX: &str = "a decimal number such as -12.5 is expected";
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return Err(SYNTAX);
    }
    if whole.len() > 12 || fraction.len() > 18 {
        return Err("more digits than a measurement has");
    }
    let number =
        |part: &str| part.bytes().fold(0_i128, |sum, byte| sum * 10 + i128::from(byte - b'0'));
    let decimals = u32::try_from(fraction.len()).unwrap_or(0);
    let unit = 10_i128.pow(decimals);
    let exact = (number(whole) * unit + number(fraction)) * i128::from(scale);
    let rounded = (exact * 2 + unit) / (unit * 2);
    i32::try_from(if negative { -rounded } else { rounded }).map_err(|_| "too large for 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_scaled_exactly() {
        for (text, scale, value) in [
            ("0", 100, 0),
            ("-0.0", 100, 0),
            ("12.345", 100, 1_235),
            ("-12.345", 100, -1_235),
            ("12.344999", 100, 1_234),
            ("+7", 1, 7),
            ("40.6924833", 10_000_000, 406_924_833),
            ("-73.7786925", 10_000_000, -737_786_925),
        ] {
            assert_eq!(scaled(text, scale), Ok(value), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "NaN", "inf", "1,5", "0x10", "--1", "1.2.3", "３"]
        {
            assert!(scaled(text, 100).is_err(), "{text}");
        }
        assert!(scaled("99999999999", 100).is_err());
        assert!(scaled("9999999999999", 1).is_err());
        assert!(scaled("0.0000000000000000000", 1).is_err());
    }
}
