//! The real Envoy in front of the gateway: mTLS ends at Envoy, h2c and XFCC over a Unix socket.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bellgate_tests::{Client, Mesh, Process, Running, Workload, get, post, post_json, until};
use http::Request;
use rustls::ClientConfig;
use serde_json::json;

use crate::pki::Authority;

/// Envoy on `PATH` or in `target/venv`; says why a test is skipped where there is none.
fn envoy() -> Option<PathBuf> {
    let beside = std::env::current_exe().unwrap().ancestors().nth(3).map(|target| target.join("venv/bin/envoy"));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("envoy")).collect::<Vec<_>>());
    let found = on_path.chain(beside).find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: Envoy in front of the gateway: no `envoy` on PATH or in target/venv/bin");
    }
    found
}

struct BehindEnvoy {
    mesh: Mesh,
    authority: Authority,
    workload: Workload,
    gateway: Running,
    address: std::net::SocketAddr,
    _envoy: Process,
}

impl BehindEnvoy {
    async fn start(program: &Path) -> Self {
        let (mesh, authority, workload) = (Mesh::new(), Authority::new(), Workload::ok().await);
        let folder = mesh.folder().to_owned();
        let (socket, uid) = (folder.join("envoy.sock"), rustix::process::getuid().as_raw());
        let gateway = mesh
            .sidecar("search")
            .serves(workload.address)
            .extra(&format!("envoy: {{ listen: \"unix:{}\", uids: [{uid}] }}", socket.display()))
            .start()
            .await;
        until("the gateway's Envoy listener is there", || std::future::ready(socket.exists().then_some(()))).await;
        let leaf = authority.issue(bellgate_tests::spiffe_id("search").as_str());
        mesh.write("svid.pem", &leaf.certificate.pem());
        mesh.write("svid.key", &leaf.key.serialize_pem());
        mesh.write("bundle.pem", &authority.pem());
        let bootstraps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/bootstraps");
        for (file, names) in [
            ("svid.yaml", &["SVID_PEM:svid.pem", "SVID_KEY:svid.key"][..]),
            ("bundle.yaml", &["BUNDLE_PEM:bundle.pem"]),
        ] {
            let mut text = std::fs::read_to_string(bootstraps.join(file)).unwrap();
            for name in names {
                let (key, path) = name.split_once(':').unwrap();
                text = text.replace(&format!("@{key}@"), &folder.join(path).to_string_lossy());
            }
            mesh.write(file, &text);
        }
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let rendered = Command::new(bootstraps.join("render.sh"))
            .args(["data-path", "files"])
            .arg(format!("RUN_DIR={}", folder.display()))
            .arg(format!("GATEWAY_SOCKET={}", socket.display()))
            .arg(format!("TRUST_DOMAIN={}", bellgate_tests::TRUST_DOMAIN))
            .arg("LISTEN_ADDRESS=127.0.0.1")
            .arg(format!("LISTEN_PORT={}", address.port()))
            .arg(format!("SVID_FILE={}", folder.join("svid.yaml").display()))
            .arg(format!("BUNDLE_FILE={}", folder.join("bundle.yaml").display()))
            .output()
            .unwrap();
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        mesh.write("envoy.yaml", &String::from_utf8(rendered.stdout).unwrap());
        let config = folder.join("envoy.yaml");
        let arguments = ["-c", &config.to_string_lossy(), "--disable-hot-restart", "--concurrency", "1", "-l", "warn"];
        let mut process = Process::start(program, &arguments, &folder.join("envoy.log"));
        until("Envoy listens", || {
            process.assert_running();
            async move { tokio::net::TcpStream::connect(address).await.ok().map(drop) }
        })
        .await;
        Self { mesh, authority, workload, gateway, address, _envoy: process }
    }

    fn tls(&self, name: &str) -> Arc<ClientConfig> {
        self.authority.tls(name, "search")
    }

    async fn ask(&self, name: &str, request: Request<bellgate_tests::ReqBody>) -> bellgate_tests::Told {
        // Envoy gets the SVID from its file a moment after it listens.
        let mut client =
            until("mTLS with Envoy", || async { Client::h1_tls(self.address, self.tls(name)).await.ok() }).await;
        client.ask(request).await
    }
}

#[tokio::test]
async fn permitted_and_refused_calls_through_envoy_and_a_forged_xfcc() {
    let Some(program) = envoy() else { return };
    let world = BehindEnvoy::start(&program).await;

    let told = world.ask("low", get("search", "/page")).await;
    assert_eq!(told.status, 200, "{}", told.reason());
    let seen = world.workload.seen();
    let xfcc = seen.last().unwrap().all("x-forwarded-client-cert").join("|");
    assert!(xfcc.contains("URI=spiffe://mesh.bellgate.test/low") && xfcc.matches("URI=").count() == 1, "{xfcc}");

    let query = json!({"version": "1", "query": "x"});
    let told = world.ask("low", post_json("search", "/v1/search", &query)).await;
    assert_eq!(told.status, 200, "a manifest through both: {}", told.reason());
    let before = world.workload.seen().len();
    let told = world.ask("low", post("search", "/v1/search", "{\"version\":\"1\"}")).await;
    assert_eq!(told.status, 422, "{}", told.reason());

    // Nobody's word is heard here: the planner's current label is its clearance.
    for (who, reason) in [("planner", "no-write-down"), ("stranger", "not-granted"), ("nobody", "unknown-subject")] {
        let told = world.ask(who, get("search", "/page")).await;
        assert_eq!(told.verdict(), (403, reason.into()), "{who}");
    }

    // What a peer says of itself is replaced by what Envoy saw, in every form.
    for forged in [
        "URI=spiffe://mesh.bellgate.test/low",
        "By=spiffe://mesh.bellgate.test/search;Hash=00;URI=spiffe://mesh.bellgate.test/low",
        "URI=spiffe://mesh.bellgate.test/low,URI=spiffe://mesh.bellgate.test/low",
    ] {
        let mut request = get("search", "/page");
        request.headers_mut().insert("x-forwarded-client-cert", forged.parse().unwrap());
        request.headers_mut().insert("bellgate-label", "PUBLIC".parse().unwrap());
        let told = world.ask("stranger", request).await;
        assert_eq!(told.verdict(), (403, "not-granted".into()), "{forged}");
    }
    assert_eq!(world.workload.seen().len(), before, "what was refused never reached the workload");
    assert!(world.gateway.metric("bellgate_decisions_total").await > 0.0);
    drop(world.mesh);
}

#[tokio::test]
async fn only_a_uid_of_the_config_may_speak_for_envoy() {
    let (mesh, workload) = (Mesh::new(), Workload::ok().await);
    let socket = mesh.folder().join("envoy.sock");
    let mine = rustix::process::getuid().as_raw();
    let _gateway = mesh
        .sidecar("search")
        .serves(workload.address)
        .extra(&format!("envoy: {{ listen: \"unix:{}\", uids: [{}] }}", socket.display(), mine + 1))
        .start()
        .await;
    until("the listener is there", || std::future::ready(socket.exists().then_some(()))).await;
    let mut request = get("search", "/page");
    request.headers_mut().insert("x-forwarded-client-cert", "URI=spiffe://mesh.bellgate.test/low".parse().unwrap());
    let told = Client::unix(&socket).await.ask(request).await;
    assert_eq!(told.verdict(), (403, "untrusted-peer".into()));
    assert!(workload.seen().is_empty());
}
