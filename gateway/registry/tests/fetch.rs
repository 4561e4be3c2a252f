//! The client against servers that behave, and against servers that don't.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mutual_tls;
mod scripted;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bellgate_registry::{Digest, FetchError, FetchLimits, Registry};
use mutual_tls::{Authority, H1, base, urn};
use scripted::{always, scripted};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const LIMIT: usize = 100;

fn limits() -> FetchLimits {
    FetchLimits { capability_bytes: LIMIT, ..FetchLimits::default() }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(7) {
        answer.extend(format!("{:x}\r\n", piece.len()).bytes());
        answer.extend(piece);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn until_the_end(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n\r\n", body].concat()
}

#[tokio::test]
async fn each_answer_has_one_outcome() {
    let fits = vec![b'x'; LIMIT];
    let digest = Digest::of(&fits);
    let almost = vec![b'x'; LIMIT - 1];
    let too_much = vec![b'x'; LIMIT + 1];
    let too_large = FetchError::TooLarge { limit: LIMIT };
    let other = |body: &[u8]| FetchError::DigestMismatch { expected: digest, actual: Digest::of(body) };
    let status = |status| FetchError::Status { status };
    let head = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes();

    for (name, answer, outcome) in [
        ("limit - 1, length told", with_length(&almost), Err(other(&almost))),
        ("limit, length told", with_length(&fits), Ok(())),
        ("limit + 1, length told", with_length(&too_much), Err(too_large.clone())),
        ("limit - 1, chunked", chunked(&almost), Err(other(&almost))),
        ("limit, chunked", chunked(&fits), Ok(())),
        ("limit + 1, chunked", chunked(&too_much), Err(too_large.clone())),
        ("limit, until the end", until_the_end(&fits), Ok(())),
        ("limit + 1, until the end", until_the_end(&too_much), Err(too_large.clone())),
        (
            "a length that nobody could hold",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n".to_vec(),
            Err(too_large),
        ),
        (
            "one bit differs",
            with_length(&[&fits[..LIMIT - 1], b"y"].concat()),
            Err(other(&[&fits[..LIMIT - 1], b"y"].concat())),
        ),
        ("nothing", with_length(b""), Err(other(b""))),
        ("404", head("404 Not Found"), Err(FetchError::UnknownUrn)),
        ("410", head("410 Gone"), Err(FetchError::UnknownUrn)),
        ("401", head("401 Unauthorized"), Err(status(401))),
        ("503", head("503 Service Unavailable"), Err(status(503))),
        ("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Err(status(204))),
        ("a redirect is not followed", head("302 Found\r\nLocation: https://127.0.0.1:1/"), Err(status(302))),
        (
            "fewer bytes than told",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx".to_vec(),
            Err(FetchError::Interrupted),
        ),
        (
            "a chunk that never ends",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxx".to_vec(),
            Err(FetchError::Interrupted),
        ),
        ("not HTTP", b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), Err(FetchError::Unreachable)),
        ("closed without a byte", Vec::new(), Err(FetchError::Unreachable)),
    ] {
        let authority = Authority::new();
        let (address, _) = always(&authority, answer).await;
        let registry = Registry::new(base(address), authority.client(H1), limits()).unwrap();
        let fetched = registry.fetch(&urn("urn:x:a"), &digest).await;
        assert_eq!(fetched.as_ref().map(|_| ()).map_err(Clone::clone), outcome, "{name}");
        assert_eq!(registry.held(), if outcome.is_ok() { (1, LIMIT) } else { (0, 0) }, "{name}");
    }
}

#[tokio::test]
async fn an_endless_answer_ends_at_the_limit() {
    let authority = Authority::new();
    let (address, _) = scripted(&authority, |mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[0; 64]).await.is_ok() {}
    })
    .await;
    let registry = Registry::new(base(address), authority.client(H1), limits()).unwrap();
    assert_eq!(registry.fetch(&urn("urn:x:a"), &Digest::of(b"")).await, Err(FetchError::TooLarge { limit: LIMIT }));
}

#[tokio::test]
async fn peers_that_are_not_proved_are_not_spoken_to() {
    let authority = Authority::new();
    let (address, requests) = always(&authority, with_length(b"x")).await;
    let digest = Digest::of(b"x");
    for (name, tls) in
        [("another authority's", Authority::new().client(H1)), ("no certificate of ours", authority.anonymous_client())]
    {
        let registry = Registry::new(base(address), tls, limits()).unwrap();
        assert_eq!(registry.fetch(&urn("urn:x:a"), &digest).await, Err(FetchError::Unreachable), "{name}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0, "no request left before the handshake was done");
}

#[tokio::test]
async fn nobody_there() {
    let authority = Authority::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let registry = Registry::new(base(closed), authority.client(H1), limits()).unwrap();
    assert_eq!(registry.fetch(&urn("urn:x:a"), &Digest::of(b"x")).await, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn the_deadline_covers_each_phase() {
    let authority = Authority::new();
    let short = FetchLimits { deadline: Duration::from_millis(300), ..limits() };
    let timed_out = Err(FetchError::TimedOut { milliseconds: 300 });
    let digest = Digest::of(b"x");

    // Accepts, and never shakes hands: the kernel accepts for a listener that nobody serves.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry::new(base(silent.local_addr().unwrap()), authority.client(H1), short.clone()).unwrap();
    assert_eq!(registry.fetch(&urn("urn:x:a"), &digest).await, timed_out, "within the handshake");

    for (phase, beginning) in [
        ("before the head", ""),
        ("within the head", "HTTP/1.1 200"),
        ("within the body", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"),
    ] {
        let (address, _) = scripted(&authority, move |mut stream, _| async move {
            let _ = stream.write_all(beginning.as_bytes()).await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        })
        .await;
        let registry = Registry::new(base(address), authority.client(H1), short.clone()).unwrap();
        assert_eq!(registry.fetch(&urn("urn:x:a"), &digest).await, timed_out, "{phase}");
    }
}

#[tokio::test]
async fn a_handshake_that_takes_too_long() {
    let authority = Authority::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let impatient = FetchLimits { connect_timeout: Duration::from_millis(100), ..limits() };
    let registry = Registry::new(base(silent.local_addr().unwrap()), authority.client(H1), impatient).unwrap();
    assert_eq!(registry.fetch(&urn("urn:x:a"), &Digest::of(b"x")).await, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn many_callers_make_one_fetch() {
    let authority = Authority::new();
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let (address, requests) = scripted(&authority, move |mut stream, _| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.unwrap().forget();
            let _ = stream.write_all(&with_length(b"x")).await;
        }
    })
    .await;
    let registry = Registry::new(base(address), authority.client(H1), limits()).unwrap();
    let (name, digest) = (urn("urn:x:a"), Digest::of(b"x"));

    // The caller that starts the fetch goes away; the fetch does not.
    tokio::select! {
        biased;
        _ = registry.fetch(&name, &digest) => panic!("nothing was delivered yet"),
        () = tokio::task::yield_now() => {}
    }
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (registry, name) = (registry.clone(), name.clone());
            tokio::spawn(async move { registry.fetch(&name, &digest).await })
        })
        .collect();
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "x");
    }
    assert_eq!(registry.fetch(&name, &digest).await.unwrap(), "x");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let authority = Authority::new();
    let (address, requests) = scripted(&authority, |mut stream, number| async move {
        let answer =
            if number == 0 { b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec() } else { with_length(b"x") };
        let _ = stream.write_all(&answer).await;
    })
    .await;
    let registry = Registry::new(base(address), authority.client(H1), limits()).unwrap();
    let (name, digest) = (urn("urn:x:a"), Digest::of(b"x"));
    let (first, second) = tokio::join!(registry.fetch(&name, &digest), registry.fetch(&name, &digest));
    assert_eq!((first, second), (Err(FetchError::Status { status: 500 }), Err(FetchError::Status { status: 500 })));
    assert_eq!(registry.fetch(&name, &digest).await.unwrap(), "x");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_name_that_fails_takes_no_other_with_it() {
    let authority = Authority::new();
    let (address, _) = always(&authority, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let registry = Registry::new(base(address), authority.client(H1), limits()).unwrap();
    let digest = Digest::of(b"x");
    let (a, b) = (urn("urn:x:a"), urn("urn:x:b"));
    assert_eq!(
        tokio::join!(registry.fetch(&a, &digest), registry.fetch(&b, &digest)),
        (Err(FetchError::UnknownUrn), Err(FetchError::UnknownUrn))
    );
}

#[tokio::test]
async fn fetches_at_once_are_bounded_and_waiting_counts() {
    let authority = Authority::new();
    let (address, requests) = scripted(&authority, |stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let tight = FetchLimits { concurrent: 2, deadline: Duration::from_millis(500), ..limits() };
    let registry = Registry::new(base(address), authority.client(H1), tight).unwrap();
    let digest = Digest::of(b"x");
    let names: Vec<_> = (0..5).map(|number| urn(&format!("urn:x:{number}"))).collect();
    let outcomes = futures::future::join_all(names.iter().map(|name| registry.fetch(name, &digest))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(FetchError::TimedOut { milliseconds: 500 })), "{outcomes:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn codes_are_stable() {
    let digest = Digest::of(b"");
    for (error, code, retry) in [
        (FetchError::UnknownUrn, "unknown-urn", false),
        (FetchError::Unreachable, "registry-unreachable", true),
        (FetchError::TimedOut { milliseconds: 1 }, "registry-timeout", true),
        (FetchError::Interrupted, "registry-interrupted", true),
        (FetchError::TooLarge { limit: 1 }, "capability-too-large", false),
        (FetchError::DigestMismatch { expected: digest, actual: digest }, "digest-mismatch", false),
        (FetchError::Status { status: 403 }, "registry-status", false),
        (FetchError::Status { status: 429 }, "registry-status", true),
        (FetchError::Status { status: 502 }, "registry-status", true),
    ] {
        assert_eq!((error.code(), error.can_retry_help()), (code, retry));
    }
}
