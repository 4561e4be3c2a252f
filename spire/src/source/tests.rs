//! Agents that misbehave: what they send changes nothing, and what they forget is noticed.

use std::sync::{Arc, Mutex};

use bellgate_policy::SpiffeId;
use futures::stream;
use spiffe::{TrustDomain, X509BundleSet};

use super::*;
use crate::authority::{DevelopmentAuthority, Options};

fn authority(trust_domain: &str, ttl: u64) -> DevelopmentAuthority {
    let options = Options { svid_ttl: Duration::from_secs(ttl), ..Options::default() };
    DevelopmentAuthority::new(trust_domain, options).unwrap()
}

fn bundle(trust_domain: &str, roots: &[CertificateDer<'_>]) -> X509Bundle {
    let roots: Vec<&[u8]> = roots.iter().map(AsRef::as_ref).collect();
    X509Bundle::from_x509_authorities(TrustDomain::new(trust_domain).unwrap(), &roots).unwrap()
}

/// What an agent could send: an SVID of `authority`, with any bundles.
fn context(authority: &DevelopmentAuthority, bundles: Vec<X509Bundle>) -> X509Context {
    let id = SpiffeId::parse("spiffe://a.test/planner").unwrap();
    let (certificate, key) = authority.issue_raw(&id).unwrap();
    let svid = X509Svid::parse_from_der(&certificate, key.secret_pkcs8_der()).unwrap();
    let mut set = X509BundleSet::new();
    for bundle in bundles {
        set.add_bundle(bundle);
    }
    X509Context::new([Arc::new(svid)], set)
}

/// What `receive` makes of a stream, the events it told, and the identity afterwards.
async fn received(
    contexts: impl Stream<Item = Result<X509Context, WorkloadApiError>> + Unpin,
) -> (String, Vec<SourceEvent>, Identity) {
    let identity = Identity::empty();
    let events = Mutex::new(Vec::new());
    let tell = |event| events.lock().unwrap().push(event);
    let ended = receive(contexts, &identity, &tell).await;
    (ended.to_string(), events.into_inner().unwrap(), identity)
}

fn once(context: X509Context) -> impl Stream<Item = Result<X509Context, WorkloadApiError>> + Unpin {
    stream::iter([Ok(context)])
}

#[tokio::test]
async fn an_svid_that_its_own_bundle_does_not_vouch_for_changes_nothing() {
    let (ours, theirs) = (authority("a.test", 60), authority("a.test", 60));
    for bundles in
        [vec![bundle("a.test", &theirs.roots())], vec![bundle("a.test", &[])], vec![bundle("b.test", &ours.roots())]]
    {
        let (why, events, identity) = received(once(context(&ours, bundles))).await;
        assert!(why.contains("can't be used"), "{why}");
        assert_eq!(events, []);
        assert!(identity.svid().is_none());
    }
}

#[tokio::test]
async fn an_own_bundle_with_a_leaf_in_it_changes_nothing() {
    let ours = authority("a.test", 60);
    let id = SpiffeId::parse("spiffe://a.test/other").unwrap();
    let (leaf, _) = ours.issue_raw(&id).unwrap();
    let roots = [ours.roots(), vec![leaf]].concat();
    let sent = context(&ours, vec![bundle("a.test", &roots)]);
    let (why, events, identity) = received(once(sent)).await;
    assert!(why.contains("own trust bundle") && why.contains("no authority"), "{why}");
    assert_eq!(events, []);
    assert!(identity.svid().is_none());
}

#[tokio::test]
async fn a_foreign_bundle_that_is_broken_costs_that_trust_domain_alone() {
    let (ours, guests) = (authority("a.test", 60), authority("c.test", 60));
    let id = SpiffeId::parse("spiffe://a.test/other").unwrap();
    let (leaf, _) = ours.issue_raw(&id).unwrap();
    let sent = context(
        &ours,
        vec![bundle("a.test", &ours.roots()), bundle("b.test", &[leaf]), bundle("c.test", &guests.roots())],
    );
    let (_, events, identity) = received(once(sent)).await;
    let [SourceEvent::BundleRefused { trust_domain, why }, SourceEvent::Updated { generation: 1, .. }] =
        events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(trust_domain, "b.test");
    assert!(why.contains("no authority"), "{why}");
    let bundles = identity.bundles();
    assert_eq!(bundles.trust_domains().collect::<Vec<_>>(), ["a.test", "c.test"]);
    assert!(identity.svid().is_some());
}

#[tokio::test]
async fn an_agent_that_forgets_to_rotate_is_left_once_the_end_is_near() {
    let ours = authority("a.test", 1);
    let sent = context(&ours, vec![bundle("a.test", &ours.roots())]);
    let silent = once(sent).chain(stream::pending());
    let (why, events, identity) = timeout(Duration::from_secs(30), received(silent)).await.unwrap();
    assert!(why.contains("without a new one"), "{why}");
    assert_eq!(events.len(), 1);
    assert!(identity.svid().is_some(), "what came last stays");
    assert!(!identity.readiness(wall_clock()).is_ready());
}

#[tokio::test]
async fn an_empty_message_and_the_end_of_the_stream_are_told() {
    let nothing = X509Context::new([], X509BundleSet::new());
    let (why, ..) = received(once(nothing)).await;
    assert!(why.contains("register this workload"), "{why}");
    let (why, ..) = received(stream::empty()).await;
    assert!(why.contains("ended the stream"), "{why}");
    let denied = stream::iter([Err(WorkloadApiError::NoIdentityIssued)]);
    let (why, ..) = received(denied).await;
    assert!(why.contains("no identity issued"), "{why}");
}
