//! A served folder, asked over real mutual TLS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mutual_tls;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bellgate_registry::{Digest, FetchError, FetchLimits, Folder, INDEX, Registry, serve};
use mutual_tls::{Authority, H1, base, urn};
use reqwest::{Method, Version};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const H2: &[&[u8]] = &[b"h2"];
const NAME: &str = "urn:bellgate:actionspace:solver:deidentify:v1";
const ODD: &str = "urn:bellgate:state:a/../b?c#d%41";

struct Server {
    authority: Authority,
    address: SocketAddr,
    folder: tempfile::TempDir,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

fn write_index(folder: &Path, rows: &[(&str, &str, Digest)]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(urn, file, digest)| serde_json::json!({"urn": urn, "file": file, "sha256": digest.to_string()}))
        .collect();
    std::fs::write(folder.join(INDEX), serde_json::json!({"version": 1, "capabilities": rows}).to_string()).unwrap();
}

async fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wasm"), b"AAAA").unwrap();
    std::fs::write(folder.path().join("b.wasm"), b"BB").unwrap();
    std::fs::write(folder.path().join("unlisted.wasm"), b"U").unwrap();
    write_index(folder.path(), &[(NAME, "a.wasm", Digest::of(b"AAAA")), (ODD, "b.wasm", Digest::of(b"BB"))]);
    let (opened, _) = Folder::open(folder.path()).unwrap();
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, watching) = watch::channel(false);
    let task = tokio::spawn(serve(listener, authority.server(), opened, watching));
    Server { authority, address, folder, shutdown, task }
}

impl Server {
    fn client(&self, alpn: &[&[u8]]) -> reqwest::Client {
        reqwest::Client::builder().tls_backend_preconfigured(self.authority.client(alpn)).no_proxy().build().unwrap()
    }

    fn registry(&self) -> Registry {
        Registry::new(base(self.address), self.authority.client(H2), FetchLimits::default()).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn download(&self, name: &str) -> String {
        self.url(&format!("/api/v1/registry/capabilities/{name}/download"))
    }
}

#[tokio::test]
async fn what_is_served_can_be_fetched() {
    let server = server().await;
    for (name, bytes) in [(NAME, &b"AAAA"[..]), (ODD, b"BB")] {
        for alpn in [H1, H2] {
            let registry =
                Registry::new(base(server.address), server.authority.client(alpn), FetchLimits::default()).unwrap();
            assert_eq!(registry.fetch(&urn(name), &Digest::of(bytes)).await.unwrap(), bytes);
        }
    }
    let registry = server.registry();
    assert_eq!(
        registry.fetch(&urn("urn:bellgate:unlisted.wasm"), &Digest::of(b"U")).await,
        Err(FetchError::UnknownUrn)
    );
    let pinned = Digest::of(b"something else");
    let mismatch = FetchError::DigestMismatch { expected: pinned, actual: Digest::of(b"AAAA") };
    assert_eq!(registry.fetch(&urn(NAME), &pinned).await, Err(mismatch));
}

#[tokio::test]
async fn answers_and_their_headers() {
    let server = server().await;
    let tag = format!("\"{}\"", Digest::of(b"AAAA"));
    for (alpn, version) in [(H1, Version::HTTP_11), (H2, Version::HTTP_2)] {
        let client = server.client(alpn);
        let answer = client.get(server.download(NAME)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        assert_eq!(
            (&answer.headers()["etag"], &answer.headers()["content-type"]),
            (&tag.parse().unwrap(), &"application/wasm".parse().unwrap())
        );
        assert_eq!(answer.bytes().await.unwrap(), "AAAA");

        let answer = client.head(server.download(NAME)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["content-length"].to_str().unwrap()), (200, "4"));
        assert_eq!(answer.headers()["etag"].to_str().unwrap(), tag);
        assert_eq!(answer.bytes().await.unwrap(), "");

        for (held, status) in [(&*tag, 304), ("\"x\", W/\"y\"", 200), (&*format!("\"x\", {tag}"), 304), ("*", 304)] {
            let answer = client.get(server.download(NAME)).header("if-none-match", held).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{held}");
        }
    }
}

#[tokio::test]
async fn everything_else_is_a_problem() {
    let server = server().await;
    let client = server.client(H1);
    for (method, url, status, code) in [
        (Method::GET, server.download("urn:bellgate:other"), 404, "unknown-urn"),
        (Method::GET, server.download("urn:x:%2F..%2F..%2Funlisted.wasm"), 404, "unknown-urn"),
        (Method::GET, server.download("..%2Funlisted.wasm"), 400, "not-a-urn"),
        (Method::GET, server.download("unlisted.wasm"), 400, "not-a-urn"),
        (Method::GET, server.download("urn:x:%FF"), 400, "not-a-urn"),
        (Method::GET, server.download(""), 400, "not-a-urn"),
        (Method::GET, server.url("/"), 404, "no-such-path"),
        (Method::GET, server.url("/index.json"), 404, "no-such-path"),
        (Method::GET, server.url("/api/v1/registry/capabilities/unlisted.wasm"), 404, "no-such-path"),
        (Method::POST, server.download(NAME), 405, "method-not-allowed"),
        (Method::DELETE, server.download(NAME), 405, "method-not-allowed"),
    ] {
        let answer = client.request(method, &url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{url}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(problem["type"], format!("urn:bellgate:problem:{code}"), "{url}");
    }
}

#[tokio::test]
async fn the_folder_is_served_as_it_is_now() {
    let server = server().await;
    let status =
        async |name: &str| server.client(H1).get(server.download(name)).send().await.unwrap().status().as_u16();
    std::fs::write(server.folder.path().join("a.wasm"), b"tampered").unwrap();
    assert_eq!(status(NAME).await, 500, "bytes that are not the index's are not handed out");
    write_index(server.folder.path(), &[(NAME, "a.wasm", Digest::of(b"tampered"))]);
    assert_eq!(status(NAME).await, 200, "a new index counts at once");
    assert_eq!(status("urn:bellgate:state:x").await, 404);
    std::fs::write(server.folder.path().join(INDEX), b"{").unwrap();
    assert_eq!(status(NAME).await, 500);
}

#[tokio::test]
async fn strangers_are_not_served() {
    let server = server().await;
    for tls in [server.authority.anonymous_client(), Authority::new().client(H1)] {
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        assert!(client.get(server.download(NAME)).send().await.is_err());
    }
    assert_eq!(server.registry().fetch(&urn(NAME), &Digest::of(b"AAAA")).await.unwrap(), "AAAA", "and it goes on");
}

#[tokio::test]
async fn it_ends_when_told() {
    let server = server().await;
    // A kept-alive connection that does nothing holds nobody up.
    let client = server.client(H2);
    assert_eq!(client.get(server.download(NAME)).send().await.unwrap().status().as_u16(), 200);
    server.shutdown.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(20), server.task).await.expect("it ends").unwrap().unwrap();
    assert!(client.get(format!("https://{}/", server.address)).send().await.is_err());
}
