//! The same decision offered to Envoy: `ext_authz` over gRPC on a Unix socket.
//!
//! **What holds.** Each check is decided by [`bellgate_policy::decide`] under one policy. The peer is the one whose
//! certificate Envoy verified (`attributes.source.principal`), never one that a header names. A permit counts as
//! release: what the watermark has to know is durable before Envoy hears OK. Everything else refuses, with an HTTP
//! answer of its own: a denial, a fault, a timeout.
//!
//! **What is bounded.** Connections, checks at once, bytes of a check, time of a check.
//!
//! **What is absent on purpose.** An answer path, and with it append, guards, `read_down`, upgrades, gRPC,
//! capabilities, and objects whose answers may exceed their label: `unsupported-here`. ext_proc: Envoy goes on without
//! it when its stream ends cleanly.
//!
//! **What it trusts.** That who connects as one of the configured uids is Envoy, configured as in `bootstraps/`.
//!
//! **Source.** Envoy's `envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`; RFC 9457.

mod answer;
mod certificate;
mod context;
mod facts;
mod judge;
mod outcome;
mod path;
mod serve;
mod service;

pub use context::{
    Context, DEFAULT_TIMEOUT, ManifestCheck, Observer, Own, OwnWorkload, PolicyInForce, Render, Rendered,
};
pub use outcome::{Check, Fault, Outcome, Permitted};
pub use serve::ServeError;
pub use service::ExtAuthz;
