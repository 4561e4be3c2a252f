//! What the policy package promises, as tables, laws and files.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod decisions;
mod documents;
mod fixtures;
mod labels;
mod lattice_laws;
mod lifting;
mod lifting_laws;
mod limits;
mod offline;
mod oracle;
mod plain;
mod reloads;
mod remedies;
mod routes;
mod safety_laws;
mod spiffe_ids;
mod tasks;
mod visibility;
mod world;
