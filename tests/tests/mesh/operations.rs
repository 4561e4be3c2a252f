//! Starting, telling how it is, and who may ask.

use std::process::{Command, Stdio};

use bellgate_tests::{Client, Mesh, Process, Workload, bellgate, get, until};
use http::Method;

use crate::{peer, planner};

#[tokio::test]
async fn without_a_workload_api_it_lives_says_so_and_becomes_ready_later() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let mut sidecar = mesh.sidecar("planner").calls("search", workload.address).without_workload_api().launch();
    until("it listens", || async { tokio::net::TcpStream::connect(sidecar.metrics).await.ok() }).await;
    let mut client = Client::h1(sidecar.metrics).await;
    assert_eq!(client.ask(get("metrics", "/healthz")).await.status, 200);
    let told = client.ask(get("metrics", "/readyz")).await;
    assert_eq!(told.status, 503);
    assert!(String::from_utf8_lossy(&told.body).contains("SVID"), "it says why");
    sidecar.logged("Workload API", 2).await;
    until("egress listens", || async { tokio::net::TcpStream::connect(sidecar.egress).await.ok() }).await;
    let told = sidecar.ask(get("search", "/page")).await;
    assert_eq!(told.verdict(), (503, "not-ready".into()));
    assert_eq!(told.json()["retry"], true);
    assert_eq!(sidecar.admin(Method::GET, "/v1/label").await.status, 503);
    assert_eq!(workload.accepts(), 0);
    mesh.open_workload_api("planner");
    sidecar.ready().await;
    assert_eq!(sidecar.label().await, "PUBLIC");
}

#[tokio::test]
async fn a_gateway_speaks_for_nobody_whom_the_policy_does_not_name() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let sidecar = mesh.sidecar("unnamed").calls("search", workload.address).launch();
    sidecar.logged("the policy names no subject", 1).await;
    until("egress listens", || async { tokio::net::TcpStream::connect(sidecar.egress).await.ok() }).await;
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 503);
    assert_eq!(Client::h1(sidecar.metrics).await.ask(get("metrics", "/readyz")).await.status, 503);
    assert_eq!(workload.accepts(), 0);
}

#[tokio::test]
async fn the_admin_socket_is_for_the_uids_that_the_config_names() {
    let mesh = Mesh::new();
    let (search, uid) = (peer(&mesh, "search", "PUBLIC").await, rustix::process::getuid().as_raw());
    let sidecar = mesh.sidecar("planner").admin_uids(&[uid + 1]).calls("search", search.address).start().await;
    for (method, path) in
        [(Method::GET, "/v1/label"), (Method::GET, "/v1/status"), (Method::POST, "/v1/reload"), (Method::GET, "/")]
    {
        let told = sidecar.admin(method, path).await;
        assert_eq!(told.status, 403, "{path}");
        assert!(!String::from_utf8_lossy(&told.body).contains("sha256"), "{path}");
    }
    // Nor does the socket of the workload lead there.
    let told = sidecar.ask(get("admin", "/v1/label")).await;
    assert_eq!(told.verdict(), (403, "not-granted".into()));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&sidecar.admin).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&sidecar.state).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn egress_over_a_unix_socket_is_for_the_uids_that_the_config_names() {
    let mesh = Mesh::new();
    let uid = rustix::process::getuid().as_raw();
    for (uids, expected) in [(uid, (403, "not-granted")), (uid + 1, (403, "untrusted-peer"))] {
        let socket = mesh.folder().join(format!("egress-{uids}.sock"));
        let name = if uids == uid { "planner" } else { "low" };
        let egress = format!("egress: {{ listen: \"unix:{}\", uids: [{uids}] }}", socket.display());
        let admin_uid = uid + 2;
        let _sidecar = mesh.sidecar(name).admin_uids(&[admin_uid]).extra(&egress).start().await;
        until("the socket is there", || async { tokio::net::UnixStream::connect(&socket).await.ok() }).await;
        let told = Client::unix(&socket).await.ask(get("nowhere", "/")).await;
        assert_eq!(told.verdict(), (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test]
async fn metrics_are_there_and_name_nobody() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    for (host, path) in [("search", "/page"), ("records", "/patients/4711"), ("search", "/page"), ("nowhere", "/")] {
        sidecar.ask(get(host, path)).await;
    }
    let text = until("all four are counted", || async {
        let text = sidecar.metrics_text().await;
        text.contains("bellgate_exchange_duration_seconds_count{listener=\"egress\"} 4").then_some(text)
    })
    .await;
    for line in [
        "bellgate_decisions_total{listener=\"egress\",mode=\"observe\",point=\"request\",reason=\"no-write-down\",verdict=\"refuse\"} 1",
        "bellgate_decisions_total{listener=\"egress\",mode=\"observe\",point=\"request\",reason=\"not-granted\",verdict=\"refuse\"} 1",
        "bellgate_exchanges_total{listener=\"egress\",status=\"2xx\"} 2",
        "bellgate_exchanges_total{listener=\"egress\",status=\"4xx\"} 2",
        "bellgate_watermark_raises_total 1",
        "bellgate_ready 1",
        "bellgate_exchanges_open{listener=\"egress\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for secret in ["spiffe", "RESTRICTED", "clinical", "4711", "planner", "records"] {
        // The help texts speak of records; the names and tags of what is counted do not.
        let found = text.lines().filter(|line| !line.starts_with('#')).find(|line| line.contains(secret));
        assert_eq!(found, None, "`{secret}`");
    }
    assert_eq!(Client::h1(sidecar.metrics).await.ask(get("metrics", "/v1/label")).await.status, 404);
    check_with_promtool(&text);
}

fn check_with_promtool(text: &str) {
    use std::io::Write as _;
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("skipped: `promtool check metrics` (promtool is not on PATH)");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_a_config_is_told_all_at_once() {
    let mesh = Mesh::new();
    mesh.write(
        "bad.yaml",
        "version: 1\npolicy: nowhere.yaml\nidentity: { workload_api: \"unix:/x.sock\" }\nstate: { directory: s, mising: floor }\n\
         egress: { listen: \"0.0.0.0:80\" }\n",
    );
    let config = mesh.folder().join("bad.yaml");
    let mut process =
        Process::start(&bellgate(), &["run", "--config", &config.to_string_lossy()], &mesh.folder().join("bad.log"));
    assert_eq!(process.ended().await.code(), Some(78), "{}", process.log());
    let told = process.log();
    for part in ["bad.yaml:2:", "nowhere.yaml", "bad.yaml:4:", "mising", "missing", "bad.yaml:5:", "0.0.0.0:80"] {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
}
