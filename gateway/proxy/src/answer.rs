//! Releasing an answer: the flow back, and what it does to who reads it.
//!
//! The order is the point (`design/labels.md`, "Order of events", 2): decide whether the label may
//! come back, raise the watermark, make that durable, and only then release the first byte.

use bellgate_policy::{Answer, Observation, Permit, Policy, Release, SecurityLabel, Server, Serving, release};
use bellgate_telemetry::Point;
use bellgate_watermark::Watermark;
use http::HeaderMap;

use crate::admission::Direction;
use crate::core::Core;
use crate::exchange::Exchange;
use crate::label_header::{self, Stated};
use crate::refusal::Refusal;

/// What was released, and under which label.
#[derive(Clone)]
pub(crate) struct Released {
    /// The label of the answer.
    pub(crate) label: SecurityLabel,
    /// Version of the serving workload's watermark when its head left (inbound).
    pub(crate) version: u64,
}

/// What is behind an answer.
pub(crate) enum Source<'a> {
    /// An answer with a head.
    Head(&'a HeaderMap),
    /// Our own 502 or 504 after contact: whoever was contacted may have caused it.
    Failure,
    /// A capability: its label is the caller's.
    Capability,
}

/// Decides the release, raises what it raises, and returns the label that may be released.
///
/// # Errors
///
/// [`Refusal::Denied`] with `withheld`, or [`Refusal::StateNotKept`]; nothing may be released then.
pub(crate) fn release_answer(
    core: &Core,
    policy: &Policy,
    own: &Watermark,
    direction: Direction,
    permit: &Permit,
    source: &Source<'_>,
    exchange: &mut Exchange,
) -> Result<Released, Refusal> {
    let lattice = policy.lattice();
    let reading = own.reading();
    let serving = match (direction, source) {
        (_, Source::Capability) => Some(permit.current().clone()),
        (Direction::Inbound, _) => Some(reading.label.clone()),
        (Direction::Outbound, Source::Head(headers)) => stated_by_peer(policy, permit, headers),
        (Direction::Outbound, Source::Failure) => None,
    };
    let declared = match source {
        Source::Head(headers) if permit.object().declares => {
            match label_header::read(headers, label_header::DECLARE, lattice) {
                Stated::Label(label) => Some(label),
                Stated::Absent => None,
                // Believed, and not to be understood: it could be anything.
                Stated::Unreadable => Some(lattice.top()),
            }
        }
        Source::Head(_) | Source::Failure | Source::Capability => None,
    };
    let answer =
        Answer { serving: serving.as_ref().map_or(Serving::Unstated, Serving::Stated), declared: declared.as_ref() };
    let label = match release(policy, permit, &answer) {
        Release::Released { label } => label,
        Release::Withheld(denial) => {
            exchange.report(core, policy, Point::Release, denial.decision(), denial.reasons());
            return Err(Refusal::Denied(Box::new(denial)));
        }
    };
    exchange.carries(&label);
    if direction == Direction::Outbound {
        raise(core, policy, own, &label, || permit.object().name.to_string(), exchange)?;
    }
    Ok(Released { label, version: reading.version })
}

/// The label that a peer's gateway puts on its answer counts only where the policy says that a
/// gateway speaks for that peer.
fn stated_by_peer(policy: &Policy, permit: &Permit, headers: &HeaderMap) -> Option<SecurityLabel> {
    match &permit.object().server {
        Server::Workload(subject) if subject.gateway => {
            match label_header::read(headers, label_header::LABEL, policy.lattice()) {
                Stated::Label(label) => Some(label),
                Stated::Absent | Stated::Unreadable => None,
            }
        }
        Server::Workload(_) | Server::Web(_) | Server::Enclave => None,
    }
}

/// Raises `watermark` durably because of this exchange, in which `object` was observed. Most exchanges raise nothing,
/// and cost one comparison here.
///
/// # Errors
///
/// [`Refusal::StateNotKept`] when it could not be made durable.
pub(crate) fn raise(
    core: &Core,
    policy: &Policy,
    watermark: &Watermark,
    label: &SecurityLabel,
    object: impl FnOnce() -> String,
    exchange: &Exchange,
) -> Result<(), Refusal> {
    let observation = || Observation {
        request_id: exchange.request_id.clone(),
        object: object(),
        at: core.now(),
        label: policy.lattice().text(label),
    };
    match watermark.raise(label, observation) {
        Ok(after) => {
            if after.rose {
                exchange.raised(core, &core.snapshot.load().policy.lattice().text(&after.reading.label));
            }
            Ok(())
        }
        Err(error) => {
            log::error!("request {}: {error}", exchange.request_id);
            Err(Refusal::StateNotKept)
        }
    }
}
