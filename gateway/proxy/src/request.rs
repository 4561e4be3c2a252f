//! identify -> validate -> decide: what happens to a request before any upstream is named.

use std::sync::Arc;

use bellgate_policy::{Mode, Policy, Verdict};
use bellgate_telemetry::Point;
use http::header;
use pingora::proxy::Session;
use tokio::time::timeout;

use crate::admission::{Direction, Matter, RequestFacts, ask, matter};
use crate::answer;
use crate::caller::{Caller, identify};
use crate::context::{Admitted, Context};
use crate::core::{Core, Own};
use crate::exchange::Exchange;
use crate::label_header::{self, Stated};
use crate::refusal::Refusal;
use crate::{append, authority, body, capability, reply, target_path};

/// What comes after the request filter.
pub(crate) enum Next {
    /// An upstream is asked.
    Forward,
    /// It was answered here.
    Answered,
}

/// Takes a request in.
///
/// # Errors
///
/// A [`Refusal`]; no upstream was contacted and, unless the body had to be read, no buffer spent.
pub(crate) async fn take(core: &Core, session: &mut Session, ctx: &mut Context) -> Result<Next, Refusal> {
    let own = core.own.load_full().ok_or(Refusal::NotReady)?;
    core.identity.valid_svid(core.now()).ok_or(Refusal::NotReady)?;
    let caller = identify(core, &own, session, ctx.exchange.listener)?;
    ctx.exchange.subject = caller.id().as_str().to_owned();
    if session.req_header().method == http::Method::OPTIONS && session.req_header().uri.path() == "*" {
        return reply::options(session).await.map(|()| Next::Answered);
    }
    let facts = read_facts(&ctx.snapshot.policy, session, &caller)?;
    let target = target(session, &facts.path);
    let policy = Arc::clone(&ctx.snapshot.policy);
    let matter = matter(&policy, &own.id, &facts);
    matter.asked.clone_into(&mut ctx.exchange.object);
    ctx.exchange.mode = matter.mode.as_str();

    // First without the body, so that a stranger gets no buffer and no schema detail.
    let mut decided = decide_now(core, &policy, &caller, &matter, &facts.label, &own);
    if let Verdict::Permit(_) = decided.verdict {
        body::answer_expectation(session).await?;
        if let Some(limit) = body_limit(core, &matter) {
            let whole = timeout(core.limits.answer_timeout, body::read_whole(session, limit))
                .await
                .map_err(|_| Refusal::BodyUnreadable)??;
            if let Some(kind) = &matter.manifest {
                validate(core, ctx, kind.as_ref(), &whole)?;
            }
            ctx.body = Some(whole);
            // Then with it, and with the current label as it is now: it may have risen meanwhile.
            decided = decide_now(core, &policy, &caller, &matter, &facts.label, &own);
        }
    }
    let Decided { verdict, version } = decided;
    ctx.exchange.decided(core, &policy, Point::Request, &verdict);
    let permit = match verdict {
        Verdict::Permit(permit) => permit,
        Verdict::Denial(denial) => return Err(Refusal::Denied(Box::new(denial))),
    };
    let grpc = is_grpc(session);
    let mode = matter.mode;
    let admitted = Admitted { caller, own, matter, permit, target, version, grpc, facts };
    let streams = ctx.body.is_none() && (admitted.facts.has_body || admitted.facts.upgrade);
    deliver(core, &policy, &admitted, streams, &ctx.exchange)?;
    match mode {
        Mode::Execute => capability::execute(core, session, ctx, admitted).await,
        Mode::Append => append::accept(core, session, ctx, admitted).await,
        Mode::Observe | Mode::Alter => {
            ctx.admitted = Some(Arc::new(admitted));
            Ok(Next::Forward)
        }
    }
}

struct Decided {
    verdict: Verdict,
    version: u64,
}

fn decide_now(core: &Core, policy: &Policy, caller: &Caller, matter: &Matter, label: &Stated, own: &Own) -> Decided {
    let reading = own.watermark.reading();
    let verdict = ask(policy, caller, matter, label, &reading, core.now());
    Decided { verdict, version: reading.version }
}

fn read_facts(policy: &Policy, session: &mut Session, caller: &Caller) -> Result<RequestFacts, Refusal> {
    let has_body = !session.as_mut().is_body_empty();
    let upgrade = session.is_upgrade_req();
    let request = session.req_header();
    let (direction, name) = match caller {
        Caller::Own(_) => (Direction::Outbound, label_header::DECLARE),
        Caller::Peer(_) | Caller::Forwarded(_) => (Direction::Inbound, label_header::LABEL),
    };
    if matches!(request.method, http::Method::CONNECT | http::Method::TRACE) {
        return Err(Refusal::Method);
    }
    Ok(RequestFacts {
        direction,
        host: authority::host(request).map_err(Refusal::Authority)?,
        method: request.method.to_string(),
        path: target_path::normalise(request.uri.path()).map_err(Refusal::Path)?,
        has_body,
        upgrade,
        label: label_header::read(&request.headers, name, policy.lattice()),
    })
}

fn target(session: &Session, path: &str) -> String {
    match session.req_header().uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Bodies that are looked at or kept are read whole; the others stream.
fn body_limit(core: &Core, matter: &Matter) -> Option<usize> {
    match (&matter.capability, matter.mode, &matter.manifest) {
        (Some(capability), ..) => Some(usize::try_from(capability.limits.input_bytes).unwrap_or(usize::MAX)),
        (None, Mode::Append, _) | (None, _, Some(_)) => Some(core.limits.body.bytes),
        (None, _, None) => None,
    }
}

fn validate(core: &Core, ctx: &Context, kind: &str, body: &[u8]) -> Result<(), Refusal> {
    match ctx.snapshot.schemas.validate(kind, body) {
        Ok(_manifest) => {
            core.metrics.manifests.with_label_values(&["ok"]).inc();
            Ok(())
        }
        Err(rejection) => Err(Refusal::Manifest(Box::new(rejection))),
    }
}

/// A request that reaches the local workload is something that it reads. Each chunk of a flow that
/// streams upwards is labelled like the object; since we raise before the first, the rest is paid.
///
/// That the workload's clearance dominates what it is sent needs no check here: the star property
/// has shown object >= request, and a policy in which a workload's clearance does not dominate an
/// object that it serves does not load.
pub(crate) fn deliver(
    core: &Core,
    policy: &Policy,
    admitted: &Admitted,
    streams: bool,
    exchange: &Exchange,
) -> Result<(), Refusal> {
    let Some(subject) = policy.subject(&admitted.own.id) else {
        return Err(Refusal::NotConfigured("the policy does not name this gateway's own workload"));
    };
    if admitted.facts.direction == Direction::Outbound || subject.multilevel.is_some() {
        return Ok(());
    }
    let permit = &admitted.permit;
    let label = match &permit.object().label {
        Some(object) if streams => permit.current().join(object),
        _ => permit.current().clone(),
    };
    let from = || format!("delivery from {}", admitted.caller.id().as_str());
    answer::raise(core, policy, &admitted.own.watermark, &label, from, exchange)
}

fn is_grpc(session: &Session) -> bool {
    session
        .req_header()
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("application/grpc"))
        // Not `application/grpc-web`, which is made for HTTP/1.1.
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']))
}
