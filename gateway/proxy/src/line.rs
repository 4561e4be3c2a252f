//! A connection to an upstream, as Pingora's HTTP/1.1 and HTTP/2 see it.
//!
//! It is ours for two reasons.
//!
//! **It can be ended from outside.** Its [`Switch`] wakes whoever waits on it. Once its use was ended not one byte more is
//! written, what is still held is thrown away, and reads fail: so a chunked body has no last chunk and a stated length is not
//! met, and either side can tell what was ended from what is whole. Where WebSocket frames go through it, the server is sent a
//! close frame first, if a frame has just ended in that direction and nothing of it waits; and the read gives one byte that
//! stands for the goodbye, so that the exchange says it to the client too.
//!
//! **It sends head and body together.** Pingora flushes a request's head before it writes the body. Where the exchange says
//! that the whole body comes right behind ([`Switch::take`]), the head waits, its flush is only noted, and both leave with the
//! next: one segment, one TLS record and one system call less. All else is written as it comes: Pingora flushes a body of a
//! stated length at its end alone, so what streams must not wait for that.
//!
//! Bounded: at most [`HELD`] bytes wait here.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::socket::Transport;
use crate::switch::Switch;
use crate::websocket::{Frames, close_for_server};

/// Bytes of a head and a body that may wait for each other. More than that gains nothing: it is several segments anyhow.
const HELD: usize = 32 * 1024;
/// What an idle connection may keep of that.
const KEPT: usize = 4 * 1024;
/// What a read gives in the place of bytes that the upstream sent. No exchange passes it on: the flow has ended.
const GOODBYE: u8 = 0;

/// One connection.
pub(crate) struct Line {
    transport: Transport,
    held: BytesMut,
    switch: Arc<Switch>,
    /// The frames towards the server, once there are any.
    frames: Option<Frames>,
    said_goodbye: bool,
    proxy_digest: Arc<ProxyDigest>,
    socket_digest: Arc<SocketDigest>,
    fd: RawFd,
}

impl Line {
    /// A connection over `transport`.
    ///
    /// # Errors
    ///
    /// Pingora's, which has none here.
    pub(crate) fn new(transport: Transport) -> pingora_core::Result<Self> {
        let switch = Arc::new(Switch::default());
        let fd = transport.as_raw_fd();
        Ok(Self {
            proxy_digest: switch.digest()?,
            socket_digest: Arc::new(SocketDigest::from_raw_fd(fd)),
            transport,
            held: BytesMut::new(),
            switch,
            frames: None,
            said_goodbye: false,
            fd,
        })
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.transport).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        if self.held.capacity() > KEPT {
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// What is held and `bytes` behind it, in one call where that is possible; returns how many of `bytes` went.
    fn poll_write_through(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let pieces = [IoSlice::new(&self.held), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, &pieces))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_bytes = written.saturating_sub(self.held.len());
            self.held.advance(written.min(self.held.len()));
            if of_bytes > 0 {
                return Poll::Ready(Ok(of_bytes));
            }
        }
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    /// A write that has to wait is told when the use is ended.
    fn or_ended<T>(&self, cx: &Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Pending if self.switch.write_waits(cx) => Poll::Ready(Err(ended())),
            Poll::Pending | Poll::Ready(_) => outcome,
        }
    }

    /// The last thing that a reader hears.
    fn goodbye(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let unsent = !self.held.is_empty();
        self.held.clear();
        if std::mem::replace(&mut self.said_goodbye, true) || !self.switch.is_websocket() {
            return Poll::Ready(Err(ended()));
        }
        if !unsent && self.frames.get_or_insert_default().may_close() {
            self.held.extend_from_slice(&close_for_server());
            // A server that has no room for these few bytes is cut off without them.
            if matches!(self.poll_drain(cx), Poll::Ready(Ok(())))
                && matches!(Pin::new(&mut self.transport).poll_flush(cx), Poll::Ready(Ok(())))
            {
                drop(Pin::new(&mut self.transport).poll_shutdown(cx));
            }
            self.held.clear();
        }
        into.put_slice(&[GOODBYE]);
        Poll::Ready(Ok(()))
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the flow was ended by this gateway")
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.switch.is_ended() {
            return line.goodbye(cx, into);
        }
        let outcome = Pin::new(&mut line.transport).poll_read(cx, into);
        if outcome.is_pending() && line.switch.read_waits(cx) {
            return line.goodbye(cx, into);
        }
        outcome
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        if line.switch.is_ended() {
            return Poll::Ready(Err(ended()));
        }
        let waits = !line.held.is_empty() || line.switch.body_follows();
        if waits && line.held.len() + bytes.len() <= HELD {
            line.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = line.poll_write_through(cx, bytes);
        if let Poll::Ready(Ok(written)) = &outcome
            && line.switch.is_websocket()
        {
            line.frames.get_or_insert_default().pass(bytes.get(..*written).unwrap_or_default());
        }
        line.or_ended(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        if line.switch.is_ended() || !line.held.is_empty() || line.switch.body_follows() || line.switch.is_websocket() {
            let first = pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |piece| piece);
            return Pin::new(line).poll_write(cx, first);
        }
        let outcome = Pin::new(&mut line.transport).poll_write_vectored(cx, pieces);
        line.or_ended(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.switch.is_ended() {
            return Poll::Ready(Err(ended()));
        }
        if !line.held.is_empty() && line.switch.head_waits() {
            return Poll::Ready(Ok(()));
        }
        let outcome = match line.poll_drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut line.transport).poll_flush(cx),
            waits_or_fails @ (Poll::Pending | Poll::Ready(Err(_))) => waits_or_fails,
        };
        line.or_ended(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.switch.is_ended() {
            line.held.clear();
        }
        ready!(line.poll_drain(cx))?;
        Pin::new(&mut line.transport).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Line {
    async fn shutdown(&mut self) {
        // The connection is given up either way.
        drop(AsyncWriteExt::shutdown(self).await);
    }
}

impl UniqueID for Line {
    fn id(&self) -> UniqueIDType {
        self.fd
    }
}

impl Ssl for Line {}

impl Peek for Line {}

impl GetTimingDigest for Line {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Line {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.proxy_digest))
    }
}

impl GetSocketDigest for Line {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket_digest))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("fd", &self.fd).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
