//! Frames on a worker's socket, blocking. The other side is the host, which holds the clock.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
};

use bellgate_enclave_protocol::{HEAD_BYTES, Head, Message};

use super::WorkerError;

/// The next message; `None` when the host is gone.
pub(super) fn next(stream: &mut UnixStream) -> Result<Option<Message>, WorkerError> {
    let mut head = [0; HEAD_BYTES];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let head = Head::parse(head)?;
    let mut body = Vec::new();
    stream.take(u64::from(head.length())).read_to_end(&mut body)?;
    if u64::try_from(body.len()) != Ok(u64::from(head.length())) {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(Message::parse(head, body.into())?))
}

/// Writes a message.
pub(super) fn write(stream: &mut UnixStream, message: Message) -> Result<(), WorkerError> {
    let encoded = message.encode()?;
    stream.write_all(&encoded.head)?;
    stream.write_all(&encoded.payload)?;
    Ok(())
}
