//! Modules by digest, in the host's memory. Only bytes whose SHA-256 was computed here are held.
//!
//! Bounded twice, by count and by bytes; what was used least recently goes first. Looking for it is
//! linear in the count, which is small and happens beside a hash of megabytes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bellgate_enclave_protocol::ModuleDigest;
use bytes::Bytes;
use sha2::{Digest, Sha256};

const MODULES_MAX: usize = 512;
const BYTES_MAX: usize = 128 << 20;

/// The modules held.
#[derive(Default)]
pub(crate) struct Modules {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    modules: HashMap<ModuleDigest, (Bytes, u64)>,
    bytes: usize,
    uses: u64,
}

impl Modules {
    /// The bytes of a module, if they are held.
    pub(crate) fn get(&self, digest: &ModuleDigest) -> Option<Bytes> {
        let mut held = self.held();
        held.uses += 1;
        let now = held.uses;
        let (bytes, used) = held.modules.get_mut(digest)?;
        *used = now;
        Some(bytes.clone())
    }

    /// Holds a module if its bytes have that digest; tells whether they have.
    pub(crate) async fn verify_and_hold(&self, digest: ModuleDigest, bytes: Bytes) -> bool {
        let hashed = bytes.clone();
        let found = tokio::task::spawn_blocking(move || ModuleDigest::new(Sha256::digest(&hashed).into()));
        if found.await.ok() != Some(digest) {
            return false;
        }
        self.held().hold(digest, bytes);
        true
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn hold(&mut self, digest: ModuleDigest, bytes: Bytes) {
        self.uses += 1;
        self.bytes += bytes.len();
        if let Some((before, _)) = self.modules.insert(digest, (bytes, self.uses)) {
            self.bytes -= before.len();
        }
        while self.modules.len() > MODULES_MAX || self.bytes > BYTES_MAX {
            let oldest = self.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(digest, _)| *digest);
            let Some((gone, _)) = oldest.and_then(|digest| self.modules.remove(&digest)) else {
                return;
            };
            self.bytes -= gone.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> ModuleDigest {
        ModuleDigest::new(std::array::from_fn(|at| number.to_be_bytes()[at % 8]))
    }

    #[test]
    fn the_least_recently_used_goes_first_by_count() {
        let modules = Modules::default();
        for number in 0..MODULES_MAX {
            modules.held().hold(digest(number), Bytes::from_static(b"x"));
        }
        assert!(modules.get(&digest(0)).is_some());
        modules.held().hold(digest(MODULES_MAX), Bytes::from_static(b"x"));
        assert!(modules.get(&digest(0)).is_some());
        assert!(modules.get(&digest(1)).is_none());
        assert_eq!(modules.held().modules.len(), MODULES_MAX);
    }

    #[test]
    fn bytes_are_bounded_and_counted_once() {
        let modules = Modules::default();
        let quarter = Bytes::from(vec![0; BYTES_MAX / 4]);
        for number in [0, 1, 2, 3, 3, 3] {
            modules.held().hold(digest(number), quarter.clone());
        }
        assert_eq!(modules.held().bytes, BYTES_MAX);
        modules.held().hold(digest(4), Bytes::from_static(b"x"));
        assert!(modules.get(&digest(0)).is_none());
        assert_eq!(modules.held().bytes, BYTES_MAX / 4 * 3 + 1);
    }

    #[tokio::test]
    async fn a_false_digest_is_not_held() {
        let modules = Modules::default();
        assert!(!modules.verify_and_hold(digest(1), Bytes::from_static(b"abc")).await);
        assert!(modules.get(&digest(1)).is_none());
        let true_digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
        assert!(modules.verify_and_hold(true_digest, Bytes::from_static(b"abc")).await);
        assert!(modules.get(&true_digest).is_some());
    }
}
