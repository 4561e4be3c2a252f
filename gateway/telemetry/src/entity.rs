//! The identity of a row: a name made of typed keys, and the UUIDv5 (RFC 9562, section 5.5) of that name.
//!
//! ```text
//! entity_uuid = uuid5(namespace, name)
//! namespace   = uuid5(91e8f5f8-3e28-592a-ab23-5295dcf92dd7, tenant in NFC as UTF-8)
//! name        = for each key, in order: its type tag (1 byte), the length of its bytes (32 bits, big endian), its bytes
//! ```
//!
//! | key | tag | bytes |
//! | --- | --- | --- |
//! | text | `s` | the text in Unicode normalisation form C, as UTF-8; neither trimmed nor lower-cased |
//! | number | `d` | its canonical decimal in ASCII: `0`, or `-`? digits `e` power, without leading or trailing zero digits: `1`, `1.0` and `1e0` are `1e0`, `1500` is `15e2`, `-0.25` is `-25e-2`, and `-0` is `0` |
//! | true, false | `b` | one byte, 1 or 0 |
//! | null | `n` | none |
//! | a key that isn't there | `m` | none |
//!
//! What holds: two lists of keys have one name only if they have as many keys, of the same types, with the same values.
//! So `1` and `"1"`, null and `""` and a missing key, `["a|b"]` and `["a", "b"]` are all apart, and no separator can be
//! forged. Numbers are exact at any size. The columns of a row stay as they came; only the name is normalised.
//!
//! Test vectors that a few lines of Python made, sharing nothing with this code: `tests/vectors/entity.json`.
//!
//! What is bounded: a key has at most [`MAX_KEY_BYTES`], so that its length fits the frame.
//!
//! Absent on purpose: lists and objects as keys. Their order and their spelling are not identity.

use std::borrow::Cow;
use std::sync::Arc;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use uuid::{Uuid, uuid};

use crate::number;

/// The root of all namespaces: `uuid5(NAMESPACE_DNS, "coreason.local")`, so that a reader of the runtime's tables can
/// recompute ours.
pub const ROOT_NAMESPACE: Uuid = uuid!("91e8f5f8-3e28-592a-ab23-5295dcf92dd7");

/// The most bytes of one key, once it is normalised: 1 MiB.
pub const MAX_KEY_BYTES: usize = 1024 * 1024;

/// The most bytes of a tenant's name.
pub const MAX_TENANT_BYTES: usize = 128;

/// Whose rows they are: a name, and the namespace that follows from it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant {
    name: Arc<str>,
    namespace: Uuid,
}

impl Tenant {
    /// Reads a tenant's name: 1 to 128 bytes of UTF-8 without control characters. It is kept in NFC.
    ///
    /// # Errors
    /// [`KeyError::Tenant`] for anything else.
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        let name = normalised(name);
        if name.is_empty() || name.len() > MAX_TENANT_BYTES || name.chars().any(char::is_control) {
            return Err(KeyError::Tenant(name.chars().take(MAX_TENANT_BYTES).collect()));
        }
        Ok(Self { namespace: Uuid::new_v5(&ROOT_NAMESPACE, name.as_bytes()), name: name.into() })
    }

    /// The name, in NFC.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The namespace of the tenant's rows.
    pub fn namespace(&self) -> Uuid {
        self.namespace
    }
}

/// One key of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a>(Value<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value<'a> {
    Missing,
    Null,
    Bool(bool),
    Decimal(String),
    Text(Cow<'a, str>),
}

/// Why something is no key or no tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// More bytes than [`MAX_KEY_BYTES`].
    #[error("a key of {0} bytes is too long, use at most 1048576")]
    TooLong(usize),
    /// Not a JSON scalar.
    #[error("a key must be a JSON string, number, boolean or null, and the exponent of a number at most 18 digits")]
    NotAScalar,
    /// Not a tenant's name.
    #[error("`{0}` can't be a tenant, use 1 to 128 bytes without control characters")]
    Tenant(String),
}

impl<'a> Key<'a> {
    /// A key that isn't there.
    pub const MISSING: Key<'static> = Key(Value::Missing);
    /// The JSON null.
    pub const NULL: Key<'static> = Key(Value::Null);

    /// A text, normalised to NFC.
    ///
    /// # Errors
    /// [`KeyError::TooLong`]
    pub fn text(text: &'a str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_BYTES {
            return Err(KeyError::TooLong(text.len()));
        }
        let text = normalised(text);
        if text.len() > MAX_KEY_BYTES { Err(KeyError::TooLong(text.len())) } else { Ok(Self(Value::Text(text))) }
    }

    /// The JSON text of a scalar, exactly as it stands in a document: `"a"`, `1.0`, `true`, `null`.
    ///
    /// # Errors
    /// [`KeyError::TooLong`], or [`KeyError::NotAScalar`] for a list, an object or what isn't JSON.
    pub fn json(json: &str) -> Result<Key<'static>, KeyError> {
        if json.len() > MAX_KEY_BYTES {
            return Err(KeyError::TooLong(json.len()));
        }
        match json {
            "null" => Ok(Key::NULL),
            "true" => Ok(Key::from(true)),
            "false" => Ok(Key::from(false)),
            string if string.starts_with('"') && string.ends_with('"') => {
                let text: String = serde_json::from_str(string).map_err(|_| KeyError::NotAScalar)?;
                let Key(value) = Key::text(&text)?;
                Ok(Key(value.into_owned()))
            }
            other => number::canonical(other).map(|decimal| Key(Value::Decimal(decimal))).ok_or(KeyError::NotAScalar),
        }
    }
}

impl Value<'_> {
    fn into_owned(self) -> Value<'static> {
        match self {
            Value::Missing => Value::Missing,
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Decimal(decimal) => Value::Decimal(decimal),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    fn tag_and_bytes(&self) -> (u8, &[u8]) {
        match self {
            Value::Missing => (b'm', b""),
            Value::Null => (b'n', b""),
            Value::Bool(false) => (b'b', &[0]),
            Value::Bool(true) => (b'b', &[1]),
            Value::Decimal(decimal) => (b'd', decimal.as_bytes()),
            Value::Text(text) => (b's', text.as_bytes()),
        }
    }
}

impl From<bool> for Key<'static> {
    fn from(value: bool) -> Self {
        Self(Value::Bool(value))
    }
}

impl From<u64> for Key<'static> {
    fn from(value: u64) -> Self {
        // Digits are always a number; the other arm keeps this total.
        Self(number::canonical(&value.to_string()).map_or(Value::Missing, Value::Decimal))
    }
}

/// Appends the name of these keys.
pub fn write_name<'a>(keys: impl IntoIterator<Item = Key<'a>>, name: &mut Vec<u8>) {
    for Key(value) in keys {
        let (tag, bytes) = value.tag_and_bytes();
        // A key is at most a mebibyte, or a decimal of at most a mebibyte and an exponent: it fits.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        name.push(tag);
        name.extend_from_slice(&length.to_be_bytes());
        name.extend_from_slice(bytes);
    }
}

/// The UUIDv5 of one name. For a column of names the lake has a faster way, with the same result.
pub fn entity_uuid(tenant: &Tenant, name: &[u8]) -> Uuid {
    Uuid::new_v5(&tenant.namespace, name)
}

fn normalised(text: &str) -> Cow<'_, str> {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

#[cfg(test)]
mod tests;
