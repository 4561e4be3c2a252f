//! An upstream that keeps every byte: in the clear as a workload, or over mTLS as what stands where a gateway should.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// From what came so far to the whole answer.
type Respond = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// What was seen on one connection whose handshake, if any, was done.
#[derive(Clone, Default)]
pub struct Recording {
    /// Application bytes, in order.
    pub bytes: Vec<u8>,
    /// The client's certificate, over mTLS.
    pub client_leaf: Option<CertificateDer<'static>>,
}

impl Recording {
    /// The bytes as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[derive(Default)]
struct Shared {
    accepts: AtomicUsize,
    connections: Mutex<Vec<Recording>>,
}

/// A server that answers each whole HTTP/1.1 request with the bytes that a function gives.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A 200 with a body and extra header lines (each with its line end).
#[must_use]
pub fn ok_response(headers: &str, body: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    write!(answer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).unwrap();
    answer
}

impl Recorder {
    /// In the clear. `respond` gets one whole request and gives the answer; an empty one closes the connection.
    pub async fn plain(respond: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(respond)).await
    }

    /// Over TLS with `settings`.
    pub async fn tls(settings: Arc<ServerConfig>, respond: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Some(settings), Arc::new(respond)).await
    }

    async fn start(tls: Option<Arc<ServerConfig>>, respond: Respond) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (kept, tls) = (Arc::clone(&shared), tls.map(TlsAcceptor::from));
        let server = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                kept.accepts.fetch_add(1, Ordering::SeqCst);
                let (kept, tls, respond) = (Arc::clone(&kept), tls.clone(), Arc::clone(&respond));
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, &kept, None, &*respond).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                                let leaf = leaf.map(|leaf| leaf.clone().into_owned());
                                serve(stream, &kept, leaf, &*respond).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, shared, server }
    }

    /// TCP connections so far.
    #[must_use]
    pub fn accepts(&self) -> usize {
        self.shared.accepts.load(Ordering::SeqCst)
    }

    /// What was seen on each connection whose handshake was done.
    #[must_use]
    pub fn connections(&self) -> Vec<Recording> {
        self.shared.connections.lock().clone()
    }

    /// Application bytes of all connections together.
    #[must_use]
    pub fn application_bytes(&self) -> usize {
        self.connections().iter().map(|connection| connection.bytes.len()).sum()
    }

    /// The whole text of all connections together.
    #[must_use]
    pub fn text(&self) -> String {
        self.connections().iter().map(Recording::text).collect()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    client_leaf: Option<CertificateDer<'static>>,
    respond: &(dyn Fn(&str) -> Vec<u8> + Send + Sync),
) {
    let index = {
        let mut connections = shared.connections.lock();
        connections.push(Recording { bytes: Vec::new(), client_leaf });
        connections.len() - 1
    };
    let mut pending = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        while let Some(end) = whole_request(&pending) {
            let rest = pending.split_off(end);
            let request = std::mem::replace(&mut pending, rest);
            let answer = respond(&String::from_utf8_lossy(&request));
            if answer.is_empty() || stream.write_all(&answer).await.is_err() {
                return;
            }
            drop(stream.flush().await);
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                pending.extend_from_slice(&chunk[..count]);
                shared.connections.lock()[index].bytes.extend_from_slice(&chunk[..count]);
            }
        }
    }
}

/// The length of the first whole request in `bytes`.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if text.contains("\r\ntransfer-encoding: chunked") {
        let end = bytes[head..].windows(5).position(|five| five == b"0\r\n\r\n")?;
        return Some(head + end + 5);
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse::<usize>().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
