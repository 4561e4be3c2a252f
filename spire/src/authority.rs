//! An authority for development and tests: a certificate authority per trust domain that issues short-lived X.509-SVIDs and serves
//! the standard SPIFFE Workload API on a Unix socket, so that this package's own client is what the demo runs.
//!
//! **Not for production**: keys are made in memory and lost at the end, whoever has the right uid gets the one identity that the
//! socket was opened for, and nothing is attested. SPIRE does all that; `spire/conf/` has its configuration.
//!
//! What holds: an SVID names only workloads of the authority's own trust domain; the socket is 0600 in a folder 0700 and answers
//! only to peers of the same uid; each open stream gets a new SVID at half of the life of the last, and at once when an authority or a
//! federated bundle changes.
//!
//! What is bounded: streams per connection (16). What is absent on purpose: JWT-SVIDs (`Unimplemented`), CRLs, a limit on
//! connections (only this uid gets one).
//!
//! Source: the SPIFFE standards `SPIFFE_Workload_API` and `SPIFFE_Workload_Endpoint`.

mod messages;
mod root;
mod service;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bellgate_policy::SpiffeId;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::bundle::check_trust_domain;
use crate::{BundleError, Identity, Svid, SvidError, TrustBundleSet};
use root::{Issued, Root};

pub use socket::WorkloadApiSocket;

/// How long what the authority issues lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Life of an SVID, at least 1 second; certificates count in seconds, so up to one second is added. Default: 60 seconds.
    pub svid_ttl: Duration,
    /// Life of a root. Default: one day.
    pub root_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { svid_ttl: Duration::from_secs(60), root_ttl: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Why the development authority can't do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// Not a trust domain name.
    #[error("`{trust_domain}` is no trust domain name: {why}")]
    TrustDomain {
        /// What was given.
        trust_domain: String,
        /// What the SPIFFE ID parser says.
        why: String,
    },
    /// A life too short for certificates, which count in seconds.
    #[error("a life of {ttl:?} is too short; certificates count in seconds, give 1s or more")]
    TooShort {
        /// What was given.
        ttl: Duration,
    },
    /// An ID that this authority may not issue.
    #[error("`{id}` is no workload of the trust domain `{trust_domain}`; ask the authority of its own trust domain")]
    Foreign {
        /// What was asked for.
        id: String,
        /// The authority's own.
        trust_domain: String,
    },
    /// rcgen could not make a key or a certificate.
    #[error("a certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What was issued is no X.509-SVID.
    #[error("the certificate just issued is no svid: {0}")]
    Svid(#[from] SvidError),
    /// A bundle to federate with can't be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The folder of the socket is open to others, or somebody else's.
    #[error("the folder `{folder}` is not this user's alone; give one with mode 0700, or one that does not exist yet")]
    FolderOpen {
        /// Folder of the socket.
        folder: PathBuf,
    },
    /// Something that is no dead socket stands where the socket should be.
    #[error("`{path}` is in use; stop what listens there, or choose another path")]
    PathTaken {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The socket can't be opened or served.
    #[error("the workload api can't be served at `{path}`: {source}")]
    Socket {
        /// Path of the socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The authority of one trust domain. A cheap handle: clones share roots and federation.
#[derive(Clone)]
pub struct DevelopmentAuthority {
    inner: Arc<Inner>,
}

struct Inner {
    trust_domain: String,
    options: Options,
    state: ArcSwap<State>,
    changes: watch::Sender<u64>,
}

#[derive(Clone)]
struct State {
    /// Signs.
    active: Arc<Root>,
    /// In the bundle beside the active one: what signed before, or will.
    others: Vec<Arc<Root>>,
    federated: BTreeMap<String, Vec<CertificateDer<'static>>>,
}

impl DevelopmentAuthority {
    /// A new authority with a new root for `trust_domain` (`demo.bellgate.test`, without scheme).
    ///
    /// # Errors
    /// A name that is no trust domain, a life below one second, a key that can't be made.
    pub fn new(trust_domain: &str, options: Options) -> Result<Self, AuthorityError> {
        check_trust_domain(trust_domain)
            .map_err(|why| AuthorityError::TrustDomain { trust_domain: trust_domain.to_owned(), why })?;
        for ttl in [options.svid_ttl, options.root_ttl] {
            if ttl < Duration::from_secs(1) {
                return Err(AuthorityError::TooShort { ttl });
            }
        }
        let state = State {
            active: Arc::new(Root::new(trust_domain, options.root_ttl)?),
            others: Vec::new(),
            federated: BTreeMap::new(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                trust_domain: trust_domain.to_owned(),
                options,
                state: ArcSwap::from_pointee(state),
                changes: watch::Sender::new(0),
            }),
        })
    }

    /// The trust domain, without scheme.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.inner.trust_domain
    }

    /// A new SVID, with a new key.
    ///
    /// # Errors
    /// An ID without a path or of another trust domain; a key that can't be made.
    pub fn issue(&self, id: &SpiffeId) -> Result<Svid, AuthorityError> {
        let issued = self.sign(id)?;
        Ok(Svid::from_der(vec![issued.certificate], PrivateKeyDer::Pkcs8(issued.key))?)
    }

    fn sign(&self, id: &SpiffeId) -> Result<Issued, AuthorityError> {
        if id.trust_domain() != self.inner.trust_domain || id.path().is_empty() {
            return Err(AuthorityError::Foreign {
                id: id.as_str().to_owned(),
                trust_domain: self.inner.trust_domain.clone(),
            });
        }
        let state = self.inner.state.load();
        Ok(state.active.issue(id, self.inner.options.svid_ttl)?)
    }

    /// Certificate and key apart, to build messages of an agent that misbehaves.
    #[cfg(test)]
    pub(crate) fn issue_raw(
        &self,
        id: &SpiffeId,
    ) -> Result<(CertificateDer<'static>, rustls_pki_types::PrivatePkcs8KeyDer<'static>), AuthorityError> {
        let issued = self.sign(id)?;
        Ok((issued.certificate, issued.key))
    }

    /// The roots of the own trust domain, the one that signs first.
    #[must_use]
    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.inner.state.load().roots()
    }

    /// The own roots and those of the federated trust domains.
    ///
    /// # Errors
    /// None is expected: what is federated was checked before.
    pub fn trust_bundles(&self) -> Result<TrustBundleSet, AuthorityError> {
        let state = self.inner.state.load();
        let mut bundles = TrustBundleSet::of(&self.inner.trust_domain, state.roots())?;
        for (trust_domain, roots) in &state.federated {
            bundles.insert(trust_domain, roots.clone())?;
        }
        Ok(bundles)
    }

    /// A handle with a fresh SVID for `id` and the bundles of now, for tests: nothing renews it.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn identity(&self, id: &SpiffeId) -> Result<Identity, AuthorityError> {
        let identity = Identity::empty();
        identity.publish(self.issue(id)?, self.trust_bundles()?);
        Ok(identity)
    }

    /// Makes a new root that signs from now on. The old one stays in the bundle, so that what it signed holds until it expires.
    /// All streams get the new bundle and a new SVID at once.
    ///
    /// # Errors
    /// A key that can't be made.
    pub fn rotate_root(&self) -> Result<(), AuthorityError> {
        let root = Arc::new(Root::new(&self.inner.trust_domain, self.inner.options.root_ttl)?);
        self.change(|state| {
            let before = std::mem::replace(&mut state.active, Arc::clone(&root));
            state.others.push(before);
        });
        Ok(())
    }

    /// Takes all roots but the signing one out of the bundle: what they signed is refused from then on.
    pub fn retire_old_roots(&self) {
        self.change(|state| state.others.clear());
    }

    /// Publishes the roots of another trust domain to all streams; an empty list withdraws it.
    ///
    /// # Errors
    /// Roots that can't be used as authorities; a name that is no trust domain.
    pub fn federate(&self, trust_domain: &str, roots: Vec<CertificateDer<'static>>) -> Result<(), AuthorityError> {
        TrustBundleSet::of(trust_domain, roots.clone())?;
        self.change(|state| {
            if roots.is_empty() {
                state.federated.remove(trust_domain);
            } else {
                state.federated.insert(trust_domain.to_owned(), roots.clone());
            }
        });
        Ok(())
    }

    fn change(&self, apply: impl Fn(&mut State)) {
        self.inner.state.rcu(|state| {
            let mut next = State::clone(state);
            apply(&mut next);
            next
        });
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Opens the socket and serves the Workload API on it, giving `id` to every peer, until `shutdown` says true or its sender is gone.
    ///
    /// # Errors
    /// As [`WorkloadApiSocket::bind`], and an ID that this authority may not issue.
    pub async fn serve(
        &self,
        socket: &Path,
        id: SpiffeId,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(), AuthorityError> {
        WorkloadApiSocket::bind(socket)?.serve(self, id, shutdown).await
    }
}

impl State {
    fn roots(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.active).chain(&self.others).map(|root| root.certificate()).collect()
    }
}
