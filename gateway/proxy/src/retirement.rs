//! When a pooled connection to a peer is too old to be used again.
//!
//! A pooled connection was verified when it was made. It must not outlive the certificate it was
//! verified with, nor the bundle, nor our own SVID. Pingora's pool is split by a group key, so the
//! key carries all three: the bundle's generation, our SVID, and an epoch for each peer that moves
//! on when the earliest certificate seen in it expires.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bellgate_policy::Timestamp;
use parking_lot::Mutex;

#[derive(Clone, Copy)]
struct Epoch {
    number: u64,
    ends: Option<Timestamp>,
}

/// The epochs of every peer that was reached.
#[derive(Default)]
pub struct Retirement {
    peers: Mutex<HashMap<String, Epoch>>,
}

impl Retirement {
    /// The pool's key for `peer` at `now`.
    pub fn group_key(&self, peer: &str, svid: u64, bundle_generation: u64, now: Timestamp) -> u64 {
        let mut hasher = DefaultHasher::new();
        (svid, bundle_generation, self.epoch(peer, now)).hash(&mut hasher);
        hasher.finish()
    }

    /// A connection to `peer` was made with a certificate that ends at `not_after`.
    pub fn connected(&self, peer: &str, not_after: Timestamp) {
        let mut peers = self.peers.lock();
        let epoch = peers.entry(peer.to_owned()).or_insert(Epoch { number: 0, ends: None });
        epoch.ends = Some(epoch.ends.map_or(not_after, |ends| ends.min(not_after)));
    }

    fn epoch(&self, peer: &str, now: Timestamp) -> u64 {
        let mut peers = self.peers.lock();
        let Some(epoch) = peers.get_mut(peer) else { return 0 };
        if epoch.ends.is_some_and(|ends| ends <= now) {
            *epoch = Epoch { number: epoch.number.wrapping_add(1), ends: None };
        }
        epoch.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_each_of_its_parts_and_at_expiry() {
        let pool = Retirement::default();
        let key = |now| pool.group_key("spiffe://a.test/x", 1, 1, Timestamp(now));
        let first = key(0);
        assert_eq!(first, key(5));
        assert_ne!(first, pool.group_key("spiffe://a.test/x", 2, 1, Timestamp(0)));
        assert_ne!(first, pool.group_key("spiffe://a.test/x", 1, 2, Timestamp(0)));
        pool.connected("spiffe://a.test/x", Timestamp(100));
        pool.connected("spiffe://a.test/x", Timestamp(200));
        assert_eq!(first, key(99));
        let second = key(100);
        assert_ne!(first, second);
        assert_eq!(second, key(200), "the epoch after has no end until a connection is made in it");
    }
}
