//! A workload on whose port flows of every kind can be opened, each under a name of its own, and which tells how each went.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bellgate_tests::until;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How a flow ended, as the workload saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As its protocol ends what is whole.
    Whole,
    /// Cut, or reset: what came is not whole, and it could be told.
    Broken,
    /// A close frame with this status.
    Closed(u16),
}

#[derive(Default, Clone)]
struct Seen {
    bytes: Vec<u8>,
    end: Option<End>,
    down: Option<mpsc::UnboundedSender<Bytes>>,
}

type Shared = Arc<Mutex<HashMap<String, Seen>>>;

/// The workload.
#[derive(Clone)]
pub(crate) struct FarSide {
    pub(crate) address: SocketAddr,
    seen: Shared,
}

impl FarSide {
    /// Listens on a port, and speaks HTTP/1.1 and h2c.
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = Self { address: listener.local_addr().unwrap(), seen: Shared::default() };
        let seen = Arc::clone(&far.seen);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                drop(tcp.set_nodelay(true));
                serve(tcp, &seen);
            }
        });
        far
    }

    /// The same on a Unix socket as well.
    pub(crate) fn also_on(&self, path: &std::path::Path) {
        let listener = UnixListener::bind(path).unwrap();
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            while let Ok((unix, _)) = listener.accept().await {
                serve(unix, &seen);
            }
        });
    }

    /// What has come up so far.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.seen.lock().get(name).map(|seen| seen.bytes.clone()).unwrap_or_default()
    }

    /// Waits until `bytes` are the last that have come up.
    pub(crate) async fn has(&self, name: &str, bytes: &str) {
        until(&format!("`{bytes}` arrives at {name}"), || async {
            self.bytes(name).ends_with(bytes.as_bytes()).then_some(())
        })
        .await;
    }

    /// Whether and how it has ended.
    pub(crate) fn end(&self, name: &str) -> Option<End> {
        self.seen.lock().get(name).and_then(|seen| seen.end)
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self, name: &str) -> End {
        until(&format!("the workload sees the end of {name}"), || async { self.end(name) }).await
    }

    /// Sends down; nobody may be there any more.
    pub(crate) fn send(&self, name: &str, bytes: &str) {
        if let Some(down) = self.seen.lock().get(name).and_then(|seen| seen.down.clone()) {
            drop(down.send(Bytes::copy_from_slice(bytes.as_bytes())));
        }
    }

    /// Waits until a flow is there that can be sent down on.
    pub(crate) async fn opened(&self, name: &str) {
        until(&format!("{name} is open"), || async { self.seen.lock().contains_key(name).then_some(()) }).await;
    }
}

fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static>(stream: S, seen: &Shared) {
    let seen = Arc::clone(seen);
    let service = service_fn(move |request| {
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(&seen, request).await) }
    });
    tokio::spawn(async move {
        let server = auto::Builder::new(TokioExecutor::new());
        // Who hangs up is told by the flow.
        drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
    });
}

/// `/<kind>/<name>`.
async fn answer(seen: &Shared, mut request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (kind, name) = path.trim_start_matches('/').split_once('/').unwrap_or(("", ""));
    let (seen, name) = (Arc::clone(seen), name.to_owned());
    match kind {
        "socket" => {
            let key = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let io = TokioIo::new(upgrade.await.unwrap());
                socket(WebSocketStream::from_raw_socket(io, Role::Server, None).await, &seen, &name).await;
            });
            let answer = Response::builder().status(101).header("upgrade", "websocket").header("connection", "upgrade");
            answer.header("sec-websocket-accept", key).body(Full::new(Bytes::new()).boxed_unsync()).unwrap()
        }
        "sink" => {
            // In a task of its own: hyper drops what it waits for when the other side goes.
            let read = tokio::spawn(async move { take(&seen, &name, request.into_body(), None).await });
            drop(read.await);
            Response::new(Full::new("thanks".into()).boxed_unsync())
        }
        "chat" => {
            let (down, body) = downward(&seen, &name, true);
            tokio::spawn(async move {
                take(&seen, &name, request.into_body(), Some(down)).await;
                seen.lock().get_mut(&name).unwrap().down = None;
            });
            Response::builder().header(header::CONTENT_TYPE, "application/grpc").body(body).unwrap()
        }
        "events" => {
            let (_, body) = downward(&seen, &name, false);
            Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body).unwrap()
        }
        "file" => {
            let (_, body) = downward(&seen, &name, false);
            Response::builder().header(header::CONTENT_LENGTH, "200000").body(body).unwrap()
        }
        _ => Response::new(Full::new("{}".into()).boxed_unsync()),
    }
}

/// Reads a body to its end, and sends each chunk to `echo`.
async fn take(seen: &Shared, name: &str, mut body: Incoming, echo: Option<mpsc::UnboundedSender<Bytes>>) {
    seen.lock().entry(name.to_owned()).or_default();
    let end = loop {
        match body.frame().await {
            None => break End::Whole,
            Some(Err(_)) => break End::Broken,
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else { continue };
                seen.lock().get_mut(name).unwrap().bytes.extend_from_slice(&chunk);
                if let Some(echo) = &echo {
                    drop(echo.send(chunk));
                }
            }
        }
    };
    seen.lock().get_mut(name).unwrap().end = Some(end);
}

/// A body that others send on; dropped by its reader, it is broken. With `trailers`, as gRPC ends.
fn downward(seen: &Shared, name: &str, trailers: bool) -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (down, receiver) = mpsc::unbounded_channel::<Bytes>();
    let mut shared = seen.lock();
    let entry = shared.entry(name.to_owned()).or_default();
    entry.down = Some(down.clone());
    let guard = Gone(Arc::clone(seen), name.to_owned());
    let frames = futures::stream::unfold((receiver, guard), |(mut receiver, guard)| async {
        let chunk = receiver.recv().await?;
        Some((Ok(Frame::data(chunk)), (receiver, guard)))
    });
    let last = futures::stream::iter(trailers.then(|| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Ok(Frame::trailers(trailers))
    }));
    (down, StreamBody::new(Box::pin(frames.chain(last))).boxed_unsync())
}

/// Notes that nobody reads any more.
struct Gone(Shared, String);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(seen) = self.0.lock().get_mut(&self.1) {
            seen.end.get_or_insert(End::Broken);
        }
    }
}

/// Sends back each message, and what others want to be sent.
async fn socket<S>(mut socket: WebSocketStream<S>, seen: &Shared, name: &str)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (down, mut receiver) = mpsc::unbounded_channel::<Bytes>();
    seen.lock().entry(name.to_owned()).or_default().down = Some(down);
    let end = loop {
        tokio::select! {
            Some(bytes) = receiver.recv() => {
                drop(socket.send(Message::text(String::from_utf8(bytes.to_vec()).unwrap())).await);
            }
            message = socket.next() => match message {
                Some(Ok(Message::Close(Some(frame)))) => break End::Closed(frame.code.into()),
                Some(Ok(Message::Text(text))) => {
                    seen.lock().get_mut(name).unwrap().bytes.extend_from_slice(text.as_bytes());
                    drop(socket.send(Message::Text(text)).await);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break End::Broken,
            },
        }
    };
    seen.lock().get_mut(name).unwrap().end = Some(end);
}
