//! Every rule of the X509-SVID standard for a leaf and its chain: what keeps it passes, what breaks it has a code of its own.

mod forge;

use std::time::Duration;

use bellgate_policy::Timestamp;
use bellgate_spire::{Identity, MAX_CERTIFICATE_BYTES, MAX_CHAIN, PeerIdentity, PeerUsage, SvidError, TrustBundleSet};
use forge::{
    BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, Forge, KEY_USAGE, LEAF_LIFE, NOW, PLANNER, PRIVATE, SUBJECT_ALT_NAME,
    TRUST_DOMAIN, after, before, date, extension, names, uri,
};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;

type Change = fn(&mut CertificateParams);
/// What is changed, how, and the code that must come of it.
type Row = (&'static str, Change, &'static str);

fn identity(bundles: TrustBundleSet) -> Identity {
    let identity = Identity::empty();
    identity.publish_bundles(bundles);
    identity
}

fn verify_at(
    bundles: TrustBundleSet,
    chain: &[CertificateDer<'_>],
    usage: PeerUsage,
    now: Timestamp,
) -> Result<String, SvidError> {
    PeerIdentity::verify(&identity(bundles), chain, usage, now).map(|peer| peer.id.as_str().to_owned())
}

fn code(result: Result<String, SvidError>) -> String {
    match result {
        Ok(id) => id,
        Err(error) => error.code().to_owned(),
    }
}

/// The outcome for one leaf signed by a root that is in the bundle: its ID, or a code.
fn outcome(root: &Forge, leaf: CertificateDer<'static>) -> String {
    code(verify_at(root.bundles(), &[leaf], PeerUsage::Client, NOW))
}

fn check(rows: &[Row]) {
    let root = Forge::root(TRUST_DOMAIN);
    for (name, change, expected) in rows {
        let leaf = root.leaf(PLANNER, change);
        assert_eq!(outcome(&root, leaf), *expected, "{name}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    check(&[
        ("as issued", |_| {}, PLANNER),
        ("without extended key usage", |p| p.extended_key_usages.clear(), PLANNER),
        ("without basic constraints", |p| p.is_ca = IsCa::NoCa, PLANNER),
        (
            "with keyEncipherment and keyAgreement",
            |p| {
                p.key_usages.push(KeyUsagePurpose::KeyEncipherment);
                p.key_usages.push(KeyUsagePurpose::KeyAgreement);
            },
            PLANNER,
        ),
        (
            "with dns names beside the uri",
            |p| {
                p.subject_alt_names.push(SanType::DnsName("planner.test".try_into().unwrap()));
            },
            PLANNER,
        ),
        (
            "an empty subject, which makes the SAN critical",
            |p| p.distinguished_name = DistinguishedName::new(),
            PLANNER,
        ),
        (
            "an unknown extension that is not critical",
            |p| p.custom_extensions = vec![extension(PRIVATE, false, &[5, 0])],
            PLANNER,
        ),
    ]);
}

#[test]
fn section_2_exactly_one_uri_san_that_is_a_spiffe_id_with_a_path() {
    check(&[
        ("no SAN", |p| p.subject_alt_names.clear(), "uri-san-missing"),
        (
            "a dns name alone",
            |p| p.subject_alt_names = vec![SanType::DnsName("planner.test".try_into().unwrap())],
            "uri-san-missing",
        ),
        ("two SPIFFE IDs", |p| p.subject_alt_names.push(uri("spiffe://a.test/other")), "uri-san-several"),
        ("the same SPIFFE ID twice", |p| p.subject_alt_names.push(uri(PLANNER)), "uri-san-several"),
        (
            "another URI beside the SPIFFE ID",
            |p| p.subject_alt_names.push(uri("https://a.test/planner")),
            "uri-san-several",
        ),
        ("another scheme", |p| p.subject_alt_names = vec![uri("https://a.test/planner")], "spiffe-id-invalid"),
        (
            "upper case in the trust domain",
            |p| p.subject_alt_names = vec![uri("spiffe://A.test/planner")],
            "spiffe-id-invalid",
        ),
        ("a port", |p| p.subject_alt_names = vec![uri("spiffe://a.test:443/planner")], "spiffe-id-invalid"),
        ("a query", |p| p.subject_alt_names = vec![uri("spiffe://a.test/planner?x=1")], "spiffe-id-invalid"),
        ("percent encoding", |p| p.subject_alt_names = vec![uri("spiffe://a.test/pl%61nner")], "spiffe-id-invalid"),
        ("a dot segment", |p| p.subject_alt_names = vec![uri("spiffe://a.test/x/../planner")], "spiffe-id-invalid"),
        ("a trailing slash", |p| p.subject_alt_names = vec![uri("spiffe://a.test/")], "spiffe-id-invalid"),
        ("no path", |p| p.subject_alt_names = vec![uri("spiffe://a.test")], "spiffe-id-without-path"),
        (
            "a NUL in the URI",
            |p| {
                p.subject_alt_names.clear();
                p.custom_extensions =
                    vec![extension(SUBJECT_ALT_NAME, false, &names(&[(6, b"spiffe://a.test/planner\0.evil")]))];
            },
            "spiffe-id-invalid",
        ),
        (
            "bytes that are no text in the URI",
            |p| {
                p.subject_alt_names.clear();
                p.custom_extensions = vec![extension(SUBJECT_ALT_NAME, false, &names(&[(6, b"spiffe://a.test/\xff")]))];
            },
            "certificate-malformed",
        ),
        (
            "a SAN that is not critical with an empty subject",
            |p| {
                p.distinguished_name = DistinguishedName::new();
                p.subject_alt_names.clear();
                p.custom_extensions = vec![extension(SUBJECT_ALT_NAME, false, &names(&[(6, PLANNER.as_bytes())]))];
            },
            "san-not-critical",
        ),
    ]);
}

#[test]
fn section_2_a_spiffe_id_has_at_most_2048_bytes() {
    let root = Forge::root(TRUST_DOMAIN);
    for (length, accepted) in [(2047, true), (2048, true), (2049, false)] {
        let id = format!("spiffe://a.test/{}", "x".repeat(length - "spiffe://a.test/".len()));
        let leaf = root.leaf(&id, |_| {});
        let expected = if accepted { id.as_str() } else { "spiffe-id-invalid" };
        assert_eq!(outcome(&root, leaf), expected, "{length}");
    }
}

#[test]
fn section_4_1_and_4_3_basic_constraints_and_key_usage() {
    check(&[
        ("cA is true", |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "leaf-is-authority"),
        ("no key usage", |p| p.key_usages.clear(), "key-usage-missing"),
        ("no digitalSignature", |p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment], "digital-signature-missing"),
        ("keyCertSign", |p| p.key_usages.push(KeyUsagePurpose::KeyCertSign), "key-cert-sign"),
        ("cRLSign", |p| p.key_usages.push(KeyUsagePurpose::CrlSign), "crl-sign"),
        (
            "key usage that is not critical",
            |p| {
                p.key_usages.clear();
                p.custom_extensions = vec![extension(KEY_USAGE, false, &[3, 2, 7, 0x80])];
            },
            "key-usage-not-critical",
        ),
    ]);
}

#[test]
fn section_4_4_extended_key_usage_allows_what_the_certificate_is_used_for() {
    let root = Forge::root(TRUST_DOMAIN);
    let with = |usages: Vec<ExtendedKeyUsagePurpose>| root.leaf(PLANNER, |params| params.extended_key_usages = usages);
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    let rows = [
        (with(vec![]), PLANNER, PLANNER),
        (with(vec![ClientAuth, ServerAuth]), PLANNER, PLANNER),
        (with(vec![ClientAuth]), PLANNER, "extended-key-usage"),
        (with(vec![ServerAuth]), "extended-key-usage", PLANNER),
        (with(vec![CodeSigning]), "extended-key-usage", "extended-key-usage"),
        (with(vec![Any]), "extended-key-usage", "extended-key-usage"),
    ];
    for (row, (leaf, as_client, as_server)) in rows.into_iter().enumerate() {
        for (usage, expected) in [(PeerUsage::Client, as_client), (PeerUsage::Server, as_server)] {
            let found = code(verify_at(root.bundles(), std::slice::from_ref(&leaf), usage, NOW));
            assert_eq!(found, expected, "row {row}, {usage:?}");
        }
    }
}

#[test]
fn rfc_5280_strict_der_of_version_3_without_repeated_or_unreadable_extensions() {
    check(&[
        (
            "key usage twice",
            |p| p.custom_extensions = vec![extension(KEY_USAGE, true, &[3, 2, 7, 0x80])],
            "certificate-malformed",
        ),
        (
            "SAN twice",
            |p| {
                p.custom_extensions = vec![extension(SUBJECT_ALT_NAME, false, &names(&[(6, PLANNER.as_bytes())]))];
            },
            "certificate-malformed",
        ),
        (
            "key usage that is no bit string",
            |p| {
                p.key_usages.clear();
                p.custom_extensions = vec![extension(KEY_USAGE, true, &[4, 1, 0])];
            },
            "certificate-malformed",
        ),
        (
            "extended key usage that is no sequence",
            |p| {
                p.extended_key_usages.clear();
                p.custom_extensions = vec![extension(EXTENDED_KEY_USAGE, false, &[4, 1, 0])];
            },
            "certificate-malformed",
        ),
        (
            "basic constraints that are no sequence",
            |p| {
                p.is_ca = IsCa::NoCa;
                p.custom_extensions = vec![extension(BASIC_CONSTRAINTS, true, &[4, 1, 0])];
            },
            "certificate-malformed",
        ),
        (
            "an unknown critical extension",
            |p| p.custom_extensions = vec![extension(PRIVATE, true, &[5, 0])],
            "chain-untrusted",
        ),
    ]);

    let root = Forge::root(TRUST_DOMAIN);
    let good = root.leaf(PLANNER, |_| {}).to_vec();
    let version = [0xa0, 3, 2, 1, 2];
    let at = good.windows(version.len()).position(|window| window == version).unwrap();
    for earlier in [0, 1] {
        let mut leaf = good.clone();
        leaf[at + 4] = earlier;
        assert_eq!(outcome(&root, leaf.into()), "certificate-malformed", "v{}", earlier + 1);
    }
    for trailing in [&[0_u8][..], &[5, 0], &good] {
        let mut leaf = good.clone();
        leaf.extend(trailing);
        assert_eq!(outcome(&root, leaf.into()), "certificate-malformed");
    }
    for end in 0..good.len() {
        let cut = good[..end].to_vec();
        assert_eq!(outcome(&root, cut.into()), "certificate-malformed", "cut at {end}");
    }
}

#[test]
fn a_certificate_has_at_most_16_kib() {
    let root = Forge::root(TRUST_DOMAIN);
    let padded = |padding: usize| {
        root.leaf(PLANNER, |params| {
            params.custom_extensions = vec![extension(PRIVATE, false, &vec![0; padding])];
        })
    };
    let around = 15_000;
    let overhead = padded(around).len() - around;
    for (size, expected) in [
        (MAX_CERTIFICATE_BYTES - 1, PLANNER),
        (MAX_CERTIFICATE_BYTES, PLANNER),
        (MAX_CERTIFICATE_BYTES + 1, "certificate-too-large"),
    ] {
        let leaf = padded(size - overhead);
        assert_eq!(leaf.len(), size);
        assert_eq!(outcome(&root, leaf), expected, "{size}");
    }
}

#[test]
fn validity_counts_both_ends_in() {
    let root = Forge::root(TRUST_DOMAIN);
    let leaf = root.leaf(PLANNER, |_| {});
    let millisecond = Duration::from_millis(1);
    let (start, end) = (before(NOW, LEAF_LIFE), after(NOW, LEAF_LIFE));
    for (now, expected) in [
        (before(start, millisecond), "not-yet-valid"),
        (start, PLANNER),
        (NOW, PLANNER),
        (end, PLANNER),
        (after(end, millisecond), "expired"),
    ] {
        let found = code(verify_at(root.bundles(), std::slice::from_ref(&leaf), PeerUsage::Client, now));
        assert_eq!(found, expected, "at {}", now.0);
    }
}

#[test]
fn a_trust_domain_vouches_for_itself_alone() {
    let (a, b) = (Forge::root("a.test"), Forge::root("b.test"));
    let only_a = || TrustBundleSet::of("a.test", vec![a.certificate.clone()]).unwrap();
    let both = || {
        let mut bundles = only_a();
        bundles.insert("b.test", vec![b.certificate.clone()]).unwrap();
        bundles
    };
    let foreign = "spiffe://b.test/planner";
    let rows = [
        ("own", only_a(), a.leaf(PLANNER, |_| {}), PLANNER),
        ("not federated", only_a(), b.leaf(foreign, |_| {}), "unknown-trust-domain"),
        ("federated", both(), b.leaf(foreign, |_| {}), foreign),
        ("a signs for b", both(), a.leaf(foreign, |_| {}), "chain-untrusted"),
        ("b signs for a", both(), b.leaf(PLANNER, |_| {}), "chain-untrusted"),
        ("another authority of the same name", both(), Forge::root("a.test").leaf(PLANNER, |_| {}), "chain-untrusted"),
        ("nobody", TrustBundleSet::empty(), a.leaf(PLANNER, |_| {}), "unknown-trust-domain"),
        ("an empty bundle", TrustBundleSet::of("a.test", vec![]).unwrap(), a.leaf(PLANNER, |_| {}), "chain-untrusted"),
    ];
    for (name, bundles, leaf, expected) in rows {
        let found = code(verify_at(bundles, &[leaf], PeerUsage::Server, NOW));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn an_authority_counts_only_while_it_is_valid() {
    let root = Forge::root_with(TRUST_DOMAIN, |params| {
        params.not_after = date(after(NOW, Duration::from_secs(10)));
    });
    let leaf = root.leaf(PLANNER, |_| {});
    let at = |now| code(verify_at(root.bundles(), std::slice::from_ref(&leaf), PeerUsage::Client, now));
    assert_eq!(at(after(NOW, Duration::from_secs(10))), PLANNER);
    assert_eq!(at(after(NOW, Duration::from_secs(11))), "chain-untrusted");
}

#[test]
fn intermediates_must_be_signing_certificates() {
    let root = Forge::root(TRUST_DOMAIN);
    let rows: [Row; 7] = [
        ("as issued", |_| {}, PLANNER),
        ("without SAN", |p| p.subject_alt_names.clear(), PLANNER),
        ("cA is false", |p| p.is_ca = IsCa::ExplicitNoCa, "chain-untrusted"),
        ("no keyCertSign", |p| p.key_usages = vec![KeyUsagePurpose::DigitalSignature], "intermediate-refused"),
        ("no key usage", |p| p.key_usages.clear(), "intermediate-refused"),
        ("a SPIFFE ID with a path", |p| p.subject_alt_names = vec![uri("spiffe://a.test/ca")], "intermediate-refused"),
        ("expired", |p| p.not_after = date(before(NOW, Duration::from_secs(1))), "chain-untrusted"),
    ];
    for (name, change, expected) in rows {
        let middle = root.intermediate("middle", change);
        let chain = [middle.leaf(PLANNER, |_| {}), middle.certificate.clone()];
        let found = code(verify_at(root.bundles(), &chain, PeerUsage::Client, NOW));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_path_length_constraint_counts() {
    let root = Forge::root(TRUST_DOMAIN);
    let first = root.intermediate("first", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let second = first.intermediate("second", |_| {});
    let chain = [second.leaf(PLANNER, |_| {}), second.certificate.clone(), first.certificate.clone()];
    let found = code(verify_at(root.bundles(), &chain, PeerUsage::Client, NOW));
    assert_eq!(found, "chain-untrusted");
}

#[test]
fn a_chain_has_at_most_seven_certificates() {
    let root = Forge::root(TRUST_DOMAIN);
    for (length, expected) in [(MAX_CHAIN - 1, PLANNER), (MAX_CHAIN, PLANNER), (MAX_CHAIN + 1, "chain-too-long")] {
        let mut chain = Vec::new();
        let mut signer = Forge::root(TRUST_DOMAIN);
        let bundles = signer.bundles();
        for depth in 1..length {
            signer = signer.intermediate(&format!("depth {depth}"), |_| {});
            chain.insert(0, signer.certificate.clone());
        }
        chain.insert(0, signer.leaf(PLANNER, |_| {}));
        assert_eq!(chain.len(), length);
        let found = code(verify_at(bundles, &chain, PeerUsage::Client, NOW));
        assert_eq!(found, expected, "{length}");
    }
    let none = code(verify_at(root.bundles(), &[], PeerUsage::Client, NOW));
    assert_eq!(none, "chain-empty");
}

#[test]
fn a_malformed_intermediate_is_refused_even_where_no_path_needs_it() {
    let root = Forge::root(TRUST_DOMAIN);
    let chain = [root.leaf(PLANNER, |_| {}), CertificateDer::from(vec![0x30, 0x00])];
    let found = code(verify_at(root.bundles(), &chain, PeerUsage::Client, NOW));
    assert_eq!(found, "certificate-malformed");
}

#[test]
fn bundles_take_authorities_alone_and_in_any_order() {
    let (first, second) = (Forge::root(TRUST_DOMAIN), Forge::root(TRUST_DOMAIN));
    let leaf = first.leaf(PLANNER, |_| {});
    for bad in [leaf, CertificateDer::from(vec![1, 2, 3])] {
        let refused = TrustBundleSet::of(TRUST_DOMAIN, vec![first.certificate.clone(), bad]);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("authority 1") && message.contains("`a.test`"), "{message}");
    }
    for name in ["", "A.test", "a.test/x", "a test", "spiffe://a.test"] {
        assert!(TrustBundleSet::of(name, vec![]).is_err(), "{name}");
    }
    let identity = Identity::empty();
    let of = |forges: &[&Forge]| {
        let roots = forges.iter().map(|forge| forge.certificate.clone());
        TrustBundleSet::of(TRUST_DOMAIN, roots.collect()).unwrap()
    };
    let mut generations = Vec::new();
    for bundles in [
        of(&[&first, &second]),
        of(&[&second, &first]),
        of(&[&first, &first, &second]),
        of(&[&first]),
        of(&[&first, &second]),
    ] {
        identity.publish_bundles(bundles);
        generations.push(identity.bundles().generation());
    }
    assert_eq!(generations, [1, 1, 1, 2, 3]);
}

#[test]
fn debug_shows_neither_keys_nor_certificates() {
    let root = Forge::root(TRUST_DOMAIN);
    let leaf = root.leaf(PLANNER, |_| {});
    let identity = identity(root.bundles());
    let peer = PeerIdentity::verify(&identity, &[leaf], PeerUsage::Client, NOW).unwrap();
    let shown = format!("{peer:?} {identity:?} {:?}", identity.bundles());
    assert!(shown.contains(PLANNER) && shown.contains("a.test"), "{shown}");
    assert!(shown.len() < 600, "more than names and dates: {shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// One changed byte anywhere is refused, without a panic: the signature covers all that is read.
    #[test]
    fn a_changed_byte_is_refused(at in any::<prop::sample::Index>(), change in 1_u8..=255) {
        let root = Forge::root(TRUST_DOMAIN);
        let mut leaf = root.leaf(PLANNER, |_| {}).to_vec();
        let at = at.index(leaf.len());
        leaf[at] ^= change;
        let found = verify_at(root.bundles(), &[leaf.into()], PeerUsage::Client, NOW);
        prop_assert!(found.is_err(), "byte {at} changed by {change:#04x}");
    }

    /// Whatever arrives, the answer is a code.
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let root = Forge::root(TRUST_DOMAIN);
        let found = verify_at(root.bundles(), &[bytes.into()], PeerUsage::Server, NOW);
        prop_assert_eq!(found.unwrap_err().code(), "certificate-malformed");
    }
}
