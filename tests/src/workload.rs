//! A workload behind a sidecar: h1 and h2c on one port, every request recorded, answers by a function.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::within;

type Body = BoxBody<Bytes, hyper::Error>;

/// A request as the workload saw it.
#[derive(Clone)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// The authority of the target, where there was one.
    pub authority: Option<String>,
    /// The version.
    pub version: Version,
    /// The head.
    pub headers: HeaderMap,
    /// The body, read whole.
    pub body: Bytes,
}

impl Seen {
    /// All values of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// What the workload answers.
pub enum Answer {
    /// This.
    Whole(Response<Bytes>),
    /// This, with trailers.
    Trailers(Response<Bytes>, HeaderMap),
    /// Server-sent events that the test sends one by one: see [`Workload::stream`].
    Events,
}

impl Answer {
    /// 200 with a body and headers.
    ///
    /// # Panics
    /// On a header that is none.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>, headers: &[(&'static str, &'static str)]) -> Self {
        let mut response = Response::new(body.into());
        for (name, value) in headers {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        Self::Whole(response)
    }

    /// This status without a body.
    ///
    /// # Panics
    /// On a status that is none.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Whole(Response::builder().status(status).body(Bytes::new()).unwrap())
    }
}

/// The sending end of one stream of events.
pub struct Stream(mpsc::UnboundedSender<Bytes>);

impl Stream {
    /// Sends a chunk; nobody may be listening any more.
    pub fn send(&self, chunk: impl Into<Bytes>) {
        drop(self.0.send(chunk.into()));
    }

    /// Whether the other side has gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    accepts: AtomicUsize,
    respond: Box<dyn Fn(&Seen) -> Answer + Send + Sync>,
    opened: mpsc::UnboundedSender<Stream>,
}

/// A running workload.
pub struct Workload {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    streams: tokio::sync::Mutex<mpsc::UnboundedReceiver<Stream>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Workload {
    /// Answers `{"ok":true}` to everything.
    pub async fn ok() -> Self {
        Self::with(|_| Answer::ok("{\"ok\":true}", &[("content-type", "application/json")])).await
    }

    /// Answers what `respond` says. Requests for `/chat` are not asked about: their body comes back frame by frame as it arrives, then the
    /// trailer `grpc-status: 0`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn with(respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opened, streams) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            accepts: AtomicUsize::new(0),
            respond: Box::new(respond),
            opened,
        });
        let kept = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                kept.accepts.fetch_add(1, Ordering::SeqCst);
                // Chunks go out as they are written.
                drop(tcp.set_nodelay(true));
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| {
                    let kept = Arc::clone(&kept);
                    async move { Ok::<_, Infallible>(answer(&kept, request).await) }
                });
                tokio::spawn(async move {
                    // Who hangs up is seen by the test, not here.
                    drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tcp), service).await);
                });
            }
        });
        Self { address, shared, streams: tokio::sync::Mutex::new(streams), server }
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Seen {
        self.shared.seen.lock().last().expect("a request").clone()
    }

    /// Connections so far.
    #[must_use]
    pub fn accepts(&self) -> usize {
        self.shared.accepts.load(Ordering::SeqCst)
    }

    /// The next stream of events that was opened.
    ///
    /// # Panics
    /// When none is.
    pub async fn stream(&self) -> Stream {
        let mut streams = self.streams.lock().await;
        within("a stream of events is opened", streams.recv()).await.unwrap()
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (head, incoming) = request.into_parts();
    let target = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string);
    let chat = head.uri.path() == "/chat";
    let mut seen = Seen {
        method: head.method,
        target,
        authority: head.uri.authority().map(ToString::to_string),
        version: head.version,
        headers: head.headers,
        body: Bytes::new(),
    };
    if chat {
        shared.seen.lock().push(seen);
        let end = futures::stream::once(async { Ok(Frame::trailers(grpc_ok())) });
        let frames = BodyStream::new(incoming).try_filter(|frame| std::future::ready(frame.is_data()));
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames.chain(end))));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        return response;
    }
    match incoming.collect().await {
        Ok(body) => seen.body = body.to_bytes(),
        // A request that broke off is not one that was seen.
        Err(_) => return Response::builder().status(400).body(full(Bytes::new())).unwrap(),
    }
    shared.seen.lock().push(seen.clone());
    match (shared.respond)(&seen) {
        Answer::Whole(response) if seen.method == Method::HEAD => {
            // hyper leaves it to its user that the answer to HEAD has no body.
            let (mut head, body) = response.into_parts();
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            Response::from_parts(head, full(Bytes::new()))
        }
        Answer::Whole(response) => response.map(full),
        Answer::Trailers(response, trailers) => response.map(|bytes| {
            let frames = [Ok(Frame::data(bytes)), Ok(Frame::trailers(trailers))];
            BodyExt::boxed(StreamBody::new(futures::stream::iter(frames)))
        }),
        Answer::Events => {
            let (sender, receiver) = mpsc::unbounded_channel();
            drop(shared.opened.send(Stream(sender)));
            let frames = futures::stream::unfold(receiver, |mut receiver| async {
                let chunk: Bytes = receiver.recv().await?;
                Some((Ok(Frame::data(chunk)), receiver))
            });
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            response
        }
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn grpc_ok() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("bellgate-label", HeaderValue::from_static("PUBLIC"));
    trailers
}

/// A WebSocket server that sends back each message; returns where it listens and the heads that it saw.
///
/// # Panics
/// When no port is free.
pub async fn websocket_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(tcp).await else { return };
                // Speaks first, so that both directions are seen on their own.
                if socket.send("welcome".into()).await.is_err() {
                    return;
                }
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
