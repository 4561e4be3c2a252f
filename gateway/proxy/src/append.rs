//! Blind write-up: upwards, and nothing back.
//!
//! The caller hears 202 once this gateway's own checks have passed, whatever becomes of the
//! request; so neither status, time nor content of the far side reaches it. What was accepted
//! waits here in memory, bounded, and counts against the caller's own places for a fixed time from
//! acceptance, delivered or not: a full queue tells nothing of the far side either. A delivery is
//! tried again only while no byte of it has left. It keeps the label that it had at acceptance.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellgate_policy::SpiffeId;
use bellgate_watermark::Passing;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use parking_lot::Mutex;
use pingora::proxy::Session;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::admission::{Destination, Direction, destination};
use crate::context::{Admitted, Context};
use crate::core::Core;
use crate::fetch::{Connection, FetchError};
use crate::guard;
use crate::label_header::{HANDLE, LABEL, REQUEST_ID, RULE, TASK};
use crate::refusal::Refusal;
use crate::reply;
use crate::request::{self, Next};
use crate::xfcc::{self, XFCC};

/// How long an accepted entry holds its place, and how long its delivery is tried.
const HELD: Duration = Duration::from_secs(30);
/// Deliveries under way at once.
const AT_ONCE: usize = 8;
/// Subjects whose places are counted; more than a sidecar has callers.
const SUBJECTS: usize = 1024;
/// Bytes that one caller's entries may hold together.
const CALLER_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that all entries may hold together.
const ALL_BYTES: usize = 256 * 1024 * 1024;

struct Entry {
    request_id: String,
    request: Request<Full<Bytes>>,
    admitted: Admitted,
    accepted: Instant,
}

/// Accepts blind write-ups.
pub struct AppendQueue {
    places: usize,
    accepted: Mutex<HashMap<SpiffeId, Places>>,
    queue: mpsc::UnboundedSender<Entry>,
}

/// What one caller holds.
#[derive(Default)]
struct Places {
    entries: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Places {
    /// Gives back what was held for its time.
    fn expire(&mut self, now: Instant) {
        while let Some((_, bytes)) = self.entries.pop_front_if(|(accepted, _)| now.duration_since(*accepted) >= HELD) {
            self.bytes -= bytes;
        }
    }
}

/// Delivers what an [`AppendQueue`] accepted.
pub struct AppendWorker {
    queue: mpsc::UnboundedReceiver<Entry>,
}

impl AppendQueue {
    /// A queue with `places` for each caller.
    ///
    /// The channel itself is unbounded; what goes through it is bounded by the places.
    #[must_use]
    pub fn new(places: usize) -> (Self, AppendWorker) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { places, accepted: Mutex::default(), queue: sender }, AppendWorker { queue: receiver })
    }

    fn take_place(&self, caller: &SpiffeId, bytes: usize, now: Instant) -> Result<(), Refusal> {
        const FULL: Refusal =
            Refusal::Busy("your blind write-ups of the last 30 seconds fill their queue; try again later");
        let mut accepted = self.accepted.lock();
        for places in accepted.values_mut() {
            places.expire(now);
        }
        accepted.retain(|_, places| !places.entries.is_empty());
        let all: usize = accepted.values().map(|places| places.bytes).sum();
        if accepted.len() >= SUBJECTS && !accepted.contains_key(caller) || all.saturating_add(bytes) > ALL_BYTES {
            return Err(FULL);
        }
        let places = accepted.entry(caller.clone()).or_default();
        if places.entries.len() >= self.places || places.bytes.saturating_add(bytes) > CALLER_BYTES {
            return Err(FULL);
        }
        places.entries.push_back((now, bytes));
        places.bytes += bytes;
        Ok(())
    }
}

/// Accepts an append and answers 202.
///
/// # Errors
///
/// [`Refusal::Busy`] where the caller's places are taken.
pub(crate) async fn accept(
    core: &Core,
    session: &mut Session,
    ctx: &mut Context,
    admitted: Admitted,
) -> Result<Next, Refusal> {
    let entry = Entry {
        request_id: ctx.exchange.request_id.clone(),
        request: request(session, ctx, &admitted)?,
        accepted: Instant::now(),
        admitted,
    };
    let bytes = ctx.body.as_ref().map_or(0, Bytes::len);
    ctx.exchange.request_bytes = bytes as u64;
    core.appends.take_place(entry.admitted.caller.id(), bytes, entry.accepted)?;
    let policy = Arc::clone(&ctx.snapshot.policy);
    let bottom = policy.lattice().text(&policy.lattice().bottom());
    core.appends.queue.send(entry).map_err(|_| Refusal::Internal)?;
    core.metrics.appends.with_label_values(&["accepted"]).inc();
    let request_id = ctx.exchange.request_id.clone();
    if let Err(error) = reply::send(session, 202, None, &request_id, Some(&bottom), Bytes::new()).await {
        // It was taken all the same.
        log::debug!("202 of request {request_id} not sent: {error}");
    }
    Ok(Next::Answered)
}

/// What will be delivered, made while the policy that permitted it is in force.
fn request(session: &Session, ctx: &Context, admitted: &Admitted) -> Result<Request<Full<Bytes>>, Refusal> {
    const KEPT: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::USER_AGENT, header::AUTHORIZATION];
    let head = session.req_header();
    let mut request = Request::builder().method(head.method.clone()).uri(&admitted.target);
    match &ctx.guarded {
        // Beside a guarded body goes what the rule lists, and nothing else.
        Some(guard) => {
            for (name, value) in guard::listed(guard, &head.headers) {
                request = request.header(name, value);
            }
        }
        None => {
            for name in KEPT {
                for value in head.headers.get_all(&name) {
                    request = request.header(&name, value);
                }
            }
        }
    }
    let (request_id, lattice) = (&ctx.exchange.request_id, ctx.snapshot.policy.lattice());
    request = match admitted.facts.direction {
        Direction::Inbound => request
            .header(REQUEST_ID, request_id)
            .header(header::HOST, &admitted.facts.host)
            .header(XFCC, xfcc::element(&admitted.own.id, admitted.caller.leaf_sha256(), admitted.caller.id())),
        Direction::Outbound => match destination(&admitted.permit) {
            Some(Destination::Mesh { name, .. }) => {
                request = request
                    .header(REQUEST_ID, request_id)
                    .header(header::HOST, name.as_ref())
                    .header(LABEL, lattice.text(admitted.permit.states()));
                // As with any request, the gateway that it is sent to believes it or refuses; what a guard let pass is its
                // output alone.
                for task in head.headers.get_all(TASK).iter().filter(|_| ctx.guarded.is_none()) {
                    request = request.header(TASK, task);
                }
                match admitted.permit.downgrade() {
                    Some(downgrade) => request.header(RULE, downgrade.kind.as_str()),
                    None => request,
                }
            }
            // Outside the mesh nobody is told our names and labels.
            Some(Destination::Web { host, .. }) => request.header(header::HOST, host),
            Some(Destination::Enclave) | None => return Err(Refusal::Internal),
        },
    };
    request.body(Full::new(ctx.body.clone().unwrap_or_default())).map_err(|_| Refusal::Internal)
}

impl AppendWorker {
    /// Delivers until every sender is gone.
    pub async fn run(mut self, core: Arc<Core>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(entry) = self.queue.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let core = Arc::clone(&core);
            tokio::spawn(async move {
                let request_id = entry.request_id.clone();
                let left = HELD.saturating_sub(entry.accepted.elapsed());
                let outcome = match timeout(left, deliver(&core, entry)).await {
                    Ok(Ok(())) => "delivered",
                    Ok(Err(why)) => {
                        log::warn!("blind write-up {request_id} not delivered: {why}");
                        "failed"
                    }
                    Err(_) => "expired",
                };
                core.metrics.appends.with_label_values(&[outcome]).inc();
                core.audit.record(|| json!({"kind": "append", "request_id": request_id, "outcome": outcome}));
                drop(place);
            });
        }
    }
}

async fn deliver(core: &Core, mut entry: Entry) -> Result<(), FetchError> {
    let mut wait = Duration::from_millis(100);
    loop {
        match Connection::open(core, entry.admitted.facts.direction, &entry.admitted.permit).await {
            Ok(connection) => {
                let _passing = reaches(core, &mut entry)?;
                return connection.exchange(core, entry.request).await?.discard().await;
            }
            Err(FetchError::Connect(error)) => {
                log::debug!("blind write-up {}: {error}; trying again", entry.request_id);
                sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            Err(other) => return Err(other),
        }
    }
}

/// What reaches our own workload counts when it does, however long it has waited, and in a session of its own.
fn reaches(core: &Core, entry: &mut Entry) -> Result<Option<Passing>, FetchError> {
    let policy = Arc::clone(&core.snapshot.load().policy);
    request::open_late(core, &policy, &mut entry.admitted, &entry.request_id);
    if let Some(id) = &entry.admitted.opened
        && let Ok(value) = id.reveal().parse()
    {
        entry.request.headers_mut().insert(HANDLE, value);
    }
    request::deliver(core, &policy, &entry.admitted, false, &entry.request_id).map_err(|_| FetchError::NotKept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://a.test/{name}")).unwrap()
    }

    #[test]
    fn each_caller_has_its_own_places_for_a_fixed_time() {
        let (queue, _worker) = AppendQueue::new(3);
        let start = Instant::now();
        for _ in 0..3 {
            assert!(queue.take_place(&id("planner"), 1, start).is_ok());
        }
        assert!(matches!(queue.take_place(&id("planner"), 1, start), Err(Refusal::Busy(_))));
        assert!(queue.take_place(&id("other"), 1, start).is_ok(), "another caller's places are its own");
        let almost = start + HELD - Duration::from_millis(1);
        assert!(queue.take_place(&id("planner"), 1, almost).is_err());
        assert!(queue.take_place(&id("planner"), 1, start + HELD).is_ok());
    }

    #[test]
    fn bytes_are_bounded_for_each_caller_and_for_all() {
        let (queue, _worker) = AppendQueue::new(100);
        let start = Instant::now();
        for (bytes, taken) in [(CALLER_BYTES - 1, true), (2, false), (1, true), (1, false), (0, true)] {
            assert_eq!(queue.take_place(&id("planner"), bytes, start).is_ok(), taken, "{bytes}");
        }
        for number in 1..ALL_BYTES / CALLER_BYTES {
            assert!(queue.take_place(&id(&format!("w{number}")), CALLER_BYTES, start).is_ok());
        }
        assert!(queue.take_place(&id("late"), 1, start).is_err(), "all are full together");
        assert!(queue.take_place(&id("late"), 1, start + HELD).is_ok());
    }

    #[test]
    fn callers_are_bounded_and_forgotten_when_their_places_are_free() {
        let (queue, _worker) = AppendQueue::new(1);
        let start = Instant::now();
        for number in 0..SUBJECTS {
            assert!(queue.take_place(&id(&format!("w{number}")), 0, start).is_ok());
        }
        assert!(queue.take_place(&id("one-more"), 0, start).is_err());
        assert!(queue.take_place(&id("one-more"), 0, start + HELD).is_ok());
        assert_eq!(queue.accepted.lock().len(), 1);
    }
}
