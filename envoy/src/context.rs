//! What the check needs of the program around it: getters, so that each check sees what is in force, and hooks, so that
//! answers, metrics and records are made where those of the other listeners are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Denial, Name, Policy, SpiffeId};
use bellgate_watermark::Watermark;

use crate::outcome::Check;

/// Longer than a disk takes to make a watermark durable, shorter than what the bootstraps let Envoy wait (2 s).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The workload beside this gateway.
#[derive(Clone)]
pub struct Own {
    /// The SPIFFE ID of the SVID that the gateway holds.
    pub id: SpiffeId,
    /// What this instance of it has seen. Its labels must be of the policy that [`Context::policy`] gives.
    pub watermark: Arc<Watermark>,
}

/// A refusal as it is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// An RFC 9457 problem, JSON.
    pub body: String,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The policy in force. Called once for each check.
pub type PolicyInForce = Arc<dyn Fn() -> Arc<Policy> + Send + Sync>;
/// The workload beside this gateway; `None` before the first SVID, and then every check is refused.
pub type OwnWorkload = Arc<dyn Fn() -> Option<Own> + Send + Sync>;
/// Checks a whole body against the manifest kind that its route names, under the same snapshot as the policy; `Err` is
/// the answer. The last argument is the request ID.
pub type ManifestCheck = Arc<dyn Fn(&Policy, &Name, &[u8], &str) -> Result<(), Rendered> + Send + Sync>;
/// The answer to a denial, for its request ID.
pub type Render = Arc<dyn Fn(&Policy, &Denial, &str) -> Rendered + Send + Sync>;
/// Gets every check once, when its outcome is settled and before it is answered. Must not block.
pub type Observer = Arc<dyn Fn(&Check<'_>) + Send + Sync>;

/// Getters and hooks of the check.
#[derive(Clone)]
pub struct Context {
    /// The policy in force.
    pub policy: PolicyInForce,
    /// The workload beside this gateway.
    pub own: OwnWorkload,
    /// Checks bodies.
    pub manifest: ManifestCheck,
    /// Words refusals.
    pub render: Render,
    /// Counts and records.
    pub observe: Observer,
    /// How long one check may take before it is refused: [`DEFAULT_TIMEOUT`] unless Envoy waits longer or shorter.
    pub timeout: Duration,
}
