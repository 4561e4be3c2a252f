//! The host's hold on one worker process: start it, run one call in it against the clock, kill it.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::net::UnixStream as Pair},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use bellgate_enclave_protocol::{Cause, Invoke, Message, Module, patience};
use bytes::Bytes;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
};

use crate::{
    stream::{self, StreamError},
    walls::Wall,
};

/// How workers are started.
#[derive(Clone)]
pub(crate) struct WorkerStart {
    /// Walls to do without.
    pub(crate) without: Vec<Wall>,
    /// The cgroup that they are put into.
    pub(crate) cgroup: Option<PathBuf>,
}

impl WorkerStart {
    /// Raises the walls in a worker that does nothing else.
    ///
    /// # Errors
    /// What the worker said of the wall that was refused.
    pub(crate) fn check(&self) -> io::Result<()> {
        let output = std::process::Command::new("/proc/self/exe")
            .args(self.arguments())
            .arg("--check")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().rsplit_once("worker: ").map_or(said.trim(), |(_, why)| why);
        Err(io::Error::other(if said.is_empty() { output.status.to_string() } else { said.to_owned() }))
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["worker".to_owned()];
        if !self.without.is_empty() {
            let names: Vec<String> = self.without.iter().map(ToString::to_string).collect();
            arguments.extend(["--without".to_owned(), names.join(",")]);
        }
        arguments
    }

    /// Puts a process that was just started, and waits for its first byte, into the cgroup.
    fn confine(&self, child: &Child) -> io::Result<()> {
        let (Some(cgroup), Some(id)) = (&self.cgroup, child.id()) else { return Ok(()) };
        let processes = cgroup.join("cgroup.procs");
        fs::write(&processes, id.to_string())
            .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", processes.display())))
    }
}

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
    pub(crate) fn start(how: &WorkerStart) -> io::Result<Self> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        // Not the binary's path: it may have been replaced on disk since.
        let child = Command::new("/proc/self/exe")
            .arg0("bellgate-enclave")
            .args(how.arguments())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        how.confine(&child)?;
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
