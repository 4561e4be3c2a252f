//! Guards: a capability that runs in the enclave on a body, before it leaves or before it is released.
//!
//! What holds:
//!
//! - A guard is given the body and nothing else: no target, no header, no label, no name of who asks. It is a subject of its
//!   own: its capability's label must dominate what the caller has read joined with what the body carries.
//! - What it returns replaces the body, conforms to the manifest kind of the route (on egress) and of the capability, and is
//!   decided anew as what it is: the objects that a body names are those of the body that leaves.
//! - Of everything beside the body only what the rule lists goes on. Cookies never do.
//! - What does not pass is refused as `guard-failed`, and nothing of it goes on: not without an enclave, not after a trap, a
//!   timeout or an overrun, not where the output is no document of its kind.
//! - Each use is audited with rule, digest and outcome, counted, and an event of its own.
//!
//! Bounded by the capability's limits; the input is not cut, one byte too many refuses.
//!
//! Absent on purpose: guards on streams, upgrades and gRPC, where there is no whole body (`unsupported-here`), and on
//! requests and answers that have none.

mod answer;

use std::borrow::Cow;
use std::sync::Arc;

use bellgate_policy::{Guard, GuardPoint, Permit, Reason, SecurityLabel, Verdict};
use bellgate_telemetry::Point;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;
use pingora_core::Result as PingoraResult;
use serde_json::json;

use crate::admission::{Asking, Decided, Direction, Known, Matter, RequestFacts, matter};
use crate::capability;
use crate::context::Context;
use crate::core::Core;
use crate::refusal::Refusal;
use crate::request;

pub(crate) use answer::release;

/// Whether what the permit asks to be guarded can be: a guard needs a whole body. Asked before one is read.
#[must_use]
pub(crate) fn runs_here(permit: &Permit, facts: &RequestFacts, grpc: bool) -> bool {
    let whole = !facts.upgrade && !grpc;
    let egress = guards_request(permit, facts.direction).is_none() || (whole && facts.has_body && carries_body(facts));
    egress && (guards_answer(permit, facts.direction).is_none() || (whole && facts.method != "HEAD"))
}

/// A method is the caller's to choose and passes beside the guard, so it must be one of the three that say no more than that
/// something is brought.
fn carries_body(facts: &RequestFacts) -> bool {
    matches!(facts.method.as_str(), "POST" | "PUT" | "PATCH")
}

/// The guard that a request must pass here.
#[must_use]
pub(crate) fn guards_request(permit: &Permit, direction: Direction) -> Option<&Arc<Guard>> {
    permit.guard().filter(|_| direction == Direction::Outbound)
}

/// Whether the request's body has to be read whole because of a guard.
#[must_use]
pub(crate) fn needs_body(permit: &Permit, direction: Direction) -> bool {
    guards_request(permit, direction).is_some() || guards_answer(permit, direction).is_some()
}

/// The guard that an answer must pass here. Only the reader's own gateway runs it: no other raises the reader's watermark.
#[must_use]
pub(crate) fn guards_answer(permit: &Permit, direction: Direction) -> Option<&Arc<Guard>> {
    permit.release_guard().filter(|_| direction == Direction::Outbound)
}

/// Whether the guard that `permit` asks for, if it does, is the one that has run on the body.
#[must_use]
pub(crate) fn has_run(guarded: Option<&Arc<Guard>>, permit: &Permit, direction: Direction) -> bool {
    guards_request(permit, direction).is_none_or(|asked| guarded.is_some_and(|ran| Arc::ptr_eq(ran, asked)))
}

/// Hands the validated body to the guard that `permit` asks for, puts its output in the body's place, and decides again
/// what leaves.
///
/// # Errors
///
/// A denial with `guard-failed`, or with `unsupported-here` where no body was read; it is reported here.
pub(crate) async fn egress(
    core: &Core,
    ctx: &mut Context,
    asking: Asking<'_>,
    about: &mut Matter,
    facts: &mut RequestFacts,
    permit: &Permit,
) -> Result<Decided, Refusal> {
    let policy = Arc::clone(&ctx.snapshot.policy);
    let refuse = |ctx: &mut Context, about: &Matter, facts: &RequestFacts, reason| {
        let denial = Box::new(asking.refuse(&policy, about, facts, core.now(), reason));
        ctx.exchange.report(core, &policy, Point::Request, denial.decision(), denial.reasons());
        denial
    };
    let (Some(guard), Some(body), true) = (permit.guard().cloned(), ctx.body.clone(), carries_body(facts)) else {
        return Err(Refusal::Denied(refuse(ctx, about, facts, Reason::UnsupportedHere)));
    };
    let kind = about.manifest.as_ref().map(AsRef::as_ref);
    let mut sizes = Sizes { input: body.len(), output: 0 };
    let outcome = pass(core, ctx, &guard, permit.current(), kind, body).await.and_then(|output| {
        sizes.output = output.len();
        if let Known::Json(_) = facts.content {
            facts.content = request::parsed(&ctx.snapshot, &output).map_err(|_| Fault::Kind)?;
        }
        *about = matter(&policy, &asking.own.id, facts);
        let decided = asking.decide(&policy, about, facts, core.now());
        match &decided.verdict {
            Verdict::Permit(again) if !has_run(Some(&guard), again, facts.direction) => Err(Fault::Objects),
            Verdict::Permit(_) | Verdict::Denial(_) => Ok((output, decided)),
        }
    });
    record(core, ctx, &guard, &sizes, outcome.as_ref().err());
    match outcome {
        Ok((output, decided)) => {
            ctx.body = Some(output);
            ctx.guarded = Some(guard);
            Ok(decided)
        }
        Err(fault) => Err(Refusal::Because(refuse(ctx, about, facts, Reason::GuardFailed), fault.sentence())),
    }
}

/// Why a guard gave nothing that may go on.
enum Fault {
    /// Its capability may not be given what the body carries.
    Label,
    /// The capability gave no usable output.
    Call(Refusal),
    /// The output is no document of the route's kind.
    Kind,
    /// The output names objects for which another rule would be needed.
    Objects,
    /// The answer has a status that the rule does not list.
    Status,
    /// The answer is a stream, or its body is coded.
    Coding,
}

impl Fault {
    /// One of a closed set.
    fn code(&self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Call(refusal) => capability::outcome_code(refusal),
            Self::Kind => "manifest",
            Self::Objects => "objects",
            Self::Status => "status",
            Self::Coding => "coding",
        }
    }

    /// What the caller may hear: no more than the code says.
    fn sentence(&self) -> Cow<'static, str> {
        format!("the guard on this request gave nothing that may pass ({}), so nothing was passed", self.code()).into()
    }
}

struct Sizes {
    input: usize,
    output: usize,
}

/// One body through one guard. `label` is what the body carries, joined with what its caller has read.
async fn pass(
    core: &Core,
    ctx: &Context,
    guard: &Guard,
    label: &SecurityLabel,
    kind: Option<&str>,
    body: Bytes,
) -> Result<Bytes, Fault> {
    if !guard.may_read(label) {
        return Err(Fault::Label);
    }
    let capability = ctx.snapshot.policy.capability(guard.capability.as_ref()).ok_or(Fault::Call(Refusal::Internal))?;
    let output = capability::run(core, ctx, capability, label, body).await.map_err(Fault::Call)?;
    match kind.map(|kind| ctx.snapshot.schemas.validate(kind, &output)) {
        None | Some(Ok(_)) => Ok(output),
        Some(Err(_)) => Err(Fault::Kind),
    }
}

/// The use of a guard, told once: counted and audited.
fn record(core: &Core, ctx: &Context, guard: &Guard, sizes: &Sizes, fault: Option<&Fault>) {
    let point = match guard.on {
        GuardPoint::Egress => "egress",
        GuardPoint::Release => "release",
    };
    let outcome = fault.map_or("ok", Fault::code);
    core.metrics.guard_calls.with_label_values(&[point, outcome]).inc();
    core.audit.record(|| {
        let digest =
            ctx.snapshot.policy.capability(guard.capability.as_ref()).map(|it| format!("sha256:{}", it.sha256));
        json!({
            "kind": "guard", "at": core.now().to_string(), "request_id": ctx.exchange.request_id,
            "subject": ctx.exchange.subject, "object": ctx.exchange.object, "rule": guard.rule, "on": point,
            "capability": guard.capability.to_string(), "digest": digest, "outcome": outcome,
            "input_bytes": sizes.input, "output_bytes": sizes.output,
        })
    });
}

/// The headers that may go on beside a guarded body: those that the rule keeps, each once.
pub(crate) fn listed(guard: &Guard, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    // What frames or labels a message is said by this gateway.
    const NEVER: [HeaderName; 8] = [
        header::COOKIE,
        header::SET_COOKIE,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::HOST,
    ];
    let kept = headers.keys().filter(|name| !NEVER.contains(name) && !name.as_str().starts_with("bellgate-"));
    let kept = kept.filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    kept.filter(|(name, value)| guard.keeps(name.as_str(), value.as_bytes())).collect()
}

/// Leaves of a request that goes with a guarded body only what may go on, with the length of that body.
///
/// # Errors
///
/// When a header can't be written.
pub(crate) fn keep_listed(request: &mut RequestHeader, ctx: &Context) -> PingoraResult<()> {
    let (Some(guard), Some(body)) = (&ctx.guarded, &ctx.body) else { return Ok(()) };
    let kept = listed(guard, &request.headers);
    let all: Vec<HeaderName> = request.headers.keys().cloned().collect();
    for name in all {
        request.remove_header(&name);
    }
    for (name, value) in kept {
        request.insert_header(name, value)?;
    }
    request.insert_header(header::CONTENT_LENGTH, body.len())
}

#[cfg(test)]
mod tests;
