//! The service over its real socket, the bootstraps before the real Envoy, and both together.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod beside_envoy;
mod bootstraps;
mod check;
mod sessions;
mod socket;
mod support;
