//! Bodies made to cost more than they look: the answer comes after a bounded amount of work, and
//! says so. Each of these would run for minutes or take gigabytes without the meter.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bellgate_manifest::{KindSource, Limits, Rejection, RejectionCause, SchemaSource, SchemaStore};
use serde_json::{Value, json};

fn store(schema: &Value, limits: Limits) -> SchemaStore {
    let schema = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: schema.to_string().into() };
    SchemaStore::compile(vec![KindSource::single("test", schema)], limits).unwrap()
}

fn refuse(schema: &Value, body: &str) -> Rejection {
    store(schema, Limits::default()).validate("test", body.as_bytes()).unwrap_err()
}

/// A tree whose every level can be read in several ways.
fn ambiguous_tree() -> Value {
    json!({
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {"anyOf": [
            {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 8},
            {"type": "array", "items": {"$ref": "#/$defs/tree"}, "minItems": 1},
            {"type": "integer"}
        ]}}
    })
}

#[test]
fn listing_every_way_to_fail_is_cut_off() {
    let body = format!("{}\"x\"{}", "[".repeat(63), "]".repeat(63));
    let rejection = refuse(&ambiguous_tree(), &body);
    assert_eq!(rejection.cause, RejectionCause::Schema);
    assert!(rejection.truncated);
}

#[test]
fn an_ambiguous_tree_that_conforms_passes() {
    let body = format!("{}1{}", "[".repeat(63), "]".repeat(63));
    let store = store(&ambiguous_tree(), Limits::default());
    assert!(store.validate("test", body.as_bytes()).is_ok());
}

#[test]
fn a_hundred_thousand_mistakes_are_cut_off() {
    let body = format!("[{}]", vec!["0"; 99_999].join(","));
    let rejection = refuse(&json!({"items": {"type": "string"}}), &body);
    assert_eq!(rejection.cause, RejectionCause::Schema);
    assert_eq!(rejection.violations.len(), 64);
    assert_eq!(rejection.violations[63].instance_path, "/63");
    assert!(rejection.truncated);
}

#[test]
fn long_paths_to_many_mistakes_are_cut_off() {
    let key = "k".repeat(1_000);
    let schema = json!({"additionalProperties": {"$ref": "#"}, "items": {"type": "string"}});
    let open = format!("{{\"{key}\":").repeat(62);
    let body = format!("{open}[{}]{}", vec!["0"; 90_000].join(","), "}".repeat(62));
    let rejection = refuse(&schema, &body);
    assert_eq!(rejection.cause, RejectionCause::Schema);
    assert!(rejection.truncated);
    assert!(rejection.to_problem().to_string().len() < 100_000);
}

#[test]
fn looking_for_equal_items_is_not_quadratic() {
    let elements: Vec<String> = (0..45_000).map(|index| format!("{{\"a\":{index}}}")).collect();
    let body = format!("[{}]", elements.join(","));
    let store = store(&json!({"uniqueItems": true}), Limits::default());
    assert!(store.validate("test", body.as_bytes()).is_ok());
}

#[test]
fn too_much_work_is_refused_and_said() {
    let limits = |work| Limits { work, ..Limits::default() };
    let schema = json!({"items": {"type": "integer"}});
    let body = format!("[{}]", vec!["1"; 1_000].join(","));
    let outcome = |work| store(&schema, limits(work)).validate("test", body.as_bytes());
    assert!(outcome(100_000).is_ok());
    let rejection = outcome(100).unwrap_err();
    assert_eq!(rejection.cause, RejectionCause::TooMuchWork { limit: 100 });
    assert_eq!(rejection.status(), 413);

    // There is one exact edge: what passes with some work passes with more.
    let edge = (1..100_000).find(|&work| outcome(work).is_ok()).unwrap();
    assert!((1_000..10_000).contains(&edge), "{edge}");
    assert!(outcome(edge - 1).is_err() && outcome(edge + 1).is_ok());
}

#[test]
fn text_costs_what_reading_it_costs() {
    let schema = json!({"allOf": vec![json!({"pattern": "^(a|b)*c?$"}); 40]});
    let body = format!("\"{}\"", "ab".repeat(500_000));
    let limits = Limits { work: 100_000, ..Limits::default() };
    let rejection = store(&schema, limits).validate("test", body.as_bytes()).unwrap_err();
    assert_eq!(rejection.cause.code(), "too-much-work");
}

#[test]
fn patterns_that_backtracking_engines_choke_on_are_linear() {
    let schema = json!({"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"});
    let body = format!("\"{}\"", "a".repeat(100_000));
    assert_eq!(refuse(&schema, &body).cause, RejectionCause::Schema);
}

#[test]
fn the_deepest_document_fits_a_small_stack() {
    let limits = Limits { depth: 256, ..Limits::default() };
    let schema = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {
            "anyOf": [{"$ref": "#/$defs/branch"}, {"type": "integer"}],
            "unevaluatedProperties": false
        },
        "branch": {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}}}
    });
    let store = store(&schema, limits);
    let body = |leaf: &str| format!("{}{leaf}{}", "{\"a\":".repeat(256), "}".repeat(256));
    // As small as the stacks of the threads that a runtime starts.
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let done = thread.spawn(move || {
        assert!(store.validate("test", body("1").as_bytes()).is_ok());
        assert!(store.validate("test", body("\"x\"").as_bytes()).is_err());
    });
    done.unwrap().join().unwrap();
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"anyOf": [{"$ref": "#"}, {"type": "string"}], "propertyNames": {"$ref": "#"}}),
        json!({"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}, "unevaluatedProperties": {"$dynamicRef": "#n"}}),
    ] {
        let store = store(&schema, Limits::default());
        assert!(store.validate("test", br#"{"a":[{"b":[1]}]}"#).is_ok(), "{schema}");
    }
}

#[test]
fn the_deepest_schema_fits_a_small_stack() {
    // As deep as a schema file may nest.
    let nested = |keyword: &str, depth: usize| {
        let text = format!("{}true{}", format!("{{\"{keyword}\":").repeat(depth), "}".repeat(depth));
        let schema = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: text.into() };
        SchemaStore::compile(vec![KindSource::single("test", schema)], Limits::default())
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let done = thread.spawn(move || {
        for keyword in ["not", "items", "additionalProperties", "propertyNames", "if", "default"] {
            assert!(nested(keyword, 128).is_ok(), "{keyword}");
            let mistakes = nested(keyword, 129).err().unwrap();
            assert!(mistakes[0].to_string().contains("deeper than 128 levels"), "{mistakes:?}");
        }
    });
    done.unwrap().join().unwrap();
}
