//! Capabilities that were fetched and proved, by digest, in memory alone.
//!
//! Bounded twice, by bytes and by entries; what was not asked for the longest goes first. An entry is never stale: its key is the digest of
//! its bytes.

use std::collections::HashMap;

use bytes::Bytes;

use crate::Digest;

/// Past this many entries the search for the oldest would begin to cost.
const ENTRIES: usize = 512;

pub(crate) struct Cache {
    limit: usize,
    held: usize,
    clock: u64,
    entries: HashMap<Digest, Entry>,
}

struct Entry {
    bytes: Bytes,
    used: u64,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, clock: 0, entries: HashMap::new() }
    }

    pub(crate) fn get(&mut self, digest: &Digest) -> Option<Bytes> {
        self.clock += 1;
        let entry = self.entries.get_mut(digest)?;
        entry.used = self.clock;
        Some(entry.bytes.clone())
    }

    /// Keeps `bytes`, whose digest the caller has computed. What is larger than the whole cache is not kept.
    pub(crate) fn keep(&mut self, digest: Digest, bytes: Bytes) {
        if bytes.len() > self.limit || self.entries.contains_key(&digest) {
            return;
        }
        while self.held + bytes.len() > self.limit || self.entries.len() >= ENTRIES {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(digest, _)| *digest);
            let Some(gone) = oldest.and_then(|digest| self.entries.remove(&digest)) else {
                return;
            };
            self.held -= gone.bytes.len();
        }
        self.clock += 1;
        self.held += bytes.len();
        self.entries.insert(digest, Entry { bytes, used: self.clock });
    }

    pub(crate) fn held(&self) -> (usize, usize) {
        (self.entries.len(), self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(byte: u8, length: usize) -> (Digest, Bytes) {
        let bytes = Bytes::from(vec![byte; length]);
        (Digest::of(&bytes), bytes)
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(100);
        let [a, b, c] = [item(1, 40), item(2, 40), item(3, 40)];
        cache.keep(a.0, a.1.clone());
        cache.keep(b.0, b.1);
        assert_eq!(cache.get(&a.0), Some(a.1));
        cache.keep(c.0, c.1.clone());
        assert!(cache.get(&a.0).is_some());
        assert!(cache.get(&b.0).is_none());
        assert!(cache.get(&c.0).is_some());
        assert_eq!(cache.held(), (2, 80));
    }

    #[test]
    fn the_byte_limit_holds_at_its_edge() {
        for (length, kept) in [(99, 1), (100, 1), (101, 0)] {
            let mut cache = Cache::new(100);
            let (digest, bytes) = item(7, length);
            cache.keep(digest, bytes);
            assert_eq!(cache.held(), (kept, kept * length));
        }
    }

    #[test]
    fn the_entry_limit_holds() {
        let mut cache = Cache::new(usize::MAX);
        for number in 0..=ENTRIES {
            let bytes = Bytes::from(number.to_le_bytes().to_vec());
            cache.keep(Digest::of(&bytes), bytes);
        }
        assert_eq!(cache.held().0, ENTRIES);
        assert!(cache.get(&Digest::of(&0_usize.to_le_bytes())).is_none());
    }
}
