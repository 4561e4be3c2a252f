//! The anti-corruption layer: what enters is strict JSON that conforms to the schema chosen by
//! its kind and by the version that it states, or it is refused with every reason.
//!
//! A [`SchemaStore`] is compiled once from texts that the caller has read. Its `validate` reads a
//! body in one pass ([`Document`]), finds the version, and compares the body with the schema.
//!
//! What holds:
//! - The body is only looked at: bytes that pass go on as they are, and mean the same to every
//!   reader, because what readers disagree about (a key twice, half a surrogate pair, `1e400`) is
//!   refused.
//! - Integers are exact. Within 64 bits that is so against every bound, beyond them against bounds
//!   that the schema writes as integers. Other numbers compare with bounds as 64-bit floats.
//! - A [`Rejection`] holds no value of the body. Its keys appear in instance paths alone, escaped
//!   and bounded in length.
//! - The same body gets the same answer, with its violations in the same order.
//!
//! What is bounded, by [`Limits`]: bytes, depth, values, keys, listed violations, and the work of
//! the validator, which is counted instead of timed.
//!
//! Absent on purpose: files, network, clock (texts are passed in); references to anything outside a
//! schema's file; patterns that backtrack; meta-schemas of one's own; changes to the body, such as
//! filling in defaults.
//!
//! Sources: RFC 8259 (JSON), RFC 6901 (JSON pointer), JSON Schema drafts 4, 6, 7, 2019-09, 2020-12.
//!
//! ```
//! use bellgate_manifest::{KindSource, Limits, SchemaSource, SchemaStore};
//!
//! let schema = SchemaSource {
//!     file: "note.json".to_owned(),
//!     fragment: Some("/$defs/Note".to_owned()),
//!     text: r#"{"$defs": {"Note": {"required": ["title"]}}}"#.into(),
//! };
//! let store = SchemaStore::compile(vec![KindSource::single("note", schema)], Limits::default()).unwrap();
//! assert!(store.validate("note", br#"{"title": "a"}"#).is_ok());
//!
//! let rejection = store.validate("note", b"{}").unwrap_err();
//! assert_eq!(rejection.status(), 422);
//! assert_eq!(rejection.violations[0].message, "expected a member \"title\"");
//! ```

mod limits;
mod listing;
mod meter;
mod pointer;
mod rejection;
mod representation;
mod schema;
mod schema_error;
mod source;
mod store;
mod strict;

pub use limits::{Limits, MAX_DEPTH};
pub use rejection::{Rejection, RejectionCause, Violation};
pub use schema_error::SchemaError;
pub use source::{KindSource, SchemaSource};
pub use store::{Manifest, SchemaStore};
pub use strict::Document;
