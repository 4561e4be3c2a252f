//! From a chain to a SPIFFE ID: leaf rules, then RFC 5280 path validation against the bundle of the leaf's own trust domain.
//!
//! A trust domain vouches for itself alone: an authority of `a.test` that signs an ID of `b.test` proves nothing.

use bellgate_policy::Timestamp;
use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::GeneralName;

use crate::certificate::{MAX_CHAIN, is_authority, read, validity};
use crate::clock::to_unix_time;
use crate::leaf::{Leaf, PeerUsage};
use crate::provider::tls13_provider;
use crate::{SvidError, TrustBundleSet};

/// A chain that holds, and until when.
pub(crate) struct Verified {
    pub(crate) leaf: Leaf,
    /// The earliest end of anything on the path: leaf, intermediates, authority.
    pub(crate) not_after: Timestamp,
}

/// Verifies `chain` (leaf first) at the time `now`.
pub(crate) fn verify_chain(
    bundles: &TrustBundleSet,
    chain: &[CertificateDer<'_>],
    usage: PeerUsage,
    now: Timestamp,
) -> Result<Verified, SvidError> {
    if chain.len() > MAX_CHAIN {
        return Err(SvidError::ChainTooLong { found: chain.len(), limit: MAX_CHAIN });
    }
    let (first, intermediates) = chain.split_first().ok_or(SvidError::ChainEmpty)?;
    let leaf = Leaf::read(first)?;
    leaf.check_usage(usage)?;
    leaf.check_time(now)?;
    for (index, der) in intermediates.iter().enumerate() {
        read(der, index.saturating_add(1))?;
    }
    let not_after = path_end(bundles, &leaf, first, intermediates, usage, now)?;
    Ok(Verified { leaf, not_after })
}

/// Finds a path, checks what webpki does not know of signing certificates, and says when the path ends.
fn path_end(
    bundles: &TrustBundleSet,
    leaf: &Leaf,
    first: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    usage: PeerUsage,
    now: Timestamp,
) -> Result<Timestamp, SvidError> {
    let trust_domain = leaf.id.trust_domain();
    let anchors = bundles
        .anchors(trust_domain, now)
        .ok_or_else(|| SvidError::UnknownTrustDomain { trust_domain: trust_domain.to_owned() })?;
    let untrusted = |error: webpki::Error| SvidError::ChainUntrusted {
        trust_domain: trust_domain.to_owned(),
        why: explain(&error),
    };
    let end_entity = EndEntityCert::try_from(first).map_err(untrusted)?;
    let provider = tls13_provider();
    let path = end_entity
        .verify_for_usage(
            provider.signature_verification_algorithms.all,
            &anchors,
            intermediates,
            to_unix_time(now),
            match usage {
                PeerUsage::Client => KeyUsage::client_auth(),
                PeerUsage::Server => KeyUsage::server_auth(),
            },
            None,
            None,
        )
        .map_err(untrusted)?;
    let mut end = leaf.not_after;
    for intermediate in path.intermediate_certificates() {
        end = end.min(check_signing(&intermediate.der())?);
    }
    if let Some(anchor_end) = bundles.anchor_ends(trust_domain, path.anchor()) {
        end = end.min(anchor_end);
    }
    Ok(end)
}

/// Section 3.2 and 4.3: `cA`, `keyCertSign`, and a SPIFFE ID, if there is one, without a path. Returns its `notAfter`.
fn check_signing(der: &[u8]) -> Result<Timestamp, SvidError> {
    let refuse = |why| SvidError::IntermediateRefused { why };
    let certificate = read(der, 1)?;
    if !is_authority(&certificate) {
        return Err(refuse("cA is false"));
    }
    let may_sign = certificate.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign());
    if !may_sign {
        return Err(refuse("its key usage lacks keyCertSign"));
    }
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        let has_path = names.value.general_names.iter().any(|name| {
            matches!(name, GeneralName::URI(uri)
                if uri.strip_prefix("spiffe://").is_some_and(|rest| rest.contains('/')))
        });
        if has_path {
            return Err(refuse("its SPIFFE ID has a path, as only a leaf's has"));
        }
    }
    Ok(validity(&certificate).1)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "webpki's errors are an open set; the common ones get words of ours"
)]
fn explain(error: &webpki::Error) -> String {
    match error {
        webpki::Error::UnknownIssuer => "no valid authority of that bundle signed it".to_owned(),
        webpki::Error::CertExpired { .. } => "an intermediate expired".to_owned(),
        webpki::Error::CertNotValidYet { .. } => "an intermediate is not valid yet".to_owned(),
        webpki::Error::InvalidSignatureForPublicKey => "a signature is wrong".to_owned(),
        other => format!("path validation says {other}"),
    }
}
