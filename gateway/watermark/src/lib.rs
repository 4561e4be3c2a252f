//! What this instance of a workload has seen.
//!
//! One [`Watermark`] stands for one instance of one subject: one sidecar's life with its workload
//! (`design/labels.md`, "Order of events", 5), with one more for each handle that the workload was given.
//!
//! **What holds.**
//!
//! - It only rises: [`Watermark::raise`] joins, and nothing but an operator's [`Watermark::reset`] lowers it, which does not
//!   make unseen what is on its way to the workload then ([`Watermark::passing`]).
//! - A decision reads it without a lock ([`Watermark::reading`], [`Watermark::reading_of`]).
//! - Raises are linearizable: a reader sees a raise as soon as it has returned, never before it is on disk.
//! - [`Watermark::raise`] returns only once the new label is durable, so whoever releases the first byte of an answer after
//!   it can crash at any instant and will start again no lower. The same for [`Watermark::spend`].
//! - What comes without a handle raises all open handles, however many there are, at the cost of one line.
//! - After a failed write or sync nothing is kept until the journal could be written anew; so it is at each start.
//! - One process has a folder.
//!
//! **What is bounded.** What it costs: a label can rise at most levels + categories times in a life, and a raise that raises
//! nothing is a comparison. Handles, by the policy; their memory, to about 140 bytes each; the journal, to about twice what
//! is alive of it.
//!
//! **What is absent on purpose.** Time, which only the caller knows; anything about other subjects' labels; IDs of handles,
//! which only the workload keeps. A journal that somebody cut at the end of a line can't be told from one that was never
//! longer: the folder must be out of the workload's reach.
//!
//! The way of a raise: `watermark.rs` (look), `commit.rs` (append, sync, publish), `journal.rs` and `record.rs` (the file),
//! `rewrite.rs` (the file, anew), `replay.rs` and `startup.rs` (the next process).

mod budget;
mod clearance;
mod commit;
mod disk;
mod earlier;
mod handle;
mod handles;
mod journal;
mod passing;
mod published;
mod reading;
mod rebase;
mod record;
mod replay;
mod reset;
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
pub use reset::Reset;
pub use startup::{Missing, Startup};
pub use state::StateError;
pub use watermark::Watermark;
