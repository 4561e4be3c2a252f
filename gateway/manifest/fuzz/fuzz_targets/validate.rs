//! Any bytes against a schema with every kind of keyword: no panic, bounded work, and a reason for
//! every refusal.
#![no_main]

use std::sync::LazyLock;

use bellgate_manifest::{KindSource, Limits, RejectionCause, SchemaSource, SchemaStore};
use libfuzzer_sys::fuzz_target;

/// A recursive schema, so that a document decides how much of it is used.
const SCHEMA: &str = r##"{
    "$ref": "#/$defs/node",
    "$defs": {"node": {
        "anyOf": [
            {"type": "string", "pattern": "^[a-z]*$", "maxLength": 8},
            {"type": "number", "minimum": -9223372036854775808, "maximum": 18446744073709551615, "multipleOf": 0.5},
            {"type": "array", "items": {"$ref": "#/$defs/node"}, "uniqueItems": true, "contains": {"type": "string"}},
            {"type": "object", "propertyNames": {"maxLength": 3}, "required": ["a"],
             "properties": {"a": {"const": [1, {"b": null}]}}, "unevaluatedProperties": {"$ref": "#/$defs/node"}}
        ]
    }}
}"##;

static STORE: LazyLock<SchemaStore> = LazyLock::new(|| {
    let schema = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: SCHEMA.into() };
    let limits = Limits { work: 100_000, ..Limits::default() };
    SchemaStore::compile(vec![KindSource::single("node", schema)], limits).expect("the schema compiles")
});

fuzz_target!(|body: &[u8]| {
    if let Err(rejection) = STORE.validate("node", body) {
        let reasons = rejection.cause != RejectionCause::Schema
            || rejection.truncated
            || !rejection.violations.is_empty();
        assert!(reasons, "a refusal without a reason");
    }
});
