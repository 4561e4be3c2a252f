//! The gateway's own client against the real host.

#[expect(unreachable_pub, reason = "the file is a module of bellgate-proxy, whose root decides what is public")]
#[path = "../../../gateway/proxy/src/enclave.rs"]
mod enclave;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use bellgate_enclave_protocol::{Cause, Entry, Limits, ManifestConformanceError};
use bytes::Bytes;
use enclave::{EnclaveClient, Invocation};

use crate::harness::{Guest, Host};

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn limits(wall_ms: u64) -> Limits {
    Limits::new(64 << 20, u64::MAX, wall_ms, 1 << 20, 10_485_760).unwrap()
}

async fn call(client: &EnclaveClient, guest: &Guest, entry: &str, input: &str) -> Result<Bytes, Cause> {
    let entry = Entry::new(entry).unwrap();
    let invocation = Invocation {
        digest: guest.digest,
        entry: &entry,
        limits: limits(if entry.as_str() == "spin" { 100 } else { 20_000 }),
        input: Bytes::copy_from_slice(input.as_bytes()),
    };
    let bytes = guest.bytes.clone();
    client.invoke(invocation, || async { Ok(bytes) }).await.map_err(|error| error.cause)
}

#[tokio::test]
async fn calls_share_connections_and_ask_for_a_module_once() {
    let host = Host::start(2, 64);
    let client = EnclaveClient::new(&host.socket, our_uid());
    let echo = Guest::attack("echo");
    assert_eq!(call(&client, &echo, "run", "[1]").await.as_deref(), Ok(&b"[1]"[..]));
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", host.process.id())).unwrap().count();
    let open = descriptors();
    let asked = AtomicUsize::new(0);
    let entry = Entry::new("run").unwrap();
    for _ in 0..20 {
        let input = Bytes::from_static(b"2");
        let invocation = Invocation { digest: echo.digest, entry: &entry, limits: limits(20_000), input };
        let source = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            Err(Cause::Unavailable.into())
        };
        assert!(client.invoke(invocation, source).await.is_ok());
    }
    assert_eq!(asked.into_inner(), 0, "the host holds it");
    assert_eq!(descriptors(), open, "on one connection");
}

#[tokio::test]
async fn a_host_is_within_reach_while_it_is_there() {
    let mut host = Host::start(1, 4);
    let client = EnclaveClient::new(&host.socket, our_uid());
    for _ in 0..3 {
        assert!(client.reach().await.is_ok());
    }
    let another = EnclaveClient::new(&host.socket, our_uid() + 1);
    assert_eq!(another.reach().await.map_err(|error| error.cause), Err(Cause::Unavailable));
    host.terminate();
    // The connection that was kept is closed by now or a moment later; the socket is gone.
    while client.reach().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn faults_come_through_and_the_client_goes_on() {
    let host = Host::start(1, 4);
    let client = EnclaveClient::new(&host.socket, our_uid());
    let (spin, echo, output) = (Guest::committed("spin"), Guest::attack("echo"), Guest::attack("output"));
    for _ in 0..3 {
        assert_eq!(call(&client, &spin, "spin", "{}").await, Err(Cause::Timeout));
        assert_eq!(call(&client, &output, "forge_within", "").await, Err(Cause::Aborted));
        assert_eq!(call(&client, &echo, "missing", "").await, Err(Cause::EntryMissing));
        assert!(call(&client, &echo, "run", "1").await.is_ok());
    }
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(call(&client, &echo, "run", &long).await, Err(Cause::InputTooLarge));
}

#[tokio::test]
async fn what_the_module_source_fails_with_is_what_the_call_fails_with() {
    let host = Host::start(1, 4);
    let client = EnclaveClient::new(&host.socket, our_uid());
    let (echo, counter) = (Guest::attack("echo"), Guest::attack("counter"));
    let entry = Entry::new("run").unwrap();
    let invocation = || Invocation { digest: echo.digest, entry: &entry, limits: limits(20_000), input: Bytes::new() };
    let failing = client.invoke(invocation(), || async { Err(Cause::Unavailable.into()) }).await;
    assert_eq!(failing, Err(ManifestConformanceError { cause: Cause::Unavailable }));
    let false_bytes = client.invoke(invocation(), || async { Ok(counter.bytes.clone()) }).await;
    assert_eq!(false_bytes, Err(ManifestConformanceError { cause: Cause::ModuleRefused }));
    let too_long = client.invoke(invocation(), || async { Ok(Bytes::from(vec![0; (16 << 20) + 1])) }).await;
    assert_eq!(too_long, Err(ManifestConformanceError { cause: Cause::ModuleRefused }));
    assert!(call(&client, &echo, "run", "1").await.is_ok());
}

#[tokio::test]
async fn a_host_that_is_away_or_another_is_unavailable_and_comes_back() {
    let mut host = Host::start(1, 4);
    let echo = Guest::attack("echo");
    let stranger = EnclaveClient::new(&host.socket, our_uid() + 4_242);
    assert_eq!(call(&stranger, &echo, "run", "1").await, Err(Cause::Unavailable));
    let client = EnclaveClient::new(&host.socket, our_uid());
    assert!(call(&client, &echo, "run", "1").await.is_ok());
    host.terminate();
    assert_eq!(call(&client, &echo, "run", "1").await, Err(Cause::Unavailable));
    let mut again = crate::harness::command(&host.socket, our_uid()).spawn().unwrap();
    crate::harness::wait_until("the socket", || std::os::unix::net::UnixStream::connect(&host.socket).is_ok());
    assert!(call(&client, &echo, "run", "1").await.is_ok());

    // The kept connection is of a host that is gone; the call takes a new one.
    again.kill().unwrap();
    again.wait().unwrap();
    let mut third = crate::harness::command(&host.socket, our_uid()).spawn().unwrap();
    crate::harness::wait_until("the socket", || std::os::unix::net::UnixStream::connect(&host.socket).is_ok());
    assert!(call(&client, &echo, "run", "1").await.is_ok());
    third.kill().unwrap();
    third.wait().unwrap();
}

#[tokio::test]
async fn past_its_own_bound_a_call_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mute");
    let mute = tokio::net::UnixListener::bind(&socket).unwrap(); // listens and never answers
    let client = EnclaveClient::new(&socket, our_uid());
    let echo = Guest::attack("echo");
    let waiting: Vec<_> = (0..enclave::CALLS_MAX).map(|_| Box::pin(call(&client, &echo, "run", "1"))).collect();
    let all = futures_poll_once(waiting);
    assert_eq!(all.len(), enclave::CALLS_MAX);
    let started = Instant::now();
    assert_eq!(call(&client, &echo, "run", "1").await, Err(Cause::Busy));
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(mute);
}

/// Polls each future once, so that each call is under way.
fn futures_poll_once<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for future in &mut futures {
        assert!(std::pin::Pin::new(future).poll(&mut context).is_pending());
    }
    futures
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mute");
    let _mute = tokio::net::UnixListener::bind(&socket).unwrap();
    let client = EnclaveClient::new(&socket, our_uid());
    let echo = Guest::attack("echo");
    let started = tokio::time::Instant::now();
    assert_eq!(call(&client, &echo, "run", "1").await, Err(Cause::Unavailable));
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(20) && waited < Duration::from_secs(60), "{waited:?}");
}
