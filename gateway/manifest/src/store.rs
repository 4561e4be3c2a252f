//! Kinds and versions, each with its compiled schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::{KindSource, Limits, Rejection, RejectionCause, SchemaError, SchemaSource};

/// Every schema that bodies are compared with, compiled.
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

struct Kind {
    pointer: Option<Arc<str>>,
    known: Arc<[Arc<str>]>,
    versions: Vec<Validator>,
}

impl SchemaStore {
    /// Compiles every schema of every kind.
    ///
    /// # Errors
    /// All mistakes, in the order of `sources`.
    pub fn compile(sources: Vec<KindSource>, limits: Limits) -> Result<Self, Vec<SchemaError>> {
        let mut kinds = BTreeMap::new();
        let mut mistakes = Vec::new();
        for source in sources {
            let kind: Arc<str> = source.kind.into();
            let mut known = Vec::new();
            let mut versions = Vec::new();
            for schema in source
                .default
                .iter()
                .chain(source.versions.iter().map(|(_, s)| s))
            {
                match compile(schema) {
                    Ok(validator) => versions.push(validator),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            for (version, _) in source.versions {
                known.push(Arc::from(version));
            }
            let pointer = source.version_at.map(Arc::from);
            kinds.insert(
                kind,
                Kind {
                    pointer,
                    known: known.into(),
                    versions,
                },
            );
        }
        if mistakes.is_empty() {
            Ok(Self { kinds, limits })
        } else {
            Err(mistakes)
        }
    }

    /// Compares a body with the schema of its kind and version.
    ///
    /// # Errors
    /// A [`Rejection`] that holds none of the body's values.
    pub fn validate(&self, kind: &str, body: &[u8]) -> Result<Manifest, Rejection> {
        let (name, kind) = self
            .kinds
            .get_key_value(kind)
            .ok_or_else(|| plain(RejectionCause::KindUnknown))?;
        if body.len() > self.limits.bytes {
            return Err(plain(RejectionCause::TooLarge {
                limit: self.limits.bytes,
            }));
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| {
            plain(RejectionCause::Syntax {
                offset: 0,
                expected: "JSON",
            })
        })?;
        let (index, version) = match &kind.pointer {
            None => (0, None),
            Some(pointer) => {
                let stated = value
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .ok_or_else(|| {
                        plain(RejectionCause::VersionMissing {
                            pointer: pointer.clone(),
                            known: kind.known.clone(),
                        })
                    })?;
                let index = kind
                    .known
                    .iter()
                    .position(|known| &**known == stated)
                    .ok_or_else(|| {
                        plain(RejectionCause::VersionUnknown {
                            pointer: pointer.clone(),
                            known: kind.known.clone(),
                        })
                    })?;
                (index, kind.known.get(index).cloned())
            }
        };
        match kind.versions.get(index) {
            Some(validator) if validator.is_valid(&value) => Ok(Manifest {
                kind: name.clone(),
                version,
            }),
            _ => Err(plain(RejectionCause::Schema)),
        }
    }

    /// The kinds that are loaded, in the order of their names.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(|kind| &**kind)
    }

    /// The limits that every body is held to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn plain(cause: RejectionCause) -> Rejection {
    Rejection {
        cause,
        violations: Vec::new(),
        truncated: false,
    }
}

fn compile(source: &SchemaSource) -> Result<Validator, SchemaError> {
    let value: Value = serde_json::from_str(&source.text).map_err(|error| SchemaError::Text {
        file: source.file.clone(),
        problem: error.to_string(),
    })?;
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(&value)
        .map_err(|error| SchemaError::Schema {
            file: source.file.clone(),
            path: error.instance_path().to_string(),
            problem: error.masked().to_string(),
        })
}
