//! From the validator's errors to violations: what was expected, never what was found.

mod expectation;
mod union;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;

use crate::Violation;
use crate::pointer;
use crate::representation::is_spent;
use crate::schema::original;
use crate::strict::{Document, Index};

/// A violation and where it belongs in the document, so that a list can follow the document.
struct Placed {
    at: Index,
    violation: Violation,
}

/// The violations of a document in its own order, then by schema path, at most `limit`, and
/// whether there are more.
pub(crate) fn violations<'i>(
    errors: impl Iterator<Item = ValidationError<'i>>,
    document: &Document<'_>,
    limit: usize,
) -> (Vec<Violation>, bool) {
    let mut list = Vec::new();
    for error in errors {
        collect(&error, &mut list);
    }
    let mut placed: Vec<Placed> = list
        .into_iter()
        .map(|violation| Placed { at: document.find(&violation.instance_path).unwrap_or(0), violation })
        .collect();
    placed.sort_by(|a, b| (a.at, a.key()).cmp(&(b.at, b.key())));
    placed.dedup_by(|a, b| a.at == b.at && a.violation == b.violation);
    let truncated = placed.len() > limit;
    placed.truncate(limit);
    let shown = placed
        .into_iter()
        .map(|placed| Violation { instance_path: pointer::shown(&placed.violation.instance_path), ..placed.violation });
    (shown.collect(), truncated)
}

impl Placed {
    fn key(&self) -> (&str, &str) {
        (&self.violation.schema_path, &self.violation.message)
    }
}

/// Appends what an error says. Recursion follows the nesting of unions in the document.
#[expect(clippy::wildcard_enum_match_arm, reason = "a new kind of error is one violation until someone says otherwise")]
fn collect(error: &ValidationError<'_>, list: &mut Vec<Violation>) {
    if is_spent(error.instance()) {
        return;
    }
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for key in unexpected {
                let path = pointer::join(error.instance_path().as_str(), key);
                list.push(violation(error, path, "not a member that the schema allows"));
            }
        }
        ValidationErrorKind::PropertyNames { error: name } => {
            let key = name.instance().as_str().unwrap_or_default();
            let path = pointer::join(error.instance_path().as_str(), key);
            let message = format!("the key: {}", expectation::of(name));
            list.push(violation(name, path, &message));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            union::collect(error, context, list);
        }
        _ => list.push(plain(error)),
    }
}

/// What one error expected; all text in it is the schema's or ours.
pub(crate) fn expectation(error: &ValidationError<'_>) -> String {
    expectation::of(error)
}

/// One error as one violation.
fn plain(error: &ValidationError<'_>) -> Violation {
    let path = error.instance_path().to_string();
    violation(error, path, &expectation::of(error))
}

fn violation(error: &ValidationError<'_>, instance_path: String, message: &str) -> Violation {
    Violation {
        instance_path,
        schema_path: schema_path(error),
        keyword: keyword(error).to_owned(),
        message: message.to_owned(),
    }
}

/// The path with keywords as the author wrote them.
fn schema_path(error: &ValidationError<'_>) -> String {
    let path = error.schema_path().as_str();
    match path.rsplit_once('/') {
        Some((parent, last)) => format!("{parent}/{}", original(last)),
        None => path.to_owned(),
    }
}

fn keyword<'e>(error: &'e ValidationError<'_>) -> &'e str {
    if let ValidationErrorKind::FalseSchema = error.kind() {
        return "false";
    }
    original(error.kind().keyword())
}
