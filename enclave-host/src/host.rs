//! The host's life: bind, start workers, accept until told to end, take the workers and the socket along.
//!
//! Everything runs on one thread, the main one: a worker asks the kernel to be killed when the
//! *thread* that started it ends (prctl(2), `PR_SET_PDEATHSIG`). Only hashing goes to threads of its own.

use std::{path::PathBuf, sync::Arc};

use tokio::{
    net::UnixStream,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};

use crate::{
    connection, descriptors,
    listener::{ListenError, Listening},
    modules::Modules,
    pool::Pool,
    walls::{self, WallError},
    worker_process::WorkerStart,
};

/// Most connections at once. The gateway's client opens at most 128.
const CONNECTIONS_MAX: usize = 256;

/// What the host was told.
pub(crate) struct Settings {
    pub(crate) socket: PathBuf,
    pub(crate) allow_uid: u32,
    pub(crate) workers: usize,
    pub(crate) queue: usize,
    pub(crate) start: WorkerStart,
}

/// What the connections share.
pub(crate) struct Host {
    pub(crate) modules: Modules,
    pub(crate) pool: Pool,
}

/// Why the host could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Wall(#[from] WallError),
    #[error("workers can't run here: {0}")]
    Workers(std::io::Error),
    #[error("the host can't run: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until SIGTERM or SIGINT. Calls under way then end with their connection.
pub(crate) fn run(settings: Settings) -> Result<(), HostError> {
    descriptors::keep_from_workers()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), HostError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    settings.start.check().map_err(HostError::Workers)?;
    let listening = Listening::bind(&settings.socket, settings.allow_uid)?;
    let folder = settings.socket.parent().unwrap_or(&settings.socket);
    walls::raise_host(folder, settings.start.cgroup.as_deref(), &settings.start.without)?;
    let pool = Pool::start(settings.workers, settings.queue, &settings.start);
    let host = Arc::new(Host { modules: Modules::default(), pool });
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    log::info!(
        "listening on `{}` for uid {}, {} workers, queue of {}",
        settings.socket.display(),
        settings.allow_uid,
        settings.workers,
        settings.queue
    );
    if !settings.start.without.is_empty() {
        let missing: Vec<String> = settings.start.without.iter().map(ToString::to_string).collect();
        log::warn!("running without {}, as told: a guest that breaks out of its engine meets less", missing.join(", "));
    }
    loop {
        let stream = tokio::select! {
            accepted = listening.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        if !is_allowed(&stream, settings.allow_uid) {
            continue;
        }
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            log::warn!("a connection is closed: there are {CONNECTIONS_MAX} already");
            continue;
        };
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            connection::serve(stream, &host).await;
            drop(place);
        });
    }
    log::info!("ending");
    drop(listening); // no new call finds the socket
    host.pool.end().await;
    Ok(())
}

fn is_allowed(stream: &UnixStream, allow_uid: u32) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == allow_uid => true,
        Ok(peer) => {
            log::warn!("a connection from uid {} is refused: only uid {allow_uid} may call", peer.uid());
            false
        }
        Err(error) => {
            log::warn!("a connection is refused: who is there can't be told: {error}");
            false
        }
    }
}
