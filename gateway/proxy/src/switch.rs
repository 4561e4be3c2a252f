//! What ends an upstream's stream from outside of the exchange that uses it.
//!
//! Pingora calls no filter while nothing moves, so whoever wants to end an idle exchange has to reach the stream that the
//! exchange waits for. Each upstream stream has one switch: an HTTP/1.1 connection for its life, an HTTP/2 stream for its own.
//! An HTTP/1.1 connection serves one exchange after another, so a use has a number, and ending a use that is over ends nothing.
//!
//! Costs nothing that is shared: two atomics, and a waker only where a read or a write has to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::protocols::Digest;
use pingora_core::protocols::raw_connect::ProxyDigest;

/// The switch of one stream.
#[derive(Default)]
pub(crate) struct Switch {
    /// The number of the use that the stream serves, counted from 1 by [`Switch::take`].
    serves: AtomicU64,
    /// The highest use that was ended.
    ended: AtomicU64,
    body_follows: AtomicBool,
    websocket: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

/// One use of a stream, by one exchange.
#[derive(Clone)]
pub(crate) struct Hold {
    switch: Arc<Switch>,
    number: u64,
}

impl Switch {
    /// Begins a use. Whatever was said of an earlier one no longer counts.
    ///
    /// `body_follows`: a body that is here as a whole comes right behind the head, so the two can leave together.
    pub(crate) fn take(self: &Arc<Self>, body_follows: bool) -> Hold {
        self.websocket.store(false, Ordering::Relaxed);
        self.body_follows.store(body_follows, Ordering::Relaxed);
        let number = self.serves.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        Hold { switch: Arc::clone(self), number }
    }

    /// Whether the present use was ended.
    pub(crate) fn is_ended(&self) -> bool {
        let ended = self.ended.load(Ordering::Acquire);
        ended != 0 && ended >= self.serves.load(Ordering::Acquire)
    }

    /// Whether the head waits for the whole body behind it.
    pub(crate) fn body_follows(&self) -> bool {
        self.body_follows.load(Ordering::Relaxed)
    }

    /// The head is complete; true once a use, where it waits for the body.
    pub(crate) fn head_waits(&self) -> bool {
        self.body_follows() && self.body_follows.swap(false, Ordering::Relaxed)
    }

    /// Whether what goes through the stream are WebSocket frames by now.
    pub(crate) fn is_websocket(&self) -> bool {
        self.websocket.load(Ordering::Acquire)
    }

    /// A read waits; returns whether it need not, because the use was ended meanwhile.
    pub(crate) fn read_waits(&self, cx: &Context<'_>) -> bool {
        self.reader.register(cx.waker());
        self.is_ended()
    }

    /// The same for a write.
    pub(crate) fn write_waits(&self, cx: &Context<'_>) -> bool {
        self.writer.register(cx.waker());
        self.is_ended()
    }

    /// A digest by which an exchange finds the switch of the stream that Pingora gave it: the one place in which Pingora
    /// carries what a connector wants to tell.
    pub(crate) fn digest(self: &Arc<Self>) -> Result<Arc<ProxyDigest>> {
        let unused = Box::new(ResponseHeader::build_no_case(200, Some(0))?);
        Ok(Arc::new(ProxyDigest::new(unused, Some(Box::new(Arc::clone(self))))))
    }

    /// The switch of the stream that `digest` tells of; `None` for a stream that is not ours.
    pub(crate) fn of(digest: &Digest) -> Option<&Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }
}

impl Hold {
    /// Ends this use: nothing more is written, and whoever waits for a read or a write is told.
    pub(crate) fn end(&self) {
        self.switch.ended.fetch_max(self.number, Ordering::AcqRel);
        self.switch.reader.wake();
        self.switch.writer.wake();
    }

    /// From here on what goes through are WebSocket frames.
    pub(crate) fn becomes_websocket(&self) {
        self.switch.websocket.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ending_a_use_ends_that_use_alone() {
        let switch = Arc::new(Switch::default());
        assert!(!switch.is_ended(), "nobody uses it yet");
        let first = switch.take(false);
        assert!(!switch.is_ended());
        first.end();
        assert!(switch.is_ended());
        let second = switch.take(false);
        assert!(!switch.is_ended(), "the next exchange has a use of its own");
        first.end();
        assert!(!switch.is_ended(), "that of the one before is over");
        second.end();
        first.end();
        assert!(switch.is_ended(), "and cannot bring it back either");
    }

    #[test]
    fn what_is_said_of_a_use_goes_with_it() {
        let switch = Arc::new(Switch::default());
        let first = switch.take(true);
        first.becomes_websocket();
        assert!(switch.is_websocket());
        assert!(switch.body_follows() && switch.head_waits());
        assert!(!switch.head_waits(), "once");
        drop(switch.take(true));
        drop(switch.take(false));
        assert!(!switch.is_websocket() && !switch.body_follows());
    }

    #[test]
    fn an_exchange_finds_the_switch_in_the_digest() {
        let switch = Arc::new(Switch::default());
        let digest = Digest { proxy_digest: Some(switch.digest().unwrap()), ..Digest::default() };
        assert!(Switch::of(&digest).is_some_and(|found| Arc::ptr_eq(found, &switch)));
        assert!(Switch::of(&Digest::default()).is_none());
    }
}
