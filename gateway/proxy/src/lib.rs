//! The data path.
//!
//! One request is told by `request::take`: identify, validate, decide. One answer is told by
//! `answer::release_answer`: decide, raise, make durable, release. `gateway::Gateway` hangs
//! both into Pingora's phases, and [`server::build`] puts them behind the sidecar's listeners.
//!
//! What holds: without a [`bellgate_policy::Permit`], which only `decide` can build, no upstream
//! can be named; a peer is verified before any application byte leaves, and again on every request
//! of a kept-alive or resumed connection; every exchange ends in one record. What is bounded: open
//! exchanges, bodies that are read, queues, header sizes (by Pingora). What is absent on purpose:
//! caching, retries of what is not idempotent, CONNECT and TRACE, HTTP/2 push, payload capture.

pub mod admin;
mod admission;
mod answer;
pub mod append;
pub mod audit;
pub mod authority;
mod body;
mod caller;
pub mod capability;
pub mod connector;
mod context;
pub mod core;
pub mod enclave;
mod exchange;
mod fetch;
pub mod flow;
mod gateway;
mod guard;
mod h2_session;
mod handles;
mod headers;
mod label_header;
mod line;
pub mod metrics;
mod observe;
mod own_api;
pub mod passage;
pub mod peer_uid;
mod read_down;
pub mod refusal;
mod reply;
mod request;
pub mod retirement;
pub mod server;
pub mod snapshot;
mod socket;
mod switch;
pub mod target_path;
mod tasks;
mod tee;
mod upstream;
mod vigil;
mod watchman;
mod websocket;
pub mod xfcc;
