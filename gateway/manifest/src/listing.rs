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

/// The violations of a document in its own order, then by schema path, at most `limit`, and
/// whether there are more.
pub(crate) fn violations<'i>(
    errors: impl Iterator<Item = ValidationError<'i>>,
    document: &Document<'_>,
    limit: usize,
) -> (Vec<Violation>, bool) {
    let mut listing = Listing { document, limit, found: Vec::new() };
    for error in errors {
        listing.add(&error);
    }
    listing.finish()
}

/// Violations on their way to the list.
struct Listing<'d> {
    document: &'d Document<'d>,
    limit: usize,
    found: Vec<Violation>,
}

impl Listing<'_> {
    /// Adds what an error says. Recursion follows the nesting of unions in the document.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a new kind of error is one violation until someone says otherwise"
    )]
    fn add(&mut self, error: &ValidationError<'_>) {
        if is_spent(error.instance()) {
            return;
        }
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                // One more than is listed, so that the list knows that it is cut.
                for key in unexpected.iter().take(self.limit.saturating_add(1)) {
                    self.add_unexpected(error, keyword(error), key);
                }
            }
            ValidationErrorKind::FalseSchema => self.add_false(error),
            ValidationErrorKind::PropertyNames { error: name } => {
                let key = name.instance().as_str().unwrap_or_default();
                let path = pointer::join(error.instance_path().as_str(), key);
                let message = format!("the key: {}", expectation::of(name));
                self.found.push(violation(name, path, &message));
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                union::add(self, error, context);
            }
            _ => self.found.push(plain(error)),
        }
    }

    /// `additionalProperties: false` without any properties, and `propertyNames: false`, come as
    /// one false schema for the whole object: none of its members is allowed.
    fn add_false(&mut self, error: &ValidationError<'_>) {
        let keyword = match error.schema_path().as_str().rsplit('/').next() {
            Some(keyword @ ("additionalProperties" | "propertyNames")) => keyword,
            Some(_) | None => return self.found.push(plain(error)),
        };
        let document = self.document;
        let object = document.find(error.instance_path().as_str()).unwrap_or(0);
        for member in document.children(object).take(self.limit.saturating_add(1)) {
            self.add_unexpected(error, keyword, document.key(member));
        }
    }

    fn add_unexpected(&mut self, error: &ValidationError<'_>, keyword: &str, key: &str) {
        let path = pointer::join(error.instance_path().as_str(), key);
        let unexpected = violation(error, path, "not a member that the schema allows");
        self.found.push(Violation { keyword: keyword.to_owned(), ..unexpected });
    }

    fn finish(self) -> (Vec<Violation>, bool) {
        let place =
            |violation: Violation| Placed { at: self.document.find(&violation.instance_path).unwrap_or(0), violation };
        let mut placed: Vec<Placed> = self.found.into_iter().map(place).collect();
        placed.sort_by(|a, b| (a.at, a.key()).cmp(&(b.at, b.key())));
        placed.dedup_by(|a, b| a.at == b.at && a.violation == b.violation);
        let truncated = placed.len() > self.limit;
        placed.truncate(self.limit);
        let shown = placed.into_iter().map(|placed| Violation {
            instance_path: pointer::shown(&placed.violation.instance_path),
            ..placed.violation
        });
        (shown.collect(), truncated)
    }
}

/// A violation and where it belongs in the document, so that the list can follow the document.
struct Placed {
    at: Index,
    violation: Violation,
}

impl Placed {
    fn key(&self) -> (&str, &str) {
        (&self.violation.schema_path, &self.violation.message)
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
