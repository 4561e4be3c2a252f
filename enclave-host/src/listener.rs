//! The one socket, in a folder that belongs to us, removed when we end.
//!
//! The folder's mode says who reaches the socket. 0700: our own uid, and the socket has mode 0600. 0750: its group too,
//! and the socket has mode 0660; so a gateway with a uid of its own reaches it by a group that both have. A folder that
//! is missing is made with the mode that fits who may call. Whoever connects is checked by uid all the same.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{UnixListener, UnixStream};

/// A bound socket; dropping it removes the file.
pub(crate) struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

/// Why the socket can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("`{path}` names no folder for the socket; give a path like `/run/bellgate/enclave.sock`")]
    NoFolder { path: PathBuf },
    #[error("`{folder}` is no folder; remove it, or give another path")]
    NotAFolder { folder: PathBuf },
    #[error("the folder `{folder}` belongs to uid {owner}; give one that belongs to uid {ours}, who runs this")]
    OthersFolder { folder: PathBuf, owner: u32, ours: u32 },
    #[error(
        "the folder `{folder}` has mode {mode:04o}; others must be kept out: chmod 0700 it, or 0750 where the gateway has another uid and its group"
    )]
    OpenFolder { folder: PathBuf, mode: u32 },
    #[error("`{path}` is there and is no socket; remove it, or give another path")]
    Occupied { path: PathBuf },
    #[error("another host listens on `{path}`; end it, or give another path")]
    AnotherHost { path: PathBuf },
    #[error("can't listen on `{path}`: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl Listening {
    /// Checks or makes the folder, replaces a socket that nobody serves any more, binds.
    pub(crate) fn bind(path: &Path, caller: u32) -> Result<Self, ListenError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .ok_or_else(|| ListenError::NoFolder { path: path.to_owned() })?;
        let failed = |source| ListenError::Io { path: path.to_owned(), source };
        let mode = if caller == rustix::process::geteuid().as_raw() { 0o700 } else { 0o750 };
        match fs::DirBuilder::new().mode(mode).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        let group = check_folder(folder, failed)?;
        remove_stale(path, failed)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        // The folder keeps others out between these two.
        let mode = if group { 0o660 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// The next connection. Out of descriptors or memory it waits a little instead of spinning.
    pub(crate) async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    log::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("the socket `{}` could not be removed: {error}", self.path.display());
        }
    }
}

/// Whether the folder's group reaches the socket.
fn check_folder(folder: &Path, failed: impl Fn(io::Error) -> ListenError) -> Result<bool, ListenError> {
    let found = fs::symlink_metadata(folder).map_err(failed)?;
    let folder = || folder.to_owned();
    let ours = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Err(ListenError::NotAFolder { folder: folder() });
    }
    if found.uid() != ours {
        return Err(ListenError::OthersFolder { folder: folder(), owner: found.uid(), ours });
    }
    match found.mode() & 0o7777 {
        // A group that can write could put another socket there.
        mode if mode & 0o027 == 0 => Ok(mode & 0o010 != 0),
        mode => Err(ListenError::OpenFolder { folder: folder(), mode }),
    }
}

fn remove_stale(path: &Path, failed: impl Fn(io::Error) -> ListenError) -> Result<(), ListenError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::Occupied { path: path.to_owned() });
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(ListenError::AnotherHost { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(failed)
}
