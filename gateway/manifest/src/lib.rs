//! The anti-corruption layer: what enters is strict JSON that conforms to the schema chosen by
//! its kind and by the version that it states, or it is refused with every reason.
//!
//! Pure: schema texts and bodies are passed in, no file, network or clock is touched.

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
