//! A request and its answer on their way.

use std::sync::Arc;

use bellgate_policy::{Guard, Mode, Objects, Permit, RuleKind, SecurityLabel, Task};
use bellgate_watermark::Passing;
use serde_json::Value;

use crate::plan::Plain;
use crate::station::{Data, Under};

/// Bytes in one direction.
pub(crate) enum Bytes {
    Nothing,
    /// They have left the sender's gateway.
    Sent(Data),
    /// They are counted, and on their last way to the workload.
    Passing(Data, Option<Passing>),
    /// They are there and were not counted.
    Owed(SecurityLabel),
}

/// What was released, as in the data path.
#[derive(Clone)]
pub(crate) struct Released {
    pub(crate) label: SecurityLabel,
    pub(crate) version: u64,
}

/// Policies in force, by number. Each direction has its own: that one has seen a new policy is not that the other has.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) up: usize,
    pub(crate) down: usize,
}

pub(crate) struct Flow {
    pub(crate) from: usize,
    /// The object's number in the plan.
    pub(crate) to: usize,
    /// Mail goes to these.
    pub(crate) recipients: Vec<usize>,
    pub(crate) objects: Objects,
    pub(crate) mode: Mode,
    pub(crate) body: Option<Value>,
    pub(crate) streams: bool,
    pub(crate) declared: Option<SecurityLabel>,
    /// The policies that its request and its answer were decided under last, at the caller's gateway.
    pub(crate) here: Seen,
    /// And at the callee's.
    pub(crate) there: Seen,
    /// The permit of the caller's own gateway; a peer without one has none.
    pub(crate) permit: Option<Permit>,
    pub(crate) version: u64,
    pub(crate) under: Option<Under>,
    pub(crate) task: Option<Arc<Task>>,
    /// The text of a task that an orchestrator sends with it.
    pub(crate) brings: Option<String>,
    pub(crate) guarded: Option<Arc<Guard>>,
    /// The label of what a guard makes of its answer, which then is one whole body.
    pub(crate) guards_answer: Option<Plain>,
    /// What its head states.
    pub(crate) stated: Option<(SecurityLabel, Option<RuleKind>)>,
    /// At the callee.
    pub(crate) accepted: Option<Permit>,
    pub(crate) accepted_version: u64,
    pub(crate) given: Option<Under>,
    pub(crate) said: Option<Released>,
    /// At the caller.
    pub(crate) released: Option<Released>,
    pub(crate) up: Bytes,
    pub(crate) down: Bytes,
    /// One end is gone.
    pub(crate) cut: bool,
}

impl Flow {
    pub(crate) fn is_spent(&self) -> bool {
        self.cut && matches!((&self.up, &self.down), (Bytes::Nothing, Bytes::Nothing))
    }
}
