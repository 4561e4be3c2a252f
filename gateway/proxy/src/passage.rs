//! Bytes that are on their way to the local workload.
//!
//! Between raising a watermark and the moment at which the bytes are out there is a little time, and a reset or a session
//! that is opened in it must not start below them. The watermark takes care of that while a [`Passing`] is held; here it
//! is held for long enough, and not for as long as a stream stays open.
//!
//! What holds: what was let go less than `ON_ITS_WAY` ago counts as on its way, as does all that is let go later. What
//! was let go earlier has left, or waits in a buffer for a reader that does not read; a socket's buffer is the reader's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bellgate_watermark::Passing;
use parking_lot::Mutex;

/// From the decision to the socket it is microseconds; on a machine that is short of time, some milliseconds.
pub(crate) const ON_ITS_WAY: Duration = Duration::from_millis(250);

type Slot = Mutex<Option<(Instant, Passing)>>;

/// What all open exchanges have on its way.
#[derive(Default)]
pub struct Passage {
    slots: Mutex<HashMap<u64, Arc<Slot>>>,
    next: AtomicU64,
    swept: Mutex<Option<Instant>>,
}

impl Passage {
    /// Lets go what was on its way long enough. At most once in `ON_ITS_WAY`, so that it may be asked often.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut swept = self.swept.lock();
        if swept.is_some_and(|last| now.duration_since(last) < ON_ITS_WAY) {
            return;
        }
        *swept = Some(now);
        drop(swept);
        self.let_go(now);
    }

    /// Lets go what was on its way long enough, now.
    pub(crate) fn let_go(&self, now: Instant) {
        for slot in self.slots.lock().values() {
            slot.lock().take_if(|(since, _)| now.duration_since(*since) >= ON_ITS_WAY);
        }
    }
}

/// What one exchange has on its way; gone with the exchange.
#[derive(Default)]
pub(crate) struct OnItsWay(OnceLock<(Arc<Passage>, u64, Arc<Slot>)>);

impl OnItsWay {
    /// The next piece is on its way. What was before it has left, since one exchange passes one piece at a time.
    pub(crate) fn hold(&self, passage: &Arc<Passage>, passing: Option<Passing>) {
        if passing.is_none() && self.0.get().is_none() {
            return;
        }
        let (_, _, slot) = self.0.get_or_init(|| {
            let number = passage.next.fetch_add(1, Ordering::Relaxed);
            let slot: Arc<Slot> = Arc::default();
            passage.slots.lock().insert(number, Arc::clone(&slot));
            (Arc::clone(passage), number, slot)
        });
        *slot.lock() = passing.map(|passing| (Instant::now(), passing));
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if let Some((passage, number, _)) = self.0.get() {
            passage.slots.lock().remove(number);
        }
    }
}
