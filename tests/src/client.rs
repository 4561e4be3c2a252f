//! Clients that speak HTTP/1.1 or HTTP/2, in the clear, over a Unix socket or over mTLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::within;

/// The body of a request.
pub type ReqBody = BoxBody<Bytes, Infallible>;

/// No body.
#[must_use]
pub fn empty() -> ReqBody {
    Empty::new().boxed()
}

/// A body of a known length.
#[must_use]
pub fn body(bytes: impl Into<Bytes>) -> ReqBody {
    Full::new(bytes.into()).boxed()
}

/// `GET path` of `host`.
///
/// # Panics
/// On a path that is no URI.
#[must_use]
pub fn get(host: &str, path: &str) -> Request<ReqBody> {
    Request::builder().uri(path).header("host", host).body(empty()).unwrap()
}

/// `POST path` of `host` with bytes of no stated type.
///
/// # Panics
/// On a path that is no URI.
#[must_use]
pub fn post(host: &str, path: &str, bytes: impl Into<Bytes>) -> Request<ReqBody> {
    Request::builder().method(Method::POST).uri(path).header("host", host).body(body(bytes)).unwrap()
}

/// `POST path` of `host` with JSON.
///
/// # Panics
/// On a path that is no URI.
#[must_use]
pub fn post_json(host: &str, path: &str, value: &Value) -> Request<ReqBody> {
    let mut request = post(host, path, value.to_string());
    request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    request
}

/// An answer, read whole.
pub struct Told {
    /// The status.
    pub status: StatusCode,
    /// The version of the answer.
    pub version: Version,
    /// The head.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// The trailers, where there were any.
    pub trailers: Option<HeaderMap>,
    /// Whether the body ended as the protocol says that it ends.
    pub complete: bool,
}

impl Told {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of the problem that the gateway answered with; empty where it is none.
    #[must_use]
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text; empty where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and problem code, which is what most tests are about.
    #[must_use]
    pub fn verdict(&self) -> (u16, String) {
        (self.status.as_u16(), self.reason())
    }
}

enum Sender {
    H1(http1::SendRequest<ReqBody>),
    H2(http2::SendRequest<ReqBody>),
}

/// One connection, kept alive for as long as the other side does.
pub struct Client {
    sender: Sender,
    driver: tokio::task::JoinHandle<()>,
    server_leaf: Option<CertificateDer<'static>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// HTTP/1.1 in the clear.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn h1(address: SocketAddr) -> Self {
        Self::over_h1(TcpStream::connect(address).await.unwrap(), None).await
    }

    /// HTTP/2 with prior knowledge, in the clear.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn h2c(address: SocketAddr) -> Self {
        Self::over_h2(TcpStream::connect(address).await.unwrap(), None).await
    }

    /// HTTP/1.1 over a Unix socket.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn unix(path: &Path) -> Self {
        Self::over_h1(UnixStream::connect(path).await.unwrap(), None).await
    }

    /// HTTP/1.1 over TLS.
    ///
    /// # Errors
    /// When the handshake is refused as far as the client can see.
    pub async fn h1_tls(address: SocketAddr, tls: Arc<ClientConfig>) -> std::io::Result<Self> {
        let (stream, leaf) = handshake(address, tls).await?;
        Ok(Self::over_h1(stream, leaf).await)
    }

    /// HTTP/2 over TLS.
    ///
    /// # Errors
    /// When the handshake is refused as far as the client can see.
    ///
    /// # Panics
    /// When the server does not choose `h2`.
    pub async fn h2_tls(address: SocketAddr, tls: Arc<ClientConfig>) -> std::io::Result<Self> {
        let (stream, leaf) = handshake(address, tls).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the server must choose h2");
        Ok(Self::over_h2(stream, leaf).await)
    }

    async fn over_h1(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        server_leaf: Option<CertificateDer<'static>>,
    ) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self { sender: Sender::H1(sender), driver, server_leaf }
    }

    async fn over_h2(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        server_leaf: Option<CertificateDer<'static>>,
    ) -> Self {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self { sender: Sender::H2(sender), driver, server_leaf }
    }

    /// The certificate that the server showed.
    #[must_use]
    pub fn server_leaf(&self) -> Option<&CertificateDer<'static>> {
        self.server_leaf.as_ref()
    }

    /// Sends and returns the head of the answer with its body still to be read.
    ///
    /// On HTTP/2 a relative target becomes absolute, with `host` as its authority.
    ///
    /// # Errors
    /// When the connection is closed or reset instead of an answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&mut self, request: Request<ReqBody>) -> hyper::Result<Response<Incoming>> {
        within("an answer's head", self.open(request)).await
    }

    /// The same for as long as it takes: an upload is answered when it ends.
    ///
    /// # Errors
    /// When the connection is closed or reset instead of an answer.
    pub async fn open(&mut self, request: Request<ReqBody>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::H2(sender) => {
                sender.ready().await?;
                sender.send_request(absolute(request)).await
            }
        }
    }

    /// Sends and reads the answer whole.
    ///
    /// # Errors
    /// When the connection is closed or reset instead of an answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn try_ask(&mut self, request: Request<ReqBody>) -> hyper::Result<Told> {
        let (head, mut incoming) = self.send(request).await?.into_parts();
        let (mut bytes, mut trailers, mut complete) = (Vec::new(), None, true);
        while let Some(frame) = within("the rest of an answer", incoming.frame()).await {
            match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => bytes.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        let body = Bytes::from(bytes);
        Ok(Told { status: head.status, version: head.version, headers: head.headers, body, trailers, complete })
    }

    /// As [`Self::try_ask`], for answers that must come.
    ///
    /// # Panics
    /// When none comes.
    pub async fn ask(&mut self, request: Request<ReqBody>) -> Told {
        let asked = format!("{} {}", request.method(), request.uri());
        self.try_ask(request).await.unwrap_or_else(|error| panic!("{asked}: no answer: {error}"))
    }
}

async fn handshake(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> std::io::Result<(TlsStream<TcpStream>, Option<CertificateDer<'static>>)> {
    let tcp = TcpStream::connect(address).await?;
    let connecting = TlsConnector::from(tls).connect("spiffe.invalid".try_into().unwrap(), tcp);
    let stream = within("a TLS handshake", connecting).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    Ok((stream, leaf))
}

fn absolute(mut request: Request<ReqBody>) -> Request<ReqBody> {
    if request.uri().authority().is_none() {
        let host = request.headers_mut().remove(header::HOST).unwrap();
        let target = request.uri().path_and_query().unwrap().clone();
        let uri = Uri::builder().scheme("http").authority(host.to_str().unwrap()).path_and_query(target).build();
        *request.uri_mut() = uri.unwrap();
    }
    request
}
