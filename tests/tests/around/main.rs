//! What stands around the gateway: the real Envoy, the web, operators' commands, and the first command of the README.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod demo;
mod envoy;
mod pki;
mod web;
