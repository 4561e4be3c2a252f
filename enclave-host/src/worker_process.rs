//! The host's hold on one worker process: start it, run one call in it against the clock, kill it.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as Pair},
    process::Stdio,
    time::Duration,
};

use bellgate_enclave_protocol::{Cause, Invoke, Message, Module, patience};
use bytes::Bytes;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
};

use crate::stream::{self, StreamError};

/// A worker process. It is killed when this is dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    stream: UnixStream,
}

/// How a call ended.
pub(crate) enum Ran {
    /// With an answer of the worker, which can take the next call.
    Answered(Result<Bytes, Cause>),
    /// Without; the worker is dead or has to be killed.
    Lost(Cause),
}

impl WorkerProcess {
    /// Starts this very binary as a worker: no environment, no arguments of ours, one end of a socket pair as standard input.
    pub(crate) fn start() -> io::Result<Self> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        // Not the binary's path: it may have been replaced on disk since.
        let child = Command::new("/proc/self/exe")
            .arg0("bellgate-enclave")
            .arg("worker")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, stream: UnixStream::from_std(ours)? })
    }

    /// Ends when the process does.
    pub(crate) async fn ended(&mut self) {
        let _ = self.child.wait().await;
    }

    /// Kills the process and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        if let Err(error) = self.child.kill().await {
            log::error!("a worker could not be killed: {error}");
        }
    }

    /// Runs one call. The guest's clock starts when the worker says that the module is compiled.
    pub(crate) async fn run(&mut self, call: Invoke, module: Bytes) -> Ran {
        match self.exchange(call, module).await {
            Ok(answer) => Ran::Answered(answer),
            Err((Phase::Running, StreamError::Late)) => Ran::Lost(Cause::Timeout),
            Err((Phase::Compiling, StreamError::Late)) => Ran::Lost(Cause::ModuleRefused),
            Err((_, error)) => {
                log::warn!("a worker gave no answer: {error}");
                Ran::Lost(Cause::Aborted)
            }
        }
    }

    async fn exchange(&mut self, call: Invoke, module: Bytes) -> Result<Result<Bytes, Cause>, (Phase, StreamError)> {
        let (number, digest, limits) = (call.number, call.digest, call.limits);
        let stream = &mut self.stream;
        let compiling = |error| (Phase::Compiling, error);
        stream::write(stream, Message::Invoke(call)).await.map_err(compiling)?;
        let mut message = stream::within(stream, patience::COMPILE, SMALL).await.map_err(compiling)?;
        if matches!(message, Message::NeedModule(of) if of == number) {
            let module = Message::Module(Module { number, digest, bytes: module });
            stream::write(stream, module).await.map_err(compiling)?;
            message = stream::within(stream, patience::COMPILE, SMALL).await.map_err(compiling)?;
        }
        if matches!(message, Message::Prepared(of) if of == number) {
            let wait = Duration::from_millis(limits.wall_ms()) + patience::GRACE;
            let most = u32::try_from(limits.output_bytes()).unwrap_or(u32::MAX).saturating_add(NUMBER_BYTES);
            message = stream::within(stream, wait, most).await.map_err(|error| (Phase::Running, error))?;
        }
        message.into_answer(number).map_err(|error| (Phase::Running, error.into()))
    }
}

/// What the worker is busy with.
enum Phase {
    Compiling,
    Running,
}

/// The number that every body starts with.
const NUMBER_BYTES: u32 = 8;
/// Room for every message of a worker that is no output.
const SMALL: u32 = 64;
