//! What this instance of a workload has seen.
//!
//! One [`Watermark`] stands for one instance of one subject: one sidecar's life with its workload
//! (`design/labels.md`, "Order of events", 5). What holds:
//!
//! - it only rises: [`Watermark::raise`] joins, nothing here lowers it;
//! - a decision reads it without a lock ([`Watermark::reading`]);
//! - raises are linearizable: they go through one mutex, and a reader sees a raise as soon as the
//!   raise has returned, never before it is on disk;
//! - [`Watermark::raise`] returns only once the new label is durable, so whoever releases the
//!   first byte of an answer after it can crash at any instant and will start again no lower;
//! - what it costs is bounded: a label can rise at most levels + categories times in a life.
//!
//! Absent on purpose: a way to lower it. Resets are an operator's act and come with the admin
//! listener; time, which only the caller knows; and anything about other subjects' labels.
//!
//! The file is one JSON object, written aside, synced and renamed (see `state.rs`). Labels in it are
//! names, never indices, so that it outlives an edit of the policy.

mod state;
mod watermark;

pub use state::StateError;
pub use watermark::{Missing, Reading, Startup, Watermark};
