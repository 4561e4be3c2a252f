//! `bellgate registry serve`, run as a program beside a real Workload API socket, and fetched from as the gateway does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bellgate_policy::SpiffeId;
use bellgate_registry::{Base, Digest, FetchError, FetchLimits, Registry, Urn};
use bellgate_spire::authority::{DevelopmentAuthority, Options};
use bellgate_spire::client_config;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

const NAME: &str = "urn:bellgate:actionspace:solver:deidentify:v1";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://demo.bellgate.test/{path}")).unwrap()
}

fn write_folder(folder: &Path) {
    std::fs::write(folder.join("a.wasm"), MODULE).unwrap();
    let index = format!(
        r#"{{"version":1,"capabilities":[{{"urn":"{NAME}","file":"a.wasm","sha256":"{}"}}]}}"#,
        Digest::of(MODULE)
    );
    std::fs::write(folder.join("index.json"), index).unwrap();
}

fn command(folder: &Path, workload_api: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellgate"));
    command.args(["registry", "serve", "--listen", "127.0.0.1:0", "--workload-api", workload_api, "--folder"]);
    command.arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts it and reads where it listens.
async fn start(folder: &Path, workload_api: &str) -> (Child, Base) {
    let mut child = command(folder, workload_api).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let base = first.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
    let base = Base::parse(base).unwrap();
    // The rest is read too, so that the program never waits for us.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, base)
}

async fn terminate(child: &mut Child) -> ExitStatus {
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    tokio::time::timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap()
}

#[tokio::test]
async fn it_serves_who_has_an_svid_and_ends_when_told() {
    let authority = DevelopmentAuthority::new("demo.bellgate.test", Options::default()).unwrap();
    let (folder, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_folder(folder.path());
    let socket = run.path().join("api").join("agent.sock");
    let endpoint = format!("unix://{}", socket.display());
    // The Workload API comes later than the registry: until then every handshake is refused.
    let (mut child, base) = start(folder.path(), &endpoint).await;
    let me = authority.identity(&id("planner")).unwrap();
    let tls = |expected: &str| client_config(&me, &id(expected), &[b"h2", b"http/1.1"]).as_ref().clone();
    let registry = Registry::new(base.clone(), tls("registry"), FetchLimits::default()).unwrap();
    let (name, digest) = (Urn::parse(NAME).unwrap(), Digest::of(MODULE));
    assert_eq!(registry.fetch(&name, &digest).await, Err(FetchError::Unreachable));

    let (stop, stopped) = watch::channel(false);
    let serving = {
        let (authority, socket) = (authority.clone(), socket.clone());
        tokio::spawn(async move { authority.serve(&socket, id("registry"), stopped).await })
    };
    // It dials again by itself; each refusal here is a handshake, so this is no busy loop.
    let fetched = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match registry.fetch(&name, &digest).await {
                Err(FetchError::Unreachable) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => break other,
            }
        }
    });
    assert_eq!(fetched.await.unwrap().unwrap(), MODULE);

    let unknown = Urn::parse("urn:bellgate:other").unwrap();
    assert_eq!(registry.fetch(&unknown, &Digest::of(b"")).await, Err(FetchError::UnknownUrn));
    let impostor = Registry::new(base.clone(), tls("search"), FetchLimits::default()).unwrap();
    assert_eq!(impostor.fetch(&name, &digest).await, Err(FetchError::Unreachable), "another SPIFFE ID was expected");
    let foreign = DevelopmentAuthority::new("demo.bellgate.test", Options::default()).unwrap();
    let stranger = foreign.identity(&id("planner")).unwrap();
    let stranger = client_config(&stranger, &id("registry"), &[b"h2"]).as_ref().clone();
    let stranger = Registry::new(base, stranger, FetchLimits::default()).unwrap();
    assert_eq!(stranger.fetch(&name, &digest).await, Err(FetchError::Unreachable), "another authority's");

    assert_eq!(terminate(&mut child).await.code(), Some(0));
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn mistakes_are_told_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    let told = async |folder: &Path, workload_api: &str| {
        let output = command(folder, workload_api).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, wrong) = told(folder.path(), "unix:///run/a.sock").await;
    assert_eq!(status, Some(78));
    assert!(wrong.contains("index.json can't be used"), "{wrong}");

    write_folder(folder.path());
    std::fs::write(folder.path().join("a.wasm"), b"changed").unwrap();
    let (status, wrong) = told(folder.path(), "unix:///run/a.sock").await;
    assert_eq!(status, Some(78));
    assert!(wrong.contains("`a.wasm` has sha256"), "{wrong}");

    let (status, wrong) = told(folder.path(), "tcp://127.0.0.1:1").await;
    assert_eq!(status, Some(78));
    assert!(wrong.contains("--workload-api"), "{wrong}");
}
