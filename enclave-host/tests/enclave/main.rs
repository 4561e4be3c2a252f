//! The real `bellgate-enclave` over a real socket, with guests that misbehave.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod client;
mod crashes;
mod faults;
mod guests;
mod harness;
mod limits;
mod queue;
mod walls;
mod wire;
