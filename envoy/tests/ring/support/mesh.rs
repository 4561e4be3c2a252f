//! A running Envoy with ext_authz before a small workload, and clients with certificates.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellgate_policy::SpiffeId;
use bytes::Bytes;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use super::envoy::render;
use super::pki::{Authority, TRUST_DOMAIN};

/// Names, in lower case, with their values, in order.
pub(crate) type Headers = Vec<(String, String)>;

/// Envoy before a workload; ends with this.
pub(crate) struct Mesh {
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
    pub(crate) workload: Workload,
    server: String,
    listener: SocketAddr,
    envoy: Child,
}

impl Drop for Mesh {
    fn drop(&mut self) {
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
    }
}

impl Mesh {
    /// Starts Envoy with the SVID of `name` and a template of `bootstraps/`, for a gateway on `socket`.
    pub(crate) async fn start(envoy: &Path, template: &str, name: &str, socket: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.write_for_envoy(name, folder.path());
        let workload = Workload::start().await;
        let listener = free_address();
        let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
        let config = render(
            template,
            "files",
            &[
                ("RUN_DIR", folder.path().to_str().unwrap()),
                ("GATEWAY_SOCKET", socket.to_str().unwrap()),
                ("TRUST_DOMAIN", TRUST_DOMAIN),
                ("LISTEN_ADDRESS", "127.0.0.1"),
                ("LISTEN_PORT", &listener.port().to_string()),
                ("WORKLOAD_PORT", &workload.address.port().to_string()),
                ("SVID_FILE", &path("svid.yaml")),
                ("BUNDLE_FILE", &path("bundle.yaml")),
            ],
        );
        std::fs::write(path("envoy.yaml"), config).unwrap();
        let log = std::fs::File::create(path("envoy.log")).unwrap();
        let child = Command::new(envoy)
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "-c", &path("envoy.yaml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut mesh = Self { authority, folder, workload, server: name.to_owned(), listener, envoy: child };
        mesh.wait_for_listener().await;
        mesh
    }

    async fn wait_for_listener(&mut self) {
        for _ in 0..1000 {
            if TcpStream::connect(self.listener).await.is_ok() {
                return;
            }
            assert!(self.envoy.try_wait().unwrap().is_none(), "Envoy ended: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("Envoy doesn't listen: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// As the workload `name`; as several at once where `name` has a `+`.
    async fn connect(&self, name: &str, protocol: &[u8]) -> TlsStream<TcpStream> {
        let expected = SpiffeId::parse(&format!("spiffe://{TRUST_DOMAIN}/{}", self.server)).unwrap();
        let names: Vec<_> = name.split('+').collect();
        let config = bellgate_spire::client_config(&self.authority.identity(names[0]), &expected, &[protocol]);
        let mut config = ClientConfig::clone(&config);
        if names.len() > 1 {
            config.client_auth_cert_resolver = Arc::new(self.authority.several(&names));
        }
        let stream = TcpStream::connect(self.listener).await.unwrap();
        let name = ServerName::try_from("envoy.test").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// One request over HTTP/1.1 as the workload `name`: the bytes of its head without the closing empty line, and a
    /// body.
    pub(crate) async fn http1(&self, name: &str, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect(name, b"http/1.1").await;
        stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        // A refusal may come, and the connection end, before all of a large body is sent.
        let _ = stream.write_all(body).await;
        let _ = stream.flush().await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::parse(&bytes)
    }

    /// One request over HTTP/2, with a body of unknown length where there is one.
    pub(crate) async fn http2(&self, name: &str, method: &str, url: &str, body: Option<&'static str>) -> Answer {
        let stream = self.connect(name, b"h2").await;
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::builder().method(method).uri(url).body(()).unwrap();
        let (response, mut sender) = client.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            sender.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
        }
        let (head, mut received) = response.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = received.data().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        connection.abort();
        let headers =
            head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
        Answer { status: head.status.as_u16(), headers: headers.collect(), body: String::from_utf8(bytes).unwrap() }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, headers: headers(lines), body: body.to_owned() }
    }

    /// Every value of one header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The reason in a problem.
    pub(crate) fn reason(&self) -> String {
        let problem: serde_json::Value =
            serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no problem: {self:?}"));
        problem["reason"].as_str().unwrap().to_owned()
    }
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Headers {
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect()
}

/// A workload that claims its answers to be PUBLIC and remembers the requests that reach it.
pub(crate) struct Workload {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Headers>>>,
}

impl Workload {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let workload = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&workload.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        workload
    }

    /// The headers of each request so far.
    pub(crate) fn seen(&self) -> Vec<Headers> {
        self.seen.lock().unwrap().clone()
    }

    /// Every value of one header of the last request.
    pub(crate) fn last(&self, name: &str) -> Vec<String> {
        self.seen().last().unwrap().iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }
}

/// Answers each head as soon as it is there: what the body was plays no part here.
async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Headers>>>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap();
    seen.lock().unwrap().push(headers(head.split("\r\n").skip(1)));
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nbellgate-label: PUBLIC\r\nbellgate-label: PUBLIC\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    // Until Envoy has sent all and closes: bytes left unread would reset the connection, and the answer with it.
    while stream.read(&mut [0; 64 * 1024]).await.unwrap_or(0) > 0 {}
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
