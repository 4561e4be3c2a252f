//! Names that a policy gives: of levels, categories, subjects, upstreams, routes, capabilities and manifest kinds.
//!
//! A name is 1 to 32 bytes of `[A-Za-z0-9_-]`, so it needs no quoting in a label, a header, a path of the lake or a metric.
//! Names differ by case.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes. A label of 64 categories then still fits a request header.
const MAX_NAME_BYTES: usize = 32;

/// A name of the policy, `[A-Za-z0-9_-]{1,32}`. Cheap to clone; compared by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text has no bytes at all.
    #[error("a name can't be empty")]
    Empty,
    /// The text is longer than 32 bytes.
    #[error("`{0}` is longer than 32 characters")]
    TooLong(String),
    /// The text holds a character outside `[A-Za-z0-9_-]`.
    #[error("`{given}` holds `{found}`, and a name has only letters, digits, `_` and `-`")]
    Character {
        /// The text as given.
        given: String,
        /// The first character that is not allowed, escaped.
        found: String,
    },
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// Where the text is empty, longer than 32 bytes, or holds a character outside `[A-Za-z0-9_-]`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(found) = text.chars().find(|c| !is_name_char(*c)) {
            return Err(NameError::Character { given: shortened(text), found: found.escape_debug().to_string() });
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong(shortened(text)));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// What a message quotes of a text that somebody else wrote: at most 64 characters, control characters escaped.
pub(crate) fn shortened(text: &str) -> String {
    const QUOTED: usize = 64;
    let mut quoted: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_held_at_its_limit() {
        assert!(Name::new(&"a".repeat(31)).is_ok());
        assert!(Name::new(&"a".repeat(32)).is_ok());
        assert!(matches!(Name::new(&"a".repeat(33)), Err(NameError::TooLong(_))));
        assert_eq!(Name::new(""), Err(NameError::Empty));
    }

    #[test]
    fn only_letters_digits_underscore_and_hyphen_pass() {
        for good in ["a", "Z9", "a_b-c", "-", "_", "007", "true"] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["a b", "a:b", "a,b", "ä", "a/b", "a.b", "a\u{0}", "\u{202e}a", "*"] {
            assert!(matches!(Name::new(bad), Err(NameError::Character { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_message_quotes_no_control_characters_and_not_everything() {
        let error = Name::new(&format!("\u{1b}[2J{}", "x".repeat(500))).unwrap_err();
        let told = error.to_string();
        assert!(!told.contains('\u{1b}'));
        assert!(told.len() < 250, "{told}");
    }
}
