//! A server that answers with whatever bytes a test wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mutual_tls::Authority;

/// Counts the requests that a [`scripted`] server has read.
pub(crate) type Requests = Arc<AtomicUsize>;

/// A server that reads one request head per connection, hands the connection to `script` with the number of the request and closes.
pub(crate) async fn scripted<F, A>(authority: &Authority, script: F) -> (SocketAddr, Requests)
where
    F: Fn(TlsStream<TcpStream>, usize) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let mut tls = ServerConfig::clone(&authority.server());
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Requests::default();
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script, counter) = (acceptor.clone(), script.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let number = counter.fetch_add(1, Ordering::SeqCst);
                script(stream, number).await;
            });
        }
    });
    (address, requests)
}

/// A server that always answers with the same bytes and closes.
pub(crate) async fn always(authority: &Authority, answer: Vec<u8>) -> (SocketAddr, Requests) {
    scripted(authority, move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}
