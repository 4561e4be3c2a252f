//! A worker: one call at a time from the host, until the host hangs up or kills it.
//!
//! Every call runs in a fresh instance. A panic under a call is caught, answered as `aborted`, and
//! ends the process: what panicked may have left anything behind. A stack overflow of the guest is a
//! trap; one of ours, an abort or a fault of memory ends the process, and the host answers for it.

mod call;
mod compiled;
mod inspect;
mod stream;

use std::{
    io::{self, stdin},
    os::{fd::AsFd, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    thread,
};

use bellgate_enclave_protocol::{Cause, FrameError, Invoke, Message};

use crate::walls::{self, Wall, WallError};
use compiled::Compiled;

/// Stack of the thread that compiles and runs: the compiler recurses over the module.
const STACK_BYTES: usize = 16 << 20;

/// Why a worker ends before the host hangs up.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("standard input is no socket of a host: {0}; workers are started by `bellgate-enclave` alone")]
    Stream(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Wall(#[from] WallError),
    #[error("a call panicked")]
    Panicked,
}

/// Runs a worker to its end; with `check`, only as far as to its walls.
pub(crate) fn main(without: &[Wall], check: bool) -> ExitCode {
    // Where, not what: a panic's message may hold something of a guest's.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        eprintln!("bellgate-enclave worker: panic at {place}");
    }));
    match run(without, check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellgate-enclave worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(without: &[Wall], check: bool) -> Result<(), WorkerError> {
    walls::raise_worker(without)?;
    if check {
        return Ok(());
    }
    let stream = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr()?; // fails on what is no connected socket
    let serving = thread::Builder::new().stack_size(STACK_BYTES).spawn(|| serve(stream))?;
    serving.join().unwrap_or(Err(WorkerError::Panicked))
}

fn serve(mut stream: UnixStream) -> Result<(), WorkerError> {
    let mut compiled = Compiled::default();
    while let Some(message) = stream::next(&mut stream)? {
        let Message::Invoke(call) = message else {
            return Err(FrameError::OutOfTurn(message.kind()).into());
        };
        contained(&mut stream, call.number, |stream| serve_call(stream, &mut compiled, &call))?;
    }
    Ok(())
}

/// Serves a call; a panic under it is answered and ends the worker.
fn contained(
    stream: &mut UnixStream,
    number: u64,
    serve: impl FnOnce(&mut UnixStream) -> Result<(), WorkerError>,
) -> Result<(), WorkerError> {
    catch_unwind(AssertUnwindSafe(|| serve(stream))).unwrap_or_else(|_panic| {
        stream::write(stream, Message::Fault(number, Cause::Aborted))?;
        Err(WorkerError::Panicked)
    })
}

fn serve_call(stream: &mut UnixStream, compiled: &mut Compiled, call: &Invoke) -> Result<(), WorkerError> {
    if !compiled.holds(call) {
        stream::write(stream, Message::NeedModule(call.number))?;
        let module = match stream::next(stream)? {
            Some(Message::Module(module)) => module,
            Some(other) => return Err(FrameError::OutOfTurn(other.kind()).into()),
            None => return Ok(()),
        };
        if let Err(cause) = compiled.add(call, &module.bytes) {
            return stream::write(stream, Message::Fault(call.number, cause));
        }
    }
    let Some(plugin) = compiled.get(call) else {
        return stream::write(stream, Message::Fault(call.number, Cause::Aborted));
    };
    stream::write(stream, Message::Prepared(call.number))?;
    let answer = match call::run(plugin, call) {
        Ok(output) => Message::Output(call.number, output),
        Err(cause) => Message::Fault(call.number, cause),
    };
    stream::write(stream, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_under_a_call_is_answered_and_ends_the_worker() {
        let (mut worker, mut host) = UnixStream::pair().unwrap();
        let ended = contained(&mut worker, 7, |_| panic!("a bug of ours"));
        assert!(matches!(ended, Err(WorkerError::Panicked)));
        let answer = stream::next(&mut host).unwrap().unwrap();
        assert_eq!(answer.into_answer(7), Ok(Err(Cause::Aborted)));
    }

    #[test]
    fn a_worker_ends_when_the_host_hangs_up_or_talks_out_of_turn() {
        let (worker, host) = UnixStream::pair().unwrap();
        drop(host);
        assert!(serve(worker).is_ok());
        let (worker, mut host) = UnixStream::pair().unwrap();
        stream::write(&mut host, Message::Prepared(1)).unwrap();
        assert!(matches!(serve(worker), Err(WorkerError::Frame(FrameError::OutOfTurn(_)))));
    }
}
