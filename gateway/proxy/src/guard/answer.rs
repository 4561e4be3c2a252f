//! An answer that has to pass a guard before it is released.
//!
//! The gateway fetches it itself and whole, so that there is nothing to take back. Who reads it rises by the guard's label
//! and by nothing else, durably, before the first byte.
//!
//! Whether the guard passed it tells of the answer, and no guard vouches for that: an author of answers could make it fail
//! or not, one bit each time. So a refusal after the far side was reached is a release of the answer as it came: it carries
//! the unguarded label, the clearance must dominate that (else `withheld`), and the watermark rises by it before the refusal
//! is told. Our own 502 and 504 count as everywhere: the label of whoever was reached. What can be found out before is asked
//! before (module, enclave), so that an outage of our own raises nobody.

use std::sync::Arc;

use bellgate_policy::{Guard, Permit, Reason, release_guarded};
use bellgate_telemetry::Point;
use bytes::Bytes;
use http::{Request, StatusCode, header, response};
use http_body_util::Full;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::{Fault, Sizes, guards_answer, listed, pass, record};
use crate::answer::{self, Source, release_answer};
use crate::context::{Admitted, Context};
use crate::core::{Core, Protocol};
use crate::fetch::{Connection, FetchError};
use crate::refusal::Refusal;
use crate::request::Next;
use crate::snapshot::Snapshot;
use crate::upstream::{self, Route};
use crate::{capability, headers, read_down, reply, vigil};

/// What would make of the answer something else than the whole of it, or ask for another representation.
const NOT_ASKED: [header::HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
];

/// Fetches what was asked for, passes it through the permit's guard, and releases what comes out.
///
/// # Errors
///
/// A [`Refusal`]; what it tells of the far side is accounted for.
pub(crate) async fn release(
    core: &Core,
    session: &mut Session,
    ctx: &mut Context,
    admitted: Admitted,
) -> Result<Next, Refusal> {
    let snapshot = Arc::clone(&ctx.snapshot);
    let Some(guard) = guards_answer(&admitted.permit, admitted.facts.direction).cloned() else {
        return Err(Refusal::Internal);
    };
    ctx.admitted = Some(Arc::new(admitted));
    if let Err(fault) = reach(core, &snapshot, &guard).await {
        return Err(refuse(core, ctx, &guard, 0, &fault));
    }
    let passed = match fetch(core, session, ctx, &snapshot, &guard).await {
        Ok(passed) => passed,
        Err(refusal) => {
            upstream::account_for_failure(core, ctx, &refusal)?;
            return Err(refusal);
        }
    };
    ctx.exchange.response_bytes = passed.body.len() as u64;
    let head = passed.head(ctx).map_err(|_| Refusal::Internal)?;
    reply::write(session, head, passed.body).await.map_err(|_| Refusal::BodyUnreadable)?;
    Ok(Next::Answered)
}

/// An answer that has passed.
struct Passed {
    status: StatusCode,
    headers: Vec<(header::HeaderName, header::HeaderValue)>,
    body: Bytes,
    label: String,
}

impl Passed {
    fn head(&self, ctx: &Context) -> pingora_core::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(self.status, Some(self.headers.len() + 4))?;
        for (name, value) in &self.headers {
            head.insert_header(name.clone(), value)?;
        }
        head.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        headers::prepare_answer(&mut head, &ctx.exchange.request_id, &self.label)?;
        Ok(head)
    }
}

async fn reach(core: &Core, snapshot: &Snapshot, guard: &Guard) -> Result<(), Fault> {
    let capability = snapshot.policy.capability(guard.capability.as_ref()).ok_or(Fault::Call(Refusal::Internal))?;
    capability::reach(core, capability).await.map_err(Fault::Call)
}

/// From the permitted request to a body that may be released, with the watermark raised by what is told of it.
async fn fetch(
    core: &Core,
    session: &mut Session,
    ctx: &mut Context,
    snapshot: &Arc<Snapshot>,
    guard: &Arc<Guard>,
) -> Result<Passed, Refusal> {
    // A label may have risen since, and what is debited is debited at each try.
    vigil::decide_anew(core, ctx)?;
    same_rules(ctx, snapshot)?;
    read_down::debit(core, &session.req_header().headers, ctx)?;
    let admitted = ctx.admitted.clone().ok_or(Refusal::Internal)?;
    let request = request(core, session, ctx)?;
    let connection =
        Connection::open(core, admitted.facts.direction, &admitted.permit).await.map_err(|error| fault(ctx, &error))?;
    ctx.contacted = true;
    let fetched = connection.exchange(core, request).await.map_err(|error| fault(ctx, &error))?;
    vigil::answer_head(core, ctx)?;
    same_rules(ctx, snapshot)?;
    let headers = fetched.head.headers.clone();
    let source = Source::Head(&headers);
    let policy = Arc::clone(&snapshot.policy);
    let unguarded = answer::label_by(core, &policy, &admitted, &source, &mut ctx.exchange, bellgate_policy::release)?;
    let label = admitted.permit.current().join(&unguarded);
    let limit = input_limit(snapshot, guard);
    let (passed, size) = match examine(guard, &fetched.head) {
        Err(fault) => (Err(fault), 0),
        Ok(()) => match fetched.whole(core, limit).await {
            Ok((head, body)) => {
                let size = body.len();
                (pass(core, ctx, guard, &label, None, body).await.map(|output| (head, output)), size)
            }
            Err(FetchError::TooLarge(_)) => (Err(Fault::Call(too_large())), limit.saturating_add(1)),
            Err(error) => return Err(fault(ctx, &error)),
        },
    };
    let (head, body) = match passed {
        Ok(passed) => passed,
        Err(fault) => {
            let refusal = refuse(core, ctx, guard, size, &fault);
            ctx.released = Some(release_answer(core, &policy, &admitted, &source, &mut ctx.exchange)?);
            return Err(refusal);
        }
    };
    vigil::answer_head(core, ctx)?;
    same_rules(ctx, snapshot)?;
    record(core, ctx, guard, &Sizes { input: size, output: body.len() }, None);
    let released = answer::release_by(core, &policy, &admitted, &source, &mut ctx.exchange, release_guarded)?;
    let label = policy.lattice().text(&released.label);
    ctx.released = Some(released);
    Ok(Passed { status: head.status, headers: listed(guard, &head.headers), body, label })
}

/// What was decided under one policy isn't released under another: the guard may be another one there.
fn same_rules(ctx: &Context, snapshot: &Arc<Snapshot>) -> Result<(), Refusal> {
    if Arc::ptr_eq(&ctx.snapshot, snapshot) { Ok(()) } else { Err(Refusal::FlowEnded) }
}

/// The refusal for a fault, made before a watermark rises by it.
fn refuse(core: &Core, ctx: &mut Context, guard: &Guard, input: usize, fault: &Fault) -> Refusal {
    record(core, ctx, guard, &Sizes { input, output: 0 }, Some(fault));
    let Some(admitted) = ctx.admitted.clone() else { return Refusal::Internal };
    let policy = Arc::clone(&ctx.snapshot.policy);
    let denial = admitted.asking().refuse(&policy, &admitted.matter, &admitted.facts, core.now(), Reason::GuardFailed);
    ctx.exchange.report(core, &policy, Point::Release, denial.decision(), denial.reasons());
    Refusal::Because(Box::new(denial), fault.sentence())
}

/// What can be told of an answer by its head.
pub(super) fn examine(guard: &Guard, head: &response::Parts) -> Result<(), Fault> {
    let without_body = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    if !guard.statuses.contains(&head.status.as_u16())
        || head.status.is_informational()
        || without_body.contains(&head.status)
    {
        return Err(Fault::Status);
    }
    let starts = |name: header::HeaderName, text: &str| {
        let values = head.headers.get_all(name);
        values.iter().any(|value| value.as_bytes().to_ascii_lowercase().starts_with(text.as_bytes()))
    };
    let coded = head.headers.get_all(header::CONTENT_ENCODING);
    let coded = !coded.iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded || starts(header::CONTENT_TYPE, "text/event-stream") { Err(Fault::Coding) } else { Ok(()) }
}

fn input_limit(snapshot: &Snapshot, guard: &Guard) -> usize {
    let capability = snapshot.policy.capability(guard.capability.as_ref());
    capability.and_then(|it| usize::try_from(it.limits.input_bytes).ok()).unwrap_or(0)
}

fn too_large() -> Refusal {
    Refusal::Capability(bellgate_enclave_protocol::Cause::InputTooLarge.into())
}

/// The request as it goes to every upstream, without what would give less than the whole answer.
fn request(core: &Core, session: &Session, ctx: &mut Context) -> Result<Request<Full<Bytes>>, Refusal> {
    let admitted = ctx.admitted.clone().ok_or(Refusal::Internal)?;
    ctx.route = Some(route(core, &admitted.permit)?);
    let mut head = session.req_header().clone();
    headers::prepare_request(&mut head, ctx).map_err(|_| Refusal::Internal)?;
    headers::strip_connection_headers(&mut head);
    for name in NOT_ASKED {
        head.remove_header(&name);
    }
    let body = ctx.body.clone().unwrap_or_default();
    ctx.exchange.request_bytes = body.len() as u64;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    Ok(request)
}

fn route(core: &Core, permit: &Permit) -> Result<Route, Refusal> {
    use crate::admission::{Destination, destination};
    let h2 = |name: &str| core.addresses.get(name).is_some_and(|address| address.protocol == Protocol::H2);
    match destination(permit) {
        Some(Destination::Mesh { name, .. }) => Ok(Route::Mesh { host: name.to_string(), h2: h2(name.as_ref()) }),
        Some(Destination::Web { name, host }) => Ok(Route::Web { host: host.to_owned(), h2: h2(name.as_ref()) }),
        Some(Destination::Enclave) | None => Err(Refusal::Internal),
    }
}

/// What a failed exchange means to the caller. The log has the whole of it.
fn fault(ctx: &Context, error: &FetchError) -> Refusal {
    log::warn!("request {}: {error}", ctx.exchange.request_id);
    match error {
        FetchError::NoDestination => {
            Refusal::NotConfigured("the policy permits this upstream and this gateway's config has no address for it")
        }
        FetchError::Connect(_) => Refusal::Upstream("the upstream could not be reached, or did not prove who it is"),
        FetchError::NotKept => Refusal::StateNotKept,
        FetchError::Late => Refusal::UpstreamTimeout,
        FetchError::Sent(_) | FetchError::TooLarge(_) => {
            Refusal::Upstream("the upstream broke off before its answer was whole")
        }
    }
}
