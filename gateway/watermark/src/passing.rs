//! Bytes on their way to the workload.
//!
//! Between a raise and the moment at which the bytes have left there is time, and a reset or a newly opened handle in that
//! time would not count them. Whoever releases says so by a [`Passing`] that is taken before the raise and dropped once
//! the bytes are out: a reset and an opening in between start no lower than what is passing.
//!
//! Why that is enough: who opens makes the new handle visible to raises first and looks here then; who releases enters
//! here first and looks for handles then. One of the two sees the other. A reset holds everybody off while it looks.

use std::sync::Arc;

use bellgate_policy::SecurityLabel;

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// Parts, so that releases on many threads seldom wait for each other.
const SHARDS: usize = 16;

/// Labels of what is passing now.
pub(crate) struct Passings {
    shards: Vec<Mutex<Shard>>,
    turn: AtomicUsize,
}

#[derive(Default)]
pub(crate) struct Shard {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

struct Entry {
    under_handle: bool,
    label: SecurityLabel,
}

/// Says that bytes are on their way to the workload, until it is dropped.
#[must_use = "bytes count as passing only while this is held"]
pub struct Passing {
    all: Arc<Passings>,
    shard: usize,
    index: usize,
}

impl Passings {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect(), turn: AtomicUsize::new(0) }
    }

    pub(crate) fn begin(self: &Arc<Self>, under_handle: bool, label: &SecurityLabel) -> Passing {
        let shard = self.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let entry = Entry { under_handle, label: label.clone() };
        let index = self.shards.get(shard).map_or(0, |shard| shard.lock().put(entry));
        Passing { all: Arc::clone(self), shard, index }
    }

    /// `start` joined with what passes without a handle.
    pub(crate) fn join_handleless(&self, start: SecurityLabel) -> SecurityLabel {
        self.shards.iter().fold(start, |sum, shard| shard.lock().join(sum, true))
    }

    /// Holds everybody off. What passes under handles or without does not change while the guards are held.
    pub(crate) fn freeze(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.shards.iter().map(Mutex::lock).collect()
    }
}

impl Shard {
    fn put(&mut self, entry: Entry) -> usize {
        match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.entries.get_mut(index) {
                    *place = Some(entry);
                }
                index
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
        }
    }

    /// `start` joined with what passes here.
    pub(crate) fn join(&self, start: SecurityLabel, handleless: bool) -> SecurityLabel {
        let counts = |entry: &&Entry| !(handleless && entry.under_handle);
        self.entries.iter().flatten().filter(counts).fold(start, |sum, entry| sum.join(&entry.label))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let Some(shard) = self.all.shards.get(self.shard) else { return };
        let mut shard = shard.lock();
        if let Some(place) = shard.entries.get_mut(self.index) {
            *place = None;
            shard.free.push(self.index);
        }
    }
}
