//! Certificates of a trust domain, in memory and as the files that Envoy reads.

use std::path::Path;

use bellgate_spire::{Identity, Svid, TrustBundleSet};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

pub(crate) const TRUST_DOMAIN: &str = "demo.bellgate.test";

/// A signing authority of the trust domain.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri(&format!("spiffe://{TRUST_DOMAIN}"))];
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        self.issue_for(&[name])
    }

    /// More than one name makes a certificate that is no SVID.
    fn issue_for(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = names.iter().map(|name| uri(&format!("spiffe://{TRUST_DOMAIN}/{name}"))).collect();
        params.use_authority_key_identifier_extension = true;
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What a client needs to speak as `name`, and to believe this trust domain.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let svid = Svid::from_der(vec![CertificateDer::from(certificate.der().to_vec())], key).unwrap();
        let identity = Identity::empty();
        identity.publish(
            svid,
            TrustBundleSet::of(TRUST_DOMAIN, vec![CertificateDer::from(self.certificate.der().to_vec())]).unwrap(),
        );
        identity
    }

    /// A certificate with several SPIFFE IDs, which is no SVID, as a client shows it.
    pub(crate) fn several(&self, names: &[&str]) -> SingleCertAndKey {
        let (certificate, key) = self.issue_for(names);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &bellgate_spire::tls13_provider()).unwrap())
    }

    /// Writes PEM files and Envoy's SDS files for `name` into `folder`; the templates are those of `bootstraps/`.
    pub(crate) fn write_for_envoy(&self, name: &str, folder: &Path) {
        let (certificate, key) = self.issue(name);
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::write(file("svid.pem"), certificate.pem()).unwrap();
        std::fs::write(file("svid.key"), key.serialize_pem()).unwrap();
        std::fs::write(file("bundle.pem"), self.certificate.pem()).unwrap();
        for template in ["svid.yaml", "bundle.yaml"] {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("bootstraps").join(template))
                .unwrap();
            let text = text
                .replace("@SVID_PEM@", &file("svid.pem"))
                .replace("@SVID_KEY@", &file("svid.key"))
                .replace("@BUNDLE_PEM@", &file("bundle.pem"));
            std::fs::write(file(template), text).unwrap();
        }
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}
