//! A certificate authority that also makes what a good one never would.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::time::Duration;

use bellgate_policy::{SpiffeId, Timestamp};
use bellgate_spire::TrustBundleSet;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

/// Everything here is dated around this moment: 2026-01-02 03:04:05 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_767_323_045_000);
/// Leaves are valid for this long before and after [`NOW`].
pub(crate) const LEAF_LIFE: Duration = Duration::from_secs(60);
pub(crate) const TRUST_DOMAIN: &str = "a.test";
pub(crate) const PLANNER: &str = "spiffe://a.test/planner";

pub(crate) fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0 + u64::try_from(by.as_millis()).unwrap())
}

pub(crate) fn before(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0 - u64::try_from(by.as_millis()).unwrap())
}

pub(crate) fn date(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at.0 / 1000).unwrap()).unwrap()
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

/// A signing certificate and its key. Ed25519, whose signatures all have the same length.
pub(crate) struct Forge {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Forge {
    pub(crate) fn root(trust_domain: &str) -> Self {
        Self::root_with(trust_domain, |_| {})
    }

    pub(crate) fn root_with(trust_domain: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = authority(trust_domain, "root");
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = authority(TRUST_DOMAIN, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A good leaf, changed.
    pub(crate) fn leaf(&self, id: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        self.leaf_and_key(id, change).0
    }

    pub(crate) fn leaf_and_key(
        &self,
        id: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = leaf(id);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (certificate, key)
    }

    pub(crate) fn bundles(&self) -> TrustBundleSet {
        TrustBundleSet::of(TRUST_DOMAIN, vec![self.certificate.clone()]).unwrap()
    }
}

fn authority(trust_domain: &str, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))];
    params.not_before = date(before(NOW, Duration::from_secs(3600)));
    params.not_after = date(after(NOW, Duration::from_secs(3600)));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{trust_domain} {name}"));
    params
}

fn leaf(id: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![uri(id)];
    params.serial_number = Some(SerialNumber::from(0x1234_5678_u64));
    params.not_before = date(before(NOW, LEAF_LIFE));
    params.not_after = date(after(NOW, LEAF_LIFE));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "forge");
    params
}

pub(crate) const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
pub(crate) const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
pub(crate) const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
pub(crate) const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
/// Nobody's.
pub(crate) const PRIVATE: &[u64] = &[1, 3, 6, 1, 4, 1, 99_999, 1];

/// An extension with any content.
pub(crate) fn extension(oid: &[u64], critical: bool, content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

/// The content of a SAN extension: (context tag, bytes) each; 6 is a URI, 2 a DNS name.
pub(crate) fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let entries: Vec<u8> = names.iter().flat_map(|(tag, content)| tlv(0x80 | tag, content)).collect();
    tlv(0x30, &entries)
}

/// Tag, length, value; DER.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(bytes.len()).unwrap());
        out.extend(bytes);
    }
    out.extend(content);
    out
}
