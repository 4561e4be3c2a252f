//! The phases of one exchange, in Pingora's order.
//!
//! | phase | what happens |
//! | --- | --- |
//! | early request filter | a place among the open exchanges; informational answers are not passed on |
//! | request filter | identify, validate, decide ([`crate::request`]); all refusals of requests |
//! | upstream peer | by expected SPIFFE ID, from the permit alone |
//! | connected | entered among the open flows, with the stream by which it can be ended |
//! | upstream request filter | headers that only a gateway may set |
//! | request body filter | the validated body goes on unchanged; a streaming chunk is decided anew |
//! | response filter | the label of the answer: withheld, or raised and released |
//! | response body filter | the serving label is watched, events are teed |
//! | fail to proxy | our own 502 and 504 are answers too |
//! | logging | the one record |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bellgate_telemetry::{Listener, Point};
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::{Error, ErrorType, Result};

use crate::answer::{Source, release_answer};
use crate::context::{Context, WebSocket};
use crate::core::Core;
use crate::flow::Flow;
use crate::refusal::Refusal;
use crate::request::{self, Next};
use crate::switch::Switch;
use crate::tee::Tee;
use crate::upstream::Route;
use crate::{headers, reply, upstream, vigil, websocket};

/// One listener's view of the data path.
pub(crate) struct Gateway {
    core: Arc<Core>,
    listener: Listener,
}

impl Gateway {
    /// The data path behind `listener`.
    #[must_use]
    pub(crate) fn new(core: Arc<Core>, listener: Listener) -> Self {
        Self { core, listener }
    }

    async fn refuse(&self, session: &mut Session, ctx: &mut Context, refusal: &Refusal) -> u16 {
        ctx.exchange.refuse(&self.core, refusal);
        reply::problem(session, ctx, refusal).await
    }
}

impl Gateway {
    /// An exchange that was ended is told of once, with its decision where the watchman made that.
    fn tell_of_end(&self, ctx: &mut Context) {
        let Some(flow) = ctx.flow.as_ref().filter(|flow| flow.is_ended()) else { return };
        if let Some(denial) = flow.take_why() {
            let policy = self.core.snapshot.load();
            ctx.exchange.report(&self.core, &policy.policy, Point::Stream, denial.decision(), denial.reasons());
        }
        if ctx.exchange.refused.is_none() {
            ctx.exchange.refuse(&self.core, &Refusal::FlowEnded);
        }
        let (protocol, how) = match &ctx.websocket {
            Some(socket) if socket.said_goodbye => ("websocket", "closed"),
            Some(_) => ("websocket", "cut"),
            None if ctx.route.as_ref().is_some_and(Route::is_h2) => ("h2", "reset"),
            None => ("h1", "cut"),
        };
        self.core.metrics.flows_ended.with_label_values(&[protocol, how]).inc();
    }
}

/// Informational, and no change of protocol: more is to come.
fn is_interim(answer: &ResponseHeader) -> bool {
    answer.status.is_informational() && answer.status != http::StatusCode::SWITCHING_PROTOCOLS
}

/// The head that was sent, our own 100 aside, which Pingora keeps in the same place.
fn final_head(session: &Session) -> Option<&ResponseHeader> {
    session.response_written().filter(|answer| !is_interim(answer))
}

/// Pingora's defaults let a reader stall and an idle connection live for ever.
fn bound_connection(session: &mut Session, patience: Duration) {
    session.set_write_timeout(Some(patience));
    session.set_total_drain_timeout(Some(DRAIN));
    // 0 stands for no limit. None, no keep-alive at all, is left as it is.
    if session.get_keepalive() == Some(0) {
        session.set_keepalive(Some(IDLE_SECONDS));
    }
}

/// What is left of a refused body is read this long.
const DRAIN: Duration = Duration::from_secs(5);
/// A connection without a request is closed after this.
const IDLE_SECONDS: u64 = 60;

/// The type of errors that stand for a [`Refusal`] kept in the context.
const REFUSED: ErrorType = ErrorType::Custom("refused");

fn refused(ctx: &mut Context, refusal: Refusal) -> Box<Error> {
    ctx.refusal = Some(refusal);
    Error::explain(REFUSED, "refused by bellgate")
}

/// Ends a flow upwards: `body` does not go on, nor does anything after it.
///
/// An HTTP/1.1 exchange ends with this error. Of an HTTP/2 one Pingora would stop reading the body and wait for an answer, while
/// the upstream waits for the body; and an upgraded connection has a goodbye to say. Those two end where their stream's reader
/// is told that the flow has ended.
fn refuse_upwards(ctx: &mut Context, body: &mut Option<Bytes>, refusal: Refusal) -> Result<()> {
    let reader_is_told = ctx.websocket.is_some() || ctx.route.as_ref().is_some_and(Route::is_h2);
    if let Some(flow) = &ctx.flow {
        flow.end(None);
        if reader_is_told {
            *body = Some(Bytes::from_static(NOTHING));
            ctx.refusal = Some(refusal);
            return Ok(());
        }
    }
    Err(refused(ctx, refusal))
}

/// Stands in the place of a chunk that was refused: the stream, which has ended, fails when it is to write anything at all.
const NOTHING: &[u8] = b"\0";

/// Ends a flow downwards: `body` does not go on. The client of a WebSocket is sent a close frame in its place if a frame has
/// just ended; everybody else is cut off.
fn refuse_downwards(ctx: &mut Context, body: &mut Option<Bytes>, refusal: Refusal) -> Result<()> {
    if let Some(flow) = &ctx.flow {
        flow.end(None);
    }
    let Some(socket) = ctx.websocket.as_mut().filter(|socket| socket.said_goodbye || socket.frames.may_close()) else {
        return Err(refused(ctx, refusal));
    };
    // Once it is said, the stream's reader ends the exchange; until then nothing more passes.
    let before = std::mem::replace(&mut socket.said_goodbye, true);
    *body = Some(if before { Bytes::new() } else { websocket::close_for_client() });
    ctx.refusal.get_or_insert(refusal);
    Ok(())
}

/// Enters the exchange among the open ones. What has moved between the decision and here is decided anew: from here on the
/// watchman would see it.
fn open_flow(core: &Core, ctx: &mut Context, digest: Option<&Digest>) -> Result<(), Refusal> {
    let (Some(admitted), Some(route)) = (&ctx.admitted, &ctx.route) else { return Err(Refusal::Internal) };
    let switch = digest.and_then(Switch::of).ok_or(Refusal::Internal)?;
    let whole = ctx.body.as_ref().is_some_and(|body| !body.is_empty());
    let hold = switch.take(whole && !route.is_h2());
    let writes = ctx.body.is_none() && (admitted.facts.has_body || admitted.facts.upgrade);
    let flow = Flow::new(Arc::clone(admitted), Arc::clone(&ctx.snapshot), hold, writes);
    ctx.flow = Some(core.flows.enter(flow));
    if vigil::has_moved(core, ctx) { vigil::decide_anew(core, ctx) } else { Ok(()) }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(&self.core, self.listener)
    }

    /// No compression, no anything between the tee and the wire.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        session.set_ignore_info_resp(true);
        bound_connection(session, self.core.limits.answer_timeout);
        ctx.exchange.method = session.req_header().method.to_string();
        if session.req_header().version < http::Version::HTTP_11 {
            return Err(refused(ctx, Refusal::HttpVersion));
        }
        if ctx.open(&self.core) {
            Ok(())
        } else {
            Err(refused(ctx, Refusal::Busy("too many exchanges are open; try again later")))
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        match request::take(&self.core, session, ctx).await {
            Ok(Next::Forward) => Ok(false),
            Ok(Next::Answered) => Ok(true),
            Err(refusal) => {
                self.refuse(session, ctx, &refusal).await;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        match upstream::peer(&self.core, session, ctx).await {
            Ok(peer) => Ok(peer),
            Err(refusal) => Err(refused(ctx, refusal)),
        }
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        ctx.contacted = true;
        open_flow(&self.core, ctx, digest).map_err(|refusal| refused(ctx, refusal))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        headers::prepare_request(request, ctx)?;
        headers::state_length(request, ctx)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        if body.is_none() && !end {
            // Trailers on a request: Pingora would ask for the end of the body again and again.
            return refuse_upwards(ctx, body, Refusal::BodyUnreadable);
        }
        if let Some(whole) = &ctx.body {
            // What is replayed is the tail that Pingora kept; what was validated is the whole.
            *body = Some(if end { whole.clone() } else { Bytes::new() });
        } else if let Some(chunk) = body
            && !chunk.is_empty()
            && let Err(refusal) = vigil::upward_chunk(&self.core, ctx)
        {
            return refuse_upwards(ctx, body, refusal);
        }
        // Before its upgrade such a request has a body that ends, and after it none that does.
        let upgrade = ctx.admitted.as_ref().is_some_and(|admitted| admitted.facts.upgrade);
        if let Some(flow) = ctx.flow.as_ref().filter(|_| end && !upgrade) {
            flow.has_written();
        }
        ctx.exchange.request_bytes += body.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if is_interim(answer) {
            // Never released: `early_request_filter` told Pingora to drop these, and `Expect` was answered and
            // taken away before. Should one pass all the same, it says nothing.
            headers::empty(answer);
            return Ok(());
        }
        let snapshot = match vigil::answer_head(&self.core, ctx) {
            Ok(snapshot) => snapshot,
            Err(refusal) => return Err(refused(ctx, refusal)),
        };
        let Some(admitted) = ctx.admitted.as_ref() else { return Err(refused(ctx, Refusal::Internal)) };
        let policy = &snapshot.policy;
        let released = release_answer(&self.core, policy, admitted, &Source::Head(&answer.headers), &mut ctx.exchange);
        match released {
            Ok(released) => {
                let text = policy.lattice().text(&released.label);
                headers::prepare_answer(answer, &ctx.exchange.request_id, &text)?;
                ctx.tee = Tee::of(&answer.headers, &ctx.exchange.request_id, text);
                ctx.exchange.stream = ctx.tee.is_some() || session.is_upgrade_req();
                if let Some(flow) = &ctx.flow {
                    flow.releases(&released.label);
                    if answer.status == http::StatusCode::SWITCHING_PROTOCOLS {
                        flow.becomes_websocket();
                        ctx.websocket = Some(WebSocket::default());
                    }
                }
                if admitted.own.watermark.version() != released.version {
                    // It moved before the watchman could know of this head.
                    self.core.flows.look();
                }
                ctx.released = Some(released);
                Ok(())
            }
            Err(refusal) => Err(refused(ctx, refusal)),
        }
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        if body.as_ref().is_none_or(Bytes::is_empty) {
            return Ok(None);
        }
        if let Err(refusal) = vigil::answer_chunk(&self.core, ctx) {
            refuse_downwards(ctx, body, refusal)?;
            return Ok(None);
        }
        let Some(chunk) = body.as_ref() else { return Ok(None) };
        if let Some(socket) = &mut ctx.websocket {
            socket.frames.pass(chunk);
        }
        ctx.exchange.response_bytes += chunk.len() as u64;
        if let Some(tee) = &mut ctx.tee {
            tee.saw(&self.core, chunk, self.core.now());
        }
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut http::HeaderMap,
        ctx: &mut Context,
    ) -> Result<Option<Bytes>> {
        headers::strip_labels(trailers);
        if let Err(refusal) = vigil::answer_chunk(&self.core, ctx) {
            // Pingora passes trailers on whatever this filter says, so there must be none.
            ctx.exchange.refuse(&self.core, &refusal);
            trailers.clear();
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let refusal = match ctx.refusal.take() {
            Some(refusal) => refusal,
            None if ctx.is_ended() => Refusal::FlowEnded,
            None => upstream::fault(error, &ctx.exchange.request_id),
        };
        if final_head(session).is_some() {
            // The head is gone: all that can be done is to end it, as the protocol ends things.
            ctx.exchange.refuse(&self.core, &refusal);
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let refusal = match upstream::account_for_failure(&self.core, ctx, &refusal) {
            Ok(()) => refusal,
            Err(withheld) => withheld,
        };
        let error_code = self.refuse(session, ctx, &refusal).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Context) {
        let status = final_head(session).map_or(0, |answer| answer.status.as_u16());
        let policy = Arc::clone(&ctx.snapshot.policy);
        self.tell_of_end(ctx);
        ctx.close();
        ctx.exchange.finish(&self.core, &policy, status);
    }

    /// Refusals are told by the record of the exchange, not by a second line.
    fn suppress_error_log(&self, _session: &Session, ctx: &Context, _error: &Error) -> bool {
        ctx.exchange.refused.is_some()
    }
}
