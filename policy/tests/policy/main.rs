//! What the policy package promises, as tables, laws and files.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod decisions;
mod documents;
mod fixtures;
mod labels;
mod lattice_laws;
mod lifting;
mod offline;
mod reloads;
mod routes;
mod safety_laws;
mod spiffe_ids;
mod visibility;
mod world;
