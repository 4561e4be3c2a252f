//! Releasing an answer: the flow back, and what it does to who reads it.
//!
//! The order is the point (`design/labels.md`, "Order of events", 2): decide whether the label may
//! come back, raise the watermark, make that durable, and only then release the first byte.
//!
//! What counts is when bytes are released. So each further piece of an open answer asks whether anything has moved since
//! the last one (a reset, a session that was opened), and if so counts again before it passes.

use bellgate_policy::{
    Answer, Observation, Permit, Policy, Release, SecurityLabel, Server, Serving, SpiffeId, release,
};
use bellgate_telemetry::Point;
use bellgate_watermark::{Handle, Passing};
use http::HeaderMap;
use serde_json::json;
use std::sync::Arc;

use crate::admission::Direction;
use crate::context::{Admitted, Context};
use crate::core::{Core, Own};
use crate::exchange::Exchange;
use crate::handles;
use crate::label_header::{self, Stated, Unreadable};
use crate::refusal::Refusal;

/// What was released, and under which label.
#[derive(Clone)]
pub(crate) struct Released {
    /// The label of the answer.
    pub(crate) label: SecurityLabel,
    /// Version of our own workload's watermark, read before the label that the answer states (inbound), and before the
    /// watermark was raised by it (outbound).
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
/// A denial with `withheld`, or [`Refusal::StateNotKept`]; nothing may be released then.
pub(crate) fn release_answer(
    core: &Core,
    policy: &Policy,
    admitted: &Admitted,
    source: &Source<'_>,
    exchange: &mut Exchange,
) -> Result<Released, Refusal> {
    release_by(core, policy, admitted, source, exchange, release)
}

/// [`release_answer`] by another rule than the one for answers as they came: what a guard has seen.
///
/// # Errors
///
/// As [`release_answer`].
pub(crate) fn release_by(
    core: &Core,
    policy: &Policy,
    admitted: &Admitted,
    source: &Source<'_>,
    exchange: &mut Exchange,
    rule: impl FnOnce(&Policy, &Permit, &Answer<'_>) -> Release,
) -> Result<Released, Refusal> {
    let permit = &admitted.permit;
    let version = admitted.own.watermark.version();
    let label = label_by(core, policy, admitted, source, exchange, rule)?;
    exchange.carries(&label);
    if admitted.facts.direction == Direction::Outbound {
        let object = || permit.object().name.to_string();
        let handle = admitted.handle.as_ref();
        let passing = raise(core, policy, &admitted.own, handle, &label, object, &exchange.request_id)?;
        exchange.on_its_way.hold(&core.passage, Some(passing));
    }
    Ok(Released { label, version })
}

/// The first half of [`release_by`]: the label with which an answer may be released. Nothing is raised yet.
///
/// # Errors
///
/// A denial with `withheld`.
pub(crate) fn label_by(
    core: &Core,
    policy: &Policy,
    admitted: &Admitted,
    source: &Source<'_>,
    exchange: &mut Exchange,
    rule: impl FnOnce(&Policy, &Permit, &Answer<'_>) -> Release,
) -> Result<SecurityLabel, Refusal> {
    let lattice = policy.lattice();
    let permit = &admitted.permit;
    let (serving, why) = match (admitted.facts.direction, source) {
        (_, Source::Capability) => (Some(permit.current().clone()), None),
        (Direction::Inbound, _) => (Some(serving_label(core, admitted)), None),
        (Direction::Outbound, Source::Head(headers)) => stated_by_peer(policy, permit, headers),
        (Direction::Outbound, Source::Failure) => (None, None),
    };
    let declared = match source {
        Source::Head(headers) if permit.object().declares => {
            match label_header::read(headers, label_header::DECLARE, lattice) {
                Stated::Label(label) => Some(label),
                Stated::Absent => None,
                // Believed, and not to be understood: it could be anything.
                Stated::Unreadable(_) => Some(lattice.top()),
            }
        }
        Source::Head(_) | Source::Failure | Source::Capability => None,
    };
    let answer =
        Answer { serving: serving.as_ref().map_or(Serving::Unstated, Serving::Stated), declared: declared.as_ref() };
    match rule(policy, permit, &answer) {
        Release::Released { label } => Ok(label),
        Release::Withheld(denial) => {
            exchange.report(core, policy, Point::Release, denial.decision(), denial.reasons());
            Err(match why {
                Some(why) => {
                    let why = why.explain("Bellgate-Label of the answer", policy.digest());
                    Refusal::Because(Box::new(denial), why.into())
                }
                None => Refusal::Denied(Box::new(denial)),
            })
        }
    }
}

/// The current label of our own workload as it answers: that of the session in which it was asked, while that is open.
#[must_use]
pub(crate) fn serving_label(core: &Core, admitted: &Admitted) -> SecurityLabel {
    let watermark = &admitted.own.watermark;
    match session(core, &admitted.own, admitted.handle.as_ref()) {
        Some(handle) => watermark.reading_of(handle).label.clone(),
        None => watermark.reading().label.clone(),
    }
}

/// The label that a peer's gateway puts on its answer counts only where the policy says that a
/// gateway speaks for that peer. One that cannot be read could be anything.
fn stated_by_peer(
    policy: &Policy,
    permit: &Permit,
    headers: &HeaderMap,
) -> (Option<SecurityLabel>, Option<Unreadable>) {
    let lattice = policy.lattice();
    match &permit.object().server {
        Server::Workload(subject) if subject.gateway => {
            match label_header::read(headers, label_header::LABEL, lattice) {
                Stated::Label(label) => (Some(label), None),
                Stated::Absent => (None, None),
                Stated::Unreadable(why) => (Some(lattice.top()), Some(why)),
            }
        }
        Server::Workload(_) | Server::Web(_) | Server::Enclave => (None, None),
    }
}

/// A piece of an answer to our own workload, after its head: it counts like the head did, if anything has moved since.
///
/// # Errors
///
/// [`Refusal::StateNotKept`] when it could not be made durable; the piece must not pass then.
pub(crate) fn chunk_counts(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    let (Some(admitted), Some(released)) = (&ctx.admitted, &mut ctx.released) else { return Err(Refusal::Internal) };
    if admitted.facts.direction == Direction::Inbound {
        return Ok(());
    }
    let version = admitted.own.watermark.version();
    let object = || admitted.permit.object().name.to_string();
    let policy = &ctx.snapshot.policy;
    let handle = admitted.handle.as_ref();
    let passing = raise(core, policy, &admitted.own, handle, &released.label, object, &ctx.exchange.request_id)?;
    ctx.exchange.on_its_way.hold(&core.passage, Some(passing));
    released.version = version;
    Ok(())
}

/// Raises durably, because of this exchange, in which `object` was observed: the workload and the session in which it
/// asked, while that is open; else the workload and all of its sessions. Most exchanges raise nothing, and cost a
/// comparison here. What comes back is held until the bytes have left: see [`crate::passage`].
///
/// # Errors
///
/// [`Refusal::StateNotKept`] when it could not be made durable.
pub(crate) fn raise(
    core: &Core,
    policy: &Policy,
    own: &Own,
    handle: Option<&Arc<Handle>>,
    label: &SecurityLabel,
    object: impl FnOnce() -> String,
    request_id: &str,
) -> Result<Passing, Refusal> {
    let watermark = &own.watermark;
    let handle = session(core, own, handle);
    let passing = watermark.passing(handle.map(AsRef::as_ref), label);
    let before = watermark.reading();
    let observation = || Observation {
        request_id: request_id.to_owned(),
        object: object(),
        at: core.now(),
        label: policy.lattice().text(label),
    };
    let mut seen = None;
    let told = || seen.insert(observation()).clone();
    let raised = match handle {
        Some(handle) => watermark.raise_under(handle, label, told),
        None => watermark.raise(label, told),
    };
    let raised = raised.map_err(|error| {
        log::error!("request {request_id}: {error}");
        Refusal::StateNotKept
    })?;
    if let (true, Some(seen)) = (raised.rose, seen) {
        tell_raised(core, &own.id, handle, &seen, &before.label, &raised.reading.label);
    }
    Ok(passing)
}

fn session<'a>(core: &Core, own: &Own, handle: Option<&'a Arc<Handle>>) -> Option<&'a Arc<Handle>> {
    handle.filter(|handle| handles::is_open(handle, own.watermark.clock(core.now())))
}

/// The watermark rose: told in the audit log, counted.
fn tell_raised(
    core: &Core,
    own: &SpiffeId,
    handle: Option<&Arc<Handle>>,
    observation: &Observation,
    before: &SecurityLabel,
    after: &SecurityLabel,
) {
    let snapshot = core.snapshot.load();
    let lattice = snapshot.policy.lattice();
    let after = lattice.text(after);
    core.metrics.watermark_raises.inc();
    log::info!("watermark raised to {after} by request {} ({})", observation.request_id, observation.object);
    core.audit.record(|| {
        json!({"kind": "watermark-raised", "at": observation.at.to_string(), "subject": own.as_str(),
               "request_id": observation.request_id, "object": observation.object, "observed": observation.label,
               "before": lattice.text(before), "label": after, "handle": handle.map(|handle| handle.short())})
    });
}
