//! What to say when a value fits no alternative of `anyOf` or `oneOf`.
//!
//! A list of every way to fail helps nobody. Where the value is clearly meant as one of the
//! alternatives, that one's violations are listed too: an alternative is out once the value has
//! the wrong type for it or carries another alternative's tag (a constant in a direct member).

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::{Listing, expectation};
use crate::Violation;
use crate::representation::is_spent;

/// Adds what a failed union says.
pub(super) fn add(listing: &mut Listing<'_>, union: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) {
    if let Some(violation) = wrong_type(union, branches).or_else(|| wrong_tag(union, branches)) {
        listing.found.push(violation);
        return;
    }
    listing.found.push(super::plain(union));
    for error in meant(union, branches).into_iter().flatten() {
        listing.add(error);
    }
}

/// If the value has the wrong type for every alternative: all types that would do.
fn wrong_type(union: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) -> Option<Violation> {
    let mut types: Vec<String> = Vec::new();
    for branch in branches {
        let error = branch.iter().find(|error| is_type_of(union, error))?;
        let ValidationErrorKind::Type { kind } = error.kind() else {
            return None;
        };
        let name = expectation::types(kind);
        if !types.contains(&name) {
            types.push(name);
        }
    }
    if types.iter().any(|name| name == "a number") {
        types.retain(|name| name != "an integer");
    }
    let message = format!("expected {}", types.join(" or "));
    (!types.is_empty()).then(|| {
        let path = union.instance_path().to_string();
        super::violation(union, path, &message)
    })
}

/// If a member says which alternative is meant, and it is none of them: all that it may say.
fn wrong_tag(union: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) -> Option<Violation> {
    let first = branches.first()?;
    let tags = first.iter().filter(|error| is_tag_of(union, error));
    for tag in tags {
        let mut options: Vec<&Value> = Vec::new();
        let everywhere = branches.iter().all(|branch| {
            let same = branch.iter().find(|error| {
                is_tag_of(union, error) && error.instance_path().as_str() == tag.instance_path().as_str()
            });
            let Some(same) = same else { return false };
            options.extend(allowed(same));
            true
        });
        if everywhere {
            let path = tag.instance_path().to_string();
            let message = expectation::one_of_values(&options);
            return Some(super::violation(union, path, &message));
        }
    }
    None
}

/// The alternative that the value is meant as, if only one is left.
fn meant<'e>(
    union: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e Vec<ValidationError<'static>>> {
    let mut left = branches
        .iter()
        .filter(|branch| !branch.iter().any(|error| is_type_of(union, error) || is_tag_of(union, error)));
    let only = left.next()?;
    left.next().is_none().then_some(only)
}

/// Whether an alternative fails because the value itself has the wrong type.
fn is_type_of(union: &ValidationError<'_>, error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
        && !is_spent(error.instance())
        && error.instance_path().as_str() == union.instance_path().as_str()
}

/// Whether an alternative fails because a direct member is not the constant it asks for.
fn is_tag_of(union: &ValidationError<'_>, error: &ValidationError<'_>) -> bool {
    let constant = matches!(error.kind(), ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. });
    let below = error
        .instance_path()
        .as_str()
        .strip_prefix(union.instance_path().as_str())
        .and_then(|rest| rest.strip_prefix('/'));
    constant && !is_spent(error.instance()) && below.is_some_and(|member| !member.contains('/'))
}

fn allowed<'e>(error: &'e ValidationError<'_>) -> Vec<&'e Value> {
    if let ValidationErrorKind::Constant { expected_value } = error.kind() {
        return vec![expected_value];
    }
    if let ValidationErrorKind::Enum { options } = error.kind() {
        return options.as_array().into_iter().flatten().collect();
    }
    Vec::new()
}
