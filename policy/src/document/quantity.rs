//! Numbers, durations and sizes as authors write them. Errors say what to write instead.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `4096`, `4_096`, `4e3`.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<u32>().ok()),
        None => (text, Some(0)),
    };
    let grouped = mantissa.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = mantissa.replace('_', "");
    let factor = exponent.and_then(|exponent| 10_u64.checked_pow(exponent));
    match (grouped, factor) {
        (true, Some(factor)) => digits
            .parse::<u64>()
            .ok()
            .and_then(|value| value.checked_mul(factor))
            .ok_or_else(|| format!("write a number up to {}", u64::MAX)),
        _ => Err(String::from("write digits alone, such as `4096` or `1e9`")),
    }
}

/// `250ms`, `1s`, `5m`, `12h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let Some((_, ms)) = DURATIONS.iter().find(|(known, _)| *known == unit) else {
        return Err(if unit.is_empty() {
            String::from("add a unit: `ms`, `s`, `m`, `h` or `d`")
        } else {
            String::from("write a whole number and one of `ms`, `s`, `m`, `h`, `d`")
        });
    };
    let ms = whole(number)?.checked_mul(*ms);
    ms.map(Duration::from_millis).ok_or_else(|| String::from("write a shorter duration"))
}

/// `1024`, `1KiB`, `64MiB`, `2GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    if unit.is_empty() {
        return whole(number);
    }
    match SIZES.iter().find(|(known, _)| *known == unit) {
        Some((_, bytes)) => whole(number)?.checked_mul(*bytes).ok_or_else(|| String::from("write a smaller size")),
        None => Err(String::from("write a whole number and one of `B`, `KiB`, `MiB`, `GiB` (steps of 1024)")),
    }
}

/// A duration in the largest unit that gives a whole number.
pub(crate) fn duration_text(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    DURATIONS
        .iter()
        .rev()
        .find(|(_, unit)| ms >= *unit && ms.is_multiple_of(*unit))
        .map_or_else(|| String::from("0ms"), |(name, unit)| format!("{}{name}", ms / unit))
}

/// A size in the largest unit that gives a whole number.
pub(super) fn size_text(bytes: u64) -> String {
    SIZES
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| String::from("0B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// The number in front and the letters after it. An `e` between digits belongs to the number.
fn split_unit(text: &str) -> (&str, &str) {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    text.split_at_checked(number.len()).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("4_096", Some(4096)),
            ("1e9", Some(1_000_000_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("2e19", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("", None),
            ("_1", None),
            ("1__0", None),
            ("1e", None),
            ("1e-3", None),
            ("0x10", None),
            ("٣", None),
        ] {
            assert_eq!(whole(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0ms", Some(0)),
            ("250ms", Some(250)),
            ("1s", Some(1000)),
            ("5m", Some(300_000)),
            ("12h", Some(43_200_000)),
            ("1d", Some(86_400_000)),
            ("1", None),
            ("1 s", None),
            ("1.5s", None),
            ("1S", None),
            ("s", None),
            ("1m30s", None),
            ("-1s", None),
            ("18446744073709551615s", None),
        ] {
            let read = duration(text).ok().map(|read| read.as_millis());
            assert_eq!(read, ms, "{text}");
        }
        for (ms, text) in
            [(0, "0ms"), (1, "1ms"), (1500, "1500ms"), (60_000, "1m"), (86_400_000, "1d"), (3_601_000, "3601s")]
        {
            assert_eq!(duration_text(Duration::from_millis(ms)), text);
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn sizes_and_their_text() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("1e6", Some(1_000_000)),
            ("7B", Some(7)),
            ("1KiB", Some(1024)),
            ("64MiB", Some(64 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1MB", None),
            ("1kib", None),
            ("1 MiB", None),
            ("MiB", None),
            ("17179869184GiB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        for (bytes, text) in [(0, "0B"), (1, "1B"), (1536, "1536B"), (64 << 20, "64MiB"), (1 << 30, "1GiB")] {
            assert_eq!(size_text(bytes), text);
            assert_eq!(size(text), Ok(bytes));
        }
    }
}
