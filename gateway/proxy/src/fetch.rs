//! One exchange with what a permit names, over a connection of its own and outside of the phases.
//!
//! For what Pingora does not carry: a blind write-up, which is delivered after its caller was answered, and an answer that
//! a guard has to see whole before a byte of it is released. What holds:
//!
//! - The destination is read off the permit, as everywhere. The far side is verified in the handshake (no session is
//!   resumed here), before the first byte of the request leaves.
//! - Bounded: connecting by the configured time, an answer's head and then its body by the answer's, and its body by a limit
//!   that the caller gives. One connection carries one exchange and is closed with it.
//! - [`FetchError::Connect`] means that not one byte of the request has left.
//!
//! Absent on purpose: a pool, retries, redirects, trailers, upgrades and content codings.

use std::io;

use bellgate_policy::Permit;
use bellgate_spire::client_config;
use bytes::{Bytes, BytesMut};
use http::{Request, Uri, header, response, uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::admission::{Destination, Direction, destination};
use crate::core::{Core, LocalAddress, LocalWorkload, Protocol, RemoteAddress};
use crate::upstream::resolve;

const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";
/// rustls wants some name; ours verifies the SPIFFE ID and sends no SNI.
const NO_NAME: &str = "spiffe.invalid";

/// Why an exchange has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The config says nothing of the destination.
    #[error("nothing is configured for its destination")]
    NoDestination,
    /// What had to be durable before it reached the local workload could not be made so.
    #[error("the watermark could not be made durable")]
    NotKept,
    /// Nothing of the request has left.
    #[error("connecting: {0}")]
    Connect(io::Error),
    /// Something of it may have.
    #[error("after the first byte: {0}")]
    Sent(hyper::Error),
    /// The answer was not there, or not whole, in time.
    #[error("the answer was not whole in time")]
    Late,
    /// The answer's body has more bytes than it may.
    #[error("the answer's body has more than {0} bytes")]
    TooLarge(usize),
}

/// A connection that is made and verified, before anything was sent on it.
pub(crate) struct Connection {
    sender: Sender,
    driver: Driver,
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    /// With the scheme that its requests state.
    H2(http2::SendRequest<Full<Bytes>>, uri::Scheme),
}

/// What moves the bytes; it ends with the exchange, also where that is dropped half-way.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to be read.
pub(crate) struct Fetched {
    /// Status and headers.
    pub(crate) head: response::Parts,
    body: Incoming,
    _driver: Driver,
}

impl Connection {
    /// Connects to where `permit` leads.
    ///
    /// # Errors
    ///
    /// [`FetchError::NoDestination`], or [`FetchError::Connect`].
    pub(crate) async fn open(core: &Core, direction: Direction, permit: &Permit) -> Result<Self, FetchError> {
        let late = || FetchError::Connect(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"));
        timeout(core.limits.connect_timeout, open(core, direction, permit)).await.map_err(|_| late())?
    }

    /// Sends `request` and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`FetchError::Sent`] or [`FetchError::Late`].
    pub(crate) async fn exchange(self, core: &Core, request: Request<Full<Bytes>>) -> Result<Fetched, FetchError> {
        let Self { sender, driver } = self;
        let answer = timeout(core.limits.answer_timeout, async {
            match sender {
                Sender::H1(mut sender) => sender.send_request(for_h1(request)).await.map_err(FetchError::Sent),
                Sender::H2(mut sender, scheme) => {
                    sender.send_request(for_h2(request, scheme)?).await.map_err(FetchError::Sent)
                }
            }
        });
        let (head, body) = answer.await.map_err(|_| FetchError::Late)??.into_parts();
        Ok(Fetched { head, body, _driver: driver })
    }
}

impl Fetched {
    /// Reads the body whole, at most `limit` bytes; its trailers are thrown away.
    ///
    /// # Errors
    ///
    /// A [`FetchError`]; what came is dropped then.
    pub(crate) async fn whole(mut self, core: &Core, limit: usize) -> Result<(response::Parts, Bytes), FetchError> {
        let read = timeout(core.limits.answer_timeout, async {
            let mut body = BytesMut::new();
            while let Some(frame) = self.body.frame().await {
                let Ok(chunk) = frame.map_err(FetchError::Sent)?.into_data() else { continue };
                if chunk.len() > limit.saturating_sub(body.len()) {
                    return Err(FetchError::TooLarge(limit));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        });
        let body = read.await.map_err(|_| FetchError::Late)??;
        Ok((self.head, body))
    }

    /// Reads the answer and throws it away: what comes back goes nowhere.
    ///
    /// # Errors
    ///
    /// A [`FetchError::Sent`].
    pub(crate) async fn discard(mut self) -> Result<(), FetchError> {
        while let Some(frame) = self.body.frame().await {
            drop(frame.map_err(FetchError::Sent)?);
        }
        Ok(())
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn open(core: &Core, direction: Direction, permit: &Permit) -> Result<Connection, FetchError> {
    let scheme = if direction == Direction::Inbound { uri::Scheme::HTTP } else { uri::Scheme::HTTPS };
    let (stream, protocol) = match direction {
        Direction::Inbound => {
            let workload = core.workload.as_ref().ok_or(FetchError::NoDestination)?;
            (local(workload).await?, workload.protocol)
        }
        Direction::Outbound => {
            let to = destination(permit).ok_or(FetchError::NoDestination)?;
            remote(core, &to).await?
        }
    };
    match protocol {
        Protocol::H1 => {
            let (sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| FetchError::Connect(io::Error::other(error)))?;
            Ok(Connection { sender: Sender::H1(sender), driver: drive(connection) })
        }
        Protocol::H2 => {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(|error| FetchError::Connect(io::Error::other(error)))?;
            Ok(Connection { sender: Sender::H2(sender, scheme), driver: drive(connection) })
        }
    }
}

fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Driver {
    Driver(tokio::spawn(async move {
        if let Err(error) = connection.await {
            log::debug!("a connection of its own ended: {error}");
        }
    }))
}

async fn local(workload: &LocalWorkload) -> Result<Box<dyn Duplex>, FetchError> {
    Ok(match &workload.address {
        LocalAddress::Tcp(address) => Box::new(TcpStream::connect(address).await.map_err(FetchError::Connect)?),
        LocalAddress::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(FetchError::Connect)?),
    })
}

async fn remote(core: &Core, to: &Destination<'_>) -> Result<(Box<dyn Duplex>, Protocol), FetchError> {
    let io = FetchError::Connect;
    let name = match to {
        Destination::Mesh { name, .. } | Destination::Web { name, .. } => *name,
        Destination::Enclave => return Err(FetchError::NoDestination),
    };
    let remote: &RemoteAddress = core.addresses.get(name.as_ref()).ok_or(FetchError::NoDestination)?;
    let alpn = if remote.protocol == Protocol::H2 { H2 } else { H1 };
    let (settings, server) = match to {
        Destination::Mesh { id, .. } => (client_config(&core.identity, id, &[alpn]), NO_NAME.to_owned()),
        Destination::Web { host, .. } => {
            let settings = core.web.settings(host, alpn).map_err(|error| io(io::Error::other(error)))?;
            (settings, (*host).to_owned())
        }
        Destination::Enclave => return Err(FetchError::NoDestination),
    };
    let unresolved = |_| io(io::Error::other("the host name does not resolve"));
    let address = resolve(remote).await.map_err(unresolved)?;
    let tcp = TcpStream::connect(address).await.map_err(io)?;
    // A small request waits for nobody; a socket that refuses the option still works.
    drop(tcp.set_nodelay(true));
    let server = server.try_into().map_err(|_| FetchError::NoDestination)?;
    let stream = tokio_rustls::TlsConnector::from(settings).connect(server, tcp).await.map_err(io)?;
    if remote.protocol == Protocol::H2 && stream.get_ref().1.alpn_protocol() != Some(H2) {
        return Err(io(io::Error::other("the far side does not speak HTTP/2; configure it as `protocol: h1`")));
    }
    Ok((Box::new(stream), remote.protocol))
}

/// Origin form, and the authority in `Host` (RFC 9112 section 3.2).
fn for_h1(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.version_mut() = http::Version::HTTP_11;
    if let Some(authority) = request.uri().authority().cloned() {
        if !request.headers().contains_key(header::HOST)
            && let Ok(host) = header::HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    request
}

/// The authority in `:authority`, and no `Host` beside it (RFC 9113 section 8.3.1).
fn for_h2(mut request: Request<Full<Bytes>>, scheme: uri::Scheme) -> Result<Request<Full<Bytes>>, FetchError> {
    *request.version_mut() = http::Version::HTTP_2;
    let host = request.headers_mut().remove(header::HOST);
    if request.uri().authority().is_none() {
        let authority = host.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("localhost");
        let target = request.uri().path_and_query().map_or("/", uri::PathAndQuery::as_str);
        let whole = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
        *request.uri_mut() = whole.map_err(|_| FetchError::NoDestination)?;
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, host: Option<&str>) -> Request<Full<Bytes>> {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.body(Full::default()).unwrap()
    }

    #[test]
    fn the_authority_is_said_once_and_where_the_version_says_it() {
        for (uri, host) in
            [("/a?b", Some("search")), ("https://search/a?b", None), ("https://search/a?b", Some("search"))]
        {
            let h1 = for_h1(request(uri, host));
            assert_eq!(
                (h1.uri().to_string().as_str(), &h1.headers()["host"]),
                ("/a?b", &header::HeaderValue::from_static("search"))
            );
            let h2 = for_h2(request(uri, host), uri::Scheme::HTTPS).unwrap();
            assert_eq!(
                (h2.uri().authority().unwrap().as_str(), h2.uri().path_and_query().unwrap().as_str()),
                ("search", "/a?b")
            );
            assert!(!h2.headers().contains_key("host"));
        }
        assert_eq!(for_h2(request("/", None), uri::Scheme::HTTP).unwrap().uri().authority().unwrap(), "localhost");
    }
}
