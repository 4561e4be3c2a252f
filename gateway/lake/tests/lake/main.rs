//! The lake through its own door: events in, files out, read back by polars, DuckDB and pyarrow.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod columns;
mod disk;
mod happenings;
mod laws;
mod other_readers;
mod uuid5;
mod writing;
