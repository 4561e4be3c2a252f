//! The real `bellgate-enclave` over a real socket, with guests that misbehave.

mod access;
mod client;
mod crashes;
mod faults;
mod guests;
mod harness;
mod limits;
mod queue;
mod wire;
