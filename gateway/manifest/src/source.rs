//! What a store is compiled from: schema texts that the caller has read, by kind and version.

use std::sync::Arc;

/// One schema: a JSON text, or one place inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaSource {
    /// The file's name, as errors about the schema show it.
    pub file: String,
    /// JSON pointer of the schema inside the file, such as `/$defs/Name`. `None` is the whole
    /// file.
    pub fragment: Option<String>,
    /// The file's text. Sources that share a file share its text and are read once.
    pub text: Arc<str>,
}

/// One kind of manifest and every version of it that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSource {
    /// The name that routes and capabilities use.
    pub kind: String,
    /// JSON pointer into the body where it states its version, such as `/manifest_version`.
    /// The value there must be a string.
    pub version_at: Option<String>,
    /// Accepted versions and their schemas, in the order in which they are reported.
    pub versions: Vec<(String, SchemaSource)>,
    /// The one schema of a kind that has no versions; given exactly when `version_at` is `None`.
    pub default: Option<SchemaSource>,
}

impl KindSource {
    /// A kind with one schema, whatever its bodies say about versions.
    pub fn single(kind: impl Into<String>, schema: SchemaSource) -> Self {
        Self { kind: kind.into(), version_at: None, versions: Vec::new(), default: Some(schema) }
    }
}
