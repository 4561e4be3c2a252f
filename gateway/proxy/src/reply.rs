//! Answers that this gateway gives itself.

use std::time::Duration;

use bellgate_telemetry::Listener;
use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora_core::Result;
use tokio::time::timeout;

use crate::admission::Direction;
use crate::context::Context;
use crate::label_header::{LABEL, REQUEST_ID};
use crate::refusal::{PROBLEM_JSON, Refusal};

/// How long, and for how many bytes, a refused body is read on.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Answers with the problem of `refusal`; returns its status.
///
/// Towards another gateway it states a label, so that a refusal is not taken for an answer of the
/// workload behind us: what was released, or else the bottom, since nothing but policy speaks.
pub(crate) async fn problem(session: &mut Session, ctx: &Context, refusal: &Refusal) -> u16 {
    let policy = &ctx.snapshot.policy;
    let status = refusal.status();
    let body = refusal.problem(policy, &ctx.exchange.request_id);
    let lattice = policy.lattice();
    let label = match &ctx.released {
        Some(released) => lattice.text(&released.label),
        None => lattice.text(&lattice.bottom()),
    };
    let admitted_outbound = ctx.admitted.as_ref().is_some_and(|it| it.facts.direction == Direction::Outbound);
    let outbound = admitted_outbound || ctx.exchange.listener == Listener::Egress;
    let label = (!outbound).then_some(label.as_str());
    let sent = send(session, status, Some(PROBLEM_JSON), &ctx.exchange.request_id, label, body.into()).await;
    if let Err(error) = sent {
        log::debug!("refusal of request {} not sent: {error}", ctx.exchange.request_id);
    }
    status
}

/// Answers with `status` and `body`.
///
/// # Errors
///
/// When the caller is gone.
pub(crate) async fn send(
    session: &mut Session,
    status: u16,
    content_type: Option<&'static str>,
    request_id: &str,
    label: Option<&str>,
    body: Bytes,
) -> Result<()> {
    let mut head = ResponseHeader::build(status, Some(6))?;
    if let Some(content_type) = content_type {
        head.insert_header(header::CONTENT_TYPE, content_type)?;
    }
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(REQUEST_ID, request_id)?;
    if let Some(label) = label {
        head.insert_header(LABEL, label)?;
    }
    write(session, head, body).await
}

/// Answers with `head` and the whole body that it states.
///
/// # Errors
///
/// When the caller is gone.
pub(crate) async fn write(session: &mut Session, head: ResponseHeader, body: Bytes) -> Result<()> {
    let unread = !session.as_mut().is_body_done();
    if unread {
        // What is left of the body would be read as the next request.
        session.set_keepalive(None);
    }
    let bodiless = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), false).await?;
    // Even an empty one: on HTTP/2 only the body ends a stream.
    session.write_response_body(Some(if bodiless { Bytes::new() } else { body }), true).await?;
    // Who waits for a 100 sends nothing more.
    let waits = session.req_header().headers.contains_key(header::EXPECT);
    if unread && !waits && session.req_header().version < http::Version::HTTP_2 {
        linger(session).await;
    }
    Ok(())
}

/// Reads on for a while and throws away what comes: closing with bytes unread resets the connection, and a client that is
/// still sending would lose the answer with it (RFC 9112 section 9.6).
async fn linger(session: &mut Session) {
    let read = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(chunk)) = session.read_request_body().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _in_time = timeout(LINGER, read).await;
}

/// `OPTIONS *` asks the server itself, which is this gateway.
///
/// # Errors
///
/// [`Refusal::Internal`] when the answer cannot be written.
pub(crate) async fn options(session: &mut Session, request_id: &str) -> Result<(), Refusal> {
    let head = || -> Result<ResponseHeader> {
        let mut head = ResponseHeader::build(204, Some(2))?;
        head.insert_header(header::ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")?;
        head.insert_header(REQUEST_ID, request_id)?;
        Ok(head)
    };
    let head = head().map_err(|_| Refusal::Internal)?;
    session.write_response_header(Box::new(head), true).await.map_err(|_| Refusal::Internal)
}
