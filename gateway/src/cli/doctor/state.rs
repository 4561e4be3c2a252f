//! The kept watermark: that it can be read, and where the gateway would start.

use bellgate_policy::SpiffeId;

use super::Loaded;
use super::finding::Finding;

/// Reads what is kept for the workload, without writing and without the gateway's lock.
pub(super) fn checks(_loaded: &Loaded, _own: Option<&SpiffeId>) -> Vec<Finding> {
    Vec::new()
}
