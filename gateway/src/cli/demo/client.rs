//! The demo's clients: an agent behind its gateway, and a workload that dials another one directly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No step of the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request of the story.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The authority: all that an agent changes.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) body: Option<Bytes>,
    /// The handle of the session that asks.
    pub(super) handle: Option<&'a str>,
}

/// An answer, read whole.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) took: Duration,
}

impl Told {
    /// The body as JSON; null where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Asks through the gateway's egress listener, as an agent does.
pub(super) async fn ask(egress: SocketAddr, ask: Ask<'_>) -> anyhow::Result<Told> {
    let stream = TcpStream::connect(egress).await.context("connecting to a gateway")?;
    timeout(PATIENCE, exchange(stream, ask)).await.context("the gateway did not answer in time")?
}

/// Asks another workload's gateway directly, with the SVID in `tls`.
pub(super) async fn ask_directly(
    ingress: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    ask: Ask<'_>,
) -> anyhow::Result<Told> {
    let stream = TcpStream::connect(ingress).await.context("connecting to a tool's gateway")?;
    let stream = tokio_rustls::TlsConnector::from(tls)
        .connect("spiffe.invalid".try_into().context("server name")?, stream)
        .await
        .context("mTLS with a tool's gateway")?;
    timeout(PATIENCE, exchange(stream, ask)).await.context("the gateway did not answer in time")?
}

/// A plain GET, for `/metrics` and `/readyz`.
pub(super) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Told> {
    let host = address.to_string();
    ask(address, Ask { method: Method::GET, host: &host, path, body: None, handle: None }).await
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, ask: Ask<'_>) -> anyhow::Result<Told> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(ask.method).uri(ask.path).header("host", ask.host);
    if ask.body.is_some() {
        request = request.header("content-type", "application/json");
    }
    if let Some(handle) = ask.handle {
        request = request.header("bellgate-handle", handle);
    }
    let request = request.body(Full::new(ask.body.unwrap_or_default()))?;
    let began = Instant::now();
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let took = began.elapsed();
    driver.abort();
    Ok(Told { status: head.status, headers: head.headers, body, took })
}
