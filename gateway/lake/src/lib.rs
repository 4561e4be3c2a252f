//! The lake: silver rows in Parquet, on a thread of its own.
//!
//! ```text
//! EventReceiver -> refine -> rows by table, label and day -> sorted -> UUIDv5 in bulk -> Parquet -> written aside -> renamed
//! ```
//!
//! What holds:
//! - Every event that the queue accepted before [`LakeHandle::flush`] or [`LakeHandle::close`] was called is in a file
//!   when that returns without an error. Each one is a row of its table or a row of `quarantine`.
//! - No reader ever sees a file that is not whole: a file is written outside of the tables, synced, renamed into its
//!   folder, and the folder synced (`aside.rs`).
//! - The same rows give the same file, byte for byte and name for name, in whatever order they came: the name is made
//!   from the content, so writing one batch twice leaves one file.
//! - `entity_uuid` follows from the event alone (`bellgate_telemetry::entity`), never from the batch.
//! - A file holds rows of one label, in a folder named after it; files have mode 0600, folders 0700, so that the rights
//!   of the storage keep readers apart. What one may read is decided by who reads: this package grants nothing.
//!
//! What is bounded: rows in memory ([`LakeConfig::max_rows`], [`LakeConfig::max_bytes`]). While the disk refuses, rows
//! are kept and tried again with growing pauses; beyond the bound new ones are dropped and counted, by table.
//!
//! Layout: `<root>/silver/<table>/label=<percent-encoded>/date=<YYYY-MM-DD>/part-<first time>-<digest>.parquet`.
//! `COLUMNS.md` says what each column means, and has queries to begin with.
//!
//! Absent on purpose, until their issue: the write-ahead log (what is in memory is lost with the process, at most
//! [`LakeConfig::flush_interval`] of it while the disk works), compaction, retention, object stores, payloads. Polars
//! is used to read only ([`read`]): a sidecar that only writes never starts its threads. A program that reads on a
//! small machine sets `POLARS_MAX_THREADS` in its environment before it starts.

mod aside;
mod columns;
mod config;
mod encode;
mod handle;
mod partition;
mod pending;
pub mod read;
mod stats;
mod table;
pub mod uuid5;
mod worker;

pub use bellgate_telemetry::Table;
pub use config::LakeConfig;
pub use handle::{Lake, LakeError, LakeHandle, LakeWatch};
pub use stats::LakeStats;
