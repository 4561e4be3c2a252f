//! Who is at the other end of a connection, and whether that still holds.
//!
//! rustls verifies a peer once, at a full handshake. A resumed session and a kept-alive connection outlive that check, so
//! whoever serves requests asks [`PeerIdentity::still_trusted`] for each one.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bellgate_policy::{SpiffeId, Timestamp};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::verify::verify_chain;
use crate::{Identity, PeerUsage, SvidError};

/// A peer whose X.509-SVID was verified. It can only be built by verifying.
pub struct PeerIdentity {
    /// Who the peer is.
    pub id: SpiffeId,
    /// What it sent, leaf first.
    pub chain: Arc<[CertificateDer<'static>]>,
    /// SHA-256 of the leaf's DER, as XFCC's `Hash` has it.
    pub leaf_sha256: [u8; 32],
    /// When the path that was first verified ends: the earliest of leaf, intermediates and authority.
    pub not_after: Timestamp,
    usage: PeerUsage,
    standing: ArcSwap<Standing>,
}

/// The last verdict, and the generation of the bundles that it was reached with.
struct Standing {
    generation: u64,
    verdict: Result<Timestamp, SvidError>,
}

impl PeerIdentity {
    /// Verifies a chain (leaf first) against the live bundles.
    ///
    /// # Errors
    /// Each rule of the X509-SVID standard that the chain breaks has its own [`SvidError`].
    pub fn verify(
        identity: &Identity,
        chain: &[CertificateDer<'_>],
        usage: PeerUsage,
        now: Timestamp,
    ) -> Result<Self, SvidError> {
        let now = identity.latest(now);
        let bundles = identity.bundles();
        let verified = verify_chain(&bundles, chain, usage, now)?;
        let leaf = chain.first().ok_or(SvidError::ChainEmpty)?;
        Ok(Self {
            id: verified.leaf.id,
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            leaf_sha256: Sha256::digest(leaf).into(),
            not_after: verified.not_after,
            usage,
            standing: ArcSwap::from_pointee(Standing {
                generation: bundles.generation(),
                verdict: Ok(verified.not_after),
            }),
        })
    }

    /// Whether the peer may go on: looks at the clock each time, and verifies the chain anew once per generation of the bundles.
    ///
    /// `identity` is the handle (or a clone of it) that the peer was verified with: generations of two handles don't compare.
    ///
    /// # Errors
    /// [`SvidError::Expired`] once the path has ended; after a change of the bundles whatever the new verification says, the same
    /// until the bundles change again.
    pub fn still_trusted(&self, identity: &Identity, now: Timestamp) -> Result<(), SvidError> {
        let now = identity.latest(now);
        let bundles = identity.bundles();
        let generation = bundles.generation();
        let standing = self.standing.load();
        let verdict = if standing.generation == generation {
            standing.verdict.clone()
        } else {
            let verdict = verify_chain(&bundles, &self.chain, self.usage, now).map(|verified| verified.not_after);
            self.remember(generation, &verdict);
            verdict
        };
        match verdict {
            Ok(not_after) if now > not_after => Err(SvidError::Expired { at: not_after }),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps the verdict of the newest generation, whichever request comes last.
    fn remember(&self, generation: u64, verdict: &Result<Timestamp, SvidError>) {
        self.standing.rcu(|known| {
            if known.generation > generation {
                Arc::clone(known)
            } else {
                Arc::new(Standing { generation, verdict: verdict.clone() })
            }
        });
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity")
            .field("id", &self.id.as_str())
            .field("not_after", &self.not_after.0)
            .finish_non_exhaustive()
    }
}
