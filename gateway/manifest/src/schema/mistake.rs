//! What is wrong with a schema, told to its author: here the text itself may be shown.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ReferencingError, ValidationError};
use serde_json::Value;

use super::FILE;
use crate::{RejectionCause, listing};

/// The most characters of a schema that a message repeats.
const SHOWN: usize = 200;

/// Where and what: the JSON pointer into the file, and a sentence.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are told like those of a document")]
pub(super) fn of(error: &ValidationError<'_>, file: &Value) -> (String, String) {
    if let ValidationErrorKind::Referencing(problem) = error.kind() {
        return reference(problem, file);
    }
    let problem = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => pattern(error.instance()),
        ValidationErrorKind::AnyOf { context } => alternatives(context),
        _ => listing::expectation(error),
    };
    (error.instance_path().to_string(), problem)
}

/// Why a schema file is not strict JSON.
pub(super) fn text(cause: &RejectionCause) -> String {
    cause.to_string().replacen("the body", "the file", 1)
}

/// A value of the schema, cut after 200 characters.
pub(super) fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn pattern(pattern: &Value) -> String {
    format!(
        "the pattern `{}` does not compile on the linear-time engine, which has no look-around, no back-references and a limit on size: rewrite it",
        shown(pattern)
    )
}

/// All that the alternatives of a meta-schema would take.
fn alternatives(branches: &[Vec<ValidationError<'static>>]) -> String {
    let mut expected: Vec<String> = Vec::new();
    for error in branches.iter().filter_map(|branch| branch.first()) {
        let text = listing::expectation(error);
        let text = text.strip_prefix("expected ").unwrap_or(&text).to_owned();
        if !expected.contains(&text) {
            expected.push(text);
        }
    }
    format!("expected {}", expected.join(", or "))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds name the reference in their own words")]
fn reference(error: &ReferencingError, file: &Value) -> (String, String) {
    match error {
        ReferencingError::Unretrievable { uri, .. } => {
            let short =
                uri.strip_prefix("bellgate:///file/").or_else(|| uri.strip_prefix("json-schema:///")).unwrap_or(uri);
            (
                find_reference(file, uri, short),
                format!(
                    "`{short}` is outside this file, and references are followed inside it only: copy that schema into `$defs`"
                ),
            )
        }
        ReferencingError::PointerToNowhere { pointer } => {
            (find_reference(file, pointer, pointer), format!("the reference `{pointer}` leads nowhere in this file"))
        }
        ReferencingError::NoSuchAnchor { anchor } => {
            (find_reference(file, anchor, anchor), format!("the anchor `{anchor}` does not exist in this file"))
        }
        other => (String::new(), format!("a reference can't be followed: {}", other.to_string().replace(FILE, ""))),
    }
}

/// The first place whose reference names this address; the whole file if none does.
fn find_reference(file: &Value, address: &str, short: &str) -> String {
    let mut found = String::new();
    search(file, &mut String::new(), &mut |path, reference| {
        let target = reference.split('#').next().unwrap_or_default();
        let hit = reference.contains(short) || (!target.is_empty() && address.ends_with(target));
        if hit {
            path.clone_into(&mut found);
        }
        hit
    });
    found
}

/// Walks the file until `hit` takes a reference. Recursion is bounded by the reader's depth.
fn search(value: &Value, path: &mut String, hit: &mut impl FnMut(&str, &str) -> bool) -> bool {
    let length = path.len();
    let mut visit = |key: &str, child: &Value, path: &mut String| {
        *path = crate::pointer::join(path, key);
        let reference = matches!(key, "$ref" | "$dynamicRef" | "$recursiveRef");
        let found = match child.as_str() {
            Some(text) if reference => hit(path, text),
            _ => search(child, path, hit),
        };
        path.truncate(length);
        found
    };
    match value {
        Value::Object(members) => members.iter().any(|(key, child)| visit(key, child, path)),
        Value::Array(elements) => {
            elements.iter().enumerate().any(|(index, child)| visit(&index.to_string(), child, path))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
