//! Connections to other gateways, to the web and to the local workload.
//!
//! Pingora's own TLS connector cannot verify a SPIFFE ID (it verifies host names, and an empty one
//! switches verification off), so upstream connections are made here, through its custom connector:
//! the expected identity is the peer's SNI, which is part of the pool's key, and rustls refuses the
//! handshake before any application byte could be sent. The local workload is reached through here as well, so that every
//! stream of every exchange is one that can be ended (`line`, `h2_session`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bellgate_policy::SpiffeId;
use bellgate_spire::{PeerIdentity, PeerUsage, WebTlsError, client_config, web_client_config};
use parking_lot::Mutex;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::custom::{Connection, Connector};
use pingora_core::connectors::http::v2;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::Peer;
use pingora_core::{Error, ErrorType, OrErr, Result};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::core::Core;
use crate::h2_session::H2Session;
use crate::line::Line;
use crate::socket::{Socket, Transport};

/// The name that sends a peer through this connector. It never goes over the wire.
pub(crate) const VIA_CONNECTOR: &[u8] = b"bellgate";

const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";
/// rustls wants some name; ours verifies the SPIFFE ID and sends no SNI.
const NO_NAME: &str = "spiffe.invalid";
/// Idle HTTP/2 connections kept.
const IDLE_CONNECTIONS: usize = 128;
/// Settings kept, one for each host and protocol. A policy has fewer hosts; what reloads leave behind is dropped at this.
const SETTINGS: usize = 1024;

/// By host and protocol.
type Settings = HashMap<(String, Vec<u8>), Arc<ClientConfig>>;

/// WebPKI settings by host: public roots, and those that the config adds.
#[derive(Default)]
pub struct WebRoots {
    roots: HashMap<String, Vec<u8>>,
    settings: Mutex<Settings>,
}

impl WebRoots {
    /// Trusts the PEM certificates `roots` for `host`, beside the public ones.
    pub fn add(&mut self, host: &str, roots: Vec<u8>) {
        self.roots.insert(host.to_owned(), roots);
    }

    /// The settings for `host`, made once. No session is resumed: each handshake verifies the certificate.
    ///
    /// # Errors
    ///
    /// When the added roots cannot be read.
    pub(crate) fn settings(&self, host: &str, alpn: &[u8]) -> Result<Arc<ClientConfig>, WebTlsError> {
        let key = (host.to_owned(), alpn.to_vec());
        if let Some(known) = self.settings.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let roots = self.roots.get(host).map(Vec::as_slice);
        let mut settings = ClientConfig::clone(web_client_config(roots, &[alpn])?.as_ref());
        settings.resumption = Resumption::disabled();
        let settings = Arc::new(settings);
        let mut known = self.settings.lock();
        if known.len() >= SETTINGS {
            known.clear();
        }
        known.insert(key, Arc::clone(&settings));
        Ok(settings)
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

    async fn dial<P: Peer + Send + Sync + 'static>(&self, peer: &P, alpn: &[u8]) -> Result<Line> {
        let patience = peer.connection_timeout().unwrap_or(Duration::from_secs(3));
        let dialled = timeout(patience, async {
            let socket = connect(peer.address()).await?;
            if peer.tls() { self.verify(peer.sni(), alpn, socket).await } else { Ok(Transport::Plain(socket)) }
        });
        let transport = dialled.await.map_err(|_| {
            Error::explain(ErrorType::ConnectTimedout, "connecting and verifying the upstream took too long")
        })??;
        Line::new(transport)
    }

    /// A handshake in which the other side proves to be `expected`.
    async fn verify(&self, expected: &str, alpn: &[u8], socket: Socket) -> Result<Transport> {
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
        let name = ServerName::try_from(name.to_owned())
            .or_err(ErrorType::InternalError, "the upstream's name is none that a certificate can carry")?;
        let stream = tokio_rustls::TlsConnector::from(settings)
            .connect(name, socket.read_ahead())
            .await
            .or_err(ErrorType::TLSHandshakeFailure, "tls")?;
        if mesh {
            let (_, session) = stream.get_ref();
            let chain = session
                .peer_certificates()
                .ok_or_else(|| Error::explain(ErrorType::InvalidCert, "the upstream showed no certificate"))?;
            let verified = PeerIdentity::verify(&self.core.identity, chain, PeerUsage::Server, self.core.now())
                .map_err(|error| Error::explain(ErrorType::InvalidCert, error.to_string()))?;
            self.core.retirement.connected(expected, verified.not_after);
        }
        Ok(Transport::Tls(Box::new(stream)))
    }
}

async fn connect(address: &SocketAddr) -> Result<Socket> {
    match address {
        SocketAddr::Inet(address) => {
            let tcp = TcpStream::connect(address).await.or_err(ErrorType::ConnectError, "tcp")?;
            // Small requests wait for nobody; a socket that refuses the option still works.
            drop(tcp.set_nodelay(true));
            Ok(Socket::Tcp(tcp))
        }
        SocketAddr::Unix(address) => {
            let path = address
                .as_pathname()
                .ok_or_else(|| Error::explain(ErrorType::ConnectError, "a Unix socket without a path"))?;
            Ok(Socket::Unix(UnixStream::connect(path).await.or_err(ErrorType::ConnectError, "unix socket")?))
        }
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
            return Ok((Connection::Stream(Box::new(self.dial(peer, H1).await?)), false));
        }
        let stream = self.dial(peer, H2).await?;
        let mut settings = v2::H2HandshakeSettings::new();
        settings.max_streams = peer.get_peer_options().map_or(1, |options| options.max_h2_streams);
        let connection = v2::handshake(Box::new(stream), settings).await?;
        let session = connection
            .spawn_stream()
            .await?
            .ok_or_else(|| Error::explain(ErrorType::H2Error, "the upstream allows no stream on a new connection"))?;
        if connection.more_streams_allowed() {
            self.h2.in_use_pool().insert(peer.reuse_hash(), connection);
        }
        Ok((Connection::Session(H2Session::new(session)?), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, peer: &P) -> Option<H2Session> {
        if !speaks_h2(peer) {
            return None;
        }
        H2Session::new(self.h2.reused_http_session(peer).await.ok().flatten()?).ok()
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
