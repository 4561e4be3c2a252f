//! What happened, as typed values: metadata only, never a byte of a payload, a header value or a key.
//!
//! Every struct is `serde` both ways, because the write-ahead log will keep events before they are refined. The order
//! of the derived `Ord` has no meaning; it is there so that equal sets of events can be laid down in one way only.

use std::borrow::Cow;

use bellgate_policy::Timestamp;
use serde::{Deserialize, Serialize};

/// One happening on its way to the lake. Boxed, so that a place in the queue costs two words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A request and its answer, told once, when both are over.
    Exchange(Box<ExchangeEvent>),
    /// One verdict, at one decision point.
    Decision(Box<DecisionEvent>),
    /// One event of a stream (server-sent events) that passed.
    StreamEvent(Box<StreamEvent>),
    /// One invocation of a capability in the enclave.
    CapabilityCall(Box<CapabilityCallEvent>),
}

impl Event {
    /// Which of the four it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Exchange(_) => EventKind::Exchange,
            Self::Decision(_) => EventKind::Decision,
            Self::StreamEvent(_) => EventKind::StreamEvent,
            Self::CapabilityCall(_) => EventKind::CapabilityCall,
        }
    }

    /// When it happened, by the gateway's clock.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Exchange(event) => event.at,
            Self::Decision(event) => event.at,
            Self::StreamEvent(event) => event.at,
            Self::CapabilityCall(event) => event.at,
        }
    }

    /// The request it belongs to (for a stream: the request that opened it).
    pub fn request_id(&self) -> &str {
        match self {
            Self::Exchange(event) => &event.request_id,
            Self::Decision(event) => &event.request_id,
            Self::StreamEvent(event) => &event.stream_id,
            Self::CapabilityCall(event) => &event.request_id,
        }
    }

    /// The text of the label it carries, as it came.
    pub fn label(&self) -> &str {
        match self {
            Self::Exchange(event) => &event.label,
            Self::Decision(event) => &event.label,
            Self::StreamEvent(event) => &event.label,
            Self::CapabilityCall(event) => &event.label,
        }
    }

    /// Bytes that the event takes outside of the queue: itself and its texts, for a bound on memory.
    pub fn owned_bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Exchange(event) => {
                let ExchangeEvent { request_id, instance, method, subject, object, mode, label, policy, .. } = &**event;
                let texts = [request_id, instance, method, subject, object, mode, label, policy];
                size_of::<ExchangeEvent>() + texts.map(String::len).iter().sum::<usize>() + length(&event.reason)
            }
            Self::Decision(event) => {
                let DecisionEvent { request_id, subject, object, mode, policy, label, .. } = &**event;
                let DecisionEvent { current, object_label, clearance, rule, cause_request_id, .. } = &**event;
                let DecisionEvent { cause_object, cause_label, handle, .. } = &**event;
                let optional =
                    [current, object_label, clearance, rule, cause_request_id, cause_object, cause_label, handle];
                let downgrade = event
                    .downgrade
                    .as_ref()
                    .map_or(0, |downgrade| downgrade.kind.len() + downgrade.rule.len() + downgrade.label.len());
                size_of::<DecisionEvent>()
                    + [request_id, subject, object, mode, policy, label].map(String::len).iter().sum::<usize>()
                    + optional.map(length).iter().sum::<usize>()
                    + downgrade
                    + event.reasons.iter().map(|reason| size_of::<String>() + reason.len()).sum::<usize>()
            }
            Self::StreamEvent(event) => {
                let StreamEvent { stream_id, event_type, event_id, label, .. } = &**event;
                size_of::<StreamEvent>() + stream_id.len() + event_type.len() + length(event_id) + label.len()
            }
            Self::CapabilityCall(event) => {
                let CapabilityCallEvent { request_id, capability, urn, digest, outcome, label, .. } = &**event;
                let texts = [request_id, capability, urn, digest, label];
                size_of::<CapabilityCallEvent>() + texts.map(String::len).iter().sum::<usize>() + outcome.len()
            }
        }
    }
}

/// The kind of an event: a tag of metrics, and the index of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// [`ExchangeEvent`]
    Exchange,
    /// [`DecisionEvent`]
    Decision,
    /// [`StreamEvent`]
    StreamEvent,
    /// [`CapabilityCallEvent`]
    CapabilityCall,
}

impl EventKind {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Exchange, Self::Decision, Self::StreamEvent, Self::CapabilityCall];

    /// The name in metrics, in the lake and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Decision => "decision",
            Self::StreamEvent => "stream_event",
            Self::CapabilityCall => "capability_call",
        }
    }
}

/// The listener that took a request (see the table of listeners in `ARCHITECTURE.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// Other workloads, over mTLS.
    Ingress,
    /// The local workload, on its way out.
    Egress,
    /// The Envoy beside the gateway.
    Envoy,
}

impl Listener {
    /// The name in metrics, in the lake and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Envoy => "envoy",
        }
    }
}

/// How an exchange as a whole was ruled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It was let through.
    Permit,
    /// The gateway refused it: by policy, by schema, by a limit or for a fault.
    Refuse,
}

impl Ruling {
    /// The name in metrics, in the lake and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Refuse => "refuse",
        }
    }
}

/// Where in an exchange a decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// May the request go?
    Request,
    /// May the workload receive it?
    Delivery,
    /// May the answer be released?
    Release,
    /// May this chunk of a stream be released?
    Stream,
}

impl Point {
    /// The name in metrics, in the lake and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Delivery => "delivery",
            Self::Release => "release",
            Self::Stream => "stream",
        }
    }
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExchangeEvent {
    /// The gateway's own ID of this exchange: a UUIDv7 as text.
    pub request_id: String,
    /// The UUID of this run of the sidecar, as text.
    pub instance: String,
    /// When the request arrived.
    pub at: Timestamp,
    /// The listener that took it.
    pub listener: Listener,
    /// The HTTP method, as it came.
    pub method: String,
    /// The subject's SPIFFE ID; empty if the peer showed none.
    pub subject: String,
    /// The object's name in the policy; empty if none was reached.
    pub object: String,
    /// `observe`, `append`, `alter` or `execute`; empty if no object was reached.
    pub mode: String,
    /// How it was ruled.
    pub verdict: Ruling,
    /// The code of the first reason of a refusal.
    pub reason: Option<String>,
    /// The HTTP status that was sent; 0 if the peer was gone before one could be.
    pub status: u16,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// From the request's arrival to the end of the answer, in microseconds.
    pub duration_us: u64,
    /// The canonical label that this record carries.
    pub label: String,
    /// Whether the answer was a stream (server-sent events, WebSocket, gRPC stream).
    pub stream: bool,
    /// The digest of the policy that decided.
    pub policy: String,
}

/// One verdict, at one decision point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DecisionEvent {
    /// The exchange it belongs to.
    pub request_id: String,
    /// Where in the exchange.
    pub point: Point,
    /// When it was made.
    pub at: Timestamp,
    /// The subject's SPIFFE ID, or its name in the policy.
    pub subject: String,
    /// The object's name in the policy.
    pub object: String,
    /// `observe`, `append`, `alter` or `execute`.
    pub mode: String,
    /// Permitted?
    pub permit: bool,
    /// The codes of all reasons of a refusal, in report order; empty for a permit.
    pub reasons: Vec<String>,
    /// The subject's current label, canonical.
    pub current: Option<String>,
    /// The object's label, canonical; absent for an object without one.
    pub object_label: Option<String>,
    /// The subject's clearance, canonical.
    pub clearance: Option<String>,
    /// The rule that granted.
    pub rule: Option<String>,
    /// For `no-write-down`: the request whose answer raised the current label.
    pub cause_request_id: Option<String>,
    /// For `no-write-down`: the object that was read then.
    pub cause_object: Option<String>,
    /// For `no-write-down`: when that was.
    pub cause_at: Option<Timestamp>,
    /// For `no-write-down`: the canonical label of what was read then.
    #[serde(default)]
    pub cause_label: Option<String>,
    /// The rule by which the request states less than the subject's current label, where one was needed.
    #[serde(default)]
    pub downgrade: Option<DowngradeEvent>,
    /// The session under which the subject asked: the beginning of its handle's SHA-256, never the handle.
    #[serde(default)]
    pub handle: Option<String>,
    /// The digest of the policy that decided.
    pub policy: String,
    /// The canonical label that this record carries.
    pub label: String,
}

/// A request that states less than its sender's current label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DowngradeEvent {
    /// `read-down`, `trusted`, `guard` or `task`.
    pub kind: String,
    /// The rule in the policy.
    pub rule: String,
    /// The canonical label that the rule gives.
    pub label: String,
}

/// One event of a stream that passed. Its data is not in it, only how long it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamEvent {
    /// The ID of the exchange that opened the stream.
    pub stream_id: String,
    /// Which event of its stream, from 0.
    pub offset: u64,
    /// When it passed.
    pub at: Timestamp,
    /// Its `event` field; `message` if it had none.
    pub event_type: String,
    /// The last event ID that the stream had given by then.
    pub event_id: Option<String>,
    /// Bytes of its `data`, without the line ends that the parser takes away.
    pub data_bytes: u64,
    /// The canonical label that this record carries.
    pub label: String,
}

/// One invocation of a capability.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CapabilityCallEvent {
    /// The exchange it belongs to.
    pub request_id: String,
    /// When the call began.
    pub at: Timestamp,
    /// The capability's name in the policy.
    pub capability: String,
    /// Its URN.
    pub urn: String,
    /// The SHA-256 of its module, in hex.
    pub digest: String,
    /// `ok`, or the code of the cause of the failure.
    pub outcome: Cow<'static, str>,
    /// Bytes handed in.
    pub input_bytes: u64,
    /// Bytes it gave back.
    pub output_bytes: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The canonical label that this record carries.
    pub label: String,
}
