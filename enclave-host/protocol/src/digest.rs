//! The name of a module: the SHA-256 of its bytes. This package only carries it; the host computes it.

use std::{fmt, str::FromStr};

/// The SHA-256 of a module's bytes. Shown and read as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleDigest([u8; 32]);

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256 digest; write its 64 hexadecimal digits")]
pub struct DigestError(String);

impl ModuleDigest {
    /// A digest from its 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ModuleDigest {
    type Err = DigestError;

    /// Reads 64 hexadecimal digits of either case, with or without `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refused = || DigestError(text.chars().take(80).collect());
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high).zip(nibble(*low)).map(|(high, low)| (high << 4) | low).ok_or_else(refused)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let digest = ModuleDigest::new(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        let text = digest.to_string();
        assert_eq!(text.len(), 64);
        for form in [text.clone(), text.to_uppercase(), format!("sha256:{text}")] {
            assert_eq!(form.parse::<ModuleDigest>(), Ok(digest));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let hex = "0".repeat(64);
        for text in ["", "00", &hex[1..], &format!("{hex}0"), &format!("{}g", &hex[1..]), &"é".repeat(32)] {
            assert!(text.parse::<ModuleDigest>().is_err(), "{text}");
        }
    }
}
