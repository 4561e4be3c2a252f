//! The path that is decided on, and forwarded.
//!
//! RFC 3986 section 6.2.2: percent-encodings of unreserved characters are decoded, the hex digits
//! of the others put in upper case, dot segments removed. What two servers could read in two ways
//! after that is refused rather than guessed: an encoded slash, a backslash, a NUL or control
//! byte, an empty segment, a `;` (RFC 3986 section 3.3 lets servers cut parameters off there), and
//! what is encoded twice.

use std::fmt::Write as _;

/// Bounds the work and the audit record; servers commonly stop at 8 KiB.
const MAX_BYTES: usize = 8 * 1024;

/// Why a request target cannot be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Neither `/…` nor `*`.
    #[error("the path must begin with `/`")]
    NotAbsolute,
    /// Longer than 8 KiB.
    #[error("the path must have at most 8192 bytes")]
    TooLong,
    /// `%` without two hex digits.
    #[error("the path has a `%` without two hex digits after it")]
    BadEncoding,
    /// `%2F`, `\`, `%5C`, `%00` or another control byte.
    #[error("the path has an encoded slash, a backslash or a control byte, which servers read in different ways")]
    Ambiguous,
    /// `//`.
    #[error("the path has an empty segment, which servers read in different ways")]
    EmptySegment,
    /// `%25` and two hex digits: encoded twice.
    #[error("the path has an encoding that is encoded again, which some servers decode twice")]
    EncodedTwice,
    /// `;`.
    #[error("the path has a `;`, where some servers cut it off; encode it as %3B")]
    Parameter,
}

/// The normal form of `path` (no query).
///
/// # Errors
///
/// A [`PathError`] for what two servers could read in two ways.
pub fn normalise(path: &str) -> Result<String, PathError> {
    if path.len() > MAX_BYTES {
        return Err(PathError::TooLong);
    }
    let rest = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    let mut kept: Vec<String> = Vec::new();
    let mut segments = rest.split('/').peekable();
    while let Some(raw) = segments.next() {
        let last = segments.peek().is_none();
        let segment = decode_unreserved(raw)?;
        match segment.as_str() {
            "" if last => kept.push(String::new()),
            "" => return Err(PathError::EmptySegment),
            "." if last => kept.push(String::new()),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push(String::new());
                }
            }
            _ if segment.contains(';') => return Err(PathError::Parameter),
            _ if is_encoded_twice(&segment) => return Err(PathError::EncodedTwice),
            _ => kept.push(segment),
        }
    }
    Ok(format!("/{}", kept.join("/")))
}

fn decode_unreserved(segment: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let decoded =
                    (|| Some(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?))().ok_or(PathError::BadEncoding)?;
                match decoded {
                    b'/' | b'\\' | 0..0x20 | 0x7f => return Err(PathError::Ambiguous),
                    _ if is_unreserved(decoded) => out.push(char::from(decoded)),
                    // Writing to a String cannot fail.
                    _ => drop(write!(out, "%{decoded:02X}")),
                }
            }
            b'\\' | 0..0x20 | 0x7f => return Err(PathError::Ambiguous),
            // Bytes beyond ASCII do not belong in a request target; pass on their encoding.
            0x80.. => drop(write!(out, "%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    Ok(out)
}

/// `%25` before two hex digits: a server that decodes twice would see another path.
fn is_encoded_twice(segment: &str) -> bool {
    segment.match_indices("%25").any(|(at, found)| {
        let rest = segment.get(at + found.len()..).unwrap_or_default();
        let mut digits = rest.bytes();
        digits.next().and_then(hex).is_some() && digits.next().and_then(hex).is_some()
    })
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normal_forms() {
        for (given, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61/%7Eb", "/a/~b"),
            ("/a%3ab", "/a%3Ab"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/../../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a%3bv=1/b", "/a%3Bv=1/b"),
            ("/100%25", "/100%25"),
            ("/100%25/x", "/100%25/x"),
            ("/a%25zz", "/a%25zz"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/...", "/..."),
        ] {
            assert_eq!(normalise(given).as_deref(), Ok(expected), "{given}");
        }
    }

    #[test]
    fn refused() {
        for (given, expected) in [
            ("", PathError::NotAbsolute),
            ("a", PathError::NotAbsolute),
            ("/%2f", PathError::Ambiguous),
            ("/a%2Fb", PathError::Ambiguous),
            ("/a\\b", PathError::Ambiguous),
            ("/a%5cb", PathError::Ambiguous),
            ("/a%00", PathError::Ambiguous),
            ("/a%0d%0ab", PathError::Ambiguous),
            ("/a\u{7f}", PathError::Ambiguous),
            ("/%", PathError::BadEncoding),
            ("/%4", PathError::BadEncoding),
            ("/%zz", PathError::BadEncoding),
            ("//a", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("/a/..;/b", PathError::Parameter),
            ("/a/.;x=1/b", PathError::Parameter),
            ("/a;v=1/b", PathError::Parameter),
            ("/a/%252e%252e/b", PathError::EncodedTwice),
            ("/a/%252e./b", PathError::EncodedTwice),
            ("/a%252fb", PathError::EncodedTwice),
            ("/rec%256Frds", PathError::EncodedTwice),
        ] {
            assert_eq!(normalise(given), Err(expected), "{given}");
        }
    }

    #[test]
    fn the_bound_is_8192_bytes() {
        let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(normalise(&path(8191)).is_ok());
        assert!(normalise(&path(8192)).is_ok());
        assert_eq!(normalise(&path(8193)), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(path in "/[ -~]{0,40}") {
            if let Ok(once) = normalise(&path) {
                prop_assert_eq!(normalise(&once), Ok(once.clone()));
                prop_assert!(!once.split('/').any(|segment| matches!(segment, "." | "..")));
            }
        }
    }
}
