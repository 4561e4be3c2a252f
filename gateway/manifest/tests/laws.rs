//! Laws of the strict reader, with `serde_json` as the oracle. The fuzz target in `fuzz/` checks
//! the same ones.

#[path = "laws/oracle.rs"]
mod oracle;

use bellgate_manifest::{Document, Limits};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::Value;

/// JSON values with numbers and strings at the edges.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinity", |float| float.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            hash_map(any::<String>(), inner, 0..8).prop_map(Value::from_iter),
        ]
    })
}

/// Bytes that are nearly JSON: pieces of it in any order.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\"",
        "\\",
        "\"a\"",
        "\"\\u0061\"",
        "\"\\ud800",
        "\\udc00\"",
        "-",
        "0",
        "1",
        "18446744073709551616",
        ".5",
        "e400",
        "e-400",
        "e5",
        "null",
        "true",
        "\u{feff}",
        "é",
        "\n",
        "\u{0}",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_keep_the_laws(body: Vec<u8>) {
        oracle::check(&body);
    }

    #[test]
    fn near_json_keeps_the_laws(body in nearly_json()) {
        oracle::check(&body);
    }

    #[test]
    fn what_serde_writes_is_taken_and_means_the_same(value in values()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let document = Document::read(text.as_bytes(), &Limits::default());
            let document = document.map_err(|cause| TestCaseError::fail(cause.to_string()))?;
            prop_assert_eq!(document.to_value(), value.clone());
            oracle::check(text.as_bytes());
        }
    }

    #[test]
    fn a_key_twice_is_refused_wherever_it_stands(
        keys in prop::collection::hash_set("[a-f]{0,3}", 1..12),
        which: prop::sample::Index,
        at: prop::sample::Index,
    ) {
        let mut keys: Vec<String> = keys.into_iter().collect();
        let again: String = which.get(&keys).chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let member = |key: &String| format!("\"{key}\":0");
        let distinct = format!("{{{}}}", keys.iter().map(member).collect::<Vec<_>>().join(","));
        prop_assert!(Document::read(distinct.as_bytes(), &Limits::default()).is_ok());
        keys.insert(at.index(keys.len() + 1), again);
        let twice = format!("{{{}}}", keys.iter().map(member).collect::<Vec<_>>().join(","));
        let cause = Document::read(twice.as_bytes(), &Limits::default()).err();
        prop_assert_eq!(cause.map(|cause| cause.code()), Some("duplicate-key"));
    }
}
