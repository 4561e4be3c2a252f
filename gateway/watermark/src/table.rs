//! The open handles: found by key, and by when they expire.
//!
//! **What is bounded.** The lock that a lookup takes is shared and one of many. A table that grows copies one part of
//! itself, never all. The queue of expiries is made anew when more than half of it are handles that were closed before.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::{BinaryHeap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use bellgate_policy::Timestamp;

use crate::handle::{Handle, HandleKey};
use crate::sync::{AtomicUsize, Ordering, RwLock};

const SHARDS: usize = 64;

/// All open handles.
pub(crate) struct Table {
    shards: Vec<RwLock<Shard>>,
    open: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    open: HashSet<ByKey, BuildHasherDefault<Bits>>,
    soonest: BinaryHeap<BySoonest>,
}

struct ByKey(Arc<Handle>);
struct BySoonest(Arc<Handle>);

impl Table {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::new(Shard::default())).collect(), open: AtomicUsize::new(0) }
    }

    fn shard(&self, key: HandleKey) -> Option<&RwLock<Shard>> {
        self.shards.get(key.shard() % SHARDS)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn insert(&self, handle: &Arc<Handle>) {
        let Some(shard) = self.shard(handle.key) else { return };
        let mut shard = shard.write();
        shard.soonest.push(BySoonest(Arc::clone(handle)));
        if shard.open.insert(ByKey(Arc::clone(handle))) {
            self.open.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn get(&self, key: HandleKey) -> Option<Arc<Handle>> {
        self.shard(key)?.read().open.get(&key).map(|found| Arc::clone(&found.0))
    }

    /// Takes a handle out. Answers whether it was in.
    pub(crate) fn remove(&self, key: HandleKey) -> bool {
        let Some(shard) = self.shard(key) else { return false };
        let mut shard = shard.write();
        let Some(found) = shard.open.take(&key) else { return false };
        found.0.open.store(false, Ordering::Release);
        self.open.fetch_sub(1, Ordering::AcqRel);
        if shard.soonest.len() > 2 * shard.open.len() + 64 {
            let all = std::mem::take(&mut shard.soonest);
            shard.soonest = all.into_iter().filter(|entry| entry.0.is_open()).collect();
        }
        true
    }

    /// Those that have expired at `now` and are still in.
    pub(crate) fn expired(&self, now: Timestamp) -> Vec<Arc<Handle>> {
        let mut expired = Vec::new();
        for shard in &self.shards {
            if shard.read().soonest.peek().is_none_or(|soonest| soonest.0.expires > now) {
                continue;
            }
            let mut shard = shard.write();
            while shard.soonest.peek().is_some_and(|soonest| soonest.0.expires <= now) {
                expired.extend(shard.soonest.pop().map(|soonest| soonest.0).filter(|handle| handle.is_open()));
            }
        }
        expired
    }

    /// Takes all out. Answers how many there were.
    pub(crate) fn clear(&self) -> usize {
        let mut cleared = 0;
        for shard in &self.shards {
            let mut shard = shard.write();
            shard.soonest.clear();
            for handle in shard.open.drain() {
                handle.0.open.store(false, Ordering::Release);
                cleared += 1;
            }
        }
        self.open.fetch_sub(cleared, Ordering::AcqRel);
        cleared
    }

    /// Calls `each` with all, or until it answers `false`, in no order.
    pub(crate) fn visit(&self, mut each: impl FnMut(&Arc<Handle>) -> bool) {
        for shard in &self.shards {
            for handle in &shard.read().open {
                if !each(&handle.0) {
                    return;
                }
            }
        }
    }
}

impl Borrow<HandleKey> for ByKey {
    fn borrow(&self) -> &HandleKey {
        &self.0.key
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl PartialEq for BySoonest {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for BySoonest {}

impl PartialOrd for BySoonest {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for BySoonest {
    /// The soonest is the greatest.
    fn cmp(&self, other: &Self) -> Order {
        other.0.expires.cmp(&self.0.expires)
    }
}

/// A key is a digest; its bits need no more mixing.
#[derive(Default)]
struct Bits(u64);

impl Hasher for Bits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |bits, byte| bits.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

impl Hash for HandleKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.bits());
    }
}
