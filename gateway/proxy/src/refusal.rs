//! Everything that can refuse a request, and the one place that says so.
//!
//! A denial is an answer, a fault is an error, and both refuse: status, RFC 9457 problem and
//! metric tag come from here. The texts speak of policy, never of data: no body value, no label
//! that the caller's clearance does not dominate, no path of this machine.

use std::borrow::Cow;

use bellgate_enclave_protocol::{Cause, ManifestConformanceError};
use bellgate_manifest::Rejection;
use bellgate_policy::{Denial, Policy, Reason};
use serde_json::{Map, Value, json};

use crate::authority::AuthorityError;
use crate::capability::ModuleFault;
use crate::target_path::PathError;
use crate::xfcc::XfccError;

/// The media type of RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused.
#[derive(Debug)]
pub enum Refusal {
    /// The labels or the access matrix say no.
    Denied(Box<Denial>),
    /// The same, with a sentence that says more than the reason does: what of a header could not be read or believed.
    Because(Box<Denial>, Cow<'static, str>),
    /// A handle that was asked for or about, outside of a decision.
    Handle(String),
    /// What was asked of the gateway itself is not what it answers.
    BadRequest(&'static str),
    /// There is nothing under this path of the gateway itself.
    NotFound(&'static str),
    /// The body is not the manifest that the route asks for.
    Manifest(Box<Rejection>),
    /// A capability did not give a result.
    Capability(ManifestConformanceError),
    /// A capability's module could not be had.
    Module(ModuleFault),
    /// The request's path.
    Path(PathError),
    /// The request's host.
    Authority(AuthorityError),
    /// The Envoy beside us does not say who is calling.
    Xfcc(XfccError),
    /// The peer is not, or no longer, one that is trusted.
    Untrusted(&'static str),
    /// CONNECT, TRACE.
    Method,
    /// HTTP/1.0: an answer that is ended would look whole.
    HttpVersion,
    /// A body with a content coding where it has to be read.
    ContentCoding,
    /// A body that is checked as JSON and called something else.
    ContentType,
    /// A body larger than the limit, which is given in bytes.
    BodyTooLarge(usize),
    /// A body without `Content-Length` that is too large to be replayed; the limit in bytes.
    BodyNeedsLength(usize),
    /// A body that ended early or could not be read.
    BodyUnreadable,
    /// No SVID yet, or it has expired.
    NotReady,
    /// The workload of this sidecar is not one that the policy knows.
    NotConfigured(&'static str),
    /// Too much at once.
    Busy(&'static str),
    /// The upstream could not be reached or verified, or broke off.
    Upstream(&'static str),
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// What has to be durable could not be made so.
    StateNotKept,
    /// A flow that may no longer go on.
    FlowEnded,
    /// A fault of this gateway.
    Internal,
}

impl Refusal {
    /// The refusal by labels or access matrix that it is.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial) | Self::Because(denial, _) => Some(denial),
            Self::Handle(_)
            | Self::BadRequest(_)
            | Self::NotFound(_)
            | Self::Manifest(_)
            | Self::Capability(_)
            | Self::Module(_)
            | Self::Path(_)
            | Self::Authority(_)
            | Self::Xfcc(_)
            | Self::Untrusted(_)
            | Self::Method
            | Self::HttpVersion
            | Self::ContentCoding
            | Self::ContentType
            | Self::BodyTooLarge(_)
            | Self::BodyNeedsLength(_)
            | Self::BodyUnreadable
            | Self::NotReady
            | Self::NotConfigured(_)
            | Self::Busy(_)
            | Self::Upstream(_)
            | Self::UpstreamTimeout
            | Self::StateNotKept
            | Self::FlowEnded
            | Self::Internal => None,
        }
    }

    /// Whether labels or access matrix say no.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        self.denial().is_some()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Denied(_)
            | Self::Because(..)
            | Self::Handle(_)
            | Self::Untrusted(_)
            | Self::Xfcc(_)
            | Self::FlowEnded => 403,
            Self::NotFound(_) => 404,
            Self::Manifest(rejection) => rejection.status(),
            Self::Capability(error) => capability_status(error.cause),
            Self::Module(ModuleFault::Unavailable) => 503,
            Self::Module(_) => 502,
            Self::Path(_) | Self::Authority(_) | Self::BodyUnreadable | Self::BadRequest(_) => 400,
            Self::Method => 405,
            Self::HttpVersion => 505,
            Self::ContentCoding | Self::ContentType => 415,
            Self::BodyTooLarge(_) | Self::BodyNeedsLength(_) => 413,
            Self::NotReady | Self::NotConfigured(_) | Self::Busy(_) | Self::StateNotKept => 503,
            Self::Upstream(_) => 502,
            Self::UpstreamTimeout => 504,
            Self::Internal => 500,
        }
    }

    /// The stable code: the last part of the problem's `type`, and the tag in metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(denial) | Self::Because(denial, _) => denial.first().code(),
            Self::Handle(_) => Reason::HandleRefused.code(),
            Self::BadRequest(_) => "bad-request",
            Self::NotFound(_) => "not-found",
            Self::Manifest(_) => "manifest",
            Self::Capability(_) => "capability",
            Self::Module(fault) => fault.code(),
            Self::Path(_) => "ambiguous-path",
            Self::Authority(_) => "bad-authority",
            Self::Xfcc(_) => "bad-xfcc",
            Self::Untrusted(_) => "untrusted-peer",
            Self::Method => "method",
            Self::HttpVersion => "http-version",
            Self::ContentCoding => "content-coding",
            Self::ContentType => "content-type",
            Self::BodyTooLarge(_) => "body-too-large",
            Self::BodyNeedsLength(_) => "body-needs-length",
            Self::BodyUnreadable => "body-unreadable",
            Self::NotReady => "not-ready",
            Self::NotConfigured(_) => "not-configured",
            Self::Busy(_) => "busy",
            Self::Upstream(_) => "upstream",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::StateNotKept => "state-not-kept",
            Self::FlowEnded => "flow-ended",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request can pass later without anybody changing anything.
    #[must_use]
    pub fn retry_can_help(&self) -> bool {
        match self {
            Self::Denied(denial) | Self::Because(denial, _) => denial.first().can_retry_help(),
            Self::Capability(error) => error.cause.can_retry_help(),
            Self::NotReady
            | Self::Busy(_)
            | Self::Module(ModuleFault::Unavailable)
            | Self::Upstream(_)
            | Self::UpstreamTimeout
            | Self::StateNotKept
            | Self::BodyUnreadable => true,
            Self::Manifest(_)
            | Self::Handle(_)
            | Self::BadRequest(_)
            | Self::NotFound(_)
            | Self::Module(_)
            | Self::Path(_)
            | Self::Authority(_)
            | Self::Xfcc(_)
            | Self::Untrusted(_)
            | Self::Method
            | Self::HttpVersion
            | Self::ContentCoding
            | Self::ContentType
            | Self::BodyTooLarge(_)
            | Self::BodyNeedsLength(_)
            | Self::NotConfigured(_)
            | Self::FlowEnded
            | Self::Internal => false,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::Because(..) | Self::Handle(_) => "Refused by the label policy",
            Self::BadRequest(_) | Self::NotFound(_) => "Nothing that this gateway answers",
            Self::Manifest(_) | Self::Capability(_) => "ManifestConformanceError",
            Self::Path(_) | Self::Authority(_) | Self::BodyUnreadable => "Request refused as ambiguous or incomplete",
            Self::Xfcc(_) | Self::Untrusted(_) => "Caller not identified",
            Self::Method => "Method refused",
            Self::HttpVersion => "HTTP version refused",
            Self::ContentCoding => "Content coding refused",
            Self::ContentType => "Content type refused",
            Self::BodyTooLarge(_) | Self::BodyNeedsLength(_) => "Body too large",
            Self::Module(_) => "Capability not available",
            Self::NotReady | Self::NotConfigured(_) => "Gateway not ready",
            Self::Busy(_) => "Gateway busy",
            Self::Upstream(_) | Self::UpstreamTimeout => "Upstream failed",
            Self::StateNotKept | Self::Internal => "Gateway fault",
            Self::FlowEnded => "Flow ended",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Denied(denial) => denial.first().explanation().to_owned(),
            Self::Because(_, why) => why.clone().into_owned(),
            Self::Handle(why) => why.clone(),
            Self::BadRequest(why) | Self::NotFound(why) => (*why).to_owned(),
            Self::Manifest(rejection) => rejection.cause.to_string(),
            Self::Capability(error) => error.to_string(),
            Self::Module(fault) => fault.to_string(),
            Self::Path(error) => error.to_string(),
            Self::Authority(error) => error.to_string(),
            Self::Xfcc(error) => error.to_string(),
            Self::Untrusted(why) | Self::NotConfigured(why) | Self::Busy(why) | Self::Upstream(why) => {
                (*why).to_owned()
            }
            Self::Method => {
                "this method is not passed; CONNECT and TRACE would reach around the gateway's checks".into()
            }
            Self::HttpVersion => {
                "HTTP/1.0 cannot tell an answer that was ended from a whole one; use HTTP/1.1 or HTTP/2".into()
            }
            Self::ContentCoding => {
                "the route's body is checked, so it must be sent as it is; leave `Content-Encoding` out".into()
            }
            Self::ContentType => {
                "the route's body is checked as JSON, so it must be called that; send one `Content-Type: application/json`, in UTF-8, or none".into()
            }
            Self::BodyTooLarge(limit) => format!("the body must have at most {limit} bytes"),
            Self::BodyNeedsLength(limit) => {
                format!("a body of more than {limit} bytes must be sent with `Content-Length` on this route")
            }
            Self::BodyUnreadable => "the body ended before its stated length, or its framing is broken".into(),
            Self::NotReady => "the gateway has no valid SVID; it is asking the Workload API for one".into(),
            Self::UpstreamTimeout => "the upstream did not answer in time".into(),
            Self::StateNotKept => "the watermark could not be made durable, so nothing was released".into(),
            Self::FlowEnded => "the flow was ended because a label changed while it was open".into(),
            Self::Internal => "the gateway failed; its log names this request ID".into(),
        }
    }

    /// The problem+json body, as far as the caller may see it.
    #[must_use]
    pub fn problem(&self, policy: &Policy, request_id: &str) -> Vec<u8> {
        let mut problem = Map::new();
        let mut put = |key: &str, value: Value| drop(problem.insert(key.to_owned(), value));
        put("type", json!(format!("urn:bellgate:problem:{}", self.code())));
        put("title", json!(self.title()));
        put("status", json!(self.status()));
        put("detail", json!(self.detail()));
        put("instance", json!(format!("urn:uuid:{request_id}")));
        put("reason", json!(self.code()));
        put("request_id", json!(request_id));
        put("retry", json!(self.retry_can_help()));
        if let Some(denial) = self.denial() {
            put("decision", public_decision(denial, policy));
            // Without a grant there is nothing that could help, and nothing to be told of it.
            if denial.first() > Reason::NotGranted {
                put("remedies", json!(denial.remedies(policy)));
            }
        }
        if let Self::Manifest(rejection) = self
            && let Value::Object(members) = rejection.to_problem()
        {
            members.into_iter().for_each(|(key, value)| put(&key, value));
        }
        if let Self::Capability(error) = self {
            put("error", json!("ManifestConformanceError"));
            put("cause", json!(error.cause.code()));
        }
        serde_json::to_vec(&Value::Object(problem)).unwrap_or_default()
    }
}

/// What of the decision its caller may see. Without a grant not even the names of object and mode: which route a path leads to
/// would tell that there is one.
fn public_decision(denial: &Denial, policy: &Policy) -> Value {
    let mut record = json!(denial.public_record(policy));
    if denial.first() <= Reason::NotGranted
        && let Value::Object(members) = &mut record
    {
        members.remove("object");
        members.remove("mode");
    }
    record
}

fn capability_status(cause: Cause) -> u16 {
    match cause {
        Cause::InputTooLarge => 413,
        Cause::Busy | Cause::Unavailable => 503,
        Cause::Timeout => 504,
        Cause::ModuleRefused
        | Cause::EntryMissing
        | Cause::OutputTooLarge
        | Cause::MemoryExceeded
        | Cause::FuelExhausted
        | Cause::Trap
        | Cause::Aborted
        | Cause::OutputNotUtf8
        | Cause::OutputNotJson => 502,
    }
}

#[cfg(test)]
mod tests;
