//! What there is at an instant: labels that gateways keep, and what is truly where.
//!
//! What is truly somewhere is told by one label, the join of the labels of all data that are there: a place may hold them
//! exactly if its own label dominates that join.

use crate::label::Label;
use crate::world::{SEATS, Target};

/// Sessions at most.
pub(crate) const SESSIONS: usize = 2;
/// Flows at most.
pub(crate) const FLOWS: usize = 3;

/// A workload and its gateway.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Instance {
    /// The watermark that decisions read. The floor comes on top of it.
    pub(crate) watermark: Label,
    /// What a restart would find.
    pub(crate) durable: Label,
    /// What the workload truly remembers, all its sessions together.
    pub(crate) memory: Label,
}

/// A session of the keeper, under a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Session {
    pub(crate) watermark: Label,
    pub(crate) memory: Label,
}

/// Bytes on their way, in one direction of one flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Chunk {
    /// None.
    Nothing,
    /// They have left the sender's gateway and carry this.
    Sent(Label),
    /// The reader's gateway has counted them as this label, and is passing them on.
    Passing { carried: Label, label: Label, reader: Reader },
    /// They were passed on before they were counted. Only where the rule against that is taken out.
    Owed,
}

/// Who reads what arrives at the keeper.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Reader {
    /// One session.
    Session(u8),
    /// Any of those that are open: it came without a handle.
    Any,
    /// A session that has ended since: nobody, but the workload has it.
    Gone,
}

/// A request and its answer; both can be streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Flow {
    pub(crate) from: u8,
    pub(crate) to: Target,
    /// An append: nothing comes back.
    pub(crate) append: bool,
    /// The caller's session that it was made under.
    pub(crate) under: Option<u8>,
    /// The callee's session that it was given.
    pub(crate) given: Option<u8>,
    /// What its head states.
    pub(crate) stated: Label,
    /// Whether the head has reached the callee.
    pub(crate) delivered: bool,
    /// What the head of the answer states, once there is one.
    pub(crate) said: Option<Label>,
    /// What the reader's gateway counted the answer's head as.
    pub(crate) released: Option<Label>,
    /// One end is gone: what is on its way arrives, nothing more is sent.
    pub(crate) cut: bool,
    /// The policy that it was opened under. Kept only where the rule to decide anew is taken out.
    pub(crate) world: u16,
    pub(crate) up: Chunk,
    pub(crate) down: Chunk,
}

/// Who came to hold what it may not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leak {
    pub(crate) holder: Holder,
    pub(crate) what: Label,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Holder {
    /// A workload, above its clearance.
    Memory(u8),
    /// An object, above its label.
    Object(Target),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    /// The policy in force.
    pub(crate) world: u16,
    /// The highest clearance that each workload ever had.
    pub(crate) highest: [Label; SEATS],
    pub(crate) reloads: u8,
    pub(crate) instances: [Instance; SEATS],
    pub(crate) sessions: [Option<Session>; SESSIONS],
    /// In order, so that flows that differ in nothing but their place are one state.
    pub(crate) flows: [Option<Flow>; FLOWS],
    pub(crate) leak: Option<Leak>,
}

impl State {
    /// Ends a flow at once: nothing of it is on its way any more.
    pub(crate) fn drop_flow(&mut self, flow: usize) {
        self.flows[flow] = None;
    }

    /// One order of flows for all.
    pub(crate) fn in_order(mut self) -> Self {
        for flow in &mut self.flows {
            let spent = |flow: &Flow| flow.cut && flow.up == Chunk::Nothing && flow.down == Chunk::Nothing;
            if flow.as_ref().is_some_and(spent) {
                *flow = None;
            }
        }
        self.flows.sort_unstable();
        self
    }
}
