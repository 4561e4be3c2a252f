//! A client that sends bytes as they are, for requests that no library would send.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::within;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One connection.
pub struct RawClient {
    stream: Box<dyn Duplex>,
    resumed: bool,
    kept: Vec<u8>,
}

impl RawClient {
    /// In the clear.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn plain(address: SocketAddr) -> Self {
        Self { stream: Box::new(TcpStream::connect(address).await.unwrap()), resumed: false, kept: Vec::new() }
    }

    /// Over TLS.
    ///
    /// # Errors
    /// When the handshake is refused as far as the client can see.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn tls(address: SocketAddr, tls: Arc<ClientConfig>) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        let connecting = TlsConnector::from(tls).connect("spiffe.invalid".try_into().unwrap(), tcp);
        let stream = within("a TLS handshake", connecting).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok(Self { stream: Box::new(stream), resumed, kept: Vec::new() })
    }

    /// Whether the TLS session was resumed.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Sends `bytes`.
    ///
    /// # Errors
    /// When the other side has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Says that nothing more will come.
    ///
    /// # Errors
    /// When the other side has closed.
    pub async fn finish(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await
    }

    /// One whole answer with `Content-Length` or without a body; `None` where the connection ends instead.
    ///
    /// # Panics
    /// When neither comes.
    pub async fn answer(&mut self) -> Option<String> {
        within("a raw answer", async {
            loop {
                if let Some(end) = whole(&self.kept) {
                    let rest = self.kept.split_off(end);
                    let answer = std::mem::replace(&mut self.kept, rest);
                    return Some(String::from_utf8_lossy(&answer).into_owned());
                }
                let mut chunk = [0; 4096];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.kept.extend_from_slice(&chunk[..count]),
                }
            }
        })
        .await
    }

    /// All that comes until the connection ends, however it ends.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn rest(&mut self) -> String {
        within("the end of the connection", async {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = self.stream.read(&mut chunk).await {
                self.kept.extend_from_slice(&chunk[..count]);
            }
        })
        .await;
        String::from_utf8_lossy(&std::mem::take(&mut self.kept)).into_owned()
    }
}

/// The length of the first whole answer in `bytes`.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse::<usize>().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
