//! Who is at the other end of a Unix socket.
//!
//! `SO_PEERCRED` (unix(7)) needs the descriptor, and Pingora shows filters only the connection's
//! `SO_COOKIE`, which is unique in the life of the machine. So the descriptor is looked up among
//! our own once per connection, and the answer kept, bounded, by cookie.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, RawFd};

use parking_lot::Mutex;
use pingora_core::protocols::SocketDigest;
use rustix::net::sockopt;

/// More connections than a sidecar's Unix listeners hold; past it the table starts anew.
const MAX_KNOWN: usize = 4096;

/// Peers by connection.
#[derive(Default)]
pub struct PeerUids {
    known: Mutex<HashMap<u64, u32>>,
}

impl PeerUids {
    /// The uid of the peer of a Unix connection; `None` where it cannot be told, which must refuse.
    pub fn uid(&self, socket: &SocketDigest) -> Option<u32> {
        let cookie = socket.socket_cookie().ok()?;
        if let Some(uid) = self.known.lock().get(&cookie) {
            return Some(*uid);
        }
        let uid = find(cookie)?;
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(cookie, uid);
        Some(uid)
    }
}

fn find(cookie: u64) -> Option<u32> {
    std::fs::read_dir("/proc/self/fd").ok()?.flatten().find_map(|entry| {
        let fd: RawFd = entry.file_name().to_str()?.parse().ok()?;
        #[expect(
            unsafe_code,
            reason = "a descriptor listed a moment ago; if it was closed since, the calls below fail or the cookie differs"
        )]
        // SAFETY: the borrow ends with this closure, nothing is closed through it, and a number that
        // no longer names our connection is told apart by its cookie.
        let socket = unsafe { BorrowedFd::borrow_raw(fd) };
        if sockopt::socket_cookie(socket).ok()? != cookie {
            return None;
        }
        Some(sockopt::socket_peercred(socket).ok()?.uid.as_raw())
    })
}
