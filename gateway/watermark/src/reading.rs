//! What a decision and a release get to see of a watermark.

use std::sync::Arc;

use bellgate_policy::{Observation, SecurityLabel};
use serde::{Deserialize, Serialize};

/// One consistent view of a watermark: of the instance, or of a handle.
#[derive(Clone)]
pub struct Reading {
    /// Floor joined with all that was released: never below the floor.
    pub label: SecurityLabel,
    /// What raised the instance last; `None` while it stands at the floor, and for a handle, whose chain is on disk.
    /// What caused a given refusal is told by [`crate::Watermark::cause`].
    pub cause: Option<Arc<Observation>>,
    /// Moves with every change of this label: equal versions of one watermark or handle, equal labels.
    pub version: u64,
}

/// What a raise came to, once it is durable.
pub struct Raised {
    /// The watermark of the instance afterwards.
    pub reading: Arc<Reading>,
    /// Whether this call raised anything: the instance or a handle.
    pub rose: bool,
}

/// One step of a watermark: what raised it, and where it stood then.
#[derive(Clone)]
pub struct Link {
    /// What kind of step it was.
    pub kind: LinkKind,
    /// The observation, where there was one.
    pub observation: Option<Arc<Observation>>,
    /// The label afterwards.
    pub label_after: SecurityLabel,
}

/// Why a watermark came to stand where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A new instance at its floor.
    Start,
    /// No state was found.
    Missing,
    /// State could not be used.
    Damaged,
    /// State of an earlier format was taken over.
    TakenOver,
    /// An operator reset it.
    Reset,
    /// A new policy raised it by a floor, or no longer knew a name.
    Policy,
    /// A handle was opened.
    Opened,
    /// Something was released or delivered.
    Observed,
}

impl LinkKind {
    /// The name in records and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::TakenOver => "taken-over",
            Self::Reset => "reset",
            Self::Policy => "policy",
            Self::Opened => "opened",
            Self::Observed => "observed",
        }
    }
}
