//! Whom our own workload reaches: only the peer that the policy names, proved before a byte leaves.

use bellgate_spire::authority::{DevelopmentAuthority, Options};
use bellgate_spire::server_config;
use bellgate_tests::{Mesh, Recorder, get, ok_response};
use http::HeaderValue;

use crate::{peer, planner};

#[tokio::test]
async fn a_peer_that_is_not_the_expected_one_gets_no_byte() {
    let mesh = Mesh::new();
    let foreign = DevelopmentAuthority::new("friend.bellgate.test", Options::default()).unwrap();
    let impostor = DevelopmentAuthority::new(bellgate_tests::TRUST_DOMAIN, Options::default()).unwrap();
    let identities = [
        ("another workload of the mesh", mesh.identity("vault")),
        ("a trust domain that is not federated", mesh.outsider(&foreign, "spiffe://friend.bellgate.test/search")),
        ("the right name from another authority", mesh.outsider(&impostor, "search")),
    ];
    for (what, identity) in identities {
        let server = Recorder::tls(server_config(&identity, &[b"http/1.1"]), |_| ok_response("", "{}")).await;
        let mut sidecar = mesh.sidecar("planner").calls("search", server.address).start().await;
        let told = sidecar.ask(get("search", "/page?secret=1")).await;
        assert_eq!(told.verdict(), (502, "upstream".into()), "{what}");
        assert_eq!(told.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(server.application_bytes(), 0, "{what}: {}", server.text());
        assert!(server.accepts() > 0, "{what}: it was tried");
        assert_eq!(sidecar.label().await, "PUBLIC", "{what}: nothing was released by who was never reached");
        sidecar.process.kill().await;
        // The next one opens the same Workload API socket and starts from nothing.
        std::fs::remove_dir_all(&sidecar.state).unwrap();
        std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    }
}

#[tokio::test]
async fn connections_are_pooled_until_our_svid_or_a_bundle_changes() {
    let mesh = Mesh::new();
    let others = DevelopmentAuthority::new("friend.bellgate.test", Options::default()).unwrap();
    mesh.authority.federate("friend.bellgate.test", others.roots()).unwrap();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    for _ in 0..3 {
        assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
    }
    assert_eq!(search.accepts(), 1, "one connection for three requests");
    let generation = sidecar.metric("bellgate_bundle_generation").await;

    // The same bundle again: every stream gets a new SVID, and no bundle changes.
    let updates = sidecar.process.log().matches("SVID until").count();
    mesh.authority.federate("friend.bellgate.test", others.roots()).unwrap();
    sidecar.logged("SVID until", updates + 1).await;
    assert_eq!(sidecar.metric("bellgate_bundle_generation").await, generation);
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
    let seen = search.connections();
    assert_eq!(seen.len(), 2, "a new connection for the new SVID, and only one");
    assert_ne!(seen[0].client_leaf, seen[1].client_leaf);

    mesh.authority.federate("friend.bellgate.test", Vec::new()).unwrap();
    sidecar.logged("SVID until", updates + 2).await;
    assert!(sidecar.metric("bellgate_bundle_generation").await > generation);
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
    assert_eq!(search.accepts(), 3, "a new connection for the new bundles");
}

#[tokio::test]
async fn a_pooled_connection_is_never_lent_to_another_peers_requests() {
    let mesh = Mesh::new();
    let search = peer(&mesh, "search", "PUBLIC").await;
    // Both upstreams at one address, where only `search` is.
    let sidecar = planner(&mesh, &search, &search).await;
    assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
    let before = search.application_bytes();
    assert_eq!(sidecar.ask(get("records", "/patient")).await.verdict(), (502, "upstream".into()));
    assert_eq!(search.application_bytes(), before, "not a byte on the pooled connection");
    assert_eq!(search.accepts(), 2, "a connection of its own, which did not prove to be `records`");
}

#[tokio::test]
async fn only_the_gateway_states_labels_and_ids() {
    let mesh = Mesh::new();
    let (search, records) =
        (peer(&mesh, "search", "PUBLIC").await, peer(&mesh, "records", "RESTRICTED:clinical").await);
    let sidecar = planner(&mesh, &search, &records).await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.status, 200);
    let before = records.application_bytes();
    let mut request = get("records", "/patient");
    for (name, value) in [
        ("bellgate-label", "PUBLIC"),
        ("bellgate-label", "RESTRICTED"),
        ("bellgate-request-id", "forged"),
        ("x-forwarded-client-cert", "URI=spiffe://mesh.bellgate.test/vault"),
        ("connection", "bellgate-label, bellgate-request-id, te"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let told = sidecar.ask(request).await;
    assert_eq!(told.status, 200);
    let sent = records.text()[before..].to_ascii_lowercase();
    let lines: Vec<&str> =
        sent.lines().filter(|line| line.starts_with("bellgate-") || line.starts_with("x-f")).collect();
    let request_id = format!("bellgate-request-id: {}", told.header("bellgate-request-id"));
    assert_eq!(lines.len(), 2, "{sent}");
    assert!(lines.contains(&"bellgate-label: restricted:clinical"), "{sent}");
    assert!(lines.contains(&request_id.as_str()), "{sent}");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_after_contact_has_told_something() {
    let mesh = Mesh::new();
    let settings = server_config(&mesh.identity("records"), &[b"http/1.1"]);
    let records = Recorder::tls(settings, |_| Vec::new()).await;
    let search = peer(&mesh, "search", "PUBLIC").await;
    let sidecar = planner(&mesh, &search, &records).await;
    let broken = sidecar.ask(get("records", "/patient")).await;
    assert_eq!(broken.verdict(), (502, "upstream".into()));
    assert_eq!(broken.header("bellgate-label"), "");
    let told = sidecar.ask(get("search", "/page")).await;
    assert_eq!(told.verdict(), (403, "no-write-down".into()));
    assert_eq!(told.json()["decision"]["cause"]["request_id"], broken.json()["request_id"]);
    // That nobody listens tells nothing of the workload: no release.
    let gone = peer(&mesh, "records", "PUBLIC").await.address;
    std::fs::remove_file(mesh.folder().join("planner-api.sock")).unwrap();
    drop(sidecar);
    std::fs::remove_dir_all(mesh.folder().join("planner-state")).unwrap();
    let sidecar = mesh.sidecar("planner").calls("records", gone).start().await;
    assert_eq!(sidecar.ask(get("records", "/patient")).await.verdict(), (502, "upstream".into()));
    assert_eq!(sidecar.label().await, "PUBLIC");
}

#[tokio::test]
async fn what_is_not_idempotent_is_sent_once() {
    let mesh = Mesh::new();
    let settings = server_config(&mesh.identity("search"), &[b"http/1.1"]);
    let search = Recorder::tls(settings, |request| {
        if request.contains(" /break ") { Vec::new() } else { ok_response("Bellgate-Label: PUBLIC\r\n", "{}") }
    })
    .await;
    let sidecar = planner(&mesh, &search, &search).await;
    // The break comes on a connection from the pool, which may be stale for all that Pingora knows, and on a new one.
    for sent in 1..=2 {
        if sent == 1 {
            assert_eq!(sidecar.ask(get("search", "/page")).await.status, 200);
        }
        let told = sidecar.ask(bellgate_tests::post("search", "/break", "{}")).await;
        assert_eq!(told.verdict(), (502, "upstream".into()));
        assert_eq!(search.text().matches("POST /break ").count(), sent, "{}", search.text());
    }
}
