//! Numbers mean what they say: exact integers, however they are written, and the edges of 64 bits.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Ordering;

use bellgate_manifest::{KindSource, Limits, SchemaSource, SchemaStore};
use proptest::prelude::*;

const INTEGER: &str = r#"{"type":"integer"}"#;
const DIFFERENT: &str = r#"{"uniqueItems":true}"#;

fn conforms(schema: &str, body: &str) -> bool {
    let source = SchemaSource { file: "schema.json".to_owned(), fragment: None, text: schema.into() };
    let store = SchemaStore::compile(vec![KindSource::single("test", source)], Limits::default());
    store.unwrap_or_else(|mistakes| panic!("{schema}: {mistakes:?}")).validate("test", body.as_bytes()).is_ok()
}

#[test]
fn bounds_are_exact_at_the_edges_of_64_bits() {
    for (schema, body, taken) in [
        (r#"{"maximum":18446744073709551615}"#, "18446744073709551615", true),
        (r#"{"maximum":18446744073709551615}"#, "18446744073709551616", false),
        (r#"{"maximum":18446744073709551615}"#, "1844674407370955161.5e1", true),
        (r#"{"maximum":18446744073709551615}"#, "18446744073709551616.0", false),
        (r#"{"maximum":18446744073709551614}"#, "18446744073709551615", false),
        (r#"{"exclusiveMaximum":18446744073709551615}"#, "18446744073709551614", true),
        (r#"{"exclusiveMaximum":18446744073709551615}"#, "18446744073709551615", false),
        (r#"{"maximum":9007199254740992}"#, "9007199254740993", false),
        (r#"{"maximum":9007199254740992}"#, "9007199254740993.0", false),
        (r#"{"minimum":9007199254740993}"#, "9007199254740992", false),
        (r#"{"minimum":-9223372036854775808}"#, "-9223372036854775808", true),
        (r#"{"minimum":-9223372036854775808}"#, "-9223372036854775809", false),
        (r#"{"minimum":-9223372036854775808}"#, "-92233720368547758090e-1", false),
        (r#"{"exclusiveMinimum":-9223372036854775808}"#, "-9223372036854775807", true),
        (r#"{"exclusiveMinimum":-9223372036854775808}"#, "-9223372036854775808", false),
        // Beyond 64 bits, where a float would not tell them apart.
        (r#"{"maximum":253402300799000000000}"#, "253402300799000000000", true),
        (r#"{"maximum":253402300799000000000}"#, "253402300799000000001", false),
        (r#"{"maximum":253402300799000000000}"#, "253402300799000000000.0001", false),
        (r#"{"minimum":253402300799000000000}"#, "253402300798999999999", false),
        (r#"{"exclusiveMaximum":253402300799000000000}"#, "2534023007990e8", false),
        (r#"{"exclusiveMinimum":-253402300799000000000}"#, "-253402300798999999999", true),
        (r#"{"maximum":253402300799000000000}"#, "\"not a number\"", true),
        // A member that happens to be called like a bound, and a default, are none.
        (
            r#"{"properties":{"maximum":{"maximum":253402300799000000000}}}"#,
            r#"{"maximum":253402300799000000001}"#,
            false,
        ),
        (r#"{"default":{"maximum":253402300799000000001}}"#, "1", true),
    ] {
        assert_eq!(conforms(schema, body), taken, "{schema} {body}");
    }
}

#[test]
fn integers_are_what_they_are_worth() {
    for (body, taken) in [
        ("7", true),
        ("7.0", true),
        ("70e-1", true),
        ("0.7e1", true),
        ("-0", true),
        ("0e99", true),
        ("1e300", true),
        ("123456789012345678901234567890", true),
        ("7.5", false),
        ("70e-2", false),
        ("1e-7", false),
        ("9007199254740993.5", false),
        ("123456789012345678901234567890.5", false),
    ] {
        assert_eq!(conforms(r#"{"type":"integer"}"#, body), taken, "{body}");
    }
}

#[test]
fn equal_numbers_are_equal_however_they_are_written() {
    for (schema, body, taken) in [
        (r#"{"const":1}"#, "1.0", true),
        (r#"{"const":1}"#, "10e-1", true),
        (r#"{"const":0}"#, "-0.0", true),
        (r#"{"const":0.1}"#, "1e-1", true),
        (r#"{"const":18446744073709551615}"#, "18446744073709551616", false),
        (r#"{"enum":[1,2]}"#, "2.0", true),
        (r#"{"const":[1,{"a":2}]}"#, r#"[1.0,{"a":2e0}]"#, true),
        (r#"{"multipleOf":0.01}"#, "4.35", true),
        (r#"{"multipleOf":3}"#, "18446744073709551615", true),
        (r#"{"multipleOf":3}"#, "18446744073709551616", false),
        (r#"{"uniqueItems":true}"#, "[1,1.0]", false),
        (r#"{"uniqueItems":true}"#, "[0,-0.0]", false),
        (r#"{"uniqueItems":true}"#, "[18446744073709551616,18446744073709551617]", true),
        (r#"{"uniqueItems":true}"#, "[1e2,100.0]", false),
        (r#"{"uniqueItems":true}"#, "[1,true]", true),
        (r#"{"uniqueItems":true}"#, r#"[{"a":1,"b":[2]},{"b":[2.0],"a":1}]"#, false),
        (r#"{"uniqueItems":true}"#, r#"[{"a":1,"b":2},{"a":2,"b":1},{"a":1}]"#, true),
        (r#"{"uniqueItems":true}"#, r#"["a","\u0061"]"#, false),
    ] {
        assert_eq!(conforms(schema, body), taken, "{schema} {body}");
    }
}

/// An integer of up to 60 digits, as sign and digits without leading zeros.
fn integers() -> impl Strategy<Value = (bool, String)> {
    let edge = prop::sample::select(vec!["0", "9223372036854775808", "18446744073709551615", "18446744073709551616"]);
    let digits = prop_oneof!["[1-9][0-9]{0,59}", edge.prop_map(ToOwned::to_owned)];
    (any::<bool>(), digits).prop_map(|(negative, digits)| (negative && digits != "0", digits))
}

fn literal((negative, digits): &(bool, String)) -> String {
    format!("{}{digits}", if *negative { "-" } else { "" })
}

/// The plainest comparison of two integers.
fn compare(a: &(bool, String), b: &(bool, String)) -> Ordering {
    let magnitude = a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(&b.1));
    match (a.0, b.0) {
        (false, false) => magnitude,
        (true, true) => magnitude.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

proptest! {
    #[test]
    fn integers_meet_bounds_exactly(bound in integers(), near in -2_i8..=2, other in integers(), same in any::<bool>()) {
        // Half of the time a number next to the bound.
        let number = if same { step(&bound, near) } else { other };
        let body = literal(&number);
        let ordering = compare(&number, &bound);
        for (keyword, holds) in [
            ("maximum", ordering.is_le()),
            ("minimum", ordering.is_ge()),
            ("exclusiveMaximum", ordering.is_lt()),
            ("exclusiveMinimum", ordering.is_gt()),
        ] {
            let schema = format!("{{\"{keyword}\":{}}}", literal(&bound));
            prop_assert_eq!(conforms(&schema, &body), holds, "{} {}", schema, body);
            let written = format!("{body}.000");
            prop_assert_eq!(conforms(&schema, &written), holds, "{} {}", schema, written);
        }
    }

    #[test]
    fn moving_the_point_changes_nothing(number in integers(), shift in 0_usize..40) {
        let plain = literal(&number);
        let shift = if plain == "0" { 0 } else { shift };
        let zeros = "0".repeat(shift);
        let longer = format!("{plain}{zeros}e-{shift}");
        prop_assert!(conforms(INTEGER, &longer), "{}", longer);
        let pair = format!("[{plain},{longer}]");
        prop_assert!(!conforms(DIFFERENT, &pair), "{}", pair);
        if shift > 0 {
            let different = format!("[{plain},{plain}{}1e-{shift}]", "0".repeat(shift - 1));
            prop_assert!(conforms(DIFFERENT, &different), "{}", different);
        }
    }
}

/// The integer a few steps away; only its last digits are touched, so it may be itself.
fn step(number: &(bool, String), by: i8) -> (bool, String) {
    let (head, last) = number.1.split_at(number.1.len() - 1);
    let digit: i8 = last.parse().unwrap();
    let digits = format!("{head}{}", (digit + by).clamp(0, 9));
    let digits = if digits.len() > 1 { digits.trim_start_matches('0').to_owned() } else { digits };
    let digits = if digits.is_empty() { "0".to_owned() } else { digits };
    (number.0 && digits != "0", digits)
}
