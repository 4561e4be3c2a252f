//! A peer on a connection that stays open: its standing follows the clock and the bundles.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;

use std::time::Duration;

use bellgate_policy::Timestamp;
use bellgate_spire::{Identity, PeerIdentity, PeerUsage, TrustBundleSet};
use forge::{Forge, LEAF_LIFE, NOW, PLANNER, TRUST_DOMAIN, after, before, date};
use sha2::{Digest, Sha256};

fn identity(root: &Forge) -> Identity {
    let identity = Identity::empty();
    identity.publish_bundles(root.bundles());
    identity
}

fn peer(identity: &Identity, root: &Forge) -> PeerIdentity {
    let leaf = root.leaf(PLANNER, |_| {});
    PeerIdentity::verify(identity, &[leaf], PeerUsage::Client, NOW).unwrap()
}

fn standing(peer: &PeerIdentity, identity: &Identity, now: Timestamp) -> &'static str {
    match peer.still_trusted(identity, now) {
        Ok(()) => "trusted",
        Err(error) => error.code(),
    }
}

#[test]
fn it_is_known_by_its_id_and_its_leaf() {
    let root = Forge::root(TRUST_DOMAIN);
    let leaf = root.leaf(PLANNER, |_| {});
    let identity = identity(&root);
    let peer = PeerIdentity::verify(&identity, std::slice::from_ref(&leaf), PeerUsage::Client, NOW).unwrap();
    assert_eq!(peer.id.as_str(), PLANNER);
    assert_eq!(peer.chain.as_ref(), std::slice::from_ref(&leaf));
    assert_eq!(peer.leaf_sha256[..], Sha256::digest(&leaf)[..]);
    assert_eq!(peer.not_after, after(NOW, LEAF_LIFE));
}

#[test]
fn it_ends_with_its_certificate_and_a_step_back_revives_nothing() {
    let root = Forge::root(TRUST_DOMAIN);
    let identity = identity(&root);
    let peer = peer(&identity, &root);
    let end = after(NOW, LEAF_LIFE);
    assert_eq!(standing(&peer, &identity, end), "trusted");
    assert_eq!(standing(&peer, &identity, after(end, Duration::from_millis(1))), "expired");
    assert_eq!(standing(&peer, &identity, NOW), "expired");
    // Nor for a new connection with the same certificate.
    let again = PeerIdentity::verify(&identity, &peer.chain, PeerUsage::Client, NOW);
    assert_eq!(again.unwrap_err().code(), "expired");
}

#[test]
fn it_ends_with_the_first_certificate_of_its_path() {
    let sooner = after(NOW, Duration::from_secs(20));
    let soonest = after(NOW, Duration::from_secs(10));
    let root = Forge::root_with(TRUST_DOMAIN, |params| params.not_after = date(sooner));
    let middle = root.intermediate("middle", |params| params.not_after = date(soonest));
    let identity = identity(&root);
    for (chain, end) in [
        (vec![root.leaf(PLANNER, |_| {})], sooner),
        (vec![middle.leaf(PLANNER, |_| {}), middle.certificate.clone()], soonest),
    ] {
        let peer = PeerIdentity::verify(&identity, &chain, PeerUsage::Client, NOW).unwrap();
        assert_eq!(peer.not_after, end);
    }
}

#[test]
fn it_is_verified_anew_when_the_bundles_change() {
    let (root, next) = (Forge::root(TRUST_DOMAIN), Forge::root(TRUST_DOMAIN));
    let identity = identity(&root);
    let peer = peer(&identity, &root);
    let both = || {
        let roots = vec![root.certificate.clone(), next.certificate.clone()];
        TrustBundleSet::of(TRUST_DOMAIN, roots).unwrap()
    };
    let steps = [
        ("a root is added", both(), "trusted"),
        ("its own root is withdrawn", next.bundles(), "chain-untrusted"),
        ("and comes back", both(), "trusted"),
        ("the trust domain is withdrawn", TrustBundleSet::empty(), "unknown-trust-domain"),
    ];
    for (name, bundles, expected) in steps {
        identity.publish_bundles(bundles);
        for _ in 0..3 {
            assert_eq!(standing(&peer, &identity, NOW), expected, "{name}");
        }
    }
}

#[test]
fn it_keeps_its_standing_while_the_bundles_stay_as_they_are() {
    let root = Forge::root(TRUST_DOMAIN);
    let identity = identity(&root);
    let peer = peer(&identity, &root);
    for second in 0..=LEAF_LIFE.as_secs() {
        identity.publish_bundles(root.bundles());
        assert_eq!(identity.bundles().generation(), 1);
        let now = after(NOW, Duration::from_secs(second));
        assert_eq!(standing(&peer, &identity, now), "trusted", "{second}");
    }
}

#[test]
fn a_certificate_that_is_not_valid_yet_waits() {
    let root = Forge::root(TRUST_DOMAIN);
    let leaf = root.leaf(PLANNER, |_| {});
    let early = before(NOW, LEAF_LIFE + Duration::from_secs(1));
    let identity = identity(&root);
    let refused = PeerIdentity::verify(&identity, std::slice::from_ref(&leaf), PeerUsage::Client, early);
    assert_eq!(refused.unwrap_err().code(), "not-yet-valid");
    assert!(PeerIdentity::verify(&identity, &[leaf], PeerUsage::Client, NOW).is_ok());
}
