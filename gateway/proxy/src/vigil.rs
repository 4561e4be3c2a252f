//! Watching over flows that are open.
//!
//! A flow was decided when it began. What it was decided with can change while it is open: the watermark of the workload rises,
//! or the policy is replaced, or a rule with a date runs out. So every chunk asks two cheap questions (has a version moved? has
//! the snapshot?) and, only if one has, decides anew. Flows on which nothing moves are decided by [`crate::watchman`], with the
//! same functions.

use std::sync::Arc;

use bellgate_policy::{Answer, Denial, Reason, Release, SecurityLabel, Serving, Verdict, release};
use bellgate_telemetry::Point;

use crate::admission::{Decided, Direction, matter};
use crate::answer;
use crate::context::{Admitted, Context};
use crate::core::Core;
use crate::flow::Flow;
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::{guard, request};

/// A chunk of a request's body, or of an upgraded connection, on its way up.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the flow would not be permitted any more.
pub(crate) fn upward_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    decide_anew(core, ctx).map_err(|refusal| if refusal.is_denial() { Refusal::FlowEnded } else { refusal })
}

/// Whether anything has moved since the request was decided.
pub(crate) fn has_moved(core: &Core, ctx: &Context) -> bool {
    let Some(admitted) = &ctx.admitted else { return false };
    admitted.own.watermark.version() != admitted.version || !Arc::ptr_eq(&core.snapshot.load(), &ctx.snapshot)
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
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &ctx.snapshot);
    let inbound = admitted.facts.direction == Direction::Inbound;
    // Sessions and rules that lift end by time alone too, and each piece that reaches our own workload is a delivery.
    let dated = admitted.permit.downgrade().is_some() || admitted.handle.is_some();
    if version == admitted.version && !replaced && !inbound && !dated {
        return Ok(());
    }
    let policy = &snapshot.policy;
    let streams = admitted.streams(ctx.body.as_ref());
    // Our own watermark decides what our own workload may write, and nothing else; what it receives counts again, if
    // there was a reset meanwhile or a session was opened.
    if inbound && !replaced {
        if version != admitted.version {
            Arc::make_mut(admitted).version = version;
        }
        let passing = request::deliver(core, policy, admitted, streams, &ctx.exchange.request_id)?;
        ctx.exchange.on_its_way.hold(&core.passage, passing);
        return Ok(());
    }
    let admitted = Arc::make_mut(admitted);
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
                let passing = request::deliver(core, policy, admitted, streams, &ctx.exchange.request_id)?;
                ctx.exchange.on_its_way.hold(&core.passage, passing);
            }
            ctx.snapshot = Arc::clone(&snapshot);
            Ok(())
        }
        Verdict::Denial(denial) => {
            ctx.exchange.report(core, policy, Point::Stream, denial.decision(), denial.reasons());
            Err(Refusal::Denied(Box::new(denial)))
        }
    }
}

/// The head of an answer, which may come long after its request was decided; gives the policy that it is released under.
/// The request's own snapshot stays what it was: its next chunk is still to be decided under the new one.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when a new policy takes the reader's right to it away.
pub(crate) fn answer_head(core: &Core, ctx: &mut Context) -> Result<Arc<Snapshot>, Refusal> {
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    let snapshot = core.snapshot.load_full();
    if !Arc::ptr_eq(&snapshot, &ctx.snapshot) {
        may_still_read(core, &snapshot, admitted).map_err(|_| Refusal::FlowEnded)?;
    }
    ctx.answered_under = Some(Arc::clone(&snapshot));
    Ok(snapshot)
}

/// A chunk of an answer on its way down: a write by the serving workload.
///
/// # Errors
///
/// [`Refusal::FlowEnded`] when the serving workload's label has risen above what the head of the answer stated, or a new
/// policy takes the reader's right to it away or gives it a label that can't be stated any more.
pub(crate) fn answer_chunk(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    if ctx.is_ended() {
        return Err(Refusal::FlowEnded);
    }
    answer_under_policy(core, ctx)?;
    answer::chunk_counts(core, ctx)?;
    let Some(admitted) = &ctx.admitted else { return Err(Refusal::Internal) };
    let Some(released) = &mut ctx.released else { return Err(Refusal::Internal) };
    let snapshot = core.snapshot.load();
    if admitted.facts.direction == Direction::Inbound {
        let version = admitted.own.watermark.version();
        if version != released.version {
            if !may_still_write(core, &snapshot, admitted, &released.label) {
                return Err(Refusal::FlowEnded);
            }
            released.version = version;
        }
    }
    Ok(())
}

/// Decides an open answer under a policy that has come since. It keeps a snapshot of its own: chunks of the request move
/// the other one on. What the answer is labelled now is what its reader observes from here on, beside what it was.
fn answer_under_policy(core: &Core, ctx: &mut Context) -> Result<(), Refusal> {
    let (Some(admitted), Some(released)) = (&ctx.admitted, &mut ctx.released) else { return Err(Refusal::Internal) };
    let snapshot = core.snapshot.load();
    if ctx.answered_under.as_ref().is_some_and(|under| Arc::ptr_eq(under, &snapshot)) {
        return Ok(());
    }
    let label = labelled_now(&snapshot, admitted, &released.label).ok_or(Refusal::FlowEnded)?;
    may_still_read(core, &snapshot, admitted).map_err(|_| Refusal::FlowEnded)?;
    released.label = label;
    ctx.answered_under = Some(Arc::clone(&snapshot));
    Ok(())
}

/// The label of an answer under a new policy, with the one that its head stated; `None` where it may not go on, because its
/// reader is not cleared for it, or because its reader's gateway was told less.
fn labelled_now(snapshot: &Snapshot, admitted: &Admitted, released: &SecurityLabel) -> Option<SecurityLabel> {
    if !clears(snapshot, admitted, released) {
        return None;
    }
    let answer = Answer { serving: Serving::Stated(released), declared: None };
    match release(&snapshot.policy, &admitted.permit, &answer) {
        Release::Released { label } => {
            let told = admitted.facts.direction == Direction::Outbound || released.dominates(&label);
            told.then(|| released.join(&label))
        }
        Release::Withheld(_) => None,
    }
}

/// Whether the request behind an answer would still be granted; the denial, where there is one. That its sender has read more
/// since, or that its session has ended, is no reason to end what comes back: the request has long been written.
fn may_still_read(core: &Core, snapshot: &Snapshot, admitted: &Admitted) -> Result<(), Option<Box<Denial>>> {
    let matter = matter(&snapshot.policy, &admitted.own.id, &admitted.facts);
    match admitted.asking().decide(&snapshot.policy, &matter, &admitted.facts, core.now()).verdict {
        // An answer that would have to pass a guard is not one that is under way.
        Verdict::Permit(permit) if guard::guards_answer(&permit, admitted.facts.direction).is_some() => Err(None),
        Verdict::Denial(denial)
            if !denial.reasons().iter().all(|reason| matches!(reason, Reason::NoWriteDown | Reason::HandleRefused)) =>
        {
            Err(Some(Box::new(denial)))
        }
        Verdict::Permit(_) | Verdict::Denial(_) => Ok(()),
    }
}

/// Whether the workload that serves an answer may go on with it: its label must not have risen above what the head stated. One
/// that keeps what it serves apart states the object's label alone.
fn may_still_write(core: &Core, snapshot: &Snapshot, admitted: &Admitted, stated: &SecurityLabel) -> bool {
    snapshot.policy.subject(&admitted.own.id).is_some_and(|own| own.multilevel.is_some())
        || stated.dominates(&answer::serving_label(core, admitted))
}

/// Whether who reads an answer is still cleared for it.
fn clears(snapshot: &Snapshot, admitted: &Admitted, released: &SecurityLabel) -> bool {
    snapshot.policy.subject(admitted.caller.id()).is_some_and(|reader| reader.clearance.dominates(released))
}

/// Whether time alone can take a flow's permission away: rules that lift something have a date, and sessions have one.
pub(crate) fn can_expire(flow: &Flow) -> bool {
    flow.admitted.permit.downgrade().is_some() || flow.admitted.handle.is_some()
}

/// Whether an open flow may go on, as things are now: the same questions as its next chunk would ask, in either direction.
///
/// # Errors
///
/// The denial, where there is one.
pub(crate) fn may_go_on(core: &Core, flow: &Flow) -> Result<(), Option<Box<Denial>>> {
    let admitted = &flow.admitted;
    let snapshot = core.snapshot.load();
    let replaced = !Arc::ptr_eq(&snapshot, &flow.snapshot);
    let inbound = admitted.facts.direction == Direction::Inbound;
    let expires = can_expire(flow);
    if flow.writes() && (replaced || !inbound || expires) {
        may_still_ask(core, &snapshot, admitted, replaced)?;
    } else if replaced || expires {
        may_still_read(core, &snapshot, admitted)?;
    }
    let Some(released) = flow.released() else { return Ok(()) };
    if inbound && !may_still_write(core, &snapshot, admitted, released)
        || replaced && labelled_now(&snapshot, admitted, released).is_none()
    {
        return Err(None);
    }
    Ok(())
}

/// Whether more of a request may come: it is permitted now, and as the rule that its head has named.
fn may_still_ask(
    core: &Core,
    snapshot: &Snapshot,
    admitted: &Admitted,
    replaced: bool,
) -> Result<(), Option<Box<Denial>>> {
    let (policy, direction) = (&snapshot.policy, admitted.facts.direction);
    let anew = replaced.then(|| matter(policy, &admitted.own.id, &admitted.facts));
    let matter = anew.as_ref().unwrap_or(&admitted.matter);
    match admitted.asking().decide(policy, matter, &admitted.facts, core.now()).verdict {
        // What streams was read by no guard.
        Verdict::Permit(permit) if guard::has_run(None, &permit, direction) && admitted.states_as(&permit) => Ok(()),
        Verdict::Permit(_) => Err(None),
        Verdict::Denial(denial) => Err(Some(Box::new(denial))),
    }
}
