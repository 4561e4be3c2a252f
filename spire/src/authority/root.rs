//! One root key and what it signs. ECDSA P-256 throughout.

use std::time::Duration;

use bellgate_policy::{SpiffeId, Timestamp};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::wall_clock;

/// Certificates are valid from this much before they are made, as one process may read the clock a moment before another.
const BACKDATE_SECONDS: i64 = 1;

/// A self-signed signing certificate with its key. No `Debug`: it holds a private key.
pub(super) struct Root {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What is handed to one workload. No `Debug`: it holds a private key.
pub(super) struct Issued {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivatePkcs8KeyDer<'static>,
    pub(super) not_after: Timestamp,
}

impl Root {
    pub(super) fn new(trust_domain: &str, ttl: Duration) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        let (from, to, _) = validity(ttl);
        params.not_before = from;
        params.not_after = to;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Bellgate development authority");
        params.distinguished_name.push(DnType::CommonName, trust_domain);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// A leaf as the X509-SVID standard wants it, with a new key.
    pub(super) fn issue(&self, id: &SpiffeId, ttl: Duration) -> Result<Issued, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        let (from, to, not_after) = validity(ttl);
        params.not_before = from;
        params.not_after = to;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri(id.as_str())?];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Bellgate development authority");
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(Issued { certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()), not_after })
    }
}

fn uri(text: &str) -> Result<SanType, rcgen::Error> {
    Ok(SanType::URI(Ia5String::try_from(text)?))
}

/// From just before now to `ttl` from now, rounded up to a whole second; the end in milliseconds too.
fn validity(ttl: Duration) -> (OffsetDateTime, OffsetDateTime, Timestamp) {
    let now = Duration::from_millis(wall_clock().0);
    let end = now.saturating_add(ttl);
    let end = end.as_secs().saturating_add(u64::from(end.subsec_nanos() > 0));
    let at = |seconds: i64| {
        // Certificates end in the year 9999; a ttl beyond that is as good as for ever.
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::macros::datetime!(9999-12-31 23:59:59 UTC))
    };
    let from = i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_sub(BACKDATE_SECONDS);
    let to = i64::try_from(end).unwrap_or(i64::MAX);
    (at(from), at(to), Timestamp(end.saturating_mul(1000)))
}
