//! Who is let in: peers of the mTLS listener, anew for each request.

use std::sync::Arc;
use std::time::Duration;

use bellgate_spire::authority::{DevelopmentAuthority, Options};
use bellgate_spire::{Identity, client_config, wall_clock};
use bellgate_tests::{
    Client, Mesh, RawClient, Running, Workload, anonymous, get, resuming, spiffe_id, tls12_only, until,
};
use http::HeaderValue;
use rustls::ClientConfig;
use sha2::{Digest, Sha256};

use crate::id;

const FRIENDS: &str = "friend.bellgate.test";
const FRIEND: &str = "spiffe://friend.bellgate.test/friend";

async fn search(mesh: &Mesh) -> (Workload, Running) {
    let workload = Workload::ok().await;
    let sidecar = mesh.sidecar("search").serves(workload.address).start().await;
    (workload, sidecar)
}

fn h1(identity: &Identity) -> Arc<ClientConfig> {
    client_config(identity, &spiffe_id("search"), &[b"http/1.1"])
}

/// Sends a request on a connection whose client certificate must be refused: in TLS 1.3 the client hears so only after its own handshake.
async fn is_turned_away(sidecar: &Running, tls: Arc<ClientConfig>) {
    let Ok(mut client) = RawClient::tls(sidecar.ingress, tls).await else { return };
    drop(client.send("GET /page HTTP/1.1\r\nHost: search\r\n\r\n").await);
    assert_eq!(client.rest().await, "", "no answer without a verified certificate");
}

async fn generation(sidecar: &Running, at_least: f64) {
    until("the gateway has the new bundles", || async {
        (sidecar.metric("bellgate_bundle_generation").await >= at_least).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trusted_peer_is_named_by_its_certificate_and_by_nothing_that_it_says() {
    let mesh = Mesh::new();
    let (workload, sidecar) = search(&mesh).await;
    let identity = mesh.identity("low");
    let leaf = hex::encode(Sha256::digest(&identity.svid().unwrap().chain[0]));
    for h2 in [false, true] {
        let alpn: &[&[u8]] = if h2 { &[b"h2"] } else { &[b"http/1.1"] };
        let tls = client_config(&identity, &spiffe_id("search"), alpn);
        let mut client = if h2 {
            Client::h2_tls(sidecar.ingress, tls).await.unwrap()
        } else {
            Client::h1_tls(sidecar.ingress, tls).await.unwrap()
        };
        let mut request = get("search", "/page");
        for (name, value) in [
            ("x-forwarded-client-cert", "URI=spiffe://mesh.bellgate.test/vault"),
            ("x-forwarded-client-cert", "By=spiffe://a.test/b;URI=spiffe://mesh.bellgate.test/vault"),
            ("bellgate-request-id", "00000000-0000-0000-0000-000000000000"),
            ("bellgate-declare", "STANDARD"),
            ("bellgate-label", "PUBLIC"),
        ] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let told = client.ask(request).await;
        assert_eq!(told.verdict(), (200, String::new()), "h2: {h2}");
        let seen = workload.last();
        let expected = format!("By={};Hash={leaf};URI={}", id("search"), id("low"));
        assert_eq!(seen.all("x-forwarded-client-cert"), [expected.as_str()], "h2: {h2}");
        assert_eq!(seen.all("bellgate-request-id"), [told.header("bellgate-request-id")], "h2: {h2}");
        assert_ne!(told.header("bellgate-request-id"), "00000000-0000-0000-0000-000000000000");
        assert_eq!(seen.all("bellgate-label"), [""; 0], "labels are between gateways");
        assert_eq!(seen.all("bellgate-declare"), [""; 0]);
    }
}

#[tokio::test]
async fn a_peer_cannot_have_the_gateways_own_headers_taken_out_as_hop_by_hop() {
    let mesh = Mesh::new();
    let (workload, sidecar) = search(&mesh).await;
    let mut client = RawClient::tls(sidecar.ingress, h1(&mesh.identity("low"))).await.unwrap();
    client
        .send(
            "GET /page HTTP/1.1\r\nHost: search\r\nX-Forwarded-Client-Cert: URI=spiffe://a.test/b\r\n\
             Connection: keep-alive, x-forwarded-client-cert, bellgate-request-id\r\n\r\n",
        )
        .await
        .unwrap();
    assert!(client.answer().await.unwrap().starts_with("HTTP/1.1 200"));
    let seen = workload.last();
    let xfcc = seen.all("x-forwarded-client-cert");
    assert_eq!(xfcc.len(), 1);
    assert!(xfcc[0].ends_with(&format!("URI={}", id("low"))), "{xfcc:?}");
    assert_eq!(seen.all("bellgate-request-id").len(), 1);
}

#[tokio::test]
async fn who_shows_no_svid_of_a_known_trust_domain_hears_nothing() {
    let mesh = Mesh::new();
    let (workload, sidecar) = search(&mesh).await;
    let foreign = DevelopmentAuthority::new(FRIENDS, Options::default()).unwrap();
    let impostor = DevelopmentAuthority::new(bellgate_tests::TRUST_DOMAIN, Options::default()).unwrap();
    is_turned_away(&sidecar, anonymous()).await;
    is_turned_away(&sidecar, h1(&mesh.outsider(&foreign, FRIEND))).await;
    // The right name, from an authority that merely calls itself the same.
    is_turned_away(&sidecar, h1(&mesh.outsider(&impostor, "low"))).await;
    assert!(RawClient::tls(sidecar.ingress, tls12_only()).await.is_err(), "nothing older than TLS 1.3");
    assert_eq!(workload.accepts(), 0);
    // And the listener still serves who is trusted.
    let mut client = Client::h1_tls(sidecar.ingress, h1(&mesh.identity("low"))).await.unwrap();
    assert_eq!(client.ask(get("search", "/page")).await.status, 200);
}

#[tokio::test]
async fn the_gateways_own_svid_rotates_while_connections_live() {
    let mesh = Mesh::with_ttl(Duration::from_secs(4));
    let (_workload, sidecar) = search(&mesh).await;
    let identity = mesh.identity("low");
    let mut first = Client::h1_tls(sidecar.ingress, h1(&identity)).await.unwrap();
    assert_eq!(first.ask(get("search", "/page")).await.status, 200);
    let shown = first.server_leaf().unwrap().clone();
    until("another certificate is shown", || async {
        let client = Client::h1_tls(sidecar.ingress, h1(&mesh.identity("low"))).await.unwrap();
        (client.server_leaf() != Some(&shown)).then_some(())
    })
    .await;
    assert_eq!(first.ask(get("search", "/page")).await.status, 200, "the open connection goes on");
}

#[tokio::test]
async fn a_federated_bundle_counts_at_once_and_a_withdrawn_one_no_longer() {
    let mesh = Mesh::new();
    let (workload, sidecar) = search(&mesh).await;
    let friends = DevelopmentAuthority::new(FRIENDS, Options::default()).unwrap();
    let friend = mesh.outsider(&friends, FRIEND);
    is_turned_away(&sidecar, h1(&friend)).await;

    let before = sidecar.metric("bellgate_bundle_generation").await;
    mesh.authority.federate(FRIENDS, friends.roots()).unwrap();
    generation(&sidecar, before + 1.0).await;
    let mut kept = Client::h1_tls(sidecar.ingress, h1(&friend)).await.unwrap();
    assert_eq!(kept.ask(get("search", "/page")).await.verdict(), (200, String::new()));
    let mut kept_h2 =
        Client::h2_tls(sidecar.ingress, client_config(&friend, &spiffe_id("search"), &[b"h2"])).await.unwrap();
    assert_eq!(kept_h2.ask(get("search", "/page")).await.status, 200);
    // A first connection brings the tickets with which the second resumes.
    let tickets = resuming(&friend, &spiffe_id("search"));
    let request = "GET /page HTTP/1.1\r\nHost: search\r\n\r\n";
    for resumed in [false, true] {
        let mut client = RawClient::tls(sidecar.ingress, Arc::clone(&tickets)).await.unwrap();
        client.send(request).await.unwrap();
        assert!(client.answer().await.unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(client.resumed(), resumed);
    }
    let served = workload.seen().len();

    mesh.authority.federate(FRIENDS, Vec::new()).unwrap();
    generation(&sidecar, before + 2.0).await;
    assert_eq!(kept.ask(get("search", "/page")).await.verdict(), (403, "untrusted-peer".into()));
    assert_eq!(kept_h2.ask(get("search", "/page")).await.verdict(), (403, "untrusted-peer".into()));
    let mut client = RawClient::tls(sidecar.ingress, tickets).await.unwrap();
    assert!(client.resumed(), "rustls resumes without asking the verifier");
    client.send(request).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("untrusted-peer"), "{answer}");
    is_turned_away(&sidecar, h1(&friend)).await;
    assert_eq!(workload.seen().len(), served, "nothing more reached the workload");
}

#[tokio::test]
async fn a_certificate_that_expires_on_an_open_connection_ends_it() {
    let mesh = Mesh::new();
    let (workload, sidecar) = search(&mesh).await;
    let short = Options { svid_ttl: Duration::from_secs(2), ..Options::default() };
    let friends = DevelopmentAuthority::new(FRIENDS, short).unwrap();
    let before = sidecar.metric("bellgate_bundle_generation").await;
    mesh.authority.federate(FRIENDS, friends.roots()).unwrap();
    generation(&sidecar, before + 1.0).await;
    let friend = mesh.outsider(&friends, FRIEND);
    let not_after = friend.svid().unwrap().not_after;
    let mut client = Client::h1_tls(sidecar.ingress, h1(&friend)).await.unwrap();
    assert_eq!(client.ask(get("search", "/page")).await.status, 200);
    loop {
        let sent = wall_clock();
        let served = workload.seen().len();
        let told = client.ask(get("search", "/page")).await;
        if told.status == 200 {
            assert!(sent <= not_after, "served after its certificate had expired");
            continue;
        }
        assert_eq!(told.verdict(), (403, "untrusted-peer".into()));
        assert!(wall_clock() > not_after, "refused before its certificate had expired");
        assert_eq!(workload.seen().len(), served);
        break;
    }
}
