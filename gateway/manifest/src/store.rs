//! Kinds and versions, each with its compiled schema.

mod build;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::meter::Meter;
use crate::representation::Seen;
use crate::schema::Compiled;
use crate::strict::Document;
use crate::{KindSource, Limits, Rejection, RejectionCause, SchemaError, Violation, listing, pointer};

/// Listing violations may take this part of the work that comparing may take.
const LISTING_SHARE: u64 = 10;

/// Every schema that bodies are compared with, compiled. Share it behind an `Arc`; it is never
/// changed, a reload compiles a new one.
pub struct SchemaStore {
    kinds: BTreeMap<Arc<str>, Kind>,
    limits: Limits,
}

/// A body that conforms: its kind, and the version that it states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The kind asked for.
    pub kind: Arc<str>,
    /// The version stated by the body; `None` for a kind without versions.
    pub version: Option<Arc<str>>,
}

/// One kind and how its bodies choose their schema.
enum Kind {
    /// One schema for all.
    Single(Compiled),
    /// One schema for each version.
    Versioned {
        pointer: Arc<str>,
        /// In the order of the policy.
        known: Arc<[Arc<str>]>,
        schemas: BTreeMap<Arc<str>, Compiled>,
    },
}

impl SchemaStore {
    /// Compiles every schema of every kind. A file that many kinds use is read and checked once,
    /// a schema that many use is compiled once.
    ///
    /// # Errors
    /// All mistakes in the limits, the kinds and the schemas.
    pub fn compile(sources: Vec<KindSource>, limits: Limits) -> Result<Self, Vec<SchemaError>> {
        let kinds = build::kinds(&sources, &limits)?;
        Ok(Self { kinds, limits })
    }

    /// Reads a body strictly, finds the version that it states, and compares it with the schema.
    /// The body is only looked at: bytes that pass go on as they are.
    ///
    /// Time and memory are bounded by the store's [`Limits`].
    ///
    /// # Errors
    /// A [`Rejection`] that holds none of the body's values.
    pub fn validate(&self, kind: &str, body: &[u8]) -> Result<Manifest, Rejection> {
        let Some((name, kind)) = self.kinds.get_key_value(kind) else {
            return Err(Rejection::of(RejectionCause::KindUnknown));
        };
        let document = Document::read(body, &self.limits).map_err(Rejection::of)?;
        let (schema, version) = kind.choose(&document)?;
        self.compare(schema, &document)?;
        Ok(Manifest { kind: Arc::clone(name), version })
    }

    /// The kinds that are loaded, ordered by name.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(|kind| &**kind)
    }

    /// The limits that every body is held to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn compare(&self, schema: &Compiled, document: &Document<'_>) -> Result<(), Rejection> {
        let meter = Meter::new(self.limits.work);
        let conforms = schema.is_valid(Seen::root(document, &meter));
        if meter.is_spent() {
            return Err(Rejection::of(RejectionCause::TooMuchWork { limit: self.limits.work }));
        }
        if conforms {
            return Ok(());
        }
        let (violations, truncated) = self.list(schema, document);
        Err(Rejection { cause: RejectionCause::Schema, violations, truncated })
    }

    /// The violations of a document that does not conform. Collecting them costs more than the
    /// verdict, so it has a meter of its own; where that ends early, the list is cut.
    fn list(&self, schema: &Compiled, document: &Document<'_>) -> (Vec<Violation>, bool) {
        let meter = Meter::new(self.limits.work / LISTING_SHARE);
        let listed = catch_unwind(AssertUnwindSafe(|| {
            let errors = schema.iter_errors(Seen::root(document, &meter));
            listing::violations(errors, document, self.limits.errors)
        }));
        // The validator is written to panic where a regular expression engine failed inside, a
        // defect that it otherwise contains. The verdict stands without the list.
        let (violations, cut) = listed.unwrap_or((Vec::new(), true));
        (violations, cut || meter.is_spent())
    }
}

impl Kind {
    /// The schema for a body, and the version if the kind has versions.
    fn choose(&self, document: &Document<'_>) -> Result<(&Compiled, Option<Arc<str>>), Rejection> {
        let (pointer, known, schemas) = match self {
            Self::Single(schema) => return Ok((schema, None)),
            Self::Versioned { pointer, known, schemas } => (pointer, known, schemas),
        };
        let stated = document.string_at(pointer).ok_or_else(|| {
            Rejection::of(RejectionCause::VersionMissing { pointer: Arc::clone(pointer), known: Arc::clone(known) })
        })?;
        let (version, schema) = schemas.get_key_value(stated).ok_or_else(|| {
            Rejection::of(RejectionCause::VersionUnknown { pointer: Arc::clone(pointer), known: Arc::clone(known) })
        })?;
        Ok((schema, Some(Arc::clone(version))))
    }
}

impl Rejection {
    /// A rejection for what stands before any schema. Where the policy names the place, that is
    /// the one violation.
    fn of(cause: RejectionCause) -> Self {
        let violations = match &cause {
            RejectionCause::VersionMissing { pointer, .. } | RejectionCause::VersionUnknown { pointer, .. } => {
                vec![Violation {
                    instance_path: pointer::shown(pointer),
                    schema_path: String::new(),
                    keyword: "version".to_owned(),
                    message: cause.to_string(),
                }]
            }
            RejectionCause::TooLarge { .. }
            | RejectionCause::TooDeep { .. }
            | RejectionCause::TooManyMembers { .. }
            | RejectionCause::KeyTooLong { .. }
            | RejectionCause::TooMuchWork { .. }
            | RejectionCause::NotUtf8 { .. }
            | RejectionCause::ByteOrderMark
            | RejectionCause::Syntax { .. }
            | RejectionCause::LoneSurrogate { .. }
            | RejectionCause::NumberOutOfRange { .. }
            | RejectionCause::DuplicateKey { .. }
            | RejectionCause::Schema
            | RejectionCause::KindUnknown => Vec::new(),
        };
        Self { cause, violations, truncated: false }
    }
}
