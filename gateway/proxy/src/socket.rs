//! What an upstream is reached through: a socket, or TLS over one.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// TLS reads records of up to 16 KiB in small steps; one read of the socket brings several.
const READ_AHEAD: usize = 32 * 1024;

/// A connected socket.
pub(crate) enum Socket {
    /// To another host, or over loopback.
    Tcp(TcpStream),
    /// To the local workload.
    Unix(UnixStream),
}

/// A socket, or TLS over one.
pub(crate) enum Transport {
    /// In the clear, inside the pod.
    Plain(Socket),
    /// Verified in its handshake.
    Tls(Box<TlsStream<BufReader<Socket>>>),
}

impl Socket {
    /// What TLS is put over.
    pub(crate) fn read_ahead(self) -> BufReader<Self> {
        BufReader::with_capacity(READ_AHEAD, self)
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }
}

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Plain(socket) => socket.as_raw_fd(),
            Self::Tls(tls) => tls.get_ref().0.get_ref().as_raw_fd(),
        }
    }
}

/// The same for each of the two kinds of both.
macro_rules! carries {
    ($kind:ty: $first:path, $second:path) => {
        impl AsyncRead for $kind {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $first(inner) => Pin::new(inner).poll_read(cx, into),
                    $second(inner) => Pin::new(inner).poll_read(cx, into),
                }
            }
        }

        impl AsyncWrite for $kind {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $first(inner) => Pin::new(inner).poll_write(cx, bytes),
                    $second(inner) => Pin::new(inner).poll_write(cx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $first(inner) => Pin::new(inner).poll_write_vectored(cx, pieces),
                    $second(inner) => Pin::new(inner).poll_write_vectored(cx, pieces),
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $first(inner) => inner.is_write_vectored(),
                    $second(inner) => inner.is_write_vectored(),
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $first(inner) => Pin::new(inner).poll_flush(cx),
                    $second(inner) => Pin::new(inner).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $first(inner) => Pin::new(inner).poll_shutdown(cx),
                    $second(inner) => Pin::new(inner).poll_shutdown(cx),
                }
            }
        }
    };
}

carries!(Socket: Self::Tcp, Self::Unix);
carries!(Transport: Self::Plain, Self::Tls);
