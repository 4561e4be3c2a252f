//! Schemas: which draft, which references, which patterns, and what their author is told.

use bellgate_manifest::{KindSource, Limits, SchemaSource, SchemaStore};

fn compile(text: &str, fragment: Option<&str>) -> Result<SchemaStore, Vec<String>> {
    let schema =
        SchemaSource { file: "schema.json".to_owned(), fragment: fragment.map(ToOwned::to_owned), text: text.into() };
    SchemaStore::compile(vec![KindSource::single("test", schema)], Limits::default())
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

fn conforms(store: &SchemaStore, body: &str) -> bool {
    store.validate("test", body.as_bytes()).is_ok()
}

#[test]
fn the_draft_is_the_one_that_the_file_names() {
    // A number after a fixed list, as each draft spells it; other drafts ignore that spelling.
    let old = r#"{"$schema": "DRAFT", "items": [{"type": "string"}], "additionalItems": {"type": "integer"}}"#;
    let new = r#"{"$schema": "DRAFT", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}"#;
    for (draft, text) in [
        ("http://json-schema.org/draft-04/schema#", old),
        ("http://json-schema.org/draft-06/schema#", old),
        ("http://json-schema.org/draft-07/schema#", old),
        ("http://json-schema.org/draft-07/schema", old),
        ("https://json-schema.org/draft/2019-09/schema", old),
        ("https://json-schema.org/draft/2020-12/schema", new),
    ] {
        let store = compile(&text.replace("DRAFT", draft), None).unwrap();
        assert!(conforms(&store, r#"["a", 1]"#), "{draft}");
        assert!(!conforms(&store, r#"["a", "b"]"#), "{draft}");
    }
    let unnamed = compile(&new.replace(r#""$schema": "DRAFT","#, ""), None).unwrap();
    assert!(!conforms(&unnamed, r#"["a", "b"]"#));
    // Draft 4 tells 1.0 from an integer, later ones do not.
    for (draft, taken) in [("draft-04", false), ("draft-06", true)] {
        let text = format!(r#"{{"$schema": "http://json-schema.org/{draft}/schema#", "type": "integer"}}"#);
        assert_eq!(conforms(&compile(&text, None).unwrap(), "1.0"), taken, "{draft}");
    }
}

#[test]
fn references_are_followed_inside_the_file() {
    let text = r##"{
        "$defs": {
            "by pointer/with ~ and %": {"$ref": "#/$defs/positive"},
            "positive": {"$anchor": "positive", "minimum": 1},
            "by-anchor": {"$ref": "#positive"},
            "by-id": {"$ref": "https://schemas.bellgate.test/embedded#/$defs/small"},
            "embedded": {"$id": "https://schemas.bellgate.test/embedded", "$defs": {"small": {"minimum": 1}}}
        }
    }"##;
    for fragment in ["/$defs/by pointer~1with ~0 and %", "/$defs/by-anchor", "/$defs/by-id", "/$defs/positive"] {
        let store = compile(text, Some(fragment)).unwrap();
        assert!(conforms(&store, "1"), "{fragment}");
        assert!(!conforms(&store, "0"), "{fragment}");
    }
}

#[test]
fn mistakes_name_the_place_and_what_to_do() {
    for (text, fragment, told) in [
        ("{", None, "`schema.json`: the file is not JSON: expected a key in double quotes at byte 1"),
        (
            r#"{"type": "string", "type": "null"}"#,
            None,
            "`schema.json`: the key at byte 19 stands twice in its object, keep one",
        ),
        (
            r#"{"$schema": "http://json-schema.org/draft-03/schema#"}"#,
            None,
            "`schema.json`: `$schema` is `http://json-schema.org/draft-03/schema#`, which names none of the drafts known here, use draft-04, draft-06, draft-07, 2019-09 or 2020-12",
        ),
        (
            r#"{"properties": {"a": {"type": "strnig"}}}"#,
            None,
            r#"`schema.json`: at `#/properties/a/type`: expected one of "array", "boolean", "integer", "null", "number", "object", "string", or an array"#,
        ),
        ("[]", None, "`schema.json`: at `#`: expected true or false or an object"),
        (
            r#"{"$defs": {"a": {"properties": {"b": {"pattern": "^(?!x)"}}}}}"#,
            Some("/$defs/a"),
            "`schema.json`: at `#/$defs/a/properties/b/pattern`: the pattern `^(?!x)` does not compile on the linear-time engine, which has no look-around, no back-references and a limit on size: rewrite it",
        ),
        (
            r#"{"patternProperties": {"(a)\\1": true}}"#,
            None,
            "`schema.json`: at `#/patternProperties/(a)\\1`: the pattern `(a)\\1` does not compile on the linear-time engine, which has no look-around, no back-references and a limit on size: rewrite it",
        ),
        (
            r#"{"$ref": "other.json#/a"}"#,
            None,
            "`schema.json`: at `#/$ref`: `other.json#/a` is outside this file, and references are followed inside it only: copy that schema into `$defs`",
        ),
        (
            r#"{"items": {"$ref": "https://example.com/a.json"}}"#,
            None,
            "`schema.json`: at `#/items/$ref`: `https://example.com/a.json` is outside this file, and references are followed inside it only: copy that schema into `$defs`",
        ),
        (
            r##"{"items": {"$ref": "#/$defs/a"}}"##,
            None,
            "`schema.json`: at `#/items/$ref`: the reference `/$defs/a` leads nowhere in this file",
        ),
        (
            r##"{"items": {"$ref": "#a"}}"##,
            None,
            "`schema.json`: at `#/items/$ref`: the anchor `a` does not exist in this file",
        ),
        (
            r#"{"$defs": {"Name": {}, "Other": {}}}"#,
            Some("/$defs/nmae"),
            "`schema.json`: nothing at `#/$defs/nmae`, did you mean `#/$defs/Name`?",
        ),
        (
            r#"{"$defs": {"Name": {}, "Other": {}}}"#,
            Some("/$defs/Something"),
            "`schema.json`: nothing at `#/$defs/Something`, `#/$defs` has 2 other names",
        ),
        (r"{}", Some("/$defs/a"), "`schema.json`: nothing at `#/$defs/a`, not even at `#/$defs`"),
        (
            r"{}",
            Some("Name"),
            "`schema.json`: nothing at `#Name`, a JSON pointer starts with `/`, as in `#/$defs/Name`",
        ),
        (
            r#"{"const": 18446744073709551617}"#,
            None,
            "`schema.json`: at `#/const`: this integer is beyond 64 bits and would lose digits, use one from -9223372036854775808 to 18446744073709551615",
        ),
    ] {
        assert_eq!(compile(text, fragment).err().unwrap_or_default(), [told], "{text}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = r#"{"type": "strnig", "minLength": -1, "properties": {"a": {"required": "a"}}}"#;
    let mistakes = compile(text, None).err().unwrap();
    for place in ["#/type", "#/minLength", "#/properties/a/required"] {
        assert!(mistakes.iter().any(|mistake| mistake.contains(place)), "{mistakes:?}");
    }
}

#[test]
fn the_formats_of_the_drafts_are_assertions_and_others_are_not() {
    for draft in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
        let check = |format: &str, body: &str| {
            let text = format!(r#"{{"$schema": "{draft}", "format": "{format}"}}"#);
            conforms(&compile(&text, None).unwrap(), body)
        };
        for (format, good, bad) in [
            ("uri", "https://a.test/", "a b"),
            ("date-time", "2026-02-28T23:59:60Z", "2026-02-30T00:00:00Z"),
            ("date", "2024-02-29", "2023-02-29"),
            ("email", "a@b.test", "a"),
            ("ipv4", "127.0.0.1", "127.0.0.256"),
            ("ipv6", "::1", ":::1"),
            ("hostname", "a-b.test", "-a"),
            ("idn-hostname", "bücher.test", "a..b"),
            ("json-pointer", "/a~0", "/a~2"),
            ("regex", "^a$", "("),
        ] {
            assert!(check(format, &format!("{good:?}")) || good.contains(":60Z"), "{draft} {format}");
            assert!(!check(format, &format!("{bad:?}")), "{draft} {format}");
            assert!(check(format, "1"), "{draft} {format} looks at strings only");
        }
        assert!(check("colour", r#""anything""#), "{draft}");
    }
}

#[test]
fn patterns_follow_ecma_262() {
    for (pattern, body, taken) in [
        (r"^\\d$", "1", true),
        (r"^\\d$", "\u{663}", false),
        (r"^\\w+$", "é", false),
        (r"^a$", "a\\n", false),
        (r"b", "abc", true),
        (r"^\\p{Letter}+$", "é", true),
        (r"^.{2}$", "é𝄞", true),
        (r"^\\cC$", "\\u0003", true),
    ] {
        let store = compile(&format!(r#"{{"pattern": "{pattern}"}}"#), None).unwrap();
        assert_eq!(conforms(&store, &format!("\"{body}\"")), taken, "{pattern} {body}");
    }
}
