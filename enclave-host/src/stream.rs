//! Frames on the host's sockets. A buffer grows with what arrives, never with what a head only states.

use std::{io, time::Duration};

use bellgate_enclave_protocol::{FrameError, HEAD_BYTES, Head, Message, patience};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

const BUFFER_START: usize = 64 << 10;

/// Why no message came or went.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the other side took too long")]
    Late,
    #[error("the other side states a body of {0} bytes, more than its call allows")]
    TooLong(u32),
}

/// The next message; `None` where the other side ended between frames. Waits for the first byte as long as it takes.
pub(crate) async fn next(stream: &mut UnixStream) -> Result<Option<Message>, StreamError> {
    let mut first = [0];
    if stream.read(&mut first).await? == 0 {
        return Ok(None);
    }
    timeout(patience::FRAME, rest(stream, first, u32::MAX)).await.map_err(|_| StreamError::Late)?.map(Some)
}

/// The next message, whose first byte has to come within `wait` and whose body has at most `body_max` bytes.
pub(crate) async fn within(stream: &mut UnixStream, wait: Duration, body_max: u32) -> Result<Message, StreamError> {
    let mut first = [0];
    timeout(wait, stream.read_exact(&mut first)).await.map_err(|_| StreamError::Late)??;
    timeout(patience::FRAME, rest(stream, first, body_max)).await.map_err(|_| StreamError::Late)?
}

/// Writes a message.
pub(crate) async fn write(stream: &mut UnixStream, message: Message) -> Result<(), StreamError> {
    let encoded = message.encode()?;
    let written = timeout(patience::FRAME, async {
        stream.write_all(&encoded.head).await?;
        stream.write_all(&encoded.payload).await
    });
    Ok(written.await.map_err(|_| StreamError::Late)??)
}

/// Ends when the other side has hung up or, out of turn, sent something.
pub(crate) async fn hung_up(stream: &UnixStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}

async fn rest(stream: &mut UnixStream, first: [u8; 1], body_max: u32) -> Result<Message, StreamError> {
    let mut bytes = [0; HEAD_BYTES];
    let [start, others @ ..] = &mut bytes;
    [*start] = first;
    stream.read_exact(others).await?;
    let head = Head::parse(bytes)?;
    if head.length() > body_max {
        return Err(StreamError::TooLong(head.length()));
    }
    let body = body(stream, head).await?;
    Ok(Message::parse(head, body)?)
}

async fn body(stream: &mut UnixStream, head: Head) -> Result<Bytes, StreamError> {
    let length = usize::try_from(head.length()).map_err(io::Error::other)?;
    let mut body = BytesMut::with_capacity(length.min(BUFFER_START));
    let mut left = stream.take(u64::from(head.length()));
    while body.len() < length {
        if left.read_buf(&mut body).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(body.freeze())
}
