//! What one exchange carries from phase to phase.

use std::sync::Arc;

use bellgate_policy::{Guard, Permit, Task, Timestamp};
use bellgate_telemetry::Listener;
use bellgate_watermark::{Handle, HandleId};
use bytes::Bytes;
use prometheus::IntGauge;

use crate::admission::{Asking, Matter, RequestFacts};
use crate::answer::Released;
use crate::caller::Caller;
use crate::core::{Core, Own};
use crate::exchange::Exchange;
use crate::flow::Entry;
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::tee::Tee;
use crate::upstream::Route;
use crate::websocket::Frames;

/// A request that may go.
#[derive(Clone)]
pub(crate) struct Admitted {
    /// Who sent it.
    pub(crate) caller: Caller,
    /// The workload of this gateway.
    pub(crate) own: Arc<Own>,
    /// The session of our own workload that it belongs to: the one that it names, or the one that was opened with its
    /// delivery.
    pub(crate) handle: Option<Arc<Handle>>,
    /// The ID of the session that was opened with its delivery, for the workload alone.
    pub(crate) opened: Option<HandleId>,
    /// The task of the session that it names.
    pub(crate) task: Option<Arc<Task>>,
    /// What it is about.
    pub(crate) matter: Matter,
    /// What it says, for deciding anew.
    pub(crate) facts: RequestFacts,
    /// The proof.
    pub(crate) permit: Permit,
    /// The target that was decided on, with its query: what is forwarded.
    pub(crate) target: String,
    /// Version of our own watermark that was decided with.
    pub(crate) version: u64,
    /// Whether it goes as HTTP/2 whatever is configured: it is gRPC.
    pub(crate) grpc: bool,
}

impl Admitted {
    /// Who asks, for deciding anew.
    #[must_use]
    pub(crate) fn asking(&self) -> Asking<'_> {
        // A session that was opened with a delivery is not the caller's.
        let session = self.handle.as_ref().filter(|_| matches!(self.caller, Caller::Own(_)));
        Asking { caller: &self.caller, own: &self.own, handle: session, task: self.task.as_deref() }
    }

    /// Whether pieces of it follow its head, each of which is a delivery of its own. A body that was read goes as a whole.
    #[must_use]
    pub(crate) fn streams(&self, body: Option<&Bytes>) -> bool {
        body.is_none() && (self.facts.has_body || self.facts.upgrade)
    }

    /// Whether `permit` lets go what the head has said of this request. Once the head is gone nothing new can be said of
    /// what follows: a flow that would now need a rule, or another one, has to begin anew.
    #[must_use]
    pub(crate) fn states_as(&self, permit: &Permit) -> bool {
        match (self.permit.downgrade(), permit.downgrade()) {
            (None, None) => true,
            (Some(old), Some(new)) => old.kind == new.kind && old.rule == new.rule && old.label == new.label,
            // What the rule lifted is permitted as it is now, and what was said of it was no lower than what it gave.
            (Some(_), None) => true,
            (None, Some(_)) => false,
        }
    }
}

/// What has gone to the client of a WebSocket.
#[derive(Default)]
pub(crate) struct WebSocket {
    /// Where its frames end.
    pub(crate) frames: Frames,
    /// Whether the last of them was our goodbye.
    pub(crate) said_goodbye: bool,
}

/// One exchange on its way through the phases.
pub(crate) struct Context {
    /// Policy and schemas: the same for the whole request.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The record that is written at the end.
    pub(crate) exchange: Exchange,
    /// Where the request goes, and how, once an upstream was chosen.
    pub(crate) route: Option<Route>,
    /// Set by the request filter; shared with whoever decides open flows anew.
    pub(crate) admitted: Option<Arc<Admitted>>,
    /// The guard whose output the body is.
    pub(crate) guarded: Option<Arc<Guard>>,
    /// The validated body.
    pub(crate) body: Option<Bytes>,
    /// Whether an upstream was reached.
    pub(crate) contacted: bool,
    /// Set when the head of the answer was released.
    pub(crate) released: Option<Released>,
    /// The policy under which the answer was decided last.
    pub(crate) answered_under: Option<Arc<Snapshot>>,
    /// The exchange among the open ones, once it has a stream of an upstream.
    pub(crate) flow: Option<Entry>,
    /// The frames that went to the client, where the connection has become a WebSocket.
    pub(crate) websocket: Option<WebSocket>,
    /// Set where the answer is a stream of events.
    pub(crate) tee: Option<Tee>,
    /// Why an error was returned to Pingora.
    pub(crate) refusal: Option<Refusal>,
    place: Option<Place>,
}

impl Context {
    pub(crate) fn new(core: &Core, listener: Listener) -> Self {
        let at: Timestamp = core.now();
        Self {
            snapshot: core.snapshot.load_full(),
            exchange: Exchange::begin(listener, at),
            route: None,
            admitted: None,
            guarded: None,
            body: None,
            contacted: false,
            released: None,
            answered_under: None,
            flow: None,
            websocket: None,
            tee: None,
            refusal: None,
            place: None,
        }
    }

    /// Whether this exchange was ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.is_ended())
    }

    /// Takes a place among the open exchanges of the listener; false where there is none. Each
    /// listener has its own, so that peers cannot take those of the local workload.
    pub(crate) fn open(&mut self, core: &Core) -> bool {
        let open = core.metrics.exchanges_open.with_label_values(&[self.exchange.listener.as_str()]);
        open.inc();
        self.place = Some(Place(open.clone()));
        usize::try_from(open.get()).is_ok_and(|count| count <= core.limits.max_exchanges)
    }

    /// Gives the place back, before the exchange is counted as finished.
    pub(crate) fn close(&mut self) {
        self.flow = None;
        self.place = None;
    }
}

/// A place among the open exchanges, given back however the exchange ends.
struct Place(IntGauge);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}
