//! The end of the journal: what was appended, and what of that is durable.
//!
//! A line is appended under a short lock and takes effect only once it is durable. Syncing is done by whoever comes first,
//! for all that was appended before; the others find their part done (group commit).
//!
//! **What holds.** After a failed write or sync nothing more is appended to that file: what the kernel reports after a
//! failed fsync(2) is not to be believed. The file is written anew aside (`rewrite.rs`) before anything else is kept.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use bellgate_policy::{Lattice, Observation, SecurityLabel};

use crate::disk::Log;
use crate::handle::Handle;
use crate::record::{Record, widen};
use crate::state::StateError;
use crate::sync::Mutex;

/// Dead lines that are not worth writing the journal anew for.
const DEAD_BYTES: u64 = 256 * 1024;

/// What a line does once it is durable.
pub(crate) enum Effect {
    /// Raises the instance and all handles below `upto`.
    Raise { label: SecurityLabel, because: Arc<Observation>, upto: u64 },
    /// Raises the instance and this handle.
    Under { handle: Arc<Handle>, label: SecurityLabel, because: Arc<Observation> },
    /// Debits a budget.
    Spend { rule: String, bytes: u64 },
}

impl Effect {
    /// What it raises the instance by.
    pub(crate) fn label(&self) -> Option<&SecurityLabel> {
        match self {
            Self::Raise { label, .. } | Self::Under { label, .. } => Some(label),
            Self::Spend { .. } => None,
        }
    }

    /// Whether an observation with this label, under this handle or without one, has nothing to add.
    fn covers(&self, handle: Option<&Handle>, label: &SecurityLabel) -> bool {
        match (self, handle) {
            // A handle that was opened after this line started no lower than it.
            (Self::Raise { label: mine, .. }, _) => mine.dominates(label),
            (Self::Under { handle: mine, label: its, .. }, Some(handle)) => {
                mine.key == handle.key && its.dominates(label)
            }
            (Self::Under { .. } | Self::Spend { .. }, _) => false,
        }
    }
}

/// A line that is appended and not yet durable.
pub(crate) struct Pending {
    pub(crate) effect: Effect,
    pub(crate) slot: Arc<Slot>,
    pub(crate) offset: u64,
}

/// What became of a line.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Result<(), StateError>>>);

impl Slot {
    pub(crate) fn get(&self) -> Option<Result<(), StateError>> {
        self.0.lock().clone()
    }

    pub(crate) fn put(&self, result: Result<(), StateError>) {
        *self.0.lock() = Some(result);
    }
}

/// The journal that is being appended to, and what goes with it. Behind one lock.
pub(crate) struct Journal {
    pub(crate) log: Arc<Log>,
    /// Where the next line goes. What may lie behind that is a part of one whose write failed.
    pub(crate) len: u64,
    /// Lines before this are durable, or failed.
    pub(crate) settled: u64,
    /// Bytes of lines that no longer count.
    pub(crate) dead: u64,
    /// Since a write or a sync failed.
    pub(crate) broken: bool,
    /// Where lines lie that are on file and did not take effect.
    pub(crate) failed: Vec<u64>,
    pub(crate) pending: Vec<Pending>,
    /// Which of [`Handle::places`] is this file's.
    pub(crate) side: usize,
    /// The last line that was observed without a handle.
    pub(crate) last_raise: u64,
    /// Where the last line lies that closed a handle; beyond everything where it could not be written.
    pub(crate) last_close: u64,
    pub(crate) next_number: u64,
    pub(crate) lattice: Lattice,
    pub(crate) floor: SecurityLabel,
    /// What is spent, pending debits included.
    pub(crate) spent: BTreeMap<String, u64>,
    /// What is spent for good.
    pub(crate) spent_for_good: BTreeMap<String, u64>,
    pub(crate) budgets_unknown: bool,
    pub(crate) labels: Labels,
    pub(crate) tasks: Tasks,
}

impl Journal {
    /// Appends a line; it is not durable yet. After an error the file is broken.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<u64> {
        let line = record.to_line()?;
        let offset = self.len;
        if let Err(error) = self.log.write_at(offset, &line) {
            self.broken = true;
            return Err(error);
        }
        self.len = offset.saturating_add(widen(line.len()));
        Ok(offset)
    }

    /// The bytes since `offset`.
    pub(crate) fn since(&self, offset: u64) -> u64 {
        self.len.saturating_sub(offset)
    }

    /// Waits among the pending ones.
    pub(crate) fn expect(&mut self, offset: u64, effect: Effect) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        self.pending.push(Pending { effect, slot: Arc::clone(&slot), offset });
        slot
    }

    /// The pending line that makes another one needless.
    pub(crate) fn covering(&self, handle: Option<&Handle>, label: &SecurityLabel) -> Option<Arc<Slot>> {
        let found = self.pending.iter().rev().find(|pending| pending.effect.covers(handle, label))?;
        Some(Arc::clone(&found.slot))
    }

    /// `start` joined with what is about to raise all handles.
    pub(crate) fn join_pending(&self, start: SecurityLabel) -> SecurityLabel {
        self.pending.iter().fold(start, |sum, pending| match &pending.effect {
            Effect::Raise { label, .. } => sum.join(label),
            Effect::Under { .. } | Effect::Spend { .. } => sum,
        })
    }

    /// Whether more of the file is dead than alive.
    pub(crate) fn is_mostly_dead(&self) -> bool {
        self.dead > DEAD_BYTES.max(self.len / 2)
    }

    /// Nothing that is pending takes effect: their owners hear `error`.
    pub(crate) fn fail_pending(&mut self, error: &StateError) {
        for pending in self.pending.drain(..) {
            self.failed.push(pending.offset);
            pending.slot.put(Err(error.clone()));
        }
        self.spent.clone_from(&self.spent_for_good);
        self.settled = self.len;
    }
}

/// Labels that many handles share.
#[derive(Default)]
pub(crate) struct Labels {
    known: HashSet<Arc<SecurityLabel>>,
    sweep_at: usize,
}

impl Labels {
    /// The one copy of `label`.
    pub(crate) fn shared(&mut self, label: SecurityLabel) -> Arc<SecurityLabel> {
        if let Some(known) = self.known.get(&label) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|label| Arc::strong_count(label) > 1);
            self.sweep_at = 1024.max(2 * self.known.len());
        }
        let label = Arc::new(label);
        self.known.insert(Arc::clone(&label));
        label
    }
}

/// Texts of tasks that handles share, within a bound.
#[derive(Default)]
pub(crate) struct Tasks {
    known: HashSet<Arc<str>>,
    bytes: usize,
}

impl Tasks {
    /// The one copy of `text`; `None` where all together would be longer than `at_most`.
    pub(crate) fn shared(&mut self, text: &str, at_most: usize) -> Option<Arc<str>> {
        if let Some(known) = self.known.get(text) {
            return Some(Arc::clone(known));
        }
        if self.bytes.saturating_add(text.len()) > at_most {
            self.known.retain(|text| Arc::strong_count(text) > 1);
            self.bytes = self.known.iter().map(|text| text.len()).sum();
        }
        if self.bytes.saturating_add(text.len()) > at_most {
            return None;
        }
        let text: Arc<str> = Arc::from(text);
        self.bytes += text.len();
        self.known.insert(Arc::clone(&text));
        Some(text)
    }
}
