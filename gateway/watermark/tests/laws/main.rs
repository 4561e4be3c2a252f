//! A watermark on a real disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handles;
mod instance;
mod kill;
