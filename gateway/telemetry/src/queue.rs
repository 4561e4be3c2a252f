//! The bounded queue between the data path and the lake.
//!
//! What holds:
//! - [`EventSender::offer`] never waits for the lake and allocates nothing. It takes a place, or counts a drop and
//!   frees the event.
//! - Every event that was offered is counted once: as accepted or as dropped, by kind. Once the queue is closed and
//!   drained, taken equals accepted: nothing is accepted and then lost between two threads.
//! - The memory of the queue is taken when it is made: `capacity` places of two words each, and what the accepted
//!   events own.
//!
//! The reader is meant to poll in batches and not to be woken for each event, because waking costs the sender a system
//! call on the path of a request; [`EventReceiver::recv_timeout`] is for tests and small programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crate::event::{Event, EventKind};

/// Makes a queue of `capacity` places (at least one).
pub fn channel(capacity: usize) -> (EventSender, EventReceiver) {
    let (sender, receiver) = sync_channel(capacity.max(1));
    let counts = Arc::new(Counts::default());
    (EventSender { sender, counts: Arc::clone(&counts) }, EventReceiver { receiver, counts })
}

#[derive(Default)]
struct Counts {
    /// Offers that have begun and not ended; the reader waits for them after it has closed the queue.
    offering: AtomicU64,
    closed: AtomicBool,
    accepted: [AtomicU64; 4],
    dropped: [AtomicU64; 4],
    taken: AtomicU64,
}

impl Counts {
    fn count(counters: &[AtomicU64; 4], kind: EventKind) {
        let [exchange, decision, stream_event, capability_call] = counters;
        match kind {
            EventKind::Exchange => exchange,
            EventKind::Decision => decision,
            EventKind::StreamEvent => stream_event,
            EventKind::CapabilityCall => capability_call,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    fn reading(&self) -> QueueReading {
        QueueReading {
            accepted: read(&self.accepted),
            dropped: read(&self.dropped),
            taken: self.taken.load(Ordering::Acquire),
        }
    }
}

fn read(counters: &[AtomicU64; 4]) -> [u64; 4] {
    counters.each_ref().map(|counter| counter.load(Ordering::Acquire))
}

/// The counts of a queue at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueReading {
    accepted: [u64; 4],
    dropped: [u64; 4],
    taken: u64,
}

impl QueueReading {
    /// Events of a kind that got a place.
    pub fn accepted(&self, kind: EventKind) -> u64 {
        of(&self.accepted, kind)
    }

    /// Events of a kind that got none: the queue was full or closed.
    pub fn dropped(&self, kind: EventKind) -> u64 {
        of(&self.dropped, kind)
    }

    /// Events of all kinds that the reader has taken out.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Events of all kinds that are waiting. A moment's value: other threads go on.
    pub fn waiting(&self) -> u64 {
        self.accepted.iter().sum::<u64>().saturating_sub(self.taken)
    }
}

fn of(counts: &[u64; 4], kind: EventKind) -> u64 {
    let [exchange, decision, stream_event, capability_call] = *counts;
    match kind {
        EventKind::Exchange => exchange,
        EventKind::Decision => decision,
        EventKind::StreamEvent => stream_event,
        EventKind::CapabilityCall => capability_call,
    }
}

/// The data path's end. Cloned freely.
#[derive(Clone)]
pub struct EventSender {
    sender: SyncSender<Event>,
    counts: Arc<Counts>,
}

impl EventSender {
    /// Offers an event and returns at once: whether it was accepted. A refused one is counted and freed; there is
    /// nothing for the caller to do.
    pub fn offer(&self, event: Event) -> bool {
        let kind = event.kind();
        self.counts.offering.fetch_add(1, Ordering::SeqCst);
        let accepted = !self.counts.closed.load(Ordering::SeqCst) && self.accept(event, kind);
        self.counts.offering.fetch_sub(1, Ordering::SeqCst);
        if !accepted {
            Counts::count(&self.counts.dropped, kind);
        }
        accepted
    }

    fn accept(&self, event: Event, kind: EventKind) -> bool {
        let accepted = self.sender.try_send(event).is_ok();
        if accepted {
            Counts::count(&self.counts.accepted, kind);
        }
        accepted
    }

    /// The counts, for metrics.
    pub fn reading(&self) -> QueueReading {
        self.counts.reading()
    }
}

/// The lake's end.
pub struct EventReceiver {
    receiver: Receiver<Event>,
    counts: Arc<Counts>,
}

/// Why there was no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// None is waiting now.
    Yet,
    /// None is waiting, and every sender is gone.
    EverAgain,
}

impl EventReceiver {
    /// Takes one event if one is waiting.
    ///
    /// # Errors
    /// [`Nothing`] says whether one can still come.
    pub fn try_recv(&self) -> Result<Event, Nothing> {
        match self.receiver.try_recv() {
            Ok(event) => Ok(self.took(event)),
            Err(TryRecvError::Empty) => Err(Nothing::Yet),
            Err(TryRecvError::Disconnected) => Err(Nothing::EverAgain),
        }
    }

    /// Takes one event, waiting for it up to `patience`.
    ///
    /// # Errors
    /// [`Nothing`] says whether one can still come.
    pub fn recv_timeout(&self, patience: Duration) -> Result<Event, Nothing> {
        match self.receiver.recv_timeout(patience) {
            Ok(event) => Ok(self.took(event)),
            Err(RecvTimeoutError::Timeout) => Err(Nothing::Yet),
            Err(RecvTimeoutError::Disconnected) => Err(Nothing::EverAgain),
        }
    }

    fn took(&self, event: Event) -> Event {
        self.counts.taken.fetch_add(1, Ordering::Release);
        event
    }

    /// Closes the queue: later offers are dropped and counted. When this returns, every event that was accepted is
    /// waiting or taken, so that draining until [`Nothing`] leaves none behind.
    pub fn close(&self) {
        self.counts.closed.store(true, Ordering::SeqCst);
        while self.counts.offering.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now(); // an offer takes well under a microsecond
        }
    }

    /// The counts, for metrics.
    pub fn reading(&self) -> QueueReading {
        self.counts.reading()
    }
}

#[cfg(test)]
mod tests;
