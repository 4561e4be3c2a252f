//! The real source on a disk that fails, tears and forgets, against a model that is a plain map.
//!
//! Whatever is done, with calls that fail at any place, processes that are killed and power that goes at any instant: what
//! was acknowledged counts, and nothing else does that was not at least asked for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![expect(dead_code, unreachable_pub, reason = "the source is a library's, and this test uses a part of it")]

#[path = "../../src/budget.rs"]
mod budget;
#[path = "../../src/clearance.rs"]
mod clearance;
#[path = "../../src/commit.rs"]
mod commit;
#[path = "../../src/earlier.rs"]
mod earlier;
#[path = "../../src/handle.rs"]
mod handle;
#[path = "../../src/handles.rs"]
mod handles;
#[path = "../../src/journal.rs"]
mod journal;
#[path = "../../src/passing.rs"]
mod passing;
#[path = "../../src/published.rs"]
mod published;
#[path = "../../src/reading.rs"]
mod reading;
#[path = "../../src/rebase.rs"]
mod rebase;
#[path = "../../src/record.rs"]
mod record;
#[path = "../../src/replay.rs"]
mod replay;
#[path = "../../src/reset.rs"]
mod reset;
#[path = "../../src/rewrite.rs"]
mod rewrite;
#[path = "../../src/startup.rs"]
mod startup;
#[path = "../../src/state.rs"]
mod state;
#[path = "../../src/steps.rs"]
mod steps;
#[path = "../../src/sync.rs"]
mod sync;
#[path = "../../src/table.rs"]
mod table;
#[path = "../../src/watermark.rs"]
mod watermark;

#[path = "../support/disk.rs"]
mod disk;

mod damage;
mod each_call;
mod model;

/// Where another thread could go on; there is none here.
fn pause() {}
