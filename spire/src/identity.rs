//! The live handle: this process's SVID and the trust bundles, as one value that is swapped whole.
//!
//! Every verifier, resolver and TLS setting of this package holds a clone of it and reads it at each handshake.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bellgate_policy::Timestamp;
use tokio::sync::watch;

use crate::clock::between;
use crate::{Svid, TrustBundleSet};

/// The part of an SVID's life that counts as "about to expire": the last fifth. The Workload API renews at about half.
const SOON: u64 = 5;

/// A live, cheaply cloned handle on what this process knows of identities. All clones see the same material.
///
/// It also keeps the highest time that it was ever told, and judges every expiry by that: a step back of the clock revives
/// nothing. The price: after a jump far ahead nothing is valid until the clock has caught up or the process is started anew.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

struct Shared {
    material: ArcSwap<Material>,
    version: watch::Sender<u64>,
    latest: AtomicU64,
}

struct Material {
    svid: Option<Arc<Svid>>,
    bundles: Arc<TrustBundleSet>,
    version: u64,
}

/// Whether this process can show itself to its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// No SVID has come yet, or it is not valid yet.
    NoSvid,
    /// The last SVID has expired; handshakes are refused.
    Expired,
    /// Less than a fifth of the SVID's life is left, and no new one has come.
    ExpiresSoon,
    /// All is well.
    Ready,
}

impl Identity {
    /// A handle without SVID and without bundles: it refuses every handshake.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            shared: Arc::new(Shared {
                material: ArcSwap::from_pointee(Material {
                    svid: None,
                    bundles: Arc::new(TrustBundleSet::empty()),
                    version: 0,
                }),
                version: watch::Sender::new(0),
                latest: AtomicU64::new(0),
            }),
        }
    }

    /// Puts a new SVID and new bundles in place, at once. The bundles' generation rises only if they differ from the ones before.
    pub fn publish(&self, svid: impl Into<Arc<Svid>>, bundles: TrustBundleSet) {
        let svid = svid.into();
        self.swap(|_| Some(Arc::clone(&svid)), Some(&bundles));
    }

    /// Puts new bundles in place and leaves the SVID as it is.
    pub fn publish_bundles(&self, bundles: TrustBundleSet) {
        self.swap(|material| material.svid.clone(), Some(&bundles));
    }

    fn swap(&self, svid: impl Fn(&Material) -> Option<Arc<Svid>>, bundles: Option<&TrustBundleSet>) {
        let before = self.shared.material.rcu(|material| {
            let bundles = match bundles {
                Some(new) if !new.same_authorities(&material.bundles) => {
                    Arc::new(new.clone().with_generation(material.bundles.generation().saturating_add(1)))
                }
                Some(_) | None => Arc::clone(&material.bundles),
            };
            Material { svid: svid(material), bundles, version: material.version.saturating_add(1) }
        });
        let version = before.version.saturating_add(1);
        self.shared.version.send_modify(|told| *told = version.max(*told));
    }

    /// The SVID that peers are shown; `None` before the first. It can have expired: see [`Self::readiness`].
    #[must_use]
    pub fn svid(&self) -> Option<Arc<Svid>> {
        self.shared.material.load().svid.clone()
    }

    /// The SVID, if it is valid at `now`.
    #[must_use]
    pub fn valid_svid(&self, now: Timestamp) -> Option<Arc<Svid>> {
        let now = self.latest(now);
        self.svid().filter(|svid| svid.not_before <= now && now <= svid.not_after)
    }

    /// The trust bundles, with their generation.
    #[must_use]
    pub fn bundles(&self) -> Arc<TrustBundleSet> {
        Arc::clone(&self.shared.material.load().bundles)
    }

    /// Tells of each publication by a number that rises.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// Whether peers can be talked to at `now`, and for how much longer.
    #[must_use]
    pub fn readiness(&self, now: Timestamp) -> Readiness {
        let now = self.latest(now);
        let Some(svid) = self.svid().filter(|svid| svid.not_before <= now) else {
            return Readiness::NoSvid;
        };
        if now > svid.not_after {
            Readiness::Expired
        } else if now > soon(&svid) {
            Readiness::ExpiresSoon
        } else {
            Readiness::Ready
        }
    }

    /// Time since the start of the SVID's validity; `None` before the first.
    #[must_use]
    pub fn svid_age(&self, now: Timestamp) -> Option<Duration> {
        let now = self.latest(now);
        self.svid().map(|svid| between(svid.not_before, now))
    }

    /// Time to the end of the SVID's validity, zero from then on; `None` before the first.
    #[must_use]
    pub fn svid_remaining(&self, now: Timestamp) -> Option<Duration> {
        let now = self.latest(now);
        self.svid().map(|svid| between(now, svid.not_after))
    }

    /// The highest time that this handle has been told, `now` included.
    #[must_use]
    pub fn latest(&self, now: Timestamp) -> Timestamp {
        if self.shared.latest.load(Ordering::Acquire) < now.0 {
            self.shared.latest.fetch_max(now.0, Ordering::AcqRel);
        }
        Timestamp(self.shared.latest.load(Ordering::Acquire))
    }
}

/// From when on an SVID is about to expire.
pub(crate) fn soon(svid: &Svid) -> Timestamp {
    let life = svid.not_after.0.saturating_sub(svid.not_before.0);
    Timestamp(svid.not_after.0.saturating_sub(life.checked_div(SOON).unwrap_or(0)))
}

impl Readiness {
    /// Whether new work may come: the SVID is there and not about to expire.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self == Self::Ready
    }

    /// A stable code for health answers and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSvid => "no-svid",
            Self::Expired => "expired",
            Self::ExpiresSoon => "expires-soon",
            Self::Ready => "ready",
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = self.shared.material.load();
        f.debug_struct("Identity")
            .field("svid", &material.svid)
            .field("bundles", &material.bundles)
            .field("version", &material.version)
            .finish_non_exhaustive()
    }
}
