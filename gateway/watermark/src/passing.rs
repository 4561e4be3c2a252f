//! Bytes on their way to the workload.
//!
//! Between a raise and the moment at which the bytes have left there is time, and a reset or a newly opened handle in that
//! time would not count them. Whoever releases says so by a [`Passing`] that is taken before the raise and dropped once
//! the bytes are out: a reset and an opening in between start no lower than what is passing.

use std::sync::Arc;

use bellgate_policy::SecurityLabel;
use parking_lot::Mutex;

/// Labels of what is passing now.
#[derive(Default)]
pub(crate) struct Passings(Mutex<Vec<(u64, bool, SecurityLabel)>>, std::sync::atomic::AtomicU64);

/// Says that bytes are on their way to the workload, until it is dropped.
#[must_use = "bytes count as passing only while this is held"]
pub struct Passing {
    all: Arc<Passings>,
    number: u64,
}

impl Passings {
    pub(crate) fn begin(self: &Arc<Self>, under_handle: bool, label: &SecurityLabel) -> Passing {
        let number = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.lock().push((number, under_handle, label.clone()));
        Passing { all: Arc::clone(self), number }
    }

    /// `start` joined with what passes; without handles alone, where `handleless`.
    pub(crate) fn joined(&self, start: &SecurityLabel, handleless: bool) -> SecurityLabel {
        let all = self.0.lock();
        all.iter()
            .filter(|(_, under_handle, _)| !(handleless && *under_handle))
            .fold(start.clone(), |sum, (_, _, label)| sum.join(label))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.all.0.lock().retain(|(number, ..)| *number != self.number);
    }
}
