//! One stream of an HTTP/2 connection to an upstream, in the shape that a custom connector must give.
//!
//! Pingora's own client session does the work. What is ours is the end of it: each stream has a [`Switch`], and a stream whose
//! use was ended writes nothing more, is reset, and gives its reader an error. The other streams of the connection go on.
//!
//! The reset is sent by the upward half where it is still held. Where the request was whole long ago, the exchange ends with
//! the reader's error and drops both halves, and h2 resets a stream that everybody has dropped half-way.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::protocols::http::custom::client::Session;
use pingora_core::protocols::http::custom::{BodyWrite, CustomMessageWrite};
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::http::v2::write_body;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::{Digest, UniqueIDType};
use pingora_core::{Error, ErrorType, Result};

use crate::switch::Switch;

/// One stream of an upstream connection.
pub(crate) struct H2Session {
    session: Http2Session,
    switch: Arc<Switch>,
    digest: Digest,
}

impl H2Session {
    /// A stream that can be ended.
    ///
    /// # Errors
    ///
    /// Pingora's, which has none here.
    pub(crate) fn new(session: Http2Session) -> Result<Self> {
        let switch = Arc::new(Switch::default());
        let socket_digest = session.digest().and_then(|digest| digest.socket_digest.clone());
        let digest = Digest { proxy_digest: Some(switch.digest()?), socket_digest, ..Digest::default() };
        Ok(Self { session, switch, digest })
    }

    pub(crate) fn into_inner(self) -> Http2Session {
        self.session
    }
}

/// The output of `work`, unless the use of the stream is ended first; `waits` is told who waits.
async fn unless_ended<T>(
    switch: &Switch,
    waits: fn(&Switch, &std::task::Context<'_>) -> bool,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if switch.is_ended() {
            return Poll::Ready(ended());
        }
        let outcome = work.as_mut().poll(cx);
        if outcome.is_pending() && waits(switch, cx) { Poll::Ready(ended()) } else { outcome }
    })
    .await
}

fn ended<T>() -> Result<T> {
    Error::e_explain(ErrorType::ConnectionClosed, "the flow was ended by this gateway")
}

/// The upward half of a stream.
struct Body {
    stream: h2::SendStream<Bytes>,
    switch: Arc<Switch>,
    timeout: Option<Duration>,
    finished: bool,
}

impl Body {
    async fn write(&mut self, chunk: Bytes, end: bool) -> Result<()> {
        let work = write_body(&mut self.stream, chunk, end, self.timeout);
        let outcome = unless_ended(&self.switch, Switch::write_waits, work).await;
        if self.switch.is_ended() && !std::mem::replace(&mut self.finished, true) {
            self.stream.send_reset(h2::Reason::CANCEL);
        }
        outcome
    }
}

impl Drop for Body {
    /// What waits in the connection's queue must not go after an end; h2 would send it before a reset of its own.
    fn drop(&mut self) {
        if self.switch.is_ended() && !self.finished {
            self.stream.send_reset(h2::Reason::CANCEL);
        }
    }
}

#[async_trait]
impl BodyWrite for Body {
    async fn write_all_buf(&mut self, data: &mut Bytes) -> Result<()> {
        let chunk = data.split_to(data.len());
        if chunk.is_empty() && !self.switch.is_ended() {
            return Ok(());
        }
        self.write(chunk, false).await
    }

    async fn finish(&mut self) -> Result<()> {
        if self.finished {
            return Ok(());
        }
        self.write(Bytes::new(), true).await?;
        self.finished = true;
        Ok(())
    }

    async fn cleanup(&mut self) -> Result<()> {
        if !self.finished {
            self.stream.send_reset(h2::Reason::CANCEL);
        }
        Ok(())
    }

    /// HTTP/2 streams are not upgraded; upgrades go as HTTP/1.1.
    fn upgrade_body_writer(&mut self) {}
}

#[async_trait]
impl Session for H2Session {
    async fn write_request_header(&mut self, request: Box<RequestHeader>, end: bool) -> Result<()> {
        self.session.write_request_header(request, end)
    }

    async fn write_request_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.session.write_request_body(data, end).await
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        self.session.finish_request_body()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.session.read_timeout = timeout;
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.session.write_timeout = timeout;
    }

    async fn read_response_header(&mut self) -> Result<()> {
        unless_ended(&self.switch, Switch::read_waits, self.session.read_response_header()).await
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        unless_ended(&self.switch, Switch::read_waits, self.session.read_response_body()).await
    }

    fn response_finished(&self) -> bool {
        self.session.response_finished()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        self.session.shutdown();
    }

    fn response_header(&self) -> Option<&ResponseHeader> {
        self.session.response_header()
    }

    fn was_upgraded(&self) -> bool {
        false
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.session.server_addr()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.session.client_addr()
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        unless_ended(&self.switch, Switch::read_waits, self.session.read_trailers()).await
    }

    fn fd(&self) -> UniqueIDType {
        self.session.fd()
    }

    async fn check_response_end_or_error(&mut self, _headers: bool) -> Result<bool> {
        self.session.check_response_end_or_error()
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        let timeout = self.session.write_timeout;
        let stream = self.session.take_request_body_writer()?;
        let switch = Arc::clone(&self.switch);
        Some(Box::new(Body { stream, switch, timeout, finished: false }))
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    /// An empty one: without a reader Pingora fails every request.
    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn futures::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        Some(Box::new(stream::empty()))
    }

    async fn drain_custom_messages(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        Some(Box::new(()))
    }
}
