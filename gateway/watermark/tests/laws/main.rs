//! A watermark on a real disk.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod handles;
mod instance;
mod kill;
