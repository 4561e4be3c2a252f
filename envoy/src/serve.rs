//! The socket: a Unix listener that asks who connects, and gRPC on it.
//!
//! What holds: the socket is never seen with a mode wider than the one meant (it is bound under another name, then
//! renamed into place); every connection is checked by `SO_PEERCRED` against the configured uids before a byte of it is
//! read; an old socket that nobody serves is replaced, one that somebody serves is not. Bounded: connections at once,
//! streams per connection, bytes of a message. Source: `unix(7)`.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::transport::Server;
use tonic::transport::server::Connected;

/// Connections at once. Envoy holds one per worker thread.
const MAX_CONNECTIONS: usize = 256;
/// Checks at once on one connection; the service has a bound over all of them.
const MAX_STREAMS: u32 = 256;
/// One check: a body of 1 MiB, Envoy's largest headers (60 KiB by default), a certificate, and room.
const MAX_MESSAGE_BYTES: usize = 1_500_000;
/// How long open checks may go on after the shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Before the next try when `accept` itself fails (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the ext_authz socket can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nobody may connect.
    #[error("no uid may connect to the ext_authz socket; list the uid that Envoy runs as")]
    NoUids,
    /// Another process answers there.
    #[error("`{}` is served by another process; stop that one or choose another path", .0.display())]
    InUse(PathBuf),
    /// A file, a folder or a link.
    #[error("`{}` exists and is not a socket; choose another path or remove it", .0.display())]
    NotASocket(PathBuf),
    /// The folder is not there, or not ours to write.
    #[error("the ext_authz socket `{}` can't be created: {source}; its folder must exist and belong to the gateway", .path.display())]
    Bind {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The gRPC server ended by itself.
    #[error("the ext_authz server ended: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Serves `service` on `socket` for `uids` until `shutdown` holds `true` or its sender is gone.
///
/// # Errors
///
/// See [`ServeError`]; all but the last before the first connection.
pub(crate) async fn serve(
    service: impl Authorization,
    socket: &Path,
    uids: &[u32],
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let uids: BTreeSet<u32> = uids.iter().copied().collect();
    if uids.is_empty() {
        return Err(ServeError::NoUids);
    }
    let listener = bind(socket, mode(&uids)).await?;
    let bound = Bound { path: socket.to_owned() };
    let service = AuthorizationServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut told = shutdown.clone();
    let server = Server::builder().max_concurrent_streams(MAX_STREAMS).serve_with_incoming_shutdown(
        service,
        Box::pin(incoming(listener, uids)),
        async move { wait(&mut told).await },
    );
    let grace = async {
        wait(&mut shutdown).await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    let ended = tokio::select! {
        ended = server => ended.map_err(ServeError::from),
        () = grace => Ok(()),
    };
    drop(bound);
    ended
}

async fn wait(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: then nobody can ask for more.
    let _ = shutdown.wait_for(|asked| *asked).await;
}

/// 0600 where root and the gateway's own uid are all that may connect; else the group of the folder gets in too (set
/// its set-group-ID bit).
fn mode(uids: &BTreeSet<u32>) -> u32 {
    let own = rustix::process::geteuid().as_raw();
    if uids.iter().all(|uid| *uid == own || *uid == 0) { 0o600 } else { 0o660 }
}

/// Takes the socket away when the server ends.
struct Bound {
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("the ext_authz socket `{}` could not be removed: {error}", self.path.display());
        }
    }
}

async fn bind(socket: &Path, mode: u32) -> Result<UnixListener, ServeError> {
    refuse_what_is_there(socket).await?;
    let fail = |source| ServeError::Bind { path: socket.to_owned(), source };
    let name = socket.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    // Short: `sun_path` holds 107 bytes, and the final name may need all of them.
    let mut aside = name.to_os_string();
    aside.push("~");
    let aside = socket.with_file_name(aside);
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&aside).map_err(fail)?;
    std::fs::set_permissions(&aside, Permissions::from_mode(mode)).map_err(fail)?;
    std::fs::rename(&aside, socket).map_err(fail)?;
    Ok(listener)
}

async fn refuse_what_is_there(socket: &Path) -> Result<(), ServeError> {
    let Ok(found) = std::fs::symlink_metadata(socket) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(ServeError::NotASocket(socket.to_owned()));
    }
    match UnixStream::connect(socket).await {
        Ok(_) => Err(ServeError::InUse(socket.to_owned())),
        Err(_) => Ok(()),
    }
}

/// The connections of those who may connect.
fn incoming(listener: UnixListener, uids: BTreeSet<u32>) -> impl Stream<Item = Result<Peer, io::Error>> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    stream::unfold((listener, uids, places), |(listener, uids, places)| async move {
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let stream = accept(&listener, &uids).await;
        Some((Ok(Peer { stream, _place: place }), (listener, uids, places)))
    })
}

async fn accept(listener: &UnixListener, uids: &BTreeSet<u32>) -> UnixStream {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::warn!("the ext_authz socket can't accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if uids.contains(&peer.uid()) => return stream,
            Ok(peer) => log::warn!("uid {} may not connect to the ext_authz socket", peer.uid()),
            Err(error) => log::warn!("a peer of the ext_authz socket has no credentials: {error}"),
        }
    }
}

/// A connection whose uid was checked, and its place among those that may be open.
struct Peer {
    stream: UnixStream,
    _place: OwnedSemaphorePermit,
}

impl Connected for Peer {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
