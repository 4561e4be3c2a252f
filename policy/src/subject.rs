//! Subjects: workloads, known by the SPIFFE ID in their verified X.509-SVID.

use std::time::Duration;

use crate::diagnostic::Place;
use crate::label::SecurityLabel;
use crate::name::Name;
use crate::spiffe_id::SpiffeId;

/// A workload that the policy names. Built only by [`crate::Policy::parse`], which holds that the clearance dominates the
/// floor, and that both dominate what the workload serves (the floor unless `holds_no_data` says why not).
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name in the policy.
    pub name: Name,
    /// Its SPIFFE ID, with a path.
    pub id: SpiffeId,
    /// The lowest that its current label can be.
    pub floor: SecurityLabel,
    /// The highest label that it may observe.
    pub clearance: SecurityLabel,
    /// Whether a gateway speaks for this ID, so that the labels it states on requests and answers are believed.
    pub gateway: bool,
    /// Why it is trusted to keep what it serves apart: its answers carry the object's label alone, and requests do not
    /// raise it. Its floor is its clearance.
    pub multilevel: Option<String>,
    /// Why its floor need not dominate what it serves: it holds none of their data.
    pub holds_no_data: Option<String>,
    /// Whether it may use handles: it keeps its sessions apart.
    pub handles: Option<Handles>,
    /// Its number in this policy.
    pub(crate) index: usize,
    pub(crate) place: Place,
}

/// That a subject keeps its sessions apart, so that each can have a watermark of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handles {
    /// Why the policy trusts it to.
    pub reason: String,
    /// How many can be open at once.
    pub limit: usize,
    /// How long one lives at most.
    pub life: Duration,
}

impl Subject {
    /// Whether its current label moves: its floor lies below its clearance.
    #[must_use]
    pub fn floats(&self) -> bool {
        self.floor != self.clearance
    }

    /// The current label of an instance with this watermark: what everything that it writes is taken to carry.
    #[must_use]
    pub fn current(&self, watermark: &SecurityLabel) -> SecurityLabel {
        self.floor.join(watermark)
    }
}
