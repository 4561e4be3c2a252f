//! identify -> validate -> decide: what happens to a request before any upstream is named.

use std::sync::Arc;

use bellgate_manifest::Document;
use bellgate_policy::{Denial, Mode, Observation, Permit, Policy, Reason, SecurityLabel, Task, Verdict};
use bellgate_telemetry::{Listener, Point};
use bellgate_watermark::{Handle, Opened, Passing};
use http::header;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use tokio::time::timeout;

use crate::admission::{Asking, Decided, Direction, Known, Matter, RequestFacts, matter, unreadable};
use crate::answer;
use crate::caller::{Caller, identify};
use crate::context::{Admitted, Context};
use crate::core::{Core, Own};
use crate::handles::{self, Wanted, Why};
use crate::label_header::{self, Session as Named};
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::{append, authority, body, capability, guard, own_api, reply, target_path, tasks};

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
    let listener = ctx.exchange.listener;
    let caller = identify(core, &own, session, listener)?;
    ctx.exchange.subject = caller.id().as_str().to_owned();
    if session.req_header().method == http::Method::OPTIONS && session.req_header().uri.path() == "*" {
        return reply::options(session, &ctx.exchange.request_id).await.map(|()| Next::Answered);
    }
    let policy = Arc::clone(&ctx.snapshot.policy);
    let mut facts = read_facts(&policy, session, &caller)?;
    let found = find_session(core, &policy, &own, session, &caller, listener);
    if facts.direction == Direction::Outbound && own_api::is_for_us(&facts.host) {
        let session_named = found.map_err(Refusal::Handle)?.map(|(handle, _)| handle);
        let request_id = &ctx.exchange.request_id;
        let (own, path, policy) = (&own, facts.path.as_str(), &policy);
        let asked = own_api::Asked { policy, own, listener, request_id, path, session: session_named };
        return own_api::answer(core, session, asked).await;
    }
    let mut matter = matter(&policy, &own.id, &facts);
    matter.asked.clone_into(&mut ctx.exchange.object);
    ctx.exchange.mode = matter.mode.as_str();
    let (handle, task) = match found {
        Ok(Some((handle, task))) => (Some(handle), task),
        Ok(None) => (None, None),
        Err(why) => {
            core.metrics.handles_refused.with_label_values(&["request"]).inc();
            let asking = Asking { caller: &caller, own: &own, handle: None, task: None };
            let denial = asking.refuse(&policy, &matter, &facts, core.now(), Reason::HandleRefused);
            return Err(refused(core, &policy, ctx, denial, Some(why)));
        }
    };
    ctx.exchange.handle = handle.as_ref().map(|handle| handle.short());
    let asking = Asking { caller: &caller, own: &own, handle: handle.as_ref(), task: task.as_deref() };

    // First without the body, so that a stranger gets no buffer and no schema detail.
    let mut decided = asking.decide(&policy, &matter, &facts, core.now());
    if let Verdict::Permit(permit) = &decided.verdict {
        if !guard::runs_here(permit, &facts, is_grpc(session)) {
            let denial = asking.refuse(&policy, &matter, &facts, core.now(), Reason::UnsupportedHere);
            return Err(refused(core, &policy, ctx, denial, None));
        }
        body::answer_expectation(session).await?;
        if let Some(limit) = body_limit(core, &matter, &facts, permit) {
            let whole = timeout(core.limits.answer_timeout, body::read_whole(session, limit))
                .await
                .map_err(|_| Refusal::BodyUnreadable)??;
            facts.content = Known::Nothing;
            if let Some(kind) = &matter.manifest {
                if !whole.is_empty() {
                    body::refuse_other_than_json(&session.req_header().headers)?;
                }
                validate(core, ctx, kind.as_ref(), &whole)?;
                // Only a validated body says anything of objects and values.
                if matter.by_body || task.is_some() {
                    facts.content = parsed(&ctx.snapshot, &whole)?;
                }
            }
            ctx.body = Some(whole);
            if matter.by_body {
                matter = self::matter(&policy, &own.id, &facts);
                matter.asked.clone_into(&mut ctx.exchange.object);
            }
            // Then with it, and with the current label as it is now: it may have risen meanwhile.
            decided = asking.decide(&policy, &matter, &facts, core.now());
        } else if let Known::Unread = facts.content {
            // It streams: what would depend on it does not hold.
            facts.content = Known::Nothing;
            if task.is_some() {
                decided = asking.decide(&policy, &matter, &facts, core.now());
            }
        }
    }
    if let Verdict::Permit(permit) = &decided.verdict
        && guard::guards_request(permit, facts.direction).is_some()
    {
        let permit = permit.clone();
        decided = guard::egress(core, ctx, asking, &mut matter, &mut facts, &permit).await?;
    }
    let Decided { verdict, version } = decided;
    let permit = match verdict {
        Verdict::Permit(permit) => permit,
        Verdict::Denial(denial) => {
            let why = unreadable(&policy, &caller, &facts).map(|(header, why)| why.explain(header, policy.digest()));
            let why = why.filter(|_| denial.first() == Reason::LabelOutOfRange);
            return Err(refused(core, &policy, ctx, denial, why));
        }
    };
    let opened = match open_delivered(core, &policy, &own, session, &caller, &permit, &ctx.exchange.request_id) {
        Ok(opened) => opened,
        Err(why) => {
            let denial = asking.refuse(&policy, &matter, &facts, core.now(), Reason::HandleRefused);
            return Err(refused(core, &policy, ctx, denial, Some(why)));
        }
    };
    let (opened, id) = opened.map_or((None, None), |opened| (Some(opened.handle), Some(opened.id)));
    if let Some(opened) = &opened {
        ctx.exchange.handle = Some(opened.short());
    }
    ctx.exchange.report(core, &policy, Point::Request, permit.decision(), &[]);
    let (grpc, mode, target) = (is_grpc(session), matter.mode, facts.target.clone());
    let handle = handle.or(opened);
    let admitted = Admitted { caller, own, handle, opened: id, task, matter, permit, target, version, grpc, facts };
    if mode != Mode::Append {
        let streams = admitted.streams(ctx.body.as_ref());
        let passing = deliver(core, &policy, &admitted, streams, &ctx.exchange.request_id)?;
        ctx.exchange.on_its_way.hold(&core.passage, passing);
    }
    match mode {
        Mode::Execute => capability::execute(core, session, ctx, admitted).await,
        Mode::Append => append::accept(core, session, ctx, admitted).await,
        Mode::Observe | Mode::Alter if guard::guards_answer(&admitted.permit, admitted.facts.direction).is_some() => {
            guard::release(core, session, ctx, admitted).await
        }
        Mode::Observe | Mode::Alter => {
            ctx.admitted = Some(Arc::new(admitted));
            Ok(Next::Forward)
        }
    }
}

/// A refusal that is told everywhere: counted, audited, sent.
fn refused(core: &Core, policy: &Policy, ctx: &mut Context, denial: Denial, why: Option<Why>) -> Refusal {
    ctx.exchange.report(core, policy, Point::Request, denial.decision(), denial.reasons());
    match why {
        Some(why) => Refusal::Because(Box::new(denial), why.into()),
        None => Refusal::Denied(Box::new(denial)),
    }
}

type Found = Option<(Arc<Handle>, Option<Arc<Task>>)>;

/// The session that our own workload names, with its task. What a peer sends under that name is not looked at.
fn find_session(
    core: &Core,
    policy: &Policy,
    own: &Own,
    session: &Session,
    caller: &Caller,
    listener: Listener,
) -> Result<Found, Why> {
    let Caller::Own(_) = caller else { return Ok(None) };
    let named: Named = label_header::handle(&session.req_header().headers);
    let Some(handle) = handles::find(policy, own, &named, handles::listener(listener), core.now())? else {
        return Ok(None);
    };
    let task = tasks::of(policy, own, &handle, core.now())?;
    Ok(Some((handle, task)))
}

/// Opens the session that a request of a peer is delivered in, with the task that came with it.
fn open_delivered(
    core: &Core,
    policy: &Policy,
    own: &Own,
    session: &Session,
    caller: &Caller,
    permit: &Permit,
    request_id: &str,
) -> Result<Option<Opened>, Why> {
    if matches!(caller, Caller::Own(_)) {
        return Ok(None);
    }
    let text = label_header::task(&session.req_header().headers)?;
    let task = match &text {
        Some(text) => Some(tasks::accept(policy, caller.id(), own, text, core.now())?),
        None => None,
    };
    if permit.mode() == Mode::Append && task.is_none() {
        // Opened when it is delivered, which may be much later.
        return Ok(None);
    }
    open_session(core, policy, own, caller, permit.states(), task.as_ref(), request_id)
}

/// Opens a session at what is delivered; one with a task at the floor. Without a task it need not be.
fn open_session(
    core: &Core,
    policy: &Policy,
    own: &Own,
    from: &Caller,
    delivered: &SecurityLabel,
    task: Option<&Task>,
    request_id: &str,
) -> Result<Option<Opened>, Why> {
    let Some(subject) = policy.subject(&own.id) else { return Ok(None) };
    if task.is_none() && (subject.handles.is_none() || subject.multilevel.is_some()) {
        return Ok(None);
    }
    let because = Observation {
        request_id: request_id.to_owned(),
        object: delivery_from(from),
        at: core.now(),
        label: policy.lattice().text(delivered),
    };
    let wanted = Wanted {
        start: if task.is_some() { subject.floor.clone() } else { delivered.clone() },
        because: task.is_none().then_some(because),
        listener: handles::listener(if let Caller::Forwarded(_) = from { Listener::Envoy } else { Listener::Ingress }),
        task,
        life: None,
        origin: if task.is_some() { "task" } else { "delivered" },
        request_id,
    };
    match handles::open(core, policy, own, subject, wanted) {
        Ok(opened) => Ok(Some(opened)),
        Err(why) if task.is_some() => Err(why),
        // Delivered without one, it raises them all.
        Err(_) => Ok(None),
    }
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
    let path = target_path::normalise(request.uri.path()).map_err(Refusal::Path)?;
    Ok(RequestFacts {
        direction,
        host: authority::host(request).map_err(Refusal::Authority)?,
        method: request.method.to_string(),
        target: match request.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        },
        path,
        has_body,
        upgrade,
        websocket: upgrade && is_websocket(request, has_body),
        label: label_header::read(&request.headers, name, policy.lattice()),
        rule: label_header::rule(&request.headers),
        content: if has_body { Known::Unread } else { Known::Nothing },
    })
}

/// Whether what an upgrade asks for is a WebSocket, alone and as RFC 6455 section 4.1 has it. Another protocol can carry
/// other requests inside, which nobody would decide: HTTP/2 in the clear, for one.
fn is_websocket(request: &RequestHeader, has_body: bool) -> bool {
    let mut asked = request.headers.get_all(header::UPGRADE).iter();
    let one =
        matches!((asked.next(), asked.next()), (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let length = request.headers.contains_key(header::CONTENT_LENGTH) || has_body_coding(request);
    one && request.method == http::Method::GET && !(has_body && length)
}

fn has_body_coding(request: &RequestHeader) -> bool {
    request.headers.contains_key(header::TRANSFER_ENCODING)
}

/// The validated body for the policy.
pub(crate) fn parsed(snapshot: &Snapshot, body: &[u8]) -> Result<Known, Refusal> {
    // It has just been read in the same way, and passed.
    let document = Document::read(body, snapshot.schemas.limits()).map_err(|_| Refusal::Internal)?;
    Ok(Known::Json(Arc::new(document.to_value())))
}

/// Bodies that are looked at or kept are read whole; the others stream.
fn body_limit(core: &Core, matter: &Matter, facts: &RequestFacts, permit: &Permit) -> Option<usize> {
    let guarded = guard::needs_body(permit, facts.direction);
    match (&matter.capability, matter.mode, &matter.manifest) {
        (Some(capability), ..) => Some(usize::try_from(capability.limits.input_bytes).unwrap_or(usize::MAX)),
        (None, Mode::Append, _) | (None, _, Some(_)) => Some(core.limits.body.bytes),
        (None, _, None) => (guarded || matter.by_body).then_some(core.limits.body.bytes),
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

/// A request that reaches the local workload is something that it reads, in the session that was opened with it; where
/// none was, in all of them. Each chunk of a flow that streams upwards is labelled like the object; what was raised before
/// the first pays for the rest, as long as nothing moves. So this is asked again wherever something has.
///
/// That the workload's clearance dominates what it is sent needs no check here: the star property
/// has shown object >= request, and a policy in which a workload's clearance does not dominate an
/// object that it serves does not load.
pub(crate) fn deliver(
    core: &Core,
    policy: &Policy,
    admitted: &Admitted,
    streams: bool,
    request_id: &str,
) -> Result<Option<Passing>, Refusal> {
    let Some(subject) = policy.subject(&admitted.own.id) else {
        return Err(Refusal::NotConfigured("the policy does not name this gateway's own workload"));
    };
    if admitted.facts.direction == Direction::Outbound || subject.multilevel.is_some() {
        return Ok(None);
    }
    let permit = &admitted.permit;
    let mut label = permit.states().clone();
    if streams {
        for object in permit.objects().iter() {
            label = object.label.as_ref().map_or_else(|| label.clone(), |object| label.join(object));
        }
    }
    let from = || delivery_from(&admitted.caller);
    answer::raise(core, policy, &admitted.own, admitted.handle.as_ref(), &label, from, request_id).map(Some)
}

/// What a delivery is called where objects are named.
fn delivery_from(caller: &Caller) -> String {
    format!("delivery from {}", caller.id().as_str())
}

/// Opens the session of a request that has waited, as it is delivered.
pub(crate) fn open_late(core: &Core, policy: &Policy, admitted: &mut Admitted, request_id: &str) {
    if admitted.facts.direction == Direction::Outbound || admitted.handle.is_some() {
        return;
    }
    let states = admitted.permit.states();
    let opened = open_session(core, policy, &admitted.own, &admitted.caller, states, None, request_id);
    if let Ok(Some(Opened { id, handle })) = opened {
        (admitted.handle, admitted.opened) = (Some(handle), Some(id));
    }
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
