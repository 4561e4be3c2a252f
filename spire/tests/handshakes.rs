//! Two workloads meet over TLS: who gets through, who doesn't, and how many bytes of data had been seen by then.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod forge;

use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::Timestamp;
use bellgate_spire::authority::{DevelopmentAuthority, Options};
use bellgate_spire::{
    ClientVerifier, Identity, ServerVerifier, Svid, SvidError, SvidResolver, TrustBundleSet, client_config,
    install_crypto_provider, server_config, tls13_provider, wall_clock,
};
use forge::{Forge, after, before, date, id};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PLANNER: &str = "spiffe://a.test/planner";
const SEARCH: &str = "spiffe://a.test/search";
const HELLO: &[u8] = b"hello";
const H2: &[&[u8]] = &[b"h2", b"http/1.1"];

/// How a connection looked from one side.
#[derive(Debug)]
struct Side {
    version: Option<ProtocolVersion>,
    alpn: Option<Vec<u8>>,
    kind: Option<HandshakeKind>,
    server_name: Option<String>,
    /// The peer's leaf.
    leaf: Option<Vec<u8>>,
    /// Application data.
    received: Vec<u8>,
}

/// What came of it: each side's view, or the code of the reason, or what rustls says.
struct Meeting {
    client: Result<Side, String>,
    server: Result<Side, String>,
}

fn reason(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) => SvidError::of(tls).map_or_else(|| tls.to_string(), |e| e.code().to_owned()),
        None => error.to_string(),
    }
}

/// The client greets, the server greets back, both read to the end.
async fn meet(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Meeting {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await?;
        stream.write_all(HELLO).await?;
        stream.shutdown().await?;
        let connection = stream.get_ref().1;
        Ok::<_, std::io::Error>(Side {
            version: connection.protocol_version(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            kind: connection.handshake_kind(),
            server_name: connection.server_name().map(str::to_owned),
            leaf: connection.peer_certificates().map(|c| c[0].to_vec()),
            received,
        })
    });
    let dialled = async {
        let name = ServerName::try_from("spiffe.invalid").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        stream.write_all(HELLO).await?;
        stream.shutdown().await?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await?;
        let connection = stream.get_ref().1;
        Ok::<_, std::io::Error>(Side {
            version: connection.protocol_version(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            kind: connection.handshake_kind(),
            server_name: None,
            leaf: connection.peer_certificates().map(|c| c[0].to_vec()),
            received,
        })
    };
    Meeting {
        client: dialled.await.map_err(|error| reason(&error)),
        server: served.await.unwrap().map_err(|error| reason(&error)),
    }
}

fn authority(trust_domain: &str) -> DevelopmentAuthority {
    DevelopmentAuthority::new(trust_domain, Options::default()).unwrap()
}

fn identity(authority: &DevelopmentAuthority, workload: &str) -> Identity {
    authority.identity(&id(workload)).unwrap()
}

/// A forge whose root is valid now, not at the moment that the other tests are dated around.
fn forge(now: Timestamp) -> Forge {
    let hour = Duration::from_secs(3600);
    Forge::root_with("a.test", |params| {
        params.not_before = date(before(now, hour));
        params.not_after = date(after(now, hour));
    })
}

fn svid(forge: &Forge, workload: &str, from: Timestamp, to: Timestamp) -> Svid {
    let (certificate, key) = forge.leaf_and_key(workload, |params| {
        params.not_before = date(from);
        params.not_after = date(to);
    });
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Svid::from_der(vec![certificate], PrivateKeyDer::Pkcs8(key)).unwrap()
}

#[tokio::test]
async fn two_workloads_of_one_trust_domain_meet() {
    let authority = authority("a.test");
    let (planner, search) = (identity(&authority, PLANNER), identity(&authority, SEARCH));
    let met = meet(client_config(&planner, &id(SEARCH), H2), server_config(&search, H2)).await;
    let (client, server) = (met.client.unwrap(), met.server.unwrap());
    for side in [&client, &server] {
        assert_eq!(side.version, Some(ProtocolVersion::TLSv1_3));
        assert_eq!(side.alpn.as_deref(), Some(&b"h2"[..]));
        assert_eq!(side.received, HELLO);
    }
    assert_eq!(server.server_name, None, "no SNI is sent");
    assert_eq!(client.leaf, Some(search.svid().unwrap().chain[0].to_vec()));
    assert_eq!(server.leaf, Some(planner.svid().unwrap().chain[0].to_vec()));
}

#[tokio::test]
async fn another_workload_than_the_one_dialled_gets_no_byte() {
    let authority = authority("a.test");
    let met = meet(
        client_config(&identity(&authority, PLANNER), &id(SEARCH), H2),
        server_config(&identity(&authority, "spiffe://a.test/search2"), H2),
    )
    .await;
    assert_eq!(met.client.unwrap_err(), "peer-unexpected");
    // The handshake failed on the server too, so it has seen no application data.
    assert!(met.server.is_err());
}

#[tokio::test]
async fn another_authority_of_the_same_trust_domain_is_refused_on_both_sides() {
    let (ours, theirs) = (authority("a.test"), authority("a.test"));
    let met =
        meet(client_config(&identity(&ours, PLANNER), &id(SEARCH), H2), server_config(&identity(&theirs, SEARCH), H2))
            .await;
    assert_eq!(met.client.unwrap_err(), "chain-untrusted");
    assert!(met.server.is_err());

    // A client that believes both shows an SVID that the server does not believe.
    let mixed = identity(&theirs, PLANNER);
    let roots = [ours.roots(), theirs.roots()].concat();
    mixed.publish_bundles(TrustBundleSet::of("a.test", roots).unwrap());
    let met = meet(client_config(&mixed, &id(SEARCH), H2), server_config(&identity(&ours, SEARCH), H2)).await;
    assert_eq!(met.server.unwrap_err(), "chain-untrusted");
    assert!(met.client.is_err());
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let authority = authority("a.test");
    let planner = identity(&authority, PLANNER);
    let old = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(old)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(planner.clone(), id(SEARCH))))
        .with_client_cert_resolver(Arc::new(SvidResolver::new(planner)));
    client.enable_sni = false;
    let met = meet(Arc::new(client), server_config(&identity(&authority, SEARCH), &[])).await;
    let why = met.server.unwrap_err();
    assert!(why.contains("incompatible"), "{why}");
    assert!(met.client.is_err());
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let authority = authority("a.test");
    let planner = identity(&authority, PLANNER);
    let client = ClientConfig::builder_with_provider(tls13_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(planner, id(SEARCH))))
        .with_no_client_auth();
    let met = meet(Arc::new(client), server_config(&identity(&authority, SEARCH), &[])).await;
    let why = met.server.unwrap_err();
    assert!(why.contains("no certificates"), "{why}");
    assert!(met.client.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_on_both_sides() {
    let now = wall_clock();
    let minute = Duration::from_secs(60);
    let forge = forge(now);
    let good = |workload| svid(&forge, workload, before(now, minute), after(now, minute));
    let old = |workload| {
        let start = before(now, 3 * minute);
        svid(&forge, workload, start, before(now, minute))
    };
    let with = |svid: Svid| {
        let identity = Identity::empty();
        identity.publish(svid, forge.bundles());
        identity
    };

    // These two show it although it has expired; this package's own resolver would not.
    let verifier = ServerVerifier::new(with(good(PLANNER)), id(SEARCH));
    let client = ClientConfig::builder_with_provider(tls13_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(old(PLANNER).key.as_ref().clone())));
    let met = meet(Arc::new(client), server_config(&with(good(SEARCH)), &[])).await;
    assert_eq!(met.server.unwrap_err(), "expired");
    assert!(met.client.is_err());

    let verifier = Arc::new(ClientVerifier::new(with(good(SEARCH))));
    let server = ServerConfig::builder_with_provider(tls13_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(old(SEARCH).key.as_ref().clone())));
    let client = client_config(&with(good(PLANNER)), &id(SEARCH), &[]);
    let met = meet(client, Arc::new(server)).await;
    assert_eq!(met.client.unwrap_err(), "expired");
    assert!(met.server.is_err());

    // The own resolver shows nothing at all.
    let met = meet(client_config(&with(old(PLANNER)), &id(SEARCH), &[]), server_config(&with(good(SEARCH)), &[])).await;
    assert!(met.server.unwrap_err().contains("no certificates"));
    let met = meet(client_config(&with(good(PLANNER)), &id(SEARCH), &[]), server_config(&with(old(SEARCH)), &[])).await;
    assert!(met.client.is_err() && met.server.is_err());
}

#[tokio::test]
async fn before_the_first_svid_every_handshake_is_refused() {
    let authority = authority("a.test");
    let waiting = || {
        let identity = Identity::empty();
        identity.publish_bundles(authority.trust_bundles().unwrap());
        identity
    };
    let met =
        meet(client_config(&waiting(), &id(SEARCH), &[]), server_config(&identity(&authority, SEARCH), &[])).await;
    assert!(met.client.is_err() && met.server.is_err());
    let met =
        meet(client_config(&identity(&authority, PLANNER), &id(SEARCH), &[]), server_config(&waiting(), &[])).await;
    assert!(met.client.is_err() && met.server.is_err());
}

#[tokio::test]
async fn a_federated_trust_domain_is_let_in_once_its_bundle_is_published_and_out_again() {
    let (ours, theirs) = (authority("a.test"), authority("b.test"));
    theirs.federate("a.test", ours.roots()).unwrap();
    let guest = identity(&theirs, "spiffe://b.test/guest");
    let search = identity(&ours, SEARCH);
    // The same settings throughout: they read the live bundles.
    let client = client_config(&guest, &id(SEARCH), &[]);
    let server = server_config(&search, &[]);

    let met = meet(Arc::clone(&client), Arc::clone(&server)).await;
    assert_eq!(met.server.unwrap_err(), "unknown-trust-domain");

    ours.federate("b.test", theirs.roots()).unwrap();
    search.publish_bundles(ours.trust_bundles().unwrap());
    let met = meet(Arc::clone(&client), Arc::clone(&server)).await;
    assert_eq!(met.server.unwrap().received, HELLO);

    ours.federate("b.test", Vec::new()).unwrap();
    search.publish_bundles(ours.trust_bundles().unwrap());
    let met = meet(client, server).await;
    assert_eq!(met.server.unwrap_err(), "unknown-trust-domain");
}

#[tokio::test]
async fn a_rotated_svid_is_shown_from_the_next_handshake_on_and_nothing_is_resumed() {
    let authority = authority("a.test");
    let (planner, search) = (identity(&authority, PLANNER), identity(&authority, SEARCH));
    let client = client_config(&planner, &id(SEARCH), &[]);
    let server = server_config(&search, &[]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let met = meet(Arc::clone(&client), Arc::clone(&server)).await;
        let (near, far) = (met.client.unwrap(), met.server.unwrap());
        assert_eq!(near.kind, Some(HandshakeKind::Full));
        assert_eq!(far.kind, Some(HandshakeKind::Full));
        seen.extend([near.leaf.unwrap(), far.leaf.unwrap()]);
        for (identity, workload) in [(&planner, PLANNER), (&search, SEARCH)] {
            let svid = authority.issue(&id(workload)).unwrap();
            identity.publish(svid, authority.trust_bundles().unwrap());
        }
    }
    let shown = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), shown, "each handshake showed new SVIDs");
}

#[test]
fn the_process_default_speaks_tls_1_3_alone() {
    assert!(install_crypto_provider());
    assert!(install_crypto_provider(), "again changes nothing");
    let suites = &rustls::crypto::CryptoProvider::get_default().unwrap().cipher_suites;
    assert!(!suites.is_empty());
    assert!(suites.iter().all(|suite| suite.version().version == ProtocolVersion::TLSv1_3));
}
