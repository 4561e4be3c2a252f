//! The upstream: answers every request with the same bytes, as cheaply as can be, since it shares a core with the load
//! generator.

use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::message;

/// Listens on a free port of loopback, prints `listening ADDRESS`, and serves until it is killed.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("upstream: {error}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let answer = message::answer();
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        while let Some(length) = message::length(&buffer)?.filter(|length| *length <= buffer.len()) {
            buffer.drain(..length);
            stream.write_all(&answer).await?;
        }
    }
}
