//! This process's own X.509-SVID.

use std::fmt;
use std::sync::Arc;

use bellgate_policy::{SpiffeId, Timestamp};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::certificate::MAX_CHAIN;
use crate::leaf::Leaf;
use crate::provider::tls13_provider;
use crate::{PeerUsage, SvidError};

/// An X.509-SVID with its private key: what this process shows to its peers.
///
/// The key is inside [`CertifiedKey`], which has no way out for it; `Debug` shows the SPIFFE ID and the dates alone.
pub struct Svid {
    /// Who this process is.
    pub id: SpiffeId,
    /// Leaf first, then intermediates; 1 to [`crate::MAX_CHAIN`] certificates.
    pub chain: Vec<CertificateDer<'static>>,
    /// Chain and key as rustls uses them.
    pub key: Arc<CertifiedKey>,
    /// First 64 bits of the SHA-256 of the leaf: another SVID, another number. For pool keys.
    pub serial_hash: u64,
    /// Start of the leaf's validity.
    pub not_before: Timestamp,
    /// End of the leaf's validity.
    pub not_after: Timestamp,
}

impl Svid {
    /// Builds an SVID from its certificates (leaf first) and its private key.
    ///
    /// # Errors
    /// Any leaf rule that the certificate breaks, a chain that is empty or too long, a key that rustls can't use or that does
    /// not belong to the leaf. Trust and expiry are not looked at: whoever verifies it does that.
    pub fn from_der(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, SvidError> {
        if chain.len() > MAX_CHAIN {
            return Err(SvidError::ChainTooLong { found: chain.len(), limit: MAX_CHAIN });
        }
        let first = chain.first().ok_or(SvidError::ChainEmpty)?;
        let leaf = Leaf::read(first)?;
        leaf.check_usage(PeerUsage::Client)?;
        leaf.check_usage(PeerUsage::Server)?;
        let serial_hash = Sha256::digest(first).first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let key = CertifiedKey::from_der(chain.clone(), key, &tls13_provider()).map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                SvidError::KeyMismatch
            } else {
                SvidError::KeyUnusable
            }
        })?;
        Ok(Self {
            id: leaf.id,
            chain,
            key: Arc::new(key),
            serial_hash,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
        })
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("id", &self.id.as_str())
            .field("not_before", &self.not_before.0)
            .field("not_after", &self.not_after.0)
            .finish_non_exhaustive()
    }
}
