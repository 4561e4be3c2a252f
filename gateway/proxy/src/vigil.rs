//! Watching over flows that are open.
//!
//! A flow was decided when it began. What it was decided with can change while it is open: the watermark of the workload rises,
//! or the policy is replaced, or a rule with a date runs out. So every chunk asks two cheap questions (has a version moved? has
//! the snapshot?) and, only if one has, decides anew. Flows on which nothing moves are decided by [`crate::watchman`], with the
//! same functions.

use std::sync::Arc;

use bellgate_policy::{Denial, Reason, Verdict};
use bellgate_telemetry::Point;

use crate::admission::{Direction, Matter, ask, matter};
use crate::answer;
use crate::context::{Admitted, Context};
use crate::core::{Core, Own};
use crate::flow::Flow;
use crate::refusal::Refusal;
use crate::request;
use crate::snapshot::Snapshot;

/// The version of what this workload's decisions are made with: equal versions, equal labels.
pub(crate) fn version(own: &Own) -> u64 {
    own.watermark.reading().version
}

/// The one place in which a request that is under way is decided anew; returns the version that it was decided with.
fn judge(core: &Core, snapshot: &Snapshot, admitted: &Admitted, matter: &Matter) -> (Verdict, u64) {
    let reading = admitted.own.watermark.reading();
    let verdict = ask(&snapshot.policy, &admitted.caller, matter, &admitted.facts.label, &reading, core.now());
    (verdict, reading.version)
}

/// A chunk of a request's body, or of an upgraded connection, on its way up.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the flow would not be permitted any more.
pub(crate) fn upward_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    decide_anew(core, ctx).map_err(|refusal| match refusal {
        Refusal::Denied(_) => Refusal::FlowEnded,
        other => other,
    })
}

/// Decides a request again, if anything has moved since it was decided. At a try of an upstream, the first or another
/// one, nothing has left yet, and a change is a plain refusal.
///
/// # Errors
///
/// [`Refusal::Denied`] when the request would not be permitted any more.
pub(crate) fn decide_anew(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    // Without an admitted request there is no upstream and so no chunk.
    let Some(admitted) = &mut ctx.admitted else { return Ok(()) };
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &ctx.snapshot);
    let moved = version(&admitted.own) != admitted.version;
    if !moved && !replaced {
        return Ok(());
    }
    let streams = ctx.body.is_none() && (admitted.facts.has_body || admitted.facts.upgrade);
    // Our own watermark decides what our own workload may write, and nothing else.
    if admitted.facts.direction == Direction::Inbound && !replaced {
        // What a chunk tells the workload counts again where a reset has made it forget.
        request::deliver(core, &snapshot.policy, admitted, streams, &ctx.exchange)?;
        let version = version(&admitted.own);
        Arc::make_mut(admitted).version = version;
        return Ok(());
    }
    let admitted = Arc::make_mut(admitted);
    if replaced {
        admitted.matter = matter(&snapshot.policy, &admitted.own.id, &admitted.facts);
    }
    let (verdict, version) = judge(core, &snapshot, admitted, &admitted.matter);
    admitted.version = version;
    match verdict {
        Verdict::Permit(permit) => {
            admitted.permit = permit;
            if replaced {
                // Each chunk is a delivery, labelled as the object is labelled now.
                request::deliver(core, &snapshot.policy, admitted, streams, &ctx.exchange)?;
            }
            ctx.snapshot = Arc::clone(&snapshot);
            Ok(())
        }
        Verdict::Denial(denial) => {
            ctx.exchange.report(core, &snapshot.policy, Point::Stream, denial.decision(), denial.reasons());
            Err(Refusal::Denied(Box::new(denial)))
        }
    }
}

/// The head of an answer, which may come long after its request was decided.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when a new policy takes the reader's right to it away.
pub(crate) fn answer_head(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    let snapshot = core.snapshot.load_full();
    if Arc::ptr_eq(&snapshot, &ctx.snapshot) {
        return Ok(());
    }
    may_still_read(core, &snapshot, admitted).map_err(|_| Refusal::FlowEnded)?;
    ctx.snapshot = snapshot;
    Ok(())
}

/// Whether the request behind an answer would still be granted. That its sender has read more since
/// is no reason to end what comes back: the request has long been written.
fn may_still_read(core: &Core, snapshot: &Snapshot, admitted: &Admitted) -> Result<(), Box<Denial>> {
    let matter = matter(&snapshot.policy, &admitted.own.id, &admitted.facts);
    match judge(core, snapshot, admitted, &matter).0 {
        Verdict::Denial(denial) if denial.reasons().iter().any(|reason| *reason != Reason::NoWriteDown) => {
            Err(Box::new(denial))
        }
        Verdict::Permit(_) | Verdict::Denial(_) => Ok(()),
    }
}

/// A chunk of an answer on its way down: a write by the serving workload.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the serving workload's label has risen above what the head of the
/// answer stated, or a new policy takes the reader's right to it away.
pub(crate) fn answer_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    let Some(released) = &mut ctx.released else { return Err(Refusal::Internal) };
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &ctx.snapshot);
    let version = version(&admitted.own);
    if version != released.version {
        if admitted.facts.direction == Direction::Outbound {
            // What is released now is seen now: a reset has not made it unseen.
            let object = || admitted.permit.object().name.to_string();
            answer::raise(core, &snapshot.policy, &admitted.own.watermark, &released.label, object, &ctx.exchange)?;
        } else if !may_still_write(&snapshot, admitted, &released.label) {
            return Err(Refusal::FlowEnded);
        }
        released.version = version;
    }
    if replaced {
        if !clears(&snapshot, admitted, &released.label) || may_still_read(core, &snapshot, admitted).is_err() {
            return Err(Refusal::FlowEnded);
        }
        ctx.snapshot = Arc::clone(&snapshot);
    }
    Ok(())
}

/// Whether the workload that serves an answer may go on with it: its label must not have risen above what the head stated. One
/// that keeps what it serves apart states the object's label alone.
fn may_still_write(snapshot: &Snapshot, admitted: &Admitted, stated: &bellgate_policy::SecurityLabel) -> bool {
    snapshot.policy.subject(&admitted.own.id).is_some_and(|own| own.multilevel.is_some())
        || stated.dominates(&admitted.own.watermark.reading().label)
}

/// Whether who reads an answer is still cleared for it.
fn clears(snapshot: &Snapshot, admitted: &Admitted, released: &bellgate_policy::SecurityLabel) -> bool {
    snapshot.policy.subject(admitted.caller.id()).is_some_and(|reader| reader.clearance.dominates(released))
}

/// Whether time alone can take a flow's permission away: rules that lift something have a date.
pub(crate) fn can_expire(flow: &Flow) -> bool {
    flow.admitted.permit.downgrade().is_some()
}

/// Whether an open flow may go on, as things are now: the same questions as its next chunk would ask, in either direction.
///
/// # Errors
///
/// The denial, where it is one that has not been told yet.
pub(crate) fn may_go_on(core: &Core, flow: &Flow) -> Result<(), Option<Box<Denial>>> {
    let admitted = &flow.admitted;
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &flow.snapshot);
    let inbound = admitted.facts.direction == Direction::Inbound;
    if flow.writes() && (replaced || !inbound || can_expire(flow)) {
        let anew = replaced.then(|| matter(&snapshot.policy, &admitted.own.id, &admitted.facts));
        let verdict = judge(core, &snapshot, admitted, anew.as_ref().unwrap_or(&admitted.matter)).0;
        if let Verdict::Denial(denial) = verdict {
            return Err(Some(Box::new(denial)));
        }
    } else if replaced || can_expire(flow) {
        may_still_read(core, &snapshot, admitted).map_err(Some)?;
    }
    let Some(released) = flow.released() else { return Ok(()) };
    if inbound && !may_still_write(&snapshot, admitted, released) || replaced && !clears(&snapshot, admitted, released)
    {
        return Err(None);
    }
    Ok(())
}
