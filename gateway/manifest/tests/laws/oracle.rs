//! The laws between the strict reader and `serde_json`, for any bytes.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::fmt;

use bellgate_manifest::{Document, Limits, RejectionCause};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Panics unless, for these bytes, what the strict reader takes `serde_json` takes too and reads
/// as the same value, and what only the strict reader refuses it refuses for a reason that
/// `serde_json` does not look at.
pub(crate) fn check(body: &[u8]) {
    let lenient: Result<Value, _> = serde_json::from_slice(body);
    match (Document::read(body, &Limits::default()), lenient) {
        (Ok(document), Ok(value)) => {
            assert_eq!(document.to_value(), value);
            assert!(serde_json::from_slice::<NoTwins>(body).is_ok(), "a key twice was taken");
        }
        (Ok(_), Err(error)) => panic!("only the strict reader takes this: {error}"),
        (Err(cause), Ok(_)) => only_strict(body, &cause),
        (Err(_), Err(_)) => {}
    }
}

fn only_strict(body: &[u8], cause: &RejectionCause) {
    // What is too small for a float is zero for `serde_json`, and limits are not its own.
    if matches!(cause, RejectionCause::NumberOutOfRange { .. }) || cause.status() == 413 {
        return;
    }
    assert!(matches!(cause, RejectionCause::DuplicateKey { .. }), "only `serde_json` takes this: {cause}");
    assert!(serde_json::from_slice::<NoTwins>(body).is_err(), "no key stands twice");
}

/// JSON whose objects have no key twice, read by `serde_json` in the plainest way.
struct NoTwins;

impl<'de> Deserialize<'de> for NoTwins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoTwins {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON without a key twice")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, _)) = members.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(self)
    }
}
