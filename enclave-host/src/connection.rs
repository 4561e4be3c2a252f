//! One connection of the gateway: one call at a time, until it hangs up or sends what is no frame.

use std::time::Duration;

use bellgate_enclave_protocol::{Cause, Invoke, Kind, Message};
use bytes::Bytes;

use crate::{
    host::Host,
    stream::{self, StreamError},
};
use tokio::net::UnixStream;

/// How long the gateway may take to bring a module that the host asked for: it may have to fetch it.
const MODULE_WAIT: Duration = Duration::from_secs(60);

/// Serves a connection to its end.
pub(crate) async fn serve(mut stream: UnixStream, host: &Host) {
    loop {
        let served = match stream::next(&mut stream).await {
            Ok(None) => return,
            Ok(Some(Message::Invoke(call))) => serve_call(&mut stream, host, call).await,
            Ok(Some(other)) => Err(out_of_turn(other.kind())),
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            log::warn!("a connection is closed: {error}");
            return;
        }
    }
}

async fn serve_call(stream: &mut UnixStream, host: &Host, call: Invoke) -> Result<(), StreamError> {
    let number = call.number;
    let answer = match answer(stream, host, call).await {
        Ok(answer) => answer,
        Err(Unanswered::HungUp) => return Err(hung_up()),
        Err(Unanswered::Stream(error)) => return Err(error),
    };
    let message = match answer {
        Ok(output) => Message::Output(number, output),
        Err(cause) => Message::Fault(number, cause),
    };
    stream::write(stream, message).await
}

enum Unanswered {
    HungUp,
    Stream(StreamError),
}

impl From<StreamError> for Unanswered {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

async fn answer(stream: &mut UnixStream, host: &Host, call: Invoke) -> Result<Result<Bytes, Cause>, Unanswered> {
    if u64::try_from(call.input.len()).map_or(true, |length| length > call.limits.input_bytes()) {
        return Ok(Err(Cause::InputTooLarge));
    }
    let module = match host.modules.get(&call.digest) {
        Some(module) => module,
        None => match ask_for_module(stream, host, &call).await? {
            Ok(module) => module,
            Err(cause) => return Ok(Err(cause)),
        },
    };
    tokio::select! {
        answer = host.pool.call(call, module) => Ok(answer),
        () = stream::hung_up(stream) => Err(Unanswered::HungUp), // drops the call if it still waits
    }
}

async fn ask_for_module(
    stream: &mut UnixStream,
    host: &Host,
    call: &Invoke,
) -> Result<Result<Bytes, Cause>, StreamError> {
    stream::write(stream, Message::NeedModule(call.number)).await?;
    let message = stream::within(stream, MODULE_WAIT, u32::MAX).await?;
    let kind = message.kind();
    let Message::Module(module) = message else { return Err(out_of_turn(kind)) };
    if module.number != call.number {
        return Err(out_of_turn(kind));
    }
    let same = module.digest == call.digest;
    let held = same && host.modules.verify_and_hold(module.digest, module.bytes.clone()).await;
    Ok(if held { Ok(module.bytes) } else { Err(Cause::ModuleRefused) })
}

fn out_of_turn(kind: Kind) -> StreamError {
    bellgate_enclave_protocol::FrameError::OutOfTurn(kind).into()
}

fn hung_up() -> StreamError {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "it ended while its call was under way").into()
}
