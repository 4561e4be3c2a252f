//! Connections to other gateways and to the web.
//!
//! Pingora's own TLS connector cannot verify a SPIFFE ID (it verifies host names, and an empty one
//! switches verification off), so upstream connections are made here, through its custom connector:
//! the expected identity is the peer's SNI, which is part of the pool's key, and rustls refuses the
//! handshake before any application byte could be sent.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bellgate_policy::SpiffeId;
use bellgate_spire::{PeerIdentity, PeerUsage, WebTlsError, client_config, web_client_config};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::custom::{Connection, Connector};
use pingora_core::connectors::http::v2;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::protocols::tls::client::handshake;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Ssl, Stream};
use pingora_core::upstreams::peer::Peer;
use pingora_core::{Error, ErrorType, OrErr, Result};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::core::Core;
use crate::h2_session::H2Session;

/// The name that sends a peer through this connector. It never goes over the wire.
pub(crate) const VIA_CONNECTOR: &[u8] = b"bellgate";

const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";
/// rustls wants some name; ours verifies the SPIFFE ID and sends no SNI.
const NO_NAME: &str = "spiffe.invalid";
/// Idle HTTP/2 connections kept.
const IDLE_CONNECTIONS: usize = 128;

/// WebPKI settings by host: public roots, and those that the config adds.
#[derive(Default)]
pub struct WebRoots(HashMap<String, Vec<u8>>);

impl WebRoots {
    /// Trusts the PEM certificates `roots` for `host`, beside the public ones.
    pub fn add(&mut self, host: &str, roots: Vec<u8>) {
        self.0.insert(host.to_owned(), roots);
    }

    /// The settings for `host`.
    ///
    /// # Errors
    ///
    /// When the added roots cannot be read.
    pub(crate) fn settings(&self, host: &str, alpn: &[u8]) -> Result<Arc<ClientConfig>, WebTlsError> {
        web_client_config(self.0.get(host).map(Vec::as_slice), &[alpn])
    }
}

/// Makes upstream connections, and keeps the HTTP/2 ones.
pub(crate) struct UpstreamConnector {
    core: Arc<Core>,
    web: Arc<WebRoots>,
    h2: v2::Connector,
}

impl UpstreamConnector {
    /// A connector with our identity.
    #[must_use]
    pub(crate) fn new(core: Arc<Core>, web: Arc<WebRoots>) -> Self {
        Self { core, web, h2: v2::Connector::new(Some(ConnectorOptions::new(IDLE_CONNECTIONS))) }
    }

    async fn dial<P: Peer + Send + Sync + 'static>(&self, peer: &P, alpn: &[u8]) -> Result<Stream> {
        let patience = peer.connection_timeout().unwrap_or(Duration::from_secs(3));
        timeout(patience, self.dial_at_leisure(peer, alpn)).await.map_err(|_| {
            Error::explain(ErrorType::ConnectTimedout, "connecting and verifying the upstream took too long")
        })?
    }

    async fn dial_at_leisure<P: Peer + Send + Sync + 'static>(&self, peer: &P, alpn: &[u8]) -> Result<Stream> {
        let address =
            peer.address().as_inet().copied().ok_or_else(|| {
                Error::explain(ErrorType::ConnectError, "an upstream of the mesh is reached over TCP")
            })?;
        let expected = peer.sni();
        let mesh = expected.starts_with("spiffe://");
        let (settings, name) = if mesh {
            let id = SpiffeId::parse(expected)
                .map_err(|error| Error::explain(ErrorType::InternalError, format!("expected peer: {error}")))?;
            (client_config(&self.core.identity, &id, &[alpn]), NO_NAME)
        } else {
            let settings = self
                .web
                .settings(expected, alpn)
                .map_err(|error| Error::explain(ErrorType::InternalError, error.to_string()))?;
            (settings, expected)
        };
        let tcp = TcpStream::connect(address).await.or_err(ErrorType::ConnectError, "tcp")?;
        // Small requests wait for nobody; a socket that refuses the option still works.
        drop(tcp.set_nodelay(true));
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        drop(digest.peer_addr.set(Some(SocketAddr::Inet(address))));
        let mut stream: L4Stream = tcp.into();
        stream.set_socket_digest(digest);
        let stream = handshake(&tokio_rustls::TlsConnector::from(settings), name, stream).await?;
        if mesh {
            let chain = stream
                .get_ssl()
                .and_then(|tls| tls.peer_cert_chain_der())
                .ok_or_else(|| Error::explain(ErrorType::InvalidCert, "the upstream showed no certificate"))?;
            let verified = PeerIdentity::verify(&self.core.identity, chain, PeerUsage::Server, self.core.now())
                .map_err(|error| Error::explain(ErrorType::InvalidCert, error.to_string()))?;
            self.core.retirement.connected(expected, verified.not_after);
        }
        Ok(Box::new(stream))
    }
}

fn speaks_h2<P: Peer>(peer: &P) -> bool {
    peer.get_peer_options().is_some_and(|options| options.max_h2_streams > 1)
}

#[async_trait]
impl Connector for UpstreamConnector {
    type Session = H2Session;

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<H2Session>, bool)> {
        if !speaks_h2(peer) {
            return Ok((Connection::Stream(self.dial(peer, H1).await?), false));
        }
        let stream = self.dial(peer, H2).await?;
        let mut settings = v2::H2HandshakeSettings::new();
        settings.max_streams = peer.get_peer_options().map_or(1, |options| options.max_h2_streams);
        let connection = v2::handshake(stream, settings).await?;
        let session = connection
            .spawn_stream()
            .await?
            .ok_or_else(|| Error::explain(ErrorType::H2Error, "the upstream allows no stream on a new connection"))?;
        if connection.more_streams_allowed() {
            self.h2.in_use_pool().insert(peer.reuse_hash(), connection);
        }
        Ok((Connection::Session(H2Session::new(session)), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, peer: &P) -> Option<H2Session> {
        if !speaks_h2(peer) {
            return None;
        }
        self.h2.reused_http_session(peer).await.ok().flatten().map(H2Session::new)
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        session: H2Session,
        peer: &P,
        idle_timeout: Option<Duration>,
    ) {
        self.h2.release_http_session(session.into_inner(), peer, idle_timeout);
    }
}
