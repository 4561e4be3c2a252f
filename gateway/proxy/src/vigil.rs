//! Watching over flows that are open.
//!
//! A flow was decided when it began. What it was decided with can change while it is open: the
//! watermark of the workload rises, or the policy is replaced. So every chunk asks two cheap
//! questions (has a version moved? has the snapshot?) and, only if one has, decides anew. Flows on
//! which nothing moves are not woken; ending those within a second is the next step.

use std::sync::Arc;

use bellgate_policy::{Reason, Verdict};
use bellgate_telemetry::Point;

use crate::admission::{Decided, Direction, matter};
use crate::answer;
use crate::context::{Admitted, Context};
use crate::core::Core;
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::{guard, request};

/// A chunk of a request's body, or of an upgraded connection, on its way up.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the flow would not be permitted any more.
pub(crate) fn upward_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    decide_anew(core, ctx).map_err(|refusal| {
        if refusal.is_denial() {
            core.metrics.flows_ended.inc();
            return Refusal::FlowEnded;
        }
        refusal
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
    let version = admitted.own.watermark.version();
    let snapshot = core.snapshot.load_full();
    let replaced = !Arc::ptr_eq(&snapshot, &ctx.snapshot);
    let inbound = admitted.facts.direction == Direction::Inbound;
    // A session ends by time alone too, and each piece that reaches our own workload is a delivery.
    if version == admitted.version && !replaced && !inbound && admitted.handle.is_none() {
        return Ok(());
    }
    let admitted = Arc::make_mut(admitted);
    let policy = &snapshot.policy;
    let streams = ctx.body.is_none();
    // Our own watermark decides what our own workload may write, and nothing else; what it receives counts again, if
    // there was a reset meanwhile or a session was opened.
    if admitted.facts.direction == Direction::Inbound && !replaced {
        admitted.version = version;
        let passing = request::deliver(core, policy, admitted, streams, &ctx.exchange.request_id)?;
        ctx.exchange.on_its_way.hold(&core.passage, passing);
        return Ok(());
    }
    if replaced {
        admitted.matter = matter(policy, &admitted.own.id, &admitted.facts);
    }
    let Decided { verdict, version } = admitted.asking().decide(policy, &admitted.matter, &admitted.facts, core.now());
    admitted.version = version;
    match verdict {
        Verdict::Permit(permit) if !guard::has_run(ctx.guarded.as_ref(), &permit, admitted.facts.direction) => {
            // What was permitted as it is would now have to pass a guard first.
            let (matter, facts) = (&admitted.matter, &admitted.facts);
            let denial = admitted.asking().refuse(policy, matter, facts, core.now(), Reason::GuardFailed);
            ctx.exchange.report(core, policy, Point::Stream, denial.decision(), denial.reasons());
            Err(Refusal::Denied(Box::new(denial)))
        }
        Verdict::Permit(permit) if ctx.contacted && !admitted.states_as(&permit) => Err(Refusal::FlowEnded),
        Verdict::Permit(permit) => {
            admitted.permit = permit;
            if replaced {
                // Each chunk is a delivery, labelled as the object is labelled now.
                let passing = request::deliver(core, policy, admitted, true, &ctx.exchange.request_id)?;
                ctx.exchange.on_its_way.hold(&core.passage, passing);
            }
            ctx.snapshot = snapshot;
            Ok(())
        }
        Verdict::Denial(denial) => {
            ctx.exchange.report(core, policy, Point::Stream, denial.decision(), denial.reasons());
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
    let snapshot = core.snapshot.load_full();
    if Arc::ptr_eq(&snapshot, &ctx.snapshot) {
        return Ok(());
    }
    if !may_still_read(core, &snapshot, admitted) {
        core.metrics.flows_ended.inc();
        return Err(Refusal::FlowEnded);
    }
    ctx.snapshot = snapshot;
    Ok(())
}

/// Whether the request behind an answer would still be granted. That its sender has read more since
/// is no reason to end what comes back: the request has long been written.
fn may_still_read(core: &Core, snapshot: &Snapshot, admitted: &Admitted) -> bool {
    let matter = matter(&snapshot.policy, &admitted.own.id, &admitted.facts);
    match admitted.asking().decide(&snapshot.policy, &matter, &admitted.facts, core.now()).verdict {
        // An answer that would have to pass a guard is not one that is under way.
        Verdict::Permit(permit) => guard::guards_answer(&permit, admitted.facts.direction).is_none(),
        Verdict::Denial(denial) => denial.reasons().iter().all(|reason| *reason == Reason::NoWriteDown),
    }
}

/// A chunk of an answer on its way down: a write by the serving workload.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the serving workload's label has risen above what the head of the
/// answer stated, or a new policy takes the reader's right to it away.
pub(crate) fn answer_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    answer::chunk_counts(core, ctx)?;
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    let Some(released) = &mut ctx.released else { return Err(Refusal::Internal) };
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &ctx.snapshot);
    let mut ended = false;
    if admitted.facts.direction == Direction::Inbound {
        let version = admitted.own.watermark.version();
        let multilevel = snapshot.policy.subject(&admitted.own.id).is_some_and(|own| own.multilevel.is_some());
        if version != released.version && !multilevel {
            ended = !released.label.dominates(&answer::serving_label(core, admitted));
            released.version = version;
        }
    }
    if replaced && !ended {
        let reader = snapshot.policy.subject(admitted.caller.id());
        ended = !may_still_read(core, &snapshot, admitted)
            || !reader.is_some_and(|reader| reader.clearance.dominates(&released.label));
        ctx.snapshot = Arc::clone(&snapshot);
    }
    if ended {
        core.metrics.flows_ended.inc();
        return Err(Refusal::FlowEnded);
    }
    Ok(())
}
