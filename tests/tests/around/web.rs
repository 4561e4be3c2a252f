//! Upstreams outside the mesh: WebPKI TLS by name, each with its label.

use std::sync::Arc;

use bellgate_tests::{Mesh, Recorder, Workload, get, ok_response};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::pki::{Authority, Leaf};

const POLICY: &str = r#"
version: 1
categories: [clinical, untrusted]
subjects:
  planner: { id: spiffe://mesh.bellgate.test/planner, floor: PUBLIC, clearance: "RESTRICTED:clinical,untrusted", gateway: true }
  search: { id: spiffe://mesh.bellgate.test/search, clearance: PUBLIC, gateway: true }
upstreams:
  web: { web: api.example.test, label: "PUBLIC:untrusted" }
  search: { workload: search, label: PUBLIC }
grants:
  - { subject: planner, object: web, modes: [observe, alter] }
  - { subject: planner, object: search, modes: [observe, alter] }
"#;

fn settings(leaf: &Leaf) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(leaf.certificate.der().to_vec())], key)
        .unwrap();
    Arc::new(config)
}

/// What the planner hears from outside, and what it hears from `search` after that.
async fn asked(mesh: &Mesh, server: &Recorder, roots: bool) -> (bellgate_tests::Told, String) {
    mesh.write("web.yaml", POLICY);
    let search = Workload::ok().await;
    let planner = mesh.sidecar("planner").policy("web.yaml").calls_outside("web", server.address, roots);
    let planner = planner.calls("search", search.address).start().await;
    let told = planner.ask(get("api.example.test", "/v1/models?x=1")).await;
    let after = planner.ask(get("search", "/page")).await;
    (told, after.reason())
}

#[tokio::test]
async fn a_host_outside_is_reached_by_name_and_marks_who_reads_it() {
    let (mesh, authority) = (Mesh::new(), Authority::new());
    mesh.write("roots.pem", &authority.pem());
    let server = Recorder::tls(settings(&authority.issue("api.example.test")), |_| ok_response("", "{}")).await;
    let (told, after) = asked(&mesh, &server, true).await;
    assert_eq!(told.status, 200, "{}", told.reason());
    assert_eq!(told.header("bellgate-label"), "PUBLIC:untrusted");
    assert_eq!(after, "no-write-down", "what the open web said may have told the agent what to do");
    let text = server.text().to_ascii_lowercase();
    assert!(text.starts_with("get /v1/models?x=1 http/1.1\r\n"), "{text}");
    assert!(text.contains("\r\nhost: api.example.test\r\n"), "{text}");
    assert!(!text.contains("bellgate-") && !text.contains("spiffe://"), "nobody outside is told our names: {text}");
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_name_gets_no_byte() {
    let authority = Authority::new();
    for (what, name, roots) in
        [("another name", "other.example.test", true), ("an authority that nobody named", "api.example.test", false)]
    {
        let mesh = Mesh::new();
        mesh.write("roots.pem", &authority.pem());
        let server = Recorder::tls(settings(&authority.issue(name)), |_| ok_response("", "{}")).await;
        let (told, _) = asked(&mesh, &server, roots).await;
        assert_eq!(told.verdict(), (502, "upstream".into()), "{what}");
        assert_eq!(server.application_bytes(), 0, "{what}");
    }
}
