//! Trust bundles: the signing authorities of each trust domain, this process's own and federated ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bellgate_policy::{SpiffeId, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::SvidError;
use crate::certificate::{is_authority, read, validity};

/// The signing authorities of every trust domain that is believed, keyed by trust domain.
///
/// [`crate::Identity::publish`] gives each set that differs from the one before it the next generation; a set that was never
/// published has generation 0. The order of certificates, and one being there twice, makes no difference.
#[derive(Clone, Default)]
pub struct TrustBundleSet {
    generation: u64,
    domains: BTreeMap<String, Domain>,
}

/// Why a trust bundle can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The key is no trust domain name.
    #[error("`{trust_domain}` is no trust domain name: {why}")]
    TrustDomain {
        /// What was given.
        trust_domain: String,
        /// What the SPIFFE ID parser says.
        why: String,
    },
    /// An authority that can't be read.
    #[error("authority {index} of the trust bundle of `{trust_domain}` can't be used: {why}")]
    Authority {
        /// Trust domain of the bundle.
        trust_domain: String,
        /// Place in the bundle, from 0.
        index: usize,
        /// The rule that it breaks.
        why: String,
    },
}

#[derive(Clone)]
struct Domain {
    /// Sorted, without repetition; `anchors` and `validity` are in the same order.
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    validity: Vec<(Timestamp, Timestamp)>,
}

impl TrustBundleSet {
    /// Believes nobody.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A set of one trust domain.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn of(trust_domain: &str, authorities: Vec<CertificateDer<'static>>) -> Result<Self, BundleError> {
        let mut set = Self::empty();
        set.insert(trust_domain, authorities)?;
        Ok(set)
    }

    /// Puts the bundle of one trust domain (`example.org`, without scheme) in place of what was there for it.
    ///
    /// No authorities at all means that nobody of that trust domain is believed.
    ///
    /// # Errors
    /// A name that is no trust domain; a certificate that is not strict DER of version 3, or no authority (`cA` false).
    pub fn insert(&mut self, trust_domain: &str, authorities: Vec<CertificateDer<'static>>) -> Result<(), BundleError> {
        // The parser of SPIFFE IDs is the one place that knows what a trust domain name is.
        check_trust_domain(trust_domain)
            .map_err(|why| BundleError::TrustDomain { trust_domain: trust_domain.to_owned(), why })?;
        let domain = Domain::new(trust_domain, authorities)?;
        self.domains.insert(trust_domain.to_owned(), domain);
        Ok(())
    }

    /// Which state of the bundles this is; it rises by one with each change that is published.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The trust domains that are believed, sorted.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }

    /// The authorities of one trust domain, sorted by their bytes; empty for a trust domain that is not believed.
    #[must_use]
    pub fn authorities(&self, trust_domain: &str) -> &[CertificateDer<'static>] {
        self.domains.get(trust_domain).map_or(&[], |domain| domain.certificates.as_slice())
    }

    /// What path validation starts from: the authorities of one trust domain that are valid at `now`, or `None` for one that is not believed.
    pub(crate) fn anchors(&self, trust_domain: &str, now: Timestamp) -> Option<Cow<'_, [TrustAnchor<'static>]>> {
        let domain = self.domains.get(trust_domain)?;
        let valid = |(from, to): &(Timestamp, Timestamp)| *from <= now && now <= *to;
        if domain.validity.iter().all(valid) {
            return Some(Cow::Borrowed(&domain.anchors));
        }
        Some(Cow::Owned(
            domain
                .anchors
                .iter()
                .zip(&domain.validity)
                .filter(|(_, validity)| valid(validity))
                .map(|(anchor, _)| anchor.clone())
                .collect(),
        ))
    }

    /// The last moment at which an authority with this name and key is valid.
    pub(crate) fn anchor_ends(&self, trust_domain: &str, anchor: &TrustAnchor<'_>) -> Option<Timestamp> {
        let domain = self.domains.get(trust_domain)?;
        domain
            .anchors
            .iter()
            .zip(&domain.validity)
            .filter(|(known, _)| {
                known.subject == anchor.subject && known.subject_public_key_info == anchor.subject_public_key_info
            })
            .map(|(_, (_, to))| *to)
            .max()
    }

    pub(crate) fn same_authorities(&self, other: &Self) -> bool {
        self.domains.len() == other.domains.len()
            && self.domains.iter().all(|(name, domain)| {
                other.domains.get(name).is_some_and(|theirs| theirs.certificates == domain.certificates)
            })
    }

    pub(crate) fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }
}

impl Domain {
    fn new(trust_domain: &str, mut certificates: Vec<CertificateDer<'static>>) -> Result<Self, BundleError> {
        let mut anchors = Vec::with_capacity(certificates.len());
        let mut dates = Vec::with_capacity(certificates.len());
        let refuse = |index, why: String| BundleError::Authority { trust_domain: trust_domain.to_owned(), index, why };
        for (index, der) in certificates.iter().enumerate() {
            check_authority(der).map_err(|error| refuse(index, error))?;
        }
        certificates.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        certificates.dedup();
        for (index, der) in certificates.iter().enumerate() {
            let certificate = read(der, index).map_err(|error: SvidError| refuse(index, error.to_string()))?;
            dates.push(validity(&certificate));
            let anchor = webpki::anchor_from_trusted_cert(der).map_err(|error| refuse(index, error.to_string()))?;
            anchors.push(anchor.to_owned());
        }
        Ok(Self { certificates, anchors, validity: dates })
    }
}

/// Says what is wrong with a name that is no trust domain.
pub(crate) fn check_trust_domain(trust_domain: &str) -> Result<(), String> {
    let id = SpiffeId::parse(&format!("spiffe://{trust_domain}")).map_err(|error| error.to_string())?;
    if id.path().is_empty() { Ok(()) } else { Err("a trust domain has no path".to_owned()) }
}

fn check_authority(der: &[u8]) -> Result<(), String> {
    let certificate = read(der, 0).map_err(|error| error.to_string())?;
    if !is_authority(&certificate) {
        return Err("it is no authority (cA is false)".to_owned());
    }
    Ok(())
}

impl fmt::Debug for TrustBundleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustBundleSet")
            .field("generation", &self.generation)
            .field("trust_domains", &self.domains.keys())
            .finish_non_exhaustive()
    }
}
