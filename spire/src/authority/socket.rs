//! The Unix socket of the Workload API: 0600 in a folder 0700, and only for peers of the same uid.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bellgate_policy::SpiffeId;
use futures::Stream;
use futures::stream;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tonic::transport::Server;

use super::service::WorkloadApi;
use super::{AuthorityError, DevelopmentAuthority};

/// Streams that one connection may hold open.
const MAX_STREAMS: u32 = 16;

/// After a failed accept (out of file descriptors, say), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An open socket that is not served yet: clients can connect, and wait.
///
/// The socket's file goes away with it.
pub struct WorkloadApiSocket {
    listener: UnixListener,
    file: SocketFile,
    /// Whom to answer.
    pub(super) uid: u32,
}

struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing to do about a file that is gone already.
        let _gone = fs::remove_file(&self.0);
    }
}

impl WorkloadApiSocket {
    /// Opens the socket; must be called on a Tokio runtime. Makes the folder (0700) if it does not exist, and takes the place of
    /// a dead socket.
    ///
    /// # Errors
    /// A folder that others may enter, a path where something lives, what the system says about the rest.
    pub fn bind(path: &Path) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Socket { path: path.to_owned(), source };
        let uid = rustix::process::geteuid().as_raw();
        prepare_folder(path, uid)?;
        remove_dead(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, file, uid })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// The endpoint to give to a client: `unix://` and the path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.file.0.display())
    }

    /// Serves the Workload API, giving `id` to every peer, until `shutdown` says true or its sender is gone.
    ///
    /// # Errors
    /// An ID that the authority may not issue; a transport that fails.
    pub async fn serve(
        self,
        authority: &DevelopmentAuthority,
        id: SpiffeId,
        mut shutdown: watch::Receiver<bool>,
    ) -> Result<(), AuthorityError> {
        // Better said now than to every client.
        authority.sign(&id)?;
        let Self { listener, file, uid } = self;
        let service = WorkloadApi { authority: authority.clone(), id, shutdown: shutdown.clone() };
        Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .serve_with_incoming_shutdown(service, incoming(listener, uid), async move {
                // An error says that the sender is gone, which ends it as well.
                let _ended = shutdown.wait_for(|stop| *stop).await;
            })
            .await
            .map_err(|error| AuthorityError::Socket { path: file.0.clone(), source: io::Error::other(error) })
    }
}

/// Connections of this uid; others are closed unanswered.
fn incoming(listener: UnixListener, uid: u32) -> impl Stream<Item = io::Result<UnixStream>> + Send + 'static {
    stream::unfold(listener, move |listener| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) if is_from(&stream, uid) => return Some((Ok(stream), listener)),
                Ok(_) => log::warn!("the workload api closed a connection of another user"),
                Err(error) => {
                    log::warn!("the workload api can't accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// By `SO_PEERCRED`: who called `connect`.
fn is_from(stream: &UnixStream, uid: u32) -> bool {
    stream.peer_cred().is_ok_and(|credentials| credentials.uid() == uid)
}

fn prepare_folder(path: &Path, uid: u32) -> Result<(), AuthorityError> {
    let failed = |source| AuthorityError::Socket { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let metadata = fs::metadata(folder).map_err(failed)?;
    let private = metadata.uid() == uid && metadata.mode() & 0o077 == 0;
    if private { Ok(()) } else { Err(AuthorityError::FolderOpen { folder: folder.to_owned() }) }
}

/// Removes a socket that nobody listens on any more; anything else stays.
fn remove_dead(path: &Path) -> Result<(), AuthorityError> {
    let taken = || AuthorityError::PathTaken { path: path.to_owned() };
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(taken()),
        Ok(_) => match BlockingStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|source| AuthorityError::Socket { path: path.to_owned(), source })
            }
            Ok(_) | Err(_) => Err(taken()),
        },
    }
}
