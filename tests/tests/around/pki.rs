//! Certificates as PEM, for programs that are not ours.

use std::sync::Arc;

use bellgate_spire::{Identity, Svid, TrustBundleSet, client_config};
use bellgate_tests::{TRUST_DOMAIN, spiffe_id};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority whose keys the test holds.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A leaf with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![SanType::URI(format!("spiffe://{TRUST_DOMAIN}").try_into().unwrap())];
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a DNS name or, with a scheme, for a URI.
    pub(crate) fn issue(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![if name.contains("://") {
            SanType::URI(name.try_into().unwrap())
        } else {
            SanType::DnsName(name.try_into().unwrap())
        }];
        Leaf { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// What a client shows that speaks as the workload `name` to one that is `expected`.
    pub(crate) fn tls(&self, name: &str, expected: &str) -> Arc<rustls::ClientConfig> {
        let leaf = self.issue(spiffe_id(name).as_str());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let svid = Svid::from_der(vec![CertificateDer::from(leaf.certificate.der().to_vec())], key).unwrap();
        let root = CertificateDer::from(self.certificate.der().to_vec());
        let identity = Identity::empty();
        identity.publish(svid, TrustBundleSet::of(TRUST_DOMAIN, vec![root]).unwrap());
        client_config(&identity, &spiffe_id(expected), &[b"http/1.1"])
    }
}
