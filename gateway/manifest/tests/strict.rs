//! What the strict reader takes and refuses, byte by byte, and its limits at the edge.

use bellgate_manifest::{Document, Limits, RejectionCause};

fn code(body: &[u8], limits: &Limits) -> &'static str {
    match Document::read(body, limits) {
        Ok(_) => "taken",
        Err(cause) => cause.code(),
    }
}

fn default_code(body: impl AsRef<[u8]>) -> &'static str {
    code(body.as_ref(), &Limits::default())
}

#[test]
fn json_is_taken() {
    for body in [
        "null",
        "true",
        " false\r\n\t",
        "0",
        "-0",
        "-0.0e-0",
        "18446744073709551616",
        "1E+2",
        "0e400",
        "0.0e-400",
        "1e308",
        "5e-324",
        "\"\"",
        "\"\u{7f}\u{80}\u{2028}\u{10ffff}\"",
        r#""\"\\\/\b\f\n\r\t\u0000\uD834\udd1e""#,
        "[]",
        "{ }",
        "[ 1 , [ ] , { } ]",
        r#"{"":0,"a":{"a":{"a":[]}},"A":1,"á":2}"#,
        r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}"#,
    ] {
        assert_eq!(default_code(body), "taken", "{body}");
    }
}

#[test]
fn everything_else_is_refused_with_its_cause() {
    let too_big = format!("1{}", "0".repeat(309));
    for (body, cause) in [
        ("", "syntax"),
        (" ", "syntax"),
        ("nul", "syntax"),
        ("nulll", "syntax"),
        ("True", "syntax"),
        ("NaN", "syntax"),
        ("Infinity", "syntax"),
        ("-Infinity", "syntax"),
        ("+1", "syntax"),
        ("01", "syntax"),
        ("-01", "syntax"),
        ("-", "syntax"),
        ("1.", "syntax"),
        (".1", "syntax"),
        ("1e", "syntax"),
        ("1e+", "syntax"),
        ("0x1", "syntax"),
        ("1 2", "syntax"),
        ("{} {}", "syntax"),
        ("[1]]", "syntax"),
        ("[", "syntax"),
        ("[1", "syntax"),
        ("[1,", "syntax"),
        ("[1,]", "syntax"),
        ("[,1]", "syntax"),
        ("[1 2]", "syntax"),
        ("[1}", "syntax"),
        ("{", "syntax"),
        ("{]", "syntax"),
        ("{,}", "syntax"),
        (r#"{"a"}"#, "syntax"),
        (r#"{"a":}"#, "syntax"),
        (r#"{"a":1,}"#, "syntax"),
        (r#"{"a":1 "b":2}"#, "syntax"),
        (r#"{"a":1]"#, "syntax"),
        (r#"{a:1}"#, "syntax"),
        (r#"{'a':1}"#, "syntax"),
        (r#"{1:1}"#, "syntax"),
        ("[1] // no", "syntax"),
        ("/**/1", "syntax"),
        ("\u{a0}1", "syntax"),
        ("\u{b}1", "syntax"),
        ("1\0", "syntax"),
        ("\"", "syntax"),
        ("\"a", "syntax"),
        ("\"\n\"", "syntax"),
        ("\"\u{1f}\"", "syntax"),
        ("\"\0\"", "syntax"),
        (r#""\x""#, "syntax"),
        (r#""\u12""#, "syntax"),
        (r#""\u12G4""#, "syntax"),
        (r#""\u+123""#, "syntax"),
        (r#""\"#, "syntax"),
        (r#""\ud800""#, "lone-surrogate"),
        (r#""\udc00""#, "lone-surrogate"),
        (r#""\udc00\ud800""#, "lone-surrogate"),
        (r#""\ud800\ud800""#, "lone-surrogate"),
        (r#""\ud800\u0061""#, "lone-surrogate"),
        (r#""\ud800\n""#, "lone-surrogate"),
        (r#""\ud800x""#, "lone-surrogate"),
        (r#"{"\udfff":1}"#, "lone-surrogate"),
        ("\u{feff}{}", "byte-order-mark"),
        ("[\u{feff}]", "syntax"),
        ("1e309", "number-out-of-range"),
        ("-1e400", "number-out-of-range"),
        ("[1e999999999999999999999]", "number-out-of-range"),
        ("1e-400", "number-out-of-range"),
        ("1e-999999999999999999999", "number-out-of-range"),
        (too_big.as_str(), "number-out-of-range"),
        (r#"{"a":1,"a":2}"#, "duplicate-key"),
        (r#"{"a":1,"\u0061":2}"#, "duplicate-key"),
        (r#"{"\ud834\udd1e":1,"𝄞":2}"#, "duplicate-key"),
        (r#"{"/":1,"\/":2}"#, "duplicate-key"),
        (r#"{"":1,"":2}"#, "duplicate-key"),
        (r#"[{"b":{"x":1,"y":2,"x":3}}]"#, "duplicate-key"),
    ] {
        assert_eq!(default_code(body), cause, "{body}");
    }
}

#[test]
fn other_encodings_are_refused() {
    for (body, offset) in [
        (&b"\xff\xfe1\x00"[..], 0),
        (b"\"\xc3\"", 1),
        (b"\"\xc0\xaf\"", 1),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"\xf4\x90\x80\x80\"", 1),
        (b"[1, \"ok\", \"\xfe\"]", 11),
    ] {
        let cause = Document::read(body, &Limits::default()).err();
        assert_eq!(cause, Some(RejectionCause::NotUtf8 { offset }), "{body:?}");
    }
}

#[test]
fn offsets_point_at_the_mistake() {
    for (body, cause) in [
        (r#"{"a": 1, "b" 2}"#, RejectionCause::Syntax { offset: 13, expected: "`:`" }),
        ("[1, 2", RejectionCause::Syntax { offset: 5, expected: "`,` or `]`" }),
        (r#"["\ud800"]"#, RejectionCause::LoneSurrogate { offset: 2 }),
        ("[1, 1e400]", RejectionCause::NumberOutOfRange { offset: 4 }),
        (r#"{"z":0,"a":1,"b":2,"\u0061":3,"b":4}"#, RejectionCause::DuplicateKey { offset: 19 }),
    ] {
        let found = Document::read(body.as_bytes(), &Limits::default()).err();
        assert_eq!(found, Some(cause), "{body}");
    }
}

#[test]
fn a_body_may_have_as_many_bytes_as_the_limit() {
    let limits = Limits { bytes: 10, ..Limits::default() };
    for (length, cause) in [(9, "taken"), (10, "taken"), (11, "too-large")] {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        assert_eq!(code(body.as_bytes(), &limits), cause, "{length}");
    }
    // The size is told before anything else is looked at.
    assert_eq!(code(&[0xff; 11], &limits), "too-large");
}

#[test]
fn nesting_may_be_as_deep_as_the_limit() {
    for limit in [1, 5, 64, 256] {
        let limits = Limits { depth: limit, ..Limits::default() };
        for (depth, cause) in [(limit - 1, "taken"), (limit, "taken"), (limit + 1, "too-deep")] {
            let arrays = format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(code(arrays.as_bytes(), &limits), cause, "{depth} of {limit}");
            let objects = format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            assert_eq!(code(objects.as_bytes(), &limits), cause, "{depth} of {limit}");
        }
    }
}

#[test]
fn nesting_costs_no_stack() {
    let million = "[".repeat(1_000_000);
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    let reader = small.spawn(move || code(million.as_bytes(), &limits)).unwrap();
    assert_eq!(reader.join().unwrap(), "too-deep");
}

#[test]
fn there_may_be_as_many_values_as_the_limit() {
    let limits = Limits { members: 7, ..Limits::default() };
    for (body, cause) in [
        ("[1,2,3,4,5]", "taken"),
        ("[1,2,3,4,5,6]", "taken"),
        ("[1,2,3,4,5,6,7]", "too-many-members"),
        (r#"{"a":1,"b":[2,3],"c":{}}"#, "taken"),
        (r#"{"a":1,"b":[2,3],"c":{"d":4}}"#, "taken"),
        (r#"{"a":1,"b":[2,3],"c":{"d":4,"e":5}}"#, "too-many-members"),
        ("[[[[[[]]]]]]", "taken"),
        ("[[[[[[[]]]]]]]", "taken"),
        ("[[[[[[[[]]]]]]]]", "too-many-members"),
    ] {
        assert_eq!(code(body.as_bytes(), &limits), cause, "{body}");
    }
}

#[test]
fn a_key_may_be_as_long_as_the_limit_after_unescaping() {
    let limits = Limits { key_bytes: 4, ..Limits::default() };
    for (body, cause) in [
        (r#"{"abc":1}"#, "taken"),
        (r#"{"abcd":1}"#, "taken"),
        (r#"{"abcde":1}"#, "key-too-long"),
        (r#"{"\u0061bcd":"a long value"}"#, "taken"),
        (r#"{"\u0061bcde":1}"#, "key-too-long"),
        (r#"{"éé":1}"#, "taken"),
        (r#"{"ééé":1}"#, "key-too-long"),
    ] {
        assert_eq!(code(body.as_bytes(), &limits), cause, "{body}");
    }
}

#[test]
fn the_value_is_what_was_written() {
    let body =
        r#"{"b":[1,-2,3.5,1e2,18446744073709551615,-9223372036854775808],"a":"\u00e9\n\ud834\udd1e","":{"~/":null}}"#;
    let document = Document::read(body.as_bytes(), &Limits::default()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document.to_value(), expected);
    assert_eq!(document.len(), 11);
}

#[test]
fn strings_are_found_by_json_pointer() {
    let body = r#"{"a":{"b/c":["x",{"~":"y"}]},"":"z","v\u0065rsion":"1\u002e0","n":1}"#;
    let document = Document::read(body.as_bytes(), &Limits::default()).unwrap();
    for (pointer, found) in [
        ("/a/b~1c/0", Some("x")),
        ("/a/b~1c/1/~0", Some("y")),
        ("/", Some("z")),
        ("/version", Some("1.0")),
        ("", None),
        ("/n", None),
        ("/a", None),
        ("a", None),
        ("/a/b~1c/00", None),
        ("/a/b~1c/-1", None),
        ("/a/b~1c/2", None),
        ("/a/b~2c/0", None),
        ("/version/x", None),
    ] {
        assert_eq!(document.string_at(pointer), found, "{pointer}");
    }
}

#[test]
fn reading_is_linear() {
    // A quadratic reader would take minutes for any of these.
    let limits = Limits { bytes: 16 << 20, members: 4_000_000, ..Limits::default() };
    let keys: Vec<String> = (0..300_000).map(|key| format!("\"{key:06}\":0")).collect();
    let backwards: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    let bodies = [
        format!("{{{}}}", keys.join(",")),
        format!("{{{}}}", backwards.join(",")),
        format!("[{}]", vec!["{}"; 1_000_000].join(",")),
        format!("\"{}\"", "\\u0061".repeat(1_000_000)),
        format!("[0.{}]", "1".repeat(4_000_000)),
        " ".repeat(8_000_000) + "1",
    ];
    for body in bodies {
        assert_eq!(code(body.as_bytes(), &limits), "taken");
    }
}
