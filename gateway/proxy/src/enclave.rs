//! The gateway's end of the enclave socket.
//!
//! One call takes one connection for its whole time; connections are kept and used again, the last
//! one first. What holds:
//!
//! - The host's uid is checked (`SO_PEERCRED`, unix(7)) on every connection before the first byte of
//!   an input leaves; the uid is the one that listened.
//! - Bounded: [`CALLS_MAX`] calls at once, past that [`Cause::Busy`] at once and nothing queued here;
//!   [`IDLE_MAX`] idle connections; frames by their kind; an answer by the call's own output limit.
//! - A call always ends: the deadlines of connecting, writing and each answer follow from
//!   [`patience`] and the call's wall clock. The time that the module's source takes is the source's own to bound.
//! - A connection that was kept and turns out dead (the host was started anew) is replaced once. A
//!   call may then run twice, which nobody can see: a guest has no host functions.
//! - A connection is kept only after a whole answer; a call that is dropped takes its connection along.
//!
//! Absent on purpose: labels and subjects (the host is told none), and any text of the guest in an error.

use std::{
    future::Future,
    io,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bellgate_enclave_protocol::{
    Cause, Entry, FrameError, HEAD_BYTES, Head, Invoke, Kind, Limits, MODULE_BYTES_MAX, ManifestConformanceError,
    Message, Module, ModuleDigest, patience,
};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Semaphore,
    time::timeout,
};

/// Most calls at once.
pub const CALLS_MAX: usize = 128;
/// Most connections kept between calls.
pub const IDLE_MAX: usize = 32;

const CONNECT: Duration = Duration::from_secs(1);
/// What a body's buffer starts with; it grows with what arrives, not with what a head states.
const BUFFER_START: usize = 64 << 10;

/// Calls capabilities in the enclave host. Share it as `Arc`; every method takes `&self`.
pub struct EnclaveClient {
    socket: PathBuf,
    host_uid: u32,
    idle: Mutex<Vec<UnixStream>>,
    calls: Semaphore,
    numbers: AtomicU64,
}

/// One call. No `Debug`: it holds the input.
pub struct Invocation<'a> {
    /// The module, by the SHA-256 that the policy pins.
    pub digest: ModuleDigest,
    /// The exported function.
    pub entry: &'a Entry,
    /// What the call may use.
    pub limits: Limits,
    /// The input; longer than `limits.input_bytes()` is refused here.
    pub input: Bytes,
}

impl EnclaveClient {
    /// A client of the host that listens on `socket` and runs as `host_uid`. Connects to nothing yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>, host_uid: u32) -> Self {
        Self {
            socket: socket.into(),
            host_uid,
            idle: Mutex::new(Vec::new()),
            calls: Semaphore::new(CALLS_MAX),
            numbers: AtomicU64::new(1),
        }
    }

    /// Runs a capability and gives its output: one JSON document in UTF-8, at most `limits.output_bytes()` bytes.
    ///
    /// `module` is called, once at most, when the host does not hold the module's bytes; it bounds its own
    /// time. What it fails with is what the call fails with.
    ///
    /// # Errors
    ///
    /// A cause of the closed set. [`Cause::Unavailable`] when the host can't be reached, is not the expected uid,
    /// does not answer in time or does not keep to the protocol; [`Cause::Busy`] when [`CALLS_MAX`] calls are under way.
    pub async fn invoke<M, F>(&self, call: Invocation<'_>, module: M) -> Result<Bytes, ManifestConformanceError>
    where
        M: FnOnce() -> F,
        F: Future<Output = Result<Bytes, ManifestConformanceError>>,
    {
        if u64::try_from(call.input.len()).map_or(true, |length| length > call.limits.input_bytes()) {
            return Err(Cause::InputTooLarge.into());
        }
        let _taken = self.calls.try_acquire().map_err(|_| Cause::Busy)?;
        let mut source = ModuleSource::Waiting(module);
        let kept = self.idle.lock().pop();
        if let Some(kept) = kept {
            match self.exchange(kept, &call, &mut source).await {
                Err(Failed::Lost(_)) => {} // the host was started anew; try a connection of today
                other => return self.finish(other),
            }
        }
        let fresh = match self.connect().await {
            Ok(fresh) => fresh,
            Err(error) => return self.finish(Err(Failed::Lost(error))),
        };
        let done = self.exchange(fresh, &call, &mut source).await;
        self.finish(done)
    }

    /// Makes sure that a call would find the host: a connection is kept for it, made now unless one is there that is not closed.
    ///
    /// # Errors
    ///
    /// [`Cause::Unavailable`], as of [`Self::invoke`].
    pub async fn reach(&self) -> Result<(), ManifestConformanceError> {
        let kept = {
            let mut idle = self.idle.lock();
            // Only the host writes first where it closes; a kept connection has nothing to be read.
            idle.retain(
                |kept| matches!(kept.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock),
            );
            !idle.is_empty()
        };
        if kept {
            return Ok(());
        }
        match self.connect().await {
            Ok(fresh) => {
                self.keep(fresh);
                Ok(())
            }
            Err(error) => self.finish(Err(Failed::Lost(error))).map(drop),
        }
    }

    /// Keeps the connection of a whole answer; turns what failed into its cause.
    fn finish(
        &self,
        done: Result<(UnixStream, Result<Bytes, Cause>), Failed>,
    ) -> Result<Bytes, ManifestConformanceError> {
        match done {
            Ok((stream, answer)) => {
                self.keep(stream);
                Ok(answer?)
            }
            Err(Failed::Module(error)) => Err(error),
            Err(failed @ (Failed::Lost(_) | Failed::Late | Failed::Frame(_))) => {
                log::warn!("enclave host `{}`: {failed}", self.socket.display());
                Err(Cause::Unavailable.into())
            }
        }
    }

    fn keep(&self, stream: UnixStream) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(stream);
        }
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let stream = timeout(CONNECT, UnixStream::connect(&self.socket)).await??;
        let uid = stream.peer_cred()?.uid();
        if uid == self.host_uid {
            Ok(stream)
        } else {
            Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "it runs as uid {uid}, not {}; correct the configured uid, or find out who listens there",
                    self.host_uid
                ),
            ))
        }
    }

    async fn exchange<M, F>(
        &self,
        mut stream: UnixStream,
        call: &Invocation<'_>,
        source: &mut ModuleSource<M>,
    ) -> Result<(UnixStream, Result<Bytes, Cause>), Failed>
    where
        M: FnOnce() -> F,
        F: Future<Output = Result<Bytes, ManifestConformanceError>>,
    {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let answer_within = patience::QUEUE
            + patience::COMPILE
            + Duration::from_millis(call.limits.wall_ms())
            + patience::GRACE
            + patience::MARGIN;
        let invoke = Message::Invoke(Invoke {
            number,
            digest: call.digest,
            limits: call.limits,
            entry: call.entry.clone(),
            input: call.input.clone(),
        });
        write(&mut stream, invoke).await?;
        let mut answer = read(&mut stream, answer_within).await?;
        if let Message::NeedModule(of) = answer
            && of == number
        {
            let bytes = source.bytes().await.map_err(Failed::Module)?;
            if u32::try_from(bytes.len()).map_or(true, |length| length > MODULE_BYTES_MAX) {
                return Err(Failed::Module(Cause::ModuleRefused.into()));
            }
            let module = Module { number, digest: call.digest, bytes };
            write(&mut stream, Message::Module(module)).await?;
            answer = read(&mut stream, answer_within).await?;
        }
        let answer = answer.into_answer(number)?.and_then(|output| {
            let fits = u64::try_from(output.len()).is_ok_and(|length| length <= call.limits.output_bytes());
            if fits { Ok(output) } else { Err(Cause::OutputTooLarge) }
        });
        Ok((stream, answer))
    }
}

/// The module's source, asked at most once, also when a call needs a second connection.
enum ModuleSource<M> {
    Waiting(M),
    Asked(Result<Bytes, ManifestConformanceError>),
}

impl<M> ModuleSource<M> {
    async fn bytes<F>(&mut self) -> Result<Bytes, ManifestConformanceError>
    where
        M: FnOnce() -> F,
        F: Future<Output = Result<Bytes, ManifestConformanceError>>,
    {
        let unasked = Self::Asked(Err(Cause::Unavailable.into()));
        let result = match std::mem::replace(self, unasked) {
            Self::Waiting(module) => module().await,
            Self::Asked(result) => result,
        };
        *self = Self::Asked(result.clone());
        result
    }
}

/// Why an exchange has no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the connection failed: {0}; check that `bellgate-enclave` runs and that the socket is its own")]
    Lost(#[from] io::Error),
    #[error("no answer in time; check the host's load")]
    Late,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Module(ManifestConformanceError),
}

async fn write(stream: &mut UnixStream, message: Message) -> Result<(), Failed> {
    let encoded = message.encode()?;
    let written = timeout(patience::FRAME, async {
        stream.write_all(&encoded.head).await?;
        stream.write_all(&encoded.payload).await
    });
    Ok(written.await.map_err(|_| Failed::Late)??)
}

async fn read(stream: &mut UnixStream, first_byte_within: Duration) -> Result<Message, Failed> {
    let mut head = [0; HEAD_BYTES];
    timeout(first_byte_within, stream.read_exact(&mut head)).await.map_err(|_| Failed::Late)??;
    let head = Head::parse(head)?;
    if matches!(head.kind(), Kind::Invoke | Kind::Module | Kind::Prepared) {
        return Err(FrameError::OutOfTurn(head.kind()).into());
    }
    let length = usize::try_from(head.length()).map_err(io::Error::other)?;
    let mut body = BytesMut::with_capacity(length.min(BUFFER_START));
    let mut rest = stream.take(u64::from(head.length()));
    let read = timeout(patience::FRAME, async {
        while body.len() < length {
            if rest.read_buf(&mut body).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<(), io::Error>(())
    });
    read.await.map_err(|_| Failed::Late)??;
    Ok(Message::parse(head, body.freeze())?)
}
