//! TLS to the web: by name, TLS 1.2 and 1.3, public authorities and the operator's own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bellgate_spire::{WebTlsError, install_crypto_provider, web_client_config};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ProtocolVersion, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An authority of the operator's own: its PEM, and a server of `name` below it.
fn web_server(name: &str, versions: &[&'static SupportedProtocolVersion]) -> (String, Arc<ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (root.pem(), Arc::new(config))
}

async fn dial(extra: Option<&str>, name: &'static str, server: Arc<ServerConfig>) -> Result<ProtocolVersion, String> {
    let client = web_client_config(extra.map(str::as_bytes), &[b"http/1.1"]).unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(async move { TlsAcceptor::from(server).accept(far).await });
    let name = ServerName::try_from(name).unwrap();
    let dialled = TlsConnector::from(client).connect(name, near).await;
    // The client's end stays open until the server is through as well.
    let served = served.await.unwrap();
    assert_eq!(served.is_ok(), dialled.is_ok(), "{:?}", served.err());
    dialled.map(|stream| stream.get_ref().1.protocol_version().unwrap()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_server_is_known_by_its_name_over_both_versions() {
    // As in the program: the default of the process speaks TLS 1.3 alone.
    assert!(install_crypto_provider());
    for (versions, spoken) in [
        (&[&rustls::version::TLS12][..], ProtocolVersion::TLSv1_2),
        (&[&rustls::version::TLS13][..], ProtocolVersion::TLSv1_3),
        (rustls::ALL_VERSIONS, ProtocolVersion::TLSv1_3),
    ] {
        let (root, server) = web_server("web.test", versions);
        let met = dial(Some(&root), "web.test", Arc::clone(&server)).await;
        assert_eq!(met, Ok(spoken));

        let other = dial(Some(&root), "other.test", Arc::clone(&server)).await;
        assert!(other.unwrap_err().contains("not valid for name"));

        let stranger = dial(None, "web.test", server).await;
        assert!(stranger.unwrap_err().contains("UnknownIssuer"));
    }
}

#[test]
fn extra_authorities_must_all_be_readable() {
    let (root, _) = web_server("web.test", rustls::ALL_VERSIONS);
    let broken = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let not_one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let of = |pem: &str| web_client_config(Some(pem.as_bytes()), &[]).map(|_| ());
    assert_eq!(of(&root), Ok(()));
    assert_eq!(of(&format!("{root}{root}")), Ok(()));
    assert_eq!(of(""), Err(WebTlsError::NoCertificate));
    assert_eq!(of("no pem at all"), Err(WebTlsError::NoCertificate));
    assert!(matches!(of(&format!("{root}{broken}")), Err(WebTlsError::Pem { .. })));
    assert!(matches!(of(&format!("{root}{not_one}")), Err(WebTlsError::Authority { index: 1, .. })));
    assert!(web_client_config(None, &[]).is_ok());
}
