//! The harness of the mesh tests: real `bellgate run` processes between real clients and real upstreams.
//!
//! A [`Mesh`] is a trust domain with its authority and a folder of mode 0700; a [`Sidecar`] started in it is a process whose config, policy and
//! schemas lie in that folder, and which ends with its handle. Clients ([`Client`], [`RawClient`]) and upstreams ([`Workload`], [`Recorder`]) run
//! in the test itself, so that a test sees every byte that left and every connection that was made.
//!
//! What is waited for is a condition with a deadline ([`until`]); nothing sleeps and hopes. The programs must have been built before:
//! `cargo build -p bellgate -p bellgate-enclave`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;
mod enclave;
mod mesh;
mod process;
mod program;
mod raw_client;
mod recorder;
mod sidecar;
mod tls;
mod wait;
mod workload;

pub use client::{Client, ReqBody, Told, body, empty, get, post, post_json};
pub use enclave::{Enclave, Module};
pub use mesh::{Mesh, POLICY, TRUST_DOMAIN, free_address, spiffe_id};
pub use process::Process;
pub use program::bellgate;
pub use raw_client::RawClient;
pub use recorder::{Recorder, Recording, ok_response};
pub use sidecar::{Running, Sidecar};
pub use tls::{anonymous, resuming, tls12_only};
pub use wait::{PATIENCE, until, within};
pub use workload::{Answer, Seen, Stream, Workload, websocket_echo};
