//! The exchanges that are open, and what it takes to end one.
//!
//! An exchange is entered here when Pingora has given it an upstream stream, and leaves with its context, however it ends. What
//! is kept is what a decision needs, shared with the exchange, and the stream's switch. Nothing is copied.
//!
//! Bounded by the open exchanges, which are bounded per listener: each holds one place at most. Entering and leaving are one
//! short lock of one of a few shards each.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bellgate_policy::{Denial, SecurityLabel};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::context::Admitted;
use crate::snapshot::Snapshot;
use crate::switch::Hold;

/// More than a gateway has threads that enter at once.
const SHARDS: usize = 16;

/// An open exchange, as far as it may have to be ended.
pub(crate) struct Flow {
    /// What it was permitted as.
    pub(crate) admitted: Arc<Admitted>,
    /// The policy that permitted it.
    pub(crate) snapshot: Arc<Snapshot>,
    hold: Hold,
    writes: AtomicBool,
    released: OnceLock<SecurityLabel>,
    ended: AtomicBool,
    why: Mutex<Option<Box<Denial>>>,
}

impl Flow {
    /// An exchange on the stream that `hold` ends; `writes` where its request streams.
    pub(crate) fn new(admitted: Arc<Admitted>, snapshot: Arc<Snapshot>, hold: Hold, writes: bool) -> Self {
        Self {
            admitted,
            snapshot,
            hold,
            writes: AtomicBool::new(writes),
            released: OnceLock::new(),
            ended: AtomicBool::new(false),
            why: Mutex::new(None),
        }
    }

    /// Whether more of the request can come: an upgraded connection, or a body that streams.
    pub(crate) fn writes(&self) -> bool {
        self.writes.load(Ordering::Relaxed)
    }

    /// The request is whole: what is left of the flow is its answer.
    pub(crate) fn has_written(&self) {
        self.writes.store(false, Ordering::Relaxed);
    }

    /// The label that the head of the answer stated, once it did.
    pub(crate) fn released(&self) -> Option<&SecurityLabel> {
        self.released.get()
    }

    /// The head of the answer goes out under `label`.
    pub(crate) fn releases(&self, label: &SecurityLabel) {
        // There is one head; a second try of an upstream is a flow of its own.
        drop(self.released.set(label.clone()));
    }

    /// From here on what passes are WebSocket frames.
    pub(crate) fn becomes_websocket(&self) {
        self.hold.becomes_websocket();
    }

    /// Ends it; `why` is told by its own task, with the rest of its record. What it has not sent stays unsent.
    pub(crate) fn end(&self, why: Option<Box<Denial>>) {
        if let Some(why) = why {
            self.why.lock().get_or_insert(why);
        }
        self.ended.store(true, Ordering::Release);
        self.hold.end();
    }

    /// Whether it was ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The decision that ended it, where that was made outside of its task; once.
    pub(crate) fn take_why(&self) -> Option<Box<Denial>> {
        if self.is_ended() { self.why.lock().take() } else { None }
    }
}

/// All flows that are open.
#[derive(Default)]
pub struct Flows {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicUsize,
    called: Notify,
}

#[derive(Default)]
struct Shard {
    places: Vec<Option<Arc<Flow>>>,
    free: Vec<usize>,
}

/// A flow's entry, for as long as its exchange is open.
pub(crate) struct Entry {
    flows: Arc<Flows>,
    flow: Arc<Flow>,
    shard: usize,
    place: usize,
}

impl Flows {
    /// Asks that every open flow be decided anew: a label has moved, or the policy. Never waits; calls that come together
    /// are answered together.
    pub fn look(&self) {
        self.called.notify_one();
    }

    /// Waits for the next call.
    pub(crate) async fn called(&self) {
        self.called.notified().await;
    }

    /// Enters `flow`.
    pub(crate) fn enter(self: &Arc<Self>, flow: Flow) -> Entry {
        let flow = Arc::new(flow);
        let number = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let place = self.shards.get(number).map_or(0, |shard| shard.lock().put(Arc::clone(&flow)));
        Entry { flows: Arc::clone(self), flow, shard: number, place }
    }

    /// Those that are open now.
    pub(crate) fn open(&self) -> Vec<Arc<Flow>> {
        let mut open = Vec::new();
        for shard in &self.shards {
            open.extend(shard.lock().places.iter().flatten().map(Arc::clone));
        }
        open
    }
}

impl Shard {
    fn put(&mut self, flow: Arc<Flow>) -> usize {
        let place = self.free.pop();
        if let Some((place, empty)) = place.and_then(|place| Some((place, self.places.get_mut(place)?))) {
            *empty = Some(flow);
            return place;
        }
        self.places.push(Some(flow));
        self.places.len() - 1
    }

    fn clear(&mut self, place: usize) -> Option<Arc<Flow>> {
        let taken = self.places.get_mut(place)?.take();
        self.free.push(place);
        taken
    }
}

impl std::ops::Deref for Entry {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        &self.flow
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let flow = self.flows.shards.get(self.shard).and_then(|shard| shard.lock().clear(self.place));
        drop(flow);
    }
}
