//! The one place of this package that reads the wall clock; all else is told the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bellgate_policy::Timestamp;
use rustls_pki_types::UnixTime;

/// The wall clock now, in Unix milliseconds. A clock before 1970 reads as 0, at which no certificate is valid.
#[must_use]
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What rustls hands to verifiers: whole seconds.
pub(crate) fn from_unix_time(now: UnixTime) -> Timestamp {
    Timestamp(now.as_secs().saturating_mul(1000))
}

/// What webpki wants: whole seconds.
pub(crate) fn to_unix_time(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(now.0))
}

/// A certificate's date, in seconds. Dates before 1970 become 0.
pub(crate) fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

/// `to` minus `from`; zero when `to` is the earlier one.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(to.0.saturating_sub(from.0))
}
