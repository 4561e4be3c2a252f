//! SPIFFE IDs against the rules of the specification, and the length at its limit.

use bellgate_policy::{MAX_SPIFFE_ID_BYTES, SpiffeId, SpiffeIdError};

#[test]
fn accepted() {
    for (text, trust_domain, path) in [
        ("spiffe://example.org", "example.org", ""),
        ("spiffe://example.org/a", "example.org", "/a"),
        ("spiffe://example.org/a/b/c", "example.org", "/a/b/c"),
        ("spiffe://a_b-c.d0/A.B_C-d/..e/f..", "a_b-c.d0", "/A.B_C-d/..e/f.."),
        ("spiffe://192.0.2.1/...", "192.0.2.1", "/..."),
        ("spiffe://_/x", "_", "/x"),
    ] {
        let id = SpiffeId::parse(text).unwrap();
        assert_eq!((id.as_str(), id.trust_domain(), id.path()), (text, trust_domain, path));
        assert_eq!(text.parse::<SpiffeId>().unwrap(), id);
    }
}

#[test]
fn refused() {
    for (text, told) in [
        ("", "`` does not begin with `spiffe://`"),
        ("example.org/a", "`example.org/a` does not begin with `spiffe://`"),
        ("SPIFFE://example.org/a", "`SPIFFE://example.org/a` does not begin with `spiffe://`"),
        ("https://example.org/a", "`https://example.org/a` does not begin with `spiffe://`"),
        ("spiffe:/example.org/a", "`spiffe:/example.org/a` does not begin with `spiffe://`"),
        ("spiffe://", "the trust domain of `spiffe://` must have 1 to 255 characters"),
        ("spiffe:///a", "the trust domain of `spiffe:///a` must have 1 to 255 characters"),
        (
            "spiffe://Example.org/a",
            "the trust domain of `spiffe://Example.org/a` holds `E`, and it has only lower-case letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org:80/a",
            "the trust domain of `spiffe://example.org:80/a` holds `:`, and it has only lower-case letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://user@example.org/a",
            "the trust domain of `spiffe://user@example.org/a` holds `@`, and it has only lower-case letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org?q",
            "the trust domain of `spiffe://example.org?q` holds `?`, and it has only lower-case letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://exämple.org/a",
            "the trust domain of `spiffe://exämple.org/a` holds `ä`, and it has only lower-case letters, digits, `.`, `-` and `_`",
        ),
        ("spiffe://example.org/", "`spiffe://example.org/` ends with a slash: leave it out"),
        ("spiffe://example.org/a/", "`spiffe://example.org/a/` ends with a slash: leave it out"),
        ("spiffe://example.org//a", "the path of `spiffe://example.org//a` has an empty segment"),
        ("spiffe://example.org/a//b", "the path of `spiffe://example.org/a//b` has an empty segment"),
        ("spiffe://example.org/.", "the path of `spiffe://example.org/.` has a segment `.` or `..`"),
        ("spiffe://example.org/a/../b", "the path of `spiffe://example.org/a/../b` has a segment `.` or `..`"),
        (
            "spiffe://example.org/a%20b",
            "the path of `spiffe://example.org/a%20b` holds `%`, and it has only letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org/a?q",
            "the path of `spiffe://example.org/a?q` holds `?`, and it has only letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org/a#f",
            "the path of `spiffe://example.org/a#f` holds `#`, and it has only letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org/ä",
            "the path of `spiffe://example.org/ä` holds `ä`, and it has only letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org/a\n",
            "the path of `spiffe://example.org/a\\n` holds `\\n`, and it has only letters, digits, `.`, `-` and `_`",
        ),
        (
            "spiffe://example.org/a\u{0}",
            "the path of `spiffe://example.org/a\\0` holds `\\0`, and it has only letters, digits, `.`, `-` and `_`",
        ),
    ] {
        assert_eq!(SpiffeId::parse(text).unwrap_err().to_string(), told, "{text:?}");
    }
    let no_path = SpiffeId::parse_workload("spiffe://example.org").unwrap_err();
    assert!(matches!(no_path, SpiffeIdError::NoPath(_)));
}

#[test]
fn lengths_are_held_at_their_limits() {
    let with_path = |length: usize| {
        let head = "spiffe://example.org/";
        format!("{head}{}", "a".repeat(length - head.len()))
    };
    assert!(SpiffeId::parse(&with_path(MAX_SPIFFE_ID_BYTES - 1)).is_ok());
    assert!(SpiffeId::parse(&with_path(MAX_SPIFFE_ID_BYTES)).is_ok());
    assert_eq!(
        SpiffeId::parse(&with_path(MAX_SPIFFE_ID_BYTES + 1)),
        Err(SpiffeIdError::TooLong(MAX_SPIFFE_ID_BYTES + 1))
    );
    let with_trust_domain = |length: usize| format!("spiffe://{}/a", "a".repeat(length));
    for (length, ok) in [(254, true), (255, true), (256, false)] {
        assert_eq!(SpiffeId::parse(&with_trust_domain(length)).is_ok(), ok, "{length}");
    }
}
