//! Bounds beyond 64 bits, kept exact.
//!
//! `serde_json` holds such an integer as the nearest 64-bit float, and the validator would compare
//! floats. So a bound that is written as such an integer is moved to a keyword of our own that holds
//! its literal and compares every digit. All others stay as they are.

use std::cmp::Ordering;

use jsonschema::json::Node as _;
use jsonschema::{Draft, Keyword, ValidationError, ValidationOptions};
use serde_json::Value;

use crate::pointer;
use crate::representation::{Seen, Strict};
use crate::strict::{Document, Number};

/// What the moved keywords start with.
const PREFIX: &str = "bellgate-exact-";

/// The keywords that can be moved, and when a number satisfies them.
const BOUNDS: [(&str, Relation); 4] = [
    ("maximum", ("at most", Ordering::is_le)),
    ("minimum", ("at least", Ordering::is_ge)),
    ("exclusiveMaximum", ("less than", Ordering::is_lt)),
    ("exclusiveMinimum", ("more than", Ordering::is_gt)),
];

/// How a number must compare with a bound: in words, and whether one that compares so does.
type Relation = (&'static str, fn(Ordering) -> bool);

/// Keywords whose members are schemas under names of the author's choice.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// The name of a keyword as the author wrote it.
pub(crate) fn original(keyword: &str) -> &str {
    keyword.strip_prefix(PREFIX).unwrap_or(keyword)
}

/// Where an integer stands in a schema.
enum Role {
    /// It is a bound.
    Bound,
    /// Values are compared with it, or divided by it.
    Compared,
    /// It decides nothing, or digits beyond 64 bits make no difference.
    Idle,
}

/// Moves the bounds beyond 64 bits. Whether there were any.
///
/// # Errors
/// The path and the problem of an integer beyond 64 bits that can't be moved.
pub(super) fn keep(document: &Document<'_>, schema: &mut Value, draft: Draft) -> Result<bool, (String, String)> {
    let mut moved = false;
    for (path, literal) in document.long_integers() {
        match role(&path) {
            Role::Idle => continue,
            Role::Bound if relocate(schema, &path, literal, draft).is_some() => moved = true,
            Role::Bound | Role::Compared => {
                let problem = "this integer is beyond 64 bits and would lose digits, use one from -9223372036854775808 to 18446744073709551615";
                return Err((path, problem.to_owned()));
            }
        }
    }
    Ok(moved)
}

/// Lets a validator understand the moved keywords.
pub(super) fn understand<'i, R>(options: ValidationOptions<'i, R, Strict>) -> ValidationOptions<'i, R, Strict> {
    BOUNDS.into_iter().fold(options, |options, (keyword, relation)| {
        options.with_keyword(format!("{PREFIX}{keyword}"), move |_, literal, _| {
            let literal = literal.as_str().unwrap_or_default().to_owned();
            Ok(Box::new(Bound { literal, relation }))
        })
    })
}

fn role(path: &str) -> Role {
    let segments = pointer::segments(path).unwrap_or_default();
    let mut rest = segments.iter().map(String::as_str);
    while let Some(keyword) = rest.next() {
        match keyword {
            "const" | "enum" | "multipleOf" => return Role::Compared,
            "default" | "examples" | "example" => return Role::Idle,
            named if NAMED.contains(&named) => {
                rest.next();
            }
            bound if BOUNDS.iter().any(|(name, _)| *name == bound) => return Role::Bound,
            _ => {}
        }
    }
    Role::Idle
}

/// Moves one bound. `None` where it is not alone: draft 4 makes `maximum` exclusive by a second
/// keyword.
fn relocate(schema: &mut Value, path: &str, literal: &str, draft: Draft) -> Option<()> {
    let (parent, keyword) = path.rsplit_once('/')?;
    let parent = schema.pointer_mut(parent)?.as_object_mut()?;
    let exclusive = ["exclusiveMaximum", "exclusiveMinimum"];
    if draft == Draft::Draft4 && exclusive.iter().any(|key| parent.contains_key(*key)) {
        return None;
    }
    parent.remove(keyword)?;
    parent.insert(format!("{PREFIX}{keyword}"), literal.into());
    Some(())
}

/// A bound that compares every digit.
struct Bound {
    literal: String,
    relation: Relation,
}

impl<'i> Keyword<'i, Strict> for Bound {
    fn validate(&self, instance: Seen<'i>) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        let (words, _) = self.relation;
        let expected = format!("expected {words} {}", self.literal);
        Err(ValidationError::custom(expected))
    }

    fn is_valid(&self, instance: Seen<'i>) -> bool {
        let bound = Number::new(&self.literal);
        let (_, holds) = self.relation;
        instance.as_number().is_none_or(|number| holds(number.compare(bound)))
    }
}
