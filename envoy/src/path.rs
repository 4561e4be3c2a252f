//! Is a request target in RFC 3986 normal form?
//!
//! Here, nothing can be rewritten: what Envoy sent is what Envoy forwards. So a path that a server could read in two
//! ways is refused instead of normalised (RFC 3986, section 6.2.2): encoded slashes, backslashes and control
//! characters, dot segments (also with parameters behind the dots), empty segments, octets that a path may not hold,
//! and escapes of characters that need none. Envoy's own `normalize_path` comes before and makes the usual cases
//! normal. The one difference that stays is the case of the hexadecimal digits, which no server tells apart.

use std::borrow::Cow;

/// Bounds the work and the audit record; servers commonly stop at 8 KiB.
const MAX_BYTES: usize = 8 * 1024;

/// Why a request target can't be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathFault {
    /// `*`, an absolute URL, or nothing.
    #[error("the request target doesn't begin with `/`")]
    NotOrigin,
    /// Longer than 8 KiB.
    #[error("the path has more than 8192 bytes")]
    TooLong,
    /// A byte that RFC 3986 keeps out of paths.
    #[error("the path holds a byte that has to be escaped")]
    ForbiddenByte,
    /// `%` without two hexadecimal digits.
    #[error("the path holds `%` without two hexadecimal digits")]
    BadEscape,
    /// An escape that hides structure: a slash, a backslash, a control character, or another escape (`%252F`).
    #[error("the path hides a slash, a backslash, a control character or a second escape")]
    HiddenStructure,
    /// An escape that normalisation takes out.
    #[error("the path escapes a character that needs no escape")]
    NeedlessEscape,
    /// `.` or `..` as a segment, with or without parameters.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
}

/// The path of a request target, without query, escapes in upper case.
///
/// # Errors
///
/// The first reason for which two servers could read the path in two ways.
pub(crate) fn normal_path(target: &str) -> Result<Cow<'_, str>, PathFault> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if path.len() > MAX_BYTES {
        return Err(PathFault::TooLong);
    }
    let segments = path.strip_prefix('/').ok_or(PathFault::NotOrigin)?;
    let lower_case_escapes = check_bytes(path)?;
    let count = segments.split('/').count();
    for (index, segment) in segments.split('/').enumerate() {
        check_segment(segment, index.saturating_add(1) == count)?;
    }
    Ok(if lower_case_escapes { Cow::Owned(upper_escapes(path)) } else { Cow::Borrowed(path) })
}

/// Looks at each byte; says whether an escape has lower-case digits.
fn check_bytes(path: &str) -> Result<bool, PathFault> {
    let mut lower = false;
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let [high, low, after @ ..] = after else {
                return Err(PathFault::BadEscape);
            };
            rest = after;
            check_escape(*high, *low, rest)?;
            lower |= high.is_ascii_lowercase() || low.is_ascii_lowercase();
        } else if *byte != b'/' && !is_path_byte(*byte) {
            return Err(PathFault::ForbiddenByte);
        }
    }
    Ok(lower)
}

fn check_escape(high: u8, low: u8, after: &[u8]) -> Result<(), PathFault> {
    let (Some(high), Some(low)) = (hex(high), hex(low)) else {
        return Err(PathFault::BadEscape);
    };
    let byte = high << 4 | low;
    let twice = byte == b'%' && matches!(after, [high, low, ..] if hex(*high).is_some() && hex(*low).is_some());
    if twice || byte == b'/' || byte == b'\\' || byte.is_ascii_control() {
        Err(PathFault::HiddenStructure)
    } else if is_unreserved(byte) {
        Err(PathFault::NeedlessEscape)
    } else {
        Ok(())
    }
}

fn check_segment(segment: &str, last: bool) -> Result<(), PathFault> {
    let name = segment.split_once(';').map_or(segment, |(name, _)| name);
    match name {
        "." | ".." => Err(PathFault::DotSegment),
        _ if segment.is_empty() && !last => Err(PathFault::EmptySegment),
        _ => Ok(()),
    }
}

fn upper_escapes(path: &str) -> String {
    let mut digits = 0_u8;
    path.chars()
        .map(|c| {
            let inside = digits > 0;
            digits = if c == '%' { 2 } else { digits.saturating_sub(1) };
            if inside { c.to_ascii_uppercase() } else { c }
        })
        .collect()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 without the escape.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_normal_form_pass_unchanged_but_for_the_case_of_escapes() {
        for (target, path) in [
            ("/", "/"),
            ("/v1/search", "/v1/search"),
            ("/v1/search?q=/../%2f", "/v1/search"),
            ("/v1/notes/", "/v1/notes/"),
            ("/a:b@c;d=e/f", "/a:b@c;d=e/f"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/caf%c3%a9/AbC", "/caf%C3%A9/AbC"),
            ("/...", "/..."),
            ("/100%25", "/100%25"),
            ("/100%25-x", "/100%25-x"),
        ] {
            assert_eq!(normal_path(target).as_deref(), Ok(path), "{target}");
        }
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_refused() {
        for (target, fault) in [
            ("", PathFault::NotOrigin),
            ("*", PathFault::NotOrigin),
            ("http://a/b", PathFault::NotOrigin),
            ("?q", PathFault::NotOrigin),
            ("/a/../b", PathFault::DotSegment),
            ("/a/.", PathFault::DotSegment),
            ("/a/..;x=1/b", PathFault::DotSegment),
            ("//a", PathFault::EmptySegment),
            ("/a//b", PathFault::EmptySegment),
            ("/a%2Fb", PathFault::HiddenStructure),
            ("/a%2fb", PathFault::HiddenStructure),
            ("/a%252fb", PathFault::HiddenStructure),
            ("/%252e%252e/b", PathFault::HiddenStructure),
            ("/a%5Cb", PathFault::HiddenStructure),
            ("/a%00", PathFault::HiddenStructure),
            ("/a%0d%0ab", PathFault::HiddenStructure),
            ("/%2e%2e/b", PathFault::NeedlessEscape),
            ("/%73earch", PathFault::NeedlessEscape),
            ("/a\\b", PathFault::ForbiddenByte),
            ("/a b", PathFault::ForbiddenByte),
            ("/a#b", PathFault::ForbiddenByte),
            ("/caf\u{e9}", PathFault::ForbiddenByte),
            ("/a%", PathFault::BadEscape),
            ("/a%4", PathFault::BadEscape),
            ("/a%zz", PathFault::BadEscape),
        ] {
            assert_eq!(normal_path(target), Err(fault), "{target}");
        }
    }

    #[test]
    fn the_bound_is_8192_bytes() {
        let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(normal_path(&path(8191)).is_ok());
        assert!(normal_path(&path(8192)).is_ok());
        assert_eq!(normal_path(&path(8193)), Err(PathFault::TooLong));
    }
}
