//! A JSON number as it is written, and exactly what it means.
//!
//! Integers of any length are told apart exactly; within 64 bits they also compare exactly with
//! the bounds of a schema. What has a fraction, or is longer, compares with a schema's bounds as
//! the nearest 64-bit float (RFC 8259, section 6, on what can be expected of readers).

use std::cmp::Ordering;

use serde_json::Value;

/// A literal that follows the grammar of JSON numbers.
#[derive(Clone, Copy)]
pub(crate) struct Number<'a> {
    literal: &'a str,
}

/// The value of a literal: `0.digits × 10^exponent`, negative or not. The digits neither start nor
/// end with zero, so equal values have equal parts; zero has no digits.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// What kind of number a literal is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// An integer whose magnitude fits into 64 bits.
    Small { negative: bool, magnitude: u64 },
    /// A longer integer.
    Large,
    /// Not an integer.
    Fraction,
}

/// Literals this short and without exponent are within the range of a 64-bit float.
const SURELY_IN_RANGE: usize = 300;

impl<'a> Number<'a> {
    pub(crate) fn new(literal: &'a str) -> Self {
        Self { literal }
    }

    pub(crate) fn literal(self) -> &'a str {
        self.literal
    }

    /// Whether a 64-bit float holds it: not infinite there, and zero only if it is zero.
    pub(super) fn in_range(self) -> bool {
        if self.literal.len() <= SURELY_IN_RANGE && !self.literal.contains(['e', 'E']) {
            return true;
        }
        let nearest = self.nearest();
        nearest.is_finite() && (nearest != 0.0 || Decimal::of(self.literal).is_zero())
    }

    /// The nearest 64-bit float.
    pub(crate) fn nearest(self) -> f64 {
        self.literal.parse().unwrap_or(f64::NAN)
    }

    /// Its value, if that is an integer from 0 to 2^64−1, however it is written.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self.class() {
            Class::Small { negative, magnitude } => (!negative || magnitude == 0).then_some(magnitude),
            Class::Large | Class::Fraction => None,
        }
    }

    /// Its value, if that is an integer from −2^63 to 2^63−1, however it is written.
    pub(crate) fn as_i64(self) -> Option<i64> {
        match self.class() {
            Class::Small { negative: true, magnitude } => 0_i64.checked_sub_unsigned(magnitude),
            Class::Small { negative: false, magnitude } => i64::try_from(magnitude).ok(),
            Class::Large | Class::Fraction => None,
        }
    }

    /// Whether its value is an integer: `7`, `7.0` and `70e-1` are.
    pub(crate) fn is_integer(self) -> bool {
        self.class() != Class::Fraction
    }

    /// Whether it is written as one, with neither fraction nor exponent.
    pub(crate) fn is_written_as_integer(self) -> bool {
        !self.literal.contains(['.', 'e', 'E'])
    }

    /// Whether it is written as an integer that 64 bits do not hold.
    pub(crate) fn is_long_integer(self) -> bool {
        self.is_written_as_integer() && self.as_u64().is_none() && self.as_i64().is_none()
    }

    /// The float that stands for it where a schema's bound is compared with a float.
    ///
    /// An integer just below −2^63 would round to that bound and seem to meet it, so it becomes
    /// the next float below.
    pub(crate) fn for_bounds(self) -> f64 {
        const LEAST: f64 = -9_223_372_036_854_775_808.0;
        let nearest = self.nearest();
        let on_the_bound = nearest == LEAST;
        if on_the_bound && self.is_integer() && self.as_i64().is_none() {
            return nearest.next_down();
        }
        nearest
    }

    /// As `serde_json` reads it.
    pub(crate) fn to_value(self) -> Value {
        serde_json::from_str(self.literal).unwrap_or(Value::Null)
    }

    /// A total order in which exactly the equal values are equal: `1`, `1.0` and `10e-1`.
    pub(crate) fn compare(self, other: Number<'_>) -> Ordering {
        Decimal::of(self.literal).compare(&Decimal::of(other.literal))
    }

    fn class(self) -> Class {
        if self.literal.len() < 20
            && let Ok(magnitude) = self.literal.parse()
        {
            return Class::Small { negative: false, magnitude };
        }
        Decimal::of(self.literal).class()
    }
}

impl<'a> Decimal<'a> {
    /// Linear in the length of the literal.
    fn of(literal: &'a str) -> Self {
        let (negative, magnitude) = match literal.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, literal),
        };
        let (digits, exponent) = magnitude
            .split_once(['e', 'E'])
            .map_or((magnitude, 0), |(digits, exponent)| (digits, saturating(exponent)));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = without_leading_zeros(whole.as_bytes());
        let fraction = without_trailing_zeros(fraction.as_bytes());
        let (whole, fraction, shift) = if whole.is_empty() {
            let significant = without_leading_zeros(fraction);
            let zeros = length(fraction) - length(significant);
            (whole, significant, -zeros)
        } else if fraction.is_empty() {
            (without_trailing_zeros(whole), fraction, length(whole))
        } else {
            (whole, fraction, length(whole))
        };
        let zero = whole.is_empty() && fraction.is_empty();
        Self {
            negative: negative && !zero,
            whole,
            fraction,
            exponent: if zero { 0 } else { exponent.saturating_add(shift) },
        }
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.whole.iter().chain(self.fraction)
    }

    fn class(&self) -> Class {
        let significant = length(self.whole) + length(self.fraction);
        if self.exponent < significant {
            return Class::Fraction;
        }
        let mut magnitude: u64 = 0;
        let zeros = usize::try_from(self.exponent - significant).unwrap_or(usize::MAX);
        if zeros > 20 {
            return Class::Large;
        }
        for digit in self.digits().chain(std::iter::repeat_n(&b'0', zeros)) {
            let next =
                magnitude.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit.saturating_sub(b'0'))));
            match next {
                Some(next) => magnitude = next,
                None => return Class::Large,
            }
        }
        Class::Small { negative: self.negative, magnitude }
    }

    fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let magnitude = || {
            // Digits start with one that is not zero, so the exponent decides first; zero has the
            // exponent 0 and no digits.
            match (self.is_zero(), other.is_zero()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits().cmp(other.digits())),
            }
        };
        match (self.negative, other.negative) {
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// An exponent; one beyond 64 bits belongs to a number that is out of range, or to zero.
fn saturating(exponent: &str) -> i64 {
    exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 })
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let first = digits.iter().position(|&digit| digit != b'0');
    digits.get(first.unwrap_or(digits.len())..).unwrap_or_default()
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let last = digits.iter().rposition(|&digit| digit != b'0');
    digits.get(..last.map_or(0, |last| last + 1)).unwrap_or_default()
}

fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}
