//! JSON numbers as canonical decimals, exact at any size: two texts of one number give one decimal.
//!
//! The form: `0` for zero, whatever its sign or exponent; else an optional `-`, the significant digits without leading
//! or trailing zeros, `e`, and the power of ten that the last digit counts. So `1`, `1.0` and `1e0` are `1e0`, `100` is
//! `1e2`, `-0.150` is `-15e-2`. It is never longer than the text it came from by more than the exponent.

/// The canonical decimal of a number in the grammar of RFC 8259, section 6; `None` if the text isn't one, or if its
/// exponent has more than 18 digits.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let exponent_digits = exponent.map(split_sign);
    if exponent_digits.is_some_and(|(_, digits)| !is_digits(digits)) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let trailing_zeros = digits.len().checked_sub(digits.trim_end_matches('0').len())?;
    let power = power_of_ten(exponent_digits)?
        .checked_add(i64::try_from(trailing_zeros).ok()?)?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some(format!("{sign}{significant}e{power}"))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether an exponent is negative, and its digits.
fn split_sign(exponent: &str) -> (bool, &str) {
    match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    }
}

fn power_of_ten(exponent: Option<(bool, &str)>) -> Option<i64> {
    let Some((negative, digits)) = exponent else {
        return Some(0);
    };
    let significant = digits.trim_start_matches('0');
    if significant.len() > 18 {
        return None;
    }
    let power: i64 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    Some(if negative { power.checked_neg()? } else { power })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::canonical;

    #[test]
    fn texts_of_one_number_are_one_decimal() {
        let rows: &[(&str, &[&str])] = &[
            ("1e0", &["1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "1.000", "100e-2", "0.001e3"]),
            ("0", &["0", "-0", "0.0", "-0.000", "0e5", "-0E-7", "0e99999999999999999999999999"]),
            ("1e2", &["100", "1e2", "100.0", "0.1e3"]),
            ("-15e-2", &["-0.15", "-0.150", "-15e-2", "-1.5E-1"]),
            ("18446744073709551616e0", &["18446744073709551616", "18446744073709551616.0"]),
            ("18446744073709551615e0", &["18446744073709551615"]),
            ("1e400", &["1e400", "1E+400", "10e399", "1e0400"]),
            ("123456789012345678901234567890123456789e-5", &["1234567890123456789012345678901234.56789"]),
            ("1e999999999999999999", &["1e999999999999999999"]),
            ("1e-999999999999999999", &["1e-999999999999999999"]),
        ];
        for (decimal, texts) in rows {
            for text in *texts {
                assert_eq!(canonical(text).as_deref(), Some(*decimal), "{text}");
            }
        }
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "00",
            ".5",
            "5.",
            "1.e1",
            "1e",
            "1e+",
            "1e1.0",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "NaN",
            "Infinity",
            "-Infinity",
            "1ee1",
            "--1",
            "1e1000000000000000000",
            "\u{0661}",
            "1,0",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shifted_point_changes_nothing(digits in "[1-9][0-9]{0,60}", shift in 0usize..80, negative: bool) {
            let sign = if negative { "-" } else { "" };
            let zeros = "0".repeat(shift);
            let plain = canonical(&format!("{sign}{digits}"));
            prop_assert!(plain.is_some());
            prop_assert_eq!(&canonical(&format!("{sign}{digits}.{zeros}0")), &plain);
            prop_assert_eq!(&canonical(&format!("{sign}{digits}{zeros}e-{shift}")), &plain);
            prop_assert_eq!(&canonical(&format!("{sign}0.{zeros}{digits}e{}", shift + digits.len())), &plain);
        }

        #[test]
        fn it_is_its_own_canonical_form_and_never_panics(text in "-?[0-9]{0,20}[.]?[0-9]{0,20}([eE][+-]?[0-9]{0,20})?") {
            if let Some(decimal) = canonical(&text) {
                prop_assert_eq!(canonical(&decimal), Some(decimal));
            }
        }

        #[test]
        fn unequal_numbers_differ(one: i64, other: i64) {
            prop_assert_eq!(canonical(&one.to_string()) == canonical(&other.to_string()), one == other);
        }
    }
}
