//! How a check ended: a closed set, from which the answer, the record and the metrics are made.

use std::time::Duration;

use bellgate_policy::{Denial, Permit, Policy, SecurityLabel, Timestamp};
use serde_json::json;

use crate::context::Rendered;

/// One check, as an observer sees it.
pub struct Check<'a> {
    /// The gateway's own request ID: UUIDv7 text, also sent to both sides as `Bellgate-Request-Id`.
    pub request_id: &'a str,
    /// When the check came.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The method as sent; empty where there was none. Any text at all: not for metrics.
    pub method: &'a str,
    /// Whole body bytes that came with it.
    pub body_bytes: u64,
    /// Whether the local workload asks (egress), not a peer of it (ingress).
    pub own_workload: bool,
    /// The policy that it was decided under; `None` where it never came to that.
    pub policy: Option<&'a Policy>,
    /// How it ended.
    pub outcome: &'a Outcome,
}

/// How a check ended. Only the first lets the request pass.
#[non_exhaustive]
pub enum Outcome {
    /// It may pass, and what it needs is durable.
    Permitted(Box<Permitted>),
    /// The labels or the access matrix say no, or the request is of a kind that can't be decided here.
    Denied(Box<Denial>),
    /// Labels and grants are in order, and the body is not the manifest that the route asks for.
    NonConforming {
        /// What would have been permitted.
        permit: Box<Permit>,
        /// The answer.
        answer: Rendered,
    },
    /// It could not be decided.
    Fault(Fault),
}

/// A permit with what was made durable for it.
pub struct Permitted {
    /// The permit.
    pub permit: Permit,
    /// The label of the answer, already in the watermark where the local workload reads it.
    pub released: SecurityLabel,
}

/// Why a check could not be decided. Each refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Envoy sent a check without an HTTP request.
    #[error("Envoy sent a check without an HTTP request; use the HTTP filter, not the network filter")]
    NotHttp,
    /// `source.principal` is not the SPIFFE ID of a workload, or not the only one in the peer's certificate.
    #[error("the peer of Envoy has not exactly one SPIFFE ID; Envoy must require a client certificate that has one")]
    NoIdentity,
    /// The peer's certificate has expired since its handshake with Envoy.
    #[error("the peer's certificate has expired since its handshake; connect again with a fresh one")]
    Expired,
    /// The path could be read in two ways.
    #[error("the path is not in normal form, so servers could read it in two ways; send it normalised (RFC 3986)")]
    Path,
    /// The authority is not a host.
    #[error("the request's host is not a host name with an optional port")]
    Authority,
    /// No SVID yet.
    #[error("the gateway has no valid SVID; it is asking the Workload API for one")]
    NotReady,
    /// Policy and watermark are being exchanged.
    #[error("the gateway is taking a new policy into force; try again")]
    Reloading,
    /// The watermark could not be made durable.
    #[error("the watermark could not be made durable, so nothing was permitted")]
    StateNotKept,
    /// Too many checks at once.
    #[error("the gateway has too many checks open; try again")]
    Busy,
    /// It took too long.
    #[error("the gateway did not decide in time")]
    TimedOut,
    /// A fault of the gateway.
    #[error("the gateway failed; its log names this request ID")]
    Internal,
}

impl Fault {
    /// The stable code: the last part of the problem's `type`, and the tag in metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotHttp => "not-http",
            Self::NoIdentity | Self::Expired => "untrusted-peer",
            Self::Path => "ambiguous-path",
            Self::Authority => "bad-authority",
            Self::NotReady => "not-ready",
            Self::Reloading => "reloading",
            Self::StateNotKept => "state-not-kept",
            Self::Busy => "busy",
            Self::TimedOut => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NoIdentity | Self::Expired => 403,
            Self::Path | Self::Authority => 400,
            Self::NotHttp | Self::Internal => 500,
            Self::NotReady | Self::Reloading | Self::StateNotKept | Self::Busy | Self::TimedOut => 503,
        }
    }

    /// Whether the same request can pass later without anybody changing anything.
    #[must_use]
    pub fn retry_can_help(self) -> bool {
        self.status() == 503
    }

    /// The answer. A denial has labels and reasons to word and goes through [`crate::Render`]; a fault has neither.
    #[must_use]
    pub fn render(self, request_id: &str) -> Rendered {
        let problem = json!({
            "type": format!("urn:bellgate:problem:{}", self.code()),
            "title": "Refused by the gateway",
            "status": self.status(),
            "detail": self.to_string(),
            "instance": format!("urn:uuid:{request_id}"),
            "reason": self.code(),
            "request_id": request_id,
            "retry": self.retry_can_help(),
        });
        Rendered { status: self.status(), body: problem.to_string() }
    }
}
