//! A SPIFFE ID: `spiffe://<trust domain>/<path>`, read strictly.
//!
//! Source: the SPIFFE-ID specification, sections 2 and 2.3 (trust domain `[a-z0-9._-]`, 1 to 255 bytes; path segments
//! `[A-Za-z0-9._-]+`, none of them `.` or `..`, no trailing slash; 2,048 bytes in all).
//!
//! **What is absent on purpose.** Normalisation: two texts are one ID only if they are equal, so an ID that would need
//! lower-casing or decoding is refused rather than repaired.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::name::shortened;

/// The longest SPIFFE ID, in bytes (specification, section 2.3).
pub const MAX_SPIFFE_ID_BYTES: usize = 2048;
/// The longest trust domain, in bytes (specification, section 2.1).
const MAX_TRUST_DOMAIN_BYTES: usize = 255;
const SCHEME: &str = "spiffe://";

/// A SPIFFE ID in its one spelling. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpiffeId {
    text: Arc<str>,
    /// Where the path begins: the byte after the trust domain.
    path_at: usize,
}

/// Why a text is no SPIFFE ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdError {
    /// Longer than [`MAX_SPIFFE_ID_BYTES`].
    #[error("{0} bytes are more than the {MAX_SPIFFE_ID_BYTES} that a SPIFFE ID can have")]
    TooLong(usize),
    /// It does not begin with `spiffe://` in lower case.
    #[error("`{0}` does not begin with `spiffe://`")]
    Scheme(String),
    /// The trust domain is empty or longer than 255 bytes.
    #[error("the trust domain of `{0}` must have 1 to 255 characters")]
    TrustDomainLength(String),
    /// The trust domain holds something else than `[a-z0-9._-]`.
    #[error("the trust domain of `{id}` holds `{found}`, and it has only lower-case letters, digits, `.`, `-` and `_`")]
    TrustDomainCharacter {
        /// The text as given.
        id: String,
        /// The first character that is not allowed, escaped.
        found: String,
    },
    /// Two slashes in a row.
    #[error("the path of `{0}` has an empty segment")]
    EmptySegment(String),
    /// The path ends with a slash.
    #[error("`{0}` ends with a slash: leave it out")]
    TrailingSlash(String),
    /// A segment is `.` or `..`.
    #[error("the path of `{0}` has a segment `.` or `..`")]
    DotSegment(String),
    /// A segment holds something else than `[A-Za-z0-9._-]`.
    #[error("the path of `{id}` holds `{found}`, and it has only letters, digits, `.`, `-` and `_`")]
    PathCharacter {
        /// The text as given.
        id: String,
        /// The first character that is not allowed, escaped.
        found: String,
    },
    /// A trust domain alone, where a workload's ID is needed.
    #[error("`{0}` names a trust domain and no workload: add a path")]
    NoPath(String),
}

impl SpiffeId {
    /// Reads a SPIFFE ID; the path may be empty (the ID of a trust domain).
    ///
    /// # Errors
    /// Where the text breaks a rule of the specification; nothing is repaired.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(SpiffeIdError::TooLong(text.len()));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| SpiffeIdError::Scheme(shortened(text)))?;
        let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        check_trust_domain(text, trust_domain)?;
        check_path(text, path)?;
        Ok(Self { text: Arc::from(text), path_at: SCHEME.len() + trust_domain.len() })
    }

    /// Reads the SPIFFE ID of a workload: one whose path is not empty.
    ///
    /// # Errors
    /// As [`SpiffeId::parse`], and where there is no path.
    pub fn parse_workload(text: &str) -> Result<Self, SpiffeIdError> {
        let id = Self::parse(text)?;
        if id.path().is_empty() {
            return Err(SpiffeIdError::NoPath(shortened(text)));
        }
        Ok(id)
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain, without scheme and slashes.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.text.get(SCHEME.len()..self.path_at).unwrap_or("")
    }

    /// The path with its leading slash; empty for the ID of a trust domain.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or("")
    }

    /// The shared text, for records.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

fn check_trust_domain(id: &str, trust_domain: &str) -> Result<(), SpiffeIdError> {
    if trust_domain.is_empty() || trust_domain.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(SpiffeIdError::TrustDomainLength(shortened(id)));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    match trust_domain.chars().find(|c| !allowed(*c)) {
        Some(found) => {
            Err(SpiffeIdError::TrustDomainCharacter { id: shortened(id), found: found.escape_debug().to_string() })
        }
        None => Ok(()),
    }
}

/// `path` is empty or begins with a slash.
fn check_path(id: &str, path: &str) -> Result<(), SpiffeIdError> {
    if path.ends_with('/') {
        return Err(SpiffeIdError::TrailingSlash(shortened(id)));
    }
    for segment in path.split('/').skip(1) {
        if segment.is_empty() {
            return Err(SpiffeIdError::EmptySegment(shortened(id)));
        }
        if segment == "." || segment == ".." {
            return Err(SpiffeIdError::DotSegment(shortened(id)));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(found) = segment.chars().find(|c| !allowed(*c)) {
            return Err(SpiffeIdError::PathCharacter { id: shortened(id), found: found.escape_debug().to_string() });
        }
    }
    Ok(())
}

impl Hash for SpiffeId {
    /// The text alone: where its path begins follows from it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        Self::parse(text)
    }
}
