//! Names of capabilities.
//!
//! Base: RFC 8141. Its grammar alone would refuse names that are in use, and those grammars contradict each other (one even refuses
//! names of its own ledger), so this one contains them all:
//!
//! ```text
//! urn      = "urn:" nid ":" nss          "urn" in any case
//! nid      = 1*( ALPHA / DIGIT / "_" / "-" ), neither beginning nor ending with "-"
//! nss      = 1*( any character but a line feed )
//! ```
//!
//! What holds: one canonical form. The scheme and the `nid` are lower case; in the `nss` every byte that RFC 8141 does not allow there is
//! written as `%XX`, escapes have upper-case digits, and a `%` that begins no escape is written as `%25`. Two texts with one canonical form
//! are one name; that form has at most 2,000 bytes and reads as itself. Escapes are not decoded (RFC 8141 section 3.1), and Unicode is not
//! normalised: what differs stays different.
//!
//! Absent on purpose: r-, q- and f-components. `?` and `#` are characters of the name and are escaped, so that nothing after them can be
//! lost on the way and no two pieces of code can share a name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest canonical form in bytes.
pub const URN_BYTES: usize = 2_000;

/// In a path segment stays what RFC 3986 calls unreserved, and the colon, so that an ordinary name is legible on the wire.
const ESCAPED_IN_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A capability's name in its canonical form.
///
/// ```
/// use bellgate_registry::Urn;
/// let urn = Urn::parse("URN:Coreason:actionspace:sensory:dynamic_ui:v1").unwrap();
/// assert_eq!(urn.as_str(), "urn:coreason:actionspace:sensory:dynamic_ui:v1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Urn {
    canonical: Arc<str>,
    /// Where the `nss` begins.
    nss: usize,
}

impl Urn {
    /// Reads a name and brings it into its canonical form.
    ///
    /// # Errors
    /// [`UrnError`]: not `urn:`, a namespace with other characters, nothing after it, a line feed, or too long.
    pub fn parse(text: &str) -> Result<Self, UrnError> {
        // No form grows shorter by becoming canonical, and nothing longer is looked at.
        if text.len() > URN_BYTES {
            return Err(UrnError::TooLong);
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| UrnError::NotUrn(text.to_owned()))?;
        if !scheme.eq_ignore_ascii_case("urn") {
            return Err(UrnError::NotUrn(text.to_owned()));
        }
        let (nid, nss) = rest.split_once(':').ok_or_else(|| UrnError::NoName(text.to_owned()))?;
        if !is_namespace(nid) {
            return Err(UrnError::BadNamespace(nid.to_owned()));
        }
        if nss.is_empty() {
            return Err(UrnError::NoName(text.to_owned()));
        }
        if nss.contains('\n') {
            return Err(UrnError::LineFeed);
        }
        let mut canonical = String::with_capacity(text.len());
        canonical.push_str("urn:");
        canonical.push_str(&nid.to_ascii_lowercase());
        canonical.push(':');
        let start = canonical.len();
        push_canonical(nss, &mut canonical);
        if canonical.len() > URN_BYTES {
            return Err(UrnError::TooLong);
        }
        Ok(Self { canonical: canonical.into(), nss: start })
    }

    /// The canonical form: ASCII, at most [`URN_BYTES`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The namespace, lower case: `coreason`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.canonical.get(4..self.nss.saturating_sub(1)).unwrap_or_default()
    }

    /// All that follows the namespace: `actionspace:solver:deidentify:v1`.
    #[must_use]
    pub fn specific(&self) -> &str {
        self.canonical.get(self.nss..).unwrap_or_default()
    }

    /// The name as one segment of a URL path: no slash, no `?`, no `#`, and the escapes of the name escaped once more, so that decoding
    /// the segment once gives the canonical form. It begins with `urn:` and so is never `.` or `..`.
    #[must_use]
    pub fn path_segment(&self) -> String {
        utf8_percent_encode(&self.canonical, ESCAPED_IN_SEGMENT).to_string()
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

impl FromStr for Urn {
    type Err = UrnError;

    fn from_str(text: &str) -> Result<Self, UrnError> {
        Self::parse(text)
    }
}

fn is_namespace(nid: &str) -> bool {
    !nid.is_empty()
        && !nid.starts_with('-')
        && !nid.ends_with('-')
        && nid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn push_canonical(nss: &str, out: &mut String) {
    let mut rest = nss.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%'
            && let [high, low, after @ ..] = tail
            && high.is_ascii_hexdigit()
            && low.is_ascii_hexdigit()
        {
            out.push('%');
            out.push(char::from(high.to_ascii_uppercase()));
            out.push(char::from(low.to_ascii_uppercase()));
            rest = after;
            continue;
        }
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(percent_encoding::percent_encode_byte(byte));
        }
        rest = tail;
    }
}

/// Why a text is not the name of a capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrnError {
    /// Another scheme, or none.
    #[error("`{0}` does not begin with `urn:`; write urn:<namespace>:<name>")]
    NotUrn(String),
    /// Nothing follows the namespace.
    #[error("`{0}` has no name after its namespace; write urn:<namespace>:<name>")]
    NoName(String),
    /// The namespace has other characters.
    #[error("`{0}` is not a namespace of a urn; use letters, digits, `_`, and `-` between them")]
    BadNamespace(String),
    /// Names are written into lines.
    #[error("the urn has a line feed in it; write it on one line")]
    LineFeed,
    /// The canonical form is too long.
    #[error("the urn is longer than {URN_BYTES} bytes in its canonical form; use a shorter name")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("urn:bellgate:actionspace:solver:deidentify:v1", "urn:bellgate:actionspace:solver:deidentify:v1"),
            ("URN:CoReason:Tool.x-1:v2", "urn:coreason:Tool.x-1:v2"),
            ("urn:tenant:coreason:global:authority", "urn:tenant:coreason:global:authority"),
            ("urn:_:state:", "urn:_:state:"),
            ("urn:x:a b", "urn:x:a%20b"),
            ("urn:x:a?b#c", "urn:x:a%3Fb%23c"),
            ("urn:x:%c3%a9", "urn:x:%C3%A9"),
            ("urn:x:é", "urn:x:%C3%A9"),
            ("urn:x:100%", "urn:x:100%25"),
            ("urn:x:%zz%4", "urn:x:%25zz%254"),
            ("urn:x:%41", "urn:x:%41"),
            ("urn:x:/../..", "urn:x:/../.."),
            ("urn:x:a\tb\0", "urn:x:a%09b%00"),
        ] {
            assert_eq!(Urn::parse(text).unwrap().as_str(), canonical, "{text:?}");
        }
    }

    #[test]
    fn parts() {
        let urn = Urn::parse("urn:CoReason:actionspace:oracle:x:v1").unwrap();
        assert_eq!((urn.namespace(), urn.specific()), ("coreason", "actionspace:oracle:x:v1"));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "urn",
            "urn:",
            "urn:x",
            "urn:x:",
            "urn::x",
            "urn:-x:y",
            "urn:x-:y",
            "urn:ä:y",
            "urn:a b:y",
            "url:x:y",
            "urn:x:a\nb",
        ] {
            assert!(Urn::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn length_is_that_of_the_canonical_form() {
        let name = |filler: &str, count: usize| format!("urn:x:{}", filler.repeat(count));
        assert!(Urn::parse(&name("a", URN_BYTES - 7)).is_ok());
        assert!(Urn::parse(&name("a", URN_BYTES - 6)).is_ok());
        assert_eq!(Urn::parse(&name("a", URN_BYTES - 5)), Err(UrnError::TooLong));
        assert!(Urn::parse(&name(" ", (URN_BYTES - 6) / 3)).is_ok());
        assert_eq!(Urn::parse(&name(" ", (URN_BYTES - 6) / 3 + 1)), Err(UrnError::TooLong));
    }

    #[test]
    fn path_segments() {
        for (text, segment) in [
            ("urn:coreason:solver:x:v1", "urn:coreason:solver:x:v1"),
            ("urn:x:/../secret?a#b", "urn:x:%2F..%2Fsecret%253Fa%2523b"),
            ("urn:x:a@b!(c)", "urn:x:a%40b%21%28c%29"),
        ] {
            assert_eq!(Urn::parse(text).unwrap().path_segment(), segment);
        }
    }

    proptest! {
        #[test]
        fn every_known_grammar_is_contained(text in prop_oneof![
            "urn:[a-z0-9_]{1,20}:actionspace:(oracle|solver|effector|substrate|sensory|node):[a-z0-9_]{1,20}:v[0-9]{1,4}",
            "urn:coreason:[a-z][a-z0-9_]{0,12}:[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}(:v[0-9]{1,3})?",
            "urn:[a-z0-9_]{1,20}:(actionspace|archetype_[a-d]|oracle|state):.{0,40}",
            "urn:coreason:.{1,40}",
            "urn:coreason:solver:.{0,40}",
            "urn:tenant:[a-zA-Z0-9_.-]{1,40}",
        ]) {
            prop_assert!(Urn::parse(&text).is_ok(), "{text:?}");
        }

        #[test]
        fn the_canonical_form_reads_as_itself(nid in "[A-Za-z0-9_]{1,8}", nss in "[^\\n]{1,60}") {
            let urn = Urn::parse(&format!("urn:{nid}:{nss}")).unwrap();
            prop_assert!(urn.as_str().is_ascii());
            prop_assert_eq!(&Urn::parse(urn.as_str()).unwrap(), &urn);
        }

        #[test]
        fn a_segment_decodes_to_the_canonical_form(nss in "[^\\n]{1,60}") {
            let urn = Urn::parse(&format!("urn:x:{nss}")).unwrap();
            let segment = urn.path_segment();
            prop_assert!(!segment.contains(['/', '?', '#', '\\']));
            let decoded = percent_encoding::percent_decode_str(&segment).decode_utf8().unwrap();
            prop_assert_eq!(decoded.as_ref(), urn.as_str());
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Urn::parse(&text).map(|urn| (urn.namespace().len(), urn.specific().len()));
        }
    }
}
