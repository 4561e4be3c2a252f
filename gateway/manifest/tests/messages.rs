//! What each keyword says when it is not met: where, by which part of the schema, and what was
//! expected. Never a value of the document, and its keys in instance paths alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bellgate_manifest::{KindSource, Limits, Rejection, RejectionCause, SchemaSource, SchemaStore};
use proptest::prelude::*;
use serde_json::{Value, json};

fn store(schema: &Value) -> SchemaStore {
    let schema = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: schema.to_string().into() };
    SchemaStore::compile(vec![KindSource::single("test", schema)], Limits::default()).unwrap()
}

fn refuse(schema: &Value, body: &Value) -> Rejection {
    let rejection = store(schema).validate("test", body.to_string().as_bytes()).unwrap_err();
    assert_eq!(rejection.cause, RejectionCause::Schema);
    assert!(!rejection.truncated);
    rejection
}

/// `instance path | schema path | keyword | message` of each violation.
fn rows(rejection: &Rejection) -> Vec<String> {
    let violations = rejection.violations.iter();
    violations.map(|v| format!("{} | {} | {} | {}", v.instance_path, v.schema_path, v.keyword, v.message)).collect()
}

#[test]
fn each_keyword_says_what_it_expected() {
    let ten = "0123456789".repeat(20);
    for (schema, body, row) in [
        (json!({"type": "string"}), json!(1), " | /type | type | expected a string"),
        (json!({"type": "integer"}), json!(1.5), " | /type | type | expected an integer"),
        (json!({"type": "boolean"}), json!(null), " | /type | type | expected true or false"),
        (json!({"type": ["object", "null"]}), json!([]), " | /type | type | expected null or an object"),
        (json!({"enum": ["a", 1, null]}), json!("b"), r#" | /enum | enum | expected one of "a", 1, null"#),
        (json!({"enum": ["only"]}), json!("b"), r#" | /enum | enum | expected "only""#),
        (json!({"const": {"a": 1}}), json!({"a": 2}), r#" | /const | const | expected {"a":1}"#),
        (json!({"maxLength": 1}), json!("éé"), " | /maxLength | maxLength | expected at most 1 character"),
        (json!({"minLength": 3}), json!("éé"), " | /minLength | minLength | expected at least 3 characters"),
        (json!({"pattern": "^\\d+$"}), json!("1\n"), " | /pattern | pattern | expected text that matches `^\\d+$`"),
        (json!({"format": "date-time"}), json!("today"), " | /format | format | expected the format `date-time`"),
        (json!({"maximum": 2}), json!(3), " | /maximum | maximum | expected at most 2"),
        (json!({"minimum": -2.5}), json!(-3), " | /minimum | minimum | expected at least -2.5"),
        (json!({"exclusiveMaximum": 2}), json!(2), " | /exclusiveMaximum | exclusiveMaximum | expected less than 2"),
        (json!({"exclusiveMinimum": 2}), json!(2), " | /exclusiveMinimum | exclusiveMinimum | expected more than 2"),
        (json!({"multipleOf": 0.1}), json!(0.25), " | /multipleOf | multipleOf | expected a multiple of 0.1"),
        (json!({"maxItems": 1}), json!([1, 2]), " | /maxItems | maxItems | expected at most 1 item"),
        (json!({"minItems": 2}), json!([1]), " | /minItems | minItems | expected at least 2 items"),
        (
            json!({"uniqueItems": true}),
            json!([1, 1.0]),
            " | /uniqueItems | uniqueItems | expected items that all differ",
        ),
        (json!({"prefixItems": [true], "items": false}), json!([1, 2]), "/1 | /items | false | expected nothing here"),
        (
            json!({"contains": {"type": "string"}}),
            json!([1]),
            " | /contains | contains | expected as many fitting items as the schema asks for",
        ),
        (
            json!({"maxProperties": 1}),
            json!({"a": 1, "b": 2}),
            " | /maxProperties | maxProperties | expected at most 1 member",
        ),
        (json!({"minProperties": 1}), json!({}), " | /minProperties | minProperties | expected at least 1 member"),
        (json!({"required": ["a"]}), json!({}), r#" | /required | required | expected a member "a""#),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!({"a": 1}),
            r#" | /dependentRequired | required | expected a member "b""#,
        ),
        (
            json!({"additionalProperties": false}),
            json!({"x/y": 1}),
            "/x~1y | /additionalProperties | additionalProperties | not a member that the schema allows",
        ),
        (
            json!({"propertyNames": false}),
            json!({"x": 1}),
            "/x | /propertyNames | propertyNames | not a member that the schema allows",
        ),
        (
            json!({"unevaluatedProperties": false}),
            json!({"x": 1}),
            "/x | /unevaluatedProperties | unevaluatedProperties | not a member that the schema allows",
        ),
        (
            json!({"unevaluatedItems": false}),
            json!([1, 2]),
            " | /unevaluatedItems | unevaluatedItems | 2 items that the schema does not allow",
        ),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            json!({"ab": 1}),
            "/ab | /propertyNames/maxLength | maxLength | the key: expected at most 1 character",
        ),
        (json!({"properties": {"a": false}}), json!({"a": 1}), "/a | /properties/a | false | expected nothing here"),
        (
            json!({"not": {"type": "string"}}),
            json!("x"),
            " | /not | not | expected not to conform to the schema under `not`",
        ),
        (
            json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]}),
            json!(1.5),
            " | /oneOf | oneOf | expected to conform to exactly one alternative, not to several",
        ),
        (json!({"const": ten}), json!("x"), &format!(" | /const | const | expected \"{}…", &ten[..159])),
    ] {
        assert_eq!(rows(&refuse(&schema, &body)), [row], "{schema} {body}");
    }
}

#[test]
fn a_union_says_what_would_do() {
    let nullable = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    assert_eq!(rows(&refuse(&nullable, &json!(1))), [" | /anyOf | anyOf | expected a string or null"]);

    // The value is a string, so that alternative is meant.
    let short = json!({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "null"}]});
    assert_eq!(
        rows(&refuse(&short, &json!("abc"))),
        [
            " | /anyOf | anyOf | expected to conform to one of 2 alternatives",
            " | /anyOf/0/maxLength | maxLength | expected at most 2 characters",
        ]
    );

    let tagged = json!({"oneOf": [
        {"properties": {"kind": {"const": "cat"}, "lives": {"maximum": 9}}, "required": ["kind"]},
        {"properties": {"kind": {"enum": ["dog", "wolf"]}, "lives": {"maximum": 1}}, "required": ["kind"]}
    ]});
    assert_eq!(
        rows(&refuse(&tagged, &json!({"kind": "fish"}))),
        [r#"/kind | /oneOf | oneOf | expected one of "cat", "dog", "wolf""#]
    );
    assert_eq!(
        rows(&refuse(&tagged, &json!({"kind": "cat", "lives": 10}))),
        [
            " | /oneOf | oneOf | expected to conform to one of 2 alternatives",
            "/lives | /oneOf/0/properties/lives/maximum | maximum | expected at most 9",
        ]
    );
}

#[test]
fn violations_follow_the_document() {
    let schema = json!({
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "list": {"items": {"type": "string"}}},
        "required": ["missing"],
        "additionalProperties": false
    });
    let body = r#"{"list": [0, "x", 1], "b": 1, "z": 1, "a": 1}"#;
    let rejection = store(&schema).validate("test", body.as_bytes()).unwrap_err();
    let paths: Vec<&str> = rejection.violations.iter().map(|violation| violation.instance_path.as_str()).collect();
    assert_eq!(paths, ["", "/list/0", "/list/2", "/b", "/z", "/a"]);
}

#[test]
fn a_list_ends_at_its_limit() {
    let text = json!({"items": {"type": "string"}}).to_string();
    for (count, listed, truncated) in [(2, 2, false), (3, 3, false), (4, 3, true)] {
        let schema = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: text.as_str().into() };
        let limits = Limits { errors: 3, ..Limits::default() };
        let store = SchemaStore::compile(vec![KindSource::single("test", schema)], limits).unwrap();
        let body = json!(vec![0; count]).to_string();
        let rejection = store.validate("test", body.as_bytes()).unwrap_err();
        assert_eq!((rejection.violations.len(), rejection.truncated), (listed, truncated));
    }
}

#[test]
fn paths_are_shown_without_harm() {
    let schema = json!({"additionalProperties": false});
    let shown = |key: &str| refuse(&schema, &json!({(key): 1})).violations.remove(0).instance_path;
    assert_eq!(shown("a\u{1b}[2J\n\u{202e}b c~/"), "/a\\u{1b}[2J\\u{a}\\u{202e}b c~0~1");
    assert_eq!(shown(&"k".repeat(511)), format!("/{}", "k".repeat(511)));
    assert_eq!(shown(&"k".repeat(512)), format!("/{}…", "k".repeat(511)));
}

/// Schemas that between them use every keyword with a message.
fn strict_schemas() -> Vec<Value> {
    vec![
        json!({"type": "integer", "minLength": 99, "maxLength": 0, "pattern": "^$", "format": "uuid"}),
        json!({"const": 7, "enum": [7], "not": {}, "minimum": 1e9, "maximum": -1e9, "multipleOf": 1e9}),
        json!({"minItems": 9, "maxItems": 0, "uniqueItems": true, "contains": false, "items": false}),
        json!({"minProperties": 9, "maxProperties": 0, "required": ["a"], "additionalProperties": false}),
        json!({"propertyNames": {"maxLength": 0, "pattern": "^$", "const": "x"}, "unevaluatedProperties": false}),
        json!({"additionalProperties": {"type": "null"}, "items": {"type": "null"}, "unevaluatedItems": false}),
        json!({"anyOf": [{"type": "string", "maxLength": 0}, {"items": {"const": 7}}, {"additionalProperties": {"const": 7}}]}),
        json!({"oneOf": [{"type": "null"}, {"additionalProperties": false}, {"prefixItems": [{"enum": [7, 8]}]}]}),
        json!({"patternProperties": {"^KEY": false}, "dependentSchemas": {"KEYa": false}, "if": {}, "then": false}),
    ]
}

/// Documents whose strings start with VALUE and whose keys start with KEY.
fn marked() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof!["VALUE[a-z]{0,3}".prop_map(Value::from), Just(Value::Null), any::<i8>().prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("KEY[a-z]{0,3}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn what_the_document_says_is_never_repeated(body in marked(), which: prop::sample::Index) {
        let schemas = strict_schemas();
        let store = store(which.get(&schemas));
        if let Err(mut rejection) = store.validate("test", body.to_string().as_bytes()) {
            prop_assert!(!rejection.violations.is_empty());
            prop_assert!(!format!("{rejection:?}").contains("VALUE"), "{:?}", rejection);
            for violation in &mut rejection.violations {
                violation.instance_path.clear();
            }
            let rest = rejection.to_problem().to_string().replace("^KEY", "").replace("KEYa", "");
            prop_assert!(!rest.contains("KEY"), "{}", rest);
        }
    }

    #[test]
    fn the_same_body_gets_the_same_answer(body in marked(), which: prop::sample::Index) {
        let schemas = strict_schemas();
        let schema = which.get(&schemas);
        let body = body.to_string();
        let first = store(schema).validate("test", body.as_bytes());
        prop_assert_eq!(store(schema).validate("test", body.as_bytes()), first);
    }
}
