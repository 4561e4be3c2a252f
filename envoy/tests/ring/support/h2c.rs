//! Where a gateway's `envoy` listener would be: h2c on a Unix socket, remembering what Envoy hands over.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::net::{UnixListener, UnixStream};

use super::mesh::Headers;

/// Answers every request with 204.
pub(crate) struct H2cGateway {
    last: Arc<Mutex<Headers>>,
}

impl H2cGateway {
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let last = Arc::<Mutex<Headers>>::default();
        let seen = Arc::clone(&last);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Self { last }
    }

    /// Every value of one header of the last request, pseudo-headers included.
    pub(crate) fn last(&self, name: &str) -> Vec<String> {
        self.last.lock().unwrap().iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }
}

async fn serve(stream: UnixStream, last: Arc<Mutex<Headers>>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let uri = request.uri();
        let mut headers: Headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.push((":path".to_owned(), uri.path().to_owned()));
        headers.push((":authority".to_owned(), uri.authority().unwrap().to_string()));
        *last.lock().unwrap() = headers;
        let _ = respond.send_response(http::Response::builder().status(204).body(()).unwrap(), true);
    }
}
