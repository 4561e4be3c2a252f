//! What this instance of a workload has seen.
//!
//! One [`Watermark`] stands for one instance of one subject: one sidecar's life with its workload
//! (`design/labels.md`, "Order of events", 5). What holds:
//!
//! - it only rises: [`Watermark::raise`] joins, and nothing but an operator's reset lowers it;
//! - a decision reads it without a lock ([`Watermark::reading`]);
//! - raises are linearizable, and a reader sees a raise as soon as it has returned, never before it is on disk;
//! - [`Watermark::raise`] returns only once the new label is durable, so whoever releases the
//!   first byte of an answer after it can crash at any instant and will start again no lower;
//! - what it costs is bounded: a label can rise at most levels + categories times in a life.
//!
//! Absent on purpose: time, which only the caller knows; and anything about other subjects' labels.

mod budget;
mod clearance;
mod disk;
mod earlier;
mod handle;
mod handles;
mod journal;
mod passing;
mod published;
mod reading;
mod record;
mod replay;
mod rewrite;
mod startup;
mod state;
mod steps;
mod sync;
mod table;
mod watermark;

pub use budget::SpendError;
pub use handle::{
    Handle, HandleError, HandleId, HandleListener, MAX_TASK_BYTES, MAX_TASK_BYTES_IN_ALL, Opened, Opening,
};
pub use passing::Passing;
pub use reading::{Link, LinkKind, Raised, Reading};
pub use startup::{Missing, Startup};
pub use state::StateError;
pub use watermark::{Reset, Watermark};
