//! This process's own SVID: what can't be one, what it shows of itself, and the codes of what is wrong.

mod forge;

use std::collections::BTreeSet;

use bellgate_policy::Timestamp;
use bellgate_spire::{MAX_CHAIN, Svid, SvidError};
use forge::{Forge, PLANNER, TRUST_DOMAIN};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

fn pkcs8(bytes: Vec<u8>) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(bytes))
}

#[test]
fn a_pair_is_an_svid_and_each_has_a_number_of_its_own() {
    let root = Forge::root(TRUST_DOMAIN);
    let mut numbers = BTreeSet::new();
    for _ in 0..4 {
        let (leaf, key) = root.leaf_and_key(PLANNER, |_| {});
        let svid = Svid::from_der(vec![leaf.clone()], pkcs8(key.serialize_der())).unwrap();
        assert_eq!(svid.id.as_str(), PLANNER);
        assert_eq!(svid.chain, [leaf]);
        numbers.insert(svid.serial_hash);
    }
    // The forge gives all of them one serial number, as a careless authority might.
    assert_eq!(numbers.len(), 4);
}

#[test]
fn what_is_no_svid_is_refused() {
    let root = Forge::root(TRUST_DOMAIN);
    let (leaf, key) = root.leaf_and_key(PLANNER, |_| {});
    let good = || pkcs8(key.serialize_der());
    let (signer, signer_key) = root.leaf_and_key(PLANNER, |p| p.key_usages.push(KeyUsagePurpose::KeyCertSign));
    let (half, half_key) =
        root.leaf_and_key(PLANNER, |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let other = |algorithm| pkcs8(KeyPair::generate_for(algorithm).unwrap().serialize_der());
    let rows = [
        ("no certificate", vec![], good(), "chain-empty"),
        ("too many", vec![leaf.clone(); MAX_CHAIN + 1], good(), "chain-too-long"),
        ("another P-256 key", vec![leaf.clone()], other(&PKCS_ECDSA_P256_SHA256), "key-mismatch"),
        ("another P-384 key", vec![leaf.clone()], other(&PKCS_ECDSA_P384_SHA384), "key-mismatch"),
        ("no key", vec![leaf.clone()], pkcs8(Vec::new()), "key-unusable"),
        ("half a key", vec![leaf], pkcs8(key.serialize_der()[..20].to_vec()), "key-unusable"),
        ("it may sign", vec![signer], pkcs8(signer_key.serialize_der()), "key-cert-sign"),
        ("for clients alone", vec![half], pkcs8(half_key.serialize_der()), "extended-key-usage"),
    ];
    for (name, chain, key, expected) in rows {
        assert_eq!(Svid::from_der(chain, key).unwrap_err().code(), expected, "{name}");
    }
}

#[test]
fn debug_shows_the_id_and_the_dates() {
    let root = Forge::root(TRUST_DOMAIN);
    let (leaf, key) = root.leaf_and_key(PLANNER, |_| {});
    let svid = Svid::from_der(vec![leaf], pkcs8(key.serialize_der())).unwrap();
    let shown = format!("{svid:?}");
    assert!(shown.contains(PLANNER) && shown.len() < 150, "{shown}");
}

#[test]
fn each_reason_has_a_code_and_a_message_of_its_own() {
    let text = || "x".to_owned();
    let at = Timestamp(0);
    let reasons = [
        SvidError::ChainEmpty,
        SvidError::ChainTooLong { found: 8, limit: 7 },
        SvidError::CertificateTooLarge { position: 0, bytes: 1, limit: 0 },
        SvidError::Malformed { position: 0, what: "x" },
        SvidError::UriSanMissing,
        SvidError::UriSanSeveral { found: 2 },
        SvidError::SanNotCritical,
        SvidError::SpiffeIdInvalid { why: text() },
        SvidError::SpiffeIdWithoutPath { id: text() },
        SvidError::LeafIsAuthority,
        SvidError::KeyUsageMissing,
        SvidError::KeyUsageNotCritical,
        SvidError::DigitalSignatureMissing,
        SvidError::KeyCertSign,
        SvidError::CrlSign,
        SvidError::ExtendedKeyUsage { needed: "clientAuth" },
        SvidError::Expired { at },
        SvidError::NotYetValid { from: at },
        SvidError::UnknownTrustDomain { trust_domain: text() },
        SvidError::ChainUntrusted { trust_domain: text(), why: text() },
        SvidError::IntermediateRefused { why: "x" },
        SvidError::PeerUnexpected { expected: text(), found: text() },
        SvidError::KeyUnusable,
        SvidError::KeyMismatch,
    ];
    let codes: BTreeSet<_> = reasons.iter().map(SvidError::code).collect();
    let messages: BTreeSet<_> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(codes.len(), reasons.len());
    assert_eq!(messages.len(), reasons.len());
    for reason in reasons {
        // rustls carries it, and it can be had back.
        let code = reason.code();
        let carried = rustls::Error::from(reason);
        assert_eq!(SvidError::of(&carried).map(SvidError::code), Some(code));
    }
    assert_eq!(SvidError::of(&rustls::Error::DecryptError), None);
}
