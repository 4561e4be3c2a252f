//! A point in wall time, passed in from outside; this package has no clock.
//!
//! Text form: RFC 3339 in UTC with milliseconds, `2026-03-01T12:03:11.042Z`. JSON carries the same text.
//! Days are turned into dates by the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
//! algorithms").

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::shortened;

const MS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub u64);

/// A text that is no timestamp of the form that [`Timestamp`] writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as `2026-03-01T12:03:11.042Z`")]
pub struct TimestampError(String);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / MS_PER_DAY, self.0 % MS_PER_DAY);
        let (year, month, day) = date_of(days);
        let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
        let (seconds, ms) = (ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years begin in March, so that the leap day comes last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let since_0000_03_01 = days + 719_468;
    let era = since_0000_03_01 / 146_097;
    let day_of_era = since_0000_03_01 % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// The day, counted from 1970-01-01, of a date from 1970 on; `None` before, or where the month or day does not exist.
fn day_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let march_month = if month > 2 { month - 3 } else { month.checked_add(9)? };
    let era = shifted / 400;
    let year_of_era = shifted % 400;
    let day_of_year = (153 * march_month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era.checked_mul(146_097)?.checked_add(day_of_era)?;
    let days = days.checked_sub(719_468)?;
    (date_of(days) == (year, month, day)).then_some(days)
}

/// A text that is no time as an author writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time in UTC: write it as `2027-06-30T00:00:00Z` (RFC 3339)")]
pub struct NoInstant(String);

impl Timestamp {
    /// Reads a time as an author writes it: as [`Timestamp`] is written, or without milliseconds.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn from_author(text: &str) -> Result<Self, NoInstant> {
        let whole_seconds =
            text.strip_suffix('Z').filter(|rest| !rest.contains('.')).map(|rest| format!("{rest}.000Z"));
        read(whole_seconds.as_deref().unwrap_or(text)).ok_or_else(|| NoInstant(shortened(text)))
    }

    /// The time after a duration, at most the greatest there is.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        read(text).ok_or_else(|| TimestampError(shortened(text)))
    }
}

/// Exactly what `Display` writes.
fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (time, ms) = time.split_once('.')?;
    let mut time = time.splitn(3, ':');
    let (hours, minutes, seconds) = (time.next()?, time.next()?, time.next()?);
    let days = day_of(digits(year, 4..=10, u64::MAX)?, digits(month, 2..=2, 12)?, digits(day, 2..=2, 31)?)?;
    let in_day = digits(hours, 2..=2, 23)? * 3_600_000
        + digits(minutes, 2..=2, 59)? * 60_000
        + digits(seconds, 2..=2, 59)? * 1000
        + digits(ms, 3..=3, 999)?;
    let total = days.checked_mul(MS_PER_DAY)?.checked_add(in_day)?;
    let read = Timestamp(total);
    Some(read)
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>, most: u64) -> Option<u64> {
    let fits = length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let padded = text.len() > 4 && text.starts_with('0');
    let value = text.parse::<u64>().ok().filter(|value| *value <= most)?;
    (fits && !padded).then_some(value)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_366_591_042, "2026-03-01T12:03:11.042Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(ms)));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T12:03:11Z",
            "2026-03-01T12:03:11.042",
            "2026-03-01T12:03:11.042+00:00",
            "2026-02-29T12:03:11.042Z",
            "2026-13-01T12:03:11.042Z",
            "2026-00-01T12:03:11.042Z",
            "2026-04-31T12:03:11.042Z",
            "2026-03-00T12:03:11.042Z",
            "2026-03-01T24:03:11.042Z",
            "2026-03-01T12:60:11.042Z",
            "2026-03-01T12:03:60.042Z",
            "2026-3-1T12:03:11.042Z",
            "1969-12-31T23:59:59.999Z",
            "+026-03-01T12:03:11.042Z",
            "02026-03-01T12:03:11.042Z",
            "9999999999-03-01T12:03:11.042Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_author_can_leave_out_the_milliseconds() {
        for (text, ms) in [
            ("2026-03-01T12:03:11Z", Some(1_772_366_591_000)),
            ("2026-03-01T12:03:11.042Z", Some(1_772_366_591_042)),
            ("2026-03-01T12:03:11", None),
            ("2026-03-01T12:03Z", None),
            ("2026-03-01", None),
            ("2026-03-01T12:03:11+00:00", None),
            ("2026-03-01t12:03:11z", None),
            ("2026-03-01T12:03:11.0Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("Z", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::from_author(text).ok(), ms.map(Timestamp), "{text}");
        }
        assert_eq!(Timestamp(5).after(std::time::Duration::from_secs(2)), Timestamp(2005));
        assert_eq!(Timestamp(5).after(std::time::Duration::MAX), Timestamp(u64::MAX));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in any::<u64>()) {
            let text = Timestamp(ms).to_string();
            prop_assert_eq!(text.parse::<Timestamp>(), Ok(Timestamp(ms)));
            let json = serde_json::to_string(&Timestamp(ms)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), Timestamp(ms));
        }
    }
}
