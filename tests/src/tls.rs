//! TLS settings of clients that misbehave, or that remember.

use std::sync::Arc;

use bellgate_policy::SpiffeId;
use bellgate_spire::{Identity, client_config};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};

/// A client that shows no certificate and believes any server.
#[must_use]
pub fn anonymous() -> Arc<ClientConfig> {
    unverifying(&[&rustls::version::TLS13])
}

/// A client that speaks nothing newer than TLS 1.2.
#[must_use]
pub fn tls12_only() -> Arc<ClientConfig> {
    unverifying(&[&rustls::version::TLS12])
}

/// A client with an SVID that resumes sessions, as ours never does.
#[must_use]
pub fn resuming(identity: &Identity, expected: &SpiffeId) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&client_config(identity, expected, &[b"http/1.1"]));
    config.resumption = Resumption::in_memory_sessions(16);
    Arc::new(config)
}

fn unverifying(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    Arc::new(config)
}

/// Believes every server: these clients test what the server does.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
