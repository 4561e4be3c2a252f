//! TLS settings between workloads: TLS 1.3, both sides show an X.509-SVID, nothing is resumed.
//!
//! Resumption is off because rustls doesn't verify a peer again on a resumed session: a withdrawn bundle would not count.

use std::sync::Arc;

use bellgate_policy::SpiffeId;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use crate::provider::tls13_provider;
use crate::{ClientVerifier, Identity, ServerVerifier, SvidResolver};

/// Settings for dialling one workload: it must prove to be `expected`, and is shown the live SVID.
///
/// No byte of application data leaves before the server's identity is verified: rustls doesn't derive the keys before. `alpn` lists
/// protocols in order of preference (`b"h2"`, `b"http/1.1"`). The server name that rustls asks for is neither sent nor checked.
#[must_use]
pub fn client_config(identity: &Identity, expected: &SpiffeId, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    #[expect(
        clippy::expect_used,
        reason = "the provider is a constant with TLS 1.3 suites; every test of this package builds one"
    )]
    let mut config = ClientConfig::builder_with_provider(tls13_provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(identity.clone(), expected.clone())))
        .with_client_cert_resolver(Arc::new(SvidResolver::new(identity.clone())));
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_sni = false;
    config.enable_early_data = false;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// Settings for serving workloads: every client must show an X.509-SVID that a live bundle vouches for.
///
/// Who of them may do what is not decided here. There are no session tickets, and no early data.
#[must_use]
pub fn server_config(identity: &Identity, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    #[expect(
        clippy::expect_used,
        reason = "the provider is a constant with TLS 1.3 suites; every test of this package builds one"
    )]
    let mut config = ServerConfig::builder_with_provider(tls13_provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_client_cert_verifier(Arc::new(ClientVerifier::new(identity.clone())))
        .with_cert_resolver(Arc::new(SvidResolver::new(identity.clone())));
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
