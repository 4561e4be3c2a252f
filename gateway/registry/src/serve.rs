//! The registry's interface over mutual TLS, for development and for sites without a network.
//!
//! Who may ask is the TLS settings' business: they require a client certificate and prove it. Bounded: connections at once, the time of a
//! handshake, of a request's head and of a connection's whole life, after which the peer has to prove itself again, and streams of one connection.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::{Folder, answer};

/// Connections at once.
const CONNECTIONS: usize = 256;
/// Streams of one h2 connection: a client of ours opens four.
const STREAMS: u32 = 16;
/// Until a handshake is done, and until a request's head is there.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this a peer has to come back and prove itself again.
const LIFE: Duration = Duration::from_secs(60);
/// For what is under way when the end comes.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves `folder` on `listener` until `shutdown` becomes true or its sender is gone; then finishes what is under way, for 5 s at most.
///
/// `tls` should offer `h2` and `http/1.1` by ALPN, and must require client certificates.
///
/// # Errors
/// The listener's, where it can't accept any more. Errors of single connections are logged.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    folder: Folder,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let ended = loop {
        let place = tokio::select! {
            () = told(&mut shutdown) => break Ok(()),
            Some(_) = connections.join_next() => continue,
            place = Arc::clone(&places).acquire_owned() => place.map_err(io::Error::other)?,
        };
        let stream = tokio::select! {
            () = told(&mut shutdown) => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) if passes(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(error) => break Err(error),
            },
        };
        let (acceptor, folder, shutdown) = (acceptor.clone(), folder.clone(), shutdown.clone());
        connections.spawn(async move {
            if let Err(error) = converse(stream, acceptor, folder, shutdown).await {
                log::info!("a connection to the registry ended: {error}");
            }
            drop(place);
        });
    };
    // Dropped at the end of the farewell, the set aborts what is left of it.
    let _ = tokio::time::timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    ended
}

async fn converse(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    folder: Folder,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream =
        tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await.map_err(|_| "the handshake took too long")??;
    let service = service_fn(move |request| {
        let folder = folder.clone();
        async move { Ok::<_, Infallible>(answer::answer(folder, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = told(&mut shutdown) => {}
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(FAREWELL, connection).await.map_err(|_| "it did not end in time")?
}

async fn told(shutdown: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could tell: the end too.
    let _ = shutdown.wait_for(|end| *end).await;
}

/// Errors of `accept(2)` that concern one connection, or a shortage that passes.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory | WouldBlock)
        || matches!(
            rustix::io::Errno::from_io_error(error),
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOBUFS)
        )
}
