//! Parts of a JSON text as they are written, so that numbers reach the store with all digits.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::de::IgnoredAny;

/// The elements of an array.
pub(crate) fn elements(array: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut rest = array.trim().strip_prefix('[').unwrap().trim_start();
    while !rest.starts_with(']') {
        let (element, after) = value(rest);
        elements.push(element);
        rest = after.trim_start_matches([',', ' ', '\n', '\r', '\t']);
    }
    elements
}

/// The members of an object.
pub(crate) fn members(object: &str) -> Vec<(String, &str)> {
    let mut members = Vec::new();
    let mut rest = object.trim().strip_prefix('{').unwrap().trim_start();
    while !rest.starts_with('}') {
        let (key, after) = value(rest);
        let after = after.trim_start().strip_prefix(':').unwrap();
        let (member, after) = value(after);
        members.push((string(key), member));
        rest = after.trim_start_matches([',', ' ', '\n', '\r', '\t']);
    }
    members
}

/// One member of an object.
pub(crate) fn member<'a>(object: &'a str, key: &str) -> &'a str {
    let found = members(object).into_iter().find(|(name, _)| name == key);
    found.unwrap_or_else(|| panic!("no `{key}`")).1
}

/// What a string stands for.
pub(crate) fn string(text: &str) -> String {
    serde_json::from_str(text).unwrap()
}

/// The value at the start of a text, and what comes after it.
fn value(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    stream.next().unwrap().unwrap();
    text.split_at(stream.byte_offset())
}
