//! Pingora's HTTP/2 client session, in the shape that a custom connector must give.

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

/// One stream of an upstream connection.
pub(crate) struct H2Session(Http2Session);

impl H2Session {
    pub(crate) fn new(session: Http2Session) -> Self {
        Self(session)
    }

    pub(crate) fn into_inner(self) -> Http2Session {
        self.0
    }
}

/// What stands for "reset the stream" among chunks, by its address.
static ABORT: [u8; 1] = [0];

/// Put in the place of a chunk that is refused, it resets the upstream's stream.
///
/// Where a request's body is refused half-way Pingora ends an HTTP/1.1 exchange; of an HTTP/2 one it
/// stops reading the body and waits for an answer, and the upstream waits for the body. A reset ends
/// both, and tells the upstream that what it has is not whole.
pub(crate) fn abort() -> Bytes {
    Bytes::from_static(&ABORT)
}

fn is_abort(chunk: &Bytes) -> bool {
    std::ptr::eq(chunk.as_ptr(), ABORT.as_ptr())
}

/// The upward half of a stream.
struct Body {
    stream: h2::SendStream<Bytes>,
    timeout: Option<Duration>,
    finished: bool,
}

#[async_trait]
impl BodyWrite for Body {
    async fn write_all_buf(&mut self, data: &mut Bytes) -> Result<()> {
        let chunk = data.split_to(data.len());
        if chunk.is_empty() {
            return Ok(());
        }
        if is_abort(&chunk) {
            self.finished = true;
            self.stream.send_reset(h2::Reason::CANCEL);
            return Error::e_explain(ErrorType::WriteError, "the request's body was refused half-way");
        }
        write_body(&mut self.stream, chunk, false, self.timeout).await
    }

    async fn finish(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        write_body(&mut self.stream, Bytes::new(), true, self.timeout).await
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
        self.0.write_request_header(request, end)
    }

    async fn write_request_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.0.write_request_body(data, end).await
    }

    async fn finish_request_body(&mut self) -> Result<()> {
        self.0.finish_request_body()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.0.read_timeout = timeout;
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.0.write_timeout = timeout;
    }

    async fn read_response_header(&mut self) -> Result<()> {
        self.0.read_response_header().await
    }

    async fn read_response_body(&mut self) -> Result<Option<Bytes>> {
        self.0.read_response_body().await
    }

    fn response_finished(&self) -> bool {
        self.0.response_finished()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        self.0.shutdown();
    }

    fn response_header(&self) -> Option<&ResponseHeader> {
        self.0.response_header()
    }

    fn was_upgraded(&self) -> bool {
        false
    }

    fn digest(&self) -> Option<&Digest> {
        self.0.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.0.digest_mut()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.0.server_addr()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.0.client_addr()
    }

    async fn read_trailers(&mut self) -> Result<Option<HeaderMap>> {
        self.0.read_trailers().await
    }

    fn fd(&self) -> UniqueIDType {
        self.0.fd()
    }

    async fn check_response_end_or_error(&mut self, _headers: bool) -> Result<bool> {
        self.0.check_response_end_or_error()
    }

    fn take_request_body_writer(&mut self) -> Option<Box<dyn BodyWrite>> {
        let timeout = self.0.write_timeout;
        let stream = self.0.take_request_body_writer()?;
        Some(Box::new(Body { stream, timeout, finished: false }))
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
