//! What rustls calls during a handshake, reading the live [`Identity`] each time.

use std::fmt;
use std::sync::Arc;

use bellgate_policy::SpiffeId;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::clock::{from_unix_time, wall_clock};
use crate::provider::tls13_provider;
use crate::verify::verify_chain;
use crate::{Identity, PeerUsage, SvidError};

/// Asks every client for an X.509-SVID and takes any that a live bundle vouches for; who may do what is decided later, by policy.
pub struct ClientVerifier {
    identity: Identity,
}

/// Takes exactly one SPIFFE ID from a server. DNS names are not looked at.
pub struct ServerVerifier {
    identity: Identity,
    expected: SpiffeId,
}

/// Shows this process's own SVID, to clients and to servers; nothing when there is none, or when it has expired.
pub struct SvidResolver {
    identity: Identity,
}

impl ClientVerifier {
    /// A verifier over the live `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }
}

impl ServerVerifier {
    /// A verifier over the live `identity` that takes `expected` alone.
    #[must_use]
    pub fn new(identity: Identity, expected: SpiffeId) -> Self {
        Self { identity, expected }
    }
}

impl SvidResolver {
    /// A resolver over the live `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }

    fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.identity.valid_svid(wall_clock()).map(|svid| Arc::clone(&svid.key))
    }
}

/// The ID that a peer proves with its chain.
fn verify(
    identity: &Identity,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: PeerUsage,
    now: UnixTime,
) -> Result<SpiffeId, SvidError> {
    let now = identity.latest(from_unix_time(now));
    let mut chain = Vec::with_capacity(intermediates.len().saturating_add(1));
    chain.push(leaf.clone());
    chain.extend_from_slice(intermediates);
    verify_chain(&identity.bundles(), &chain, usage, now).map(|verified| verified.leaf.id)
}

fn tls12_is_off() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled))
}

fn tls13_signature(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, leaf, signature, &tls13_provider().signature_verification_algorithms)
}

fn schemes() -> Vec<SignatureScheme> {
    tls13_provider().signature_verification_algorithms.supported_schemes()
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Names of authorities would tell strangers who is federated with whom.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify(&self.identity, leaf, intermediates, PeerUsage::Client, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_is_off()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = verify(&self.identity, leaf, intermediates, PeerUsage::Server, now)?;
        if found != self.expected {
            return Err(SvidError::PeerUnexpected {
                expected: self.expected.as_str().to_owned(),
                found: found.as_str().to_owned(),
            }
            .into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_is_off()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ResolvesServerCert for SvidResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

impl ResolvesClientCert for SvidResolver {
    fn resolve(&self, _root_hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

// rustls asks for Debug; none of these has anything to show but its name.
impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientVerifier")
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerVerifier({})", self.expected.as_str())
    }
}

impl fmt::Debug for SvidResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SvidResolver")
    }
}
