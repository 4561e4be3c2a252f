//! What one request sees of the configuration: all of it, or none.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bellgate_manifest::SchemaStore;
use bellgate_policy::Policy;

/// Policy and schemas of one moment, swapped whole on reload: a request that began under one
/// snapshot is told, audited and recorded under its digest.
pub struct Snapshot {
    /// The label rules.
    pub policy: Arc<Policy>,
    /// The compiled manifest schemas that the policy's routes name.
    pub schemas: Arc<SchemaStore>,
}

/// The snapshot in force.
pub type Current = Arc<ArcSwap<Snapshot>>;
