//! Raise and read.

use std::path::Path;
use std::sync::Arc;

use bellgate_policy::{Lattice, Observation, SecurityLabel, Subject, Timestamp};

use crate::disk::Lock;
use crate::handle::Handle;
use crate::journal::Journal;
use crate::passing::{Passing, Passings};
use crate::published::Published;
use crate::reading::{LinkKind, Raised, Reading};
use crate::record::Record;
use crate::rewrite::rewrite;
use crate::startup::{self, Missing, Started, Startup};
use crate::state::{Files, StateError};
use crate::sync::{AtomicU64, Mutex, Ordering, Swap};
use crate::table::Table;

type Listener = Arc<dyn Fn() + Send + Sync>;

/// The high-water mark of one instance of one subject, and of its handles.
pub struct Watermark {
    pub(crate) files: Files,
    pub(crate) published: Swap<Published>,
    pub(crate) table: Table,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) passing: Arc<Passings>,
    pub(crate) sync: Mutex<()>,
    pub(crate) version: AtomicU64,
    /// The latest wall time that was seen, and the latest that is in the journal.
    pub(crate) latest: AtomicU64,
    pub(crate) kept_clock: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
    _lock: Lock,
}

impl Watermark {
    /// Opens the state of `subject` in `folder`, which must exist. `now` is wall time.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or written, or another process has it: a gateway that cannot keep a watermark does
    /// not start. Damaged state is not an error but a [`Startup`].
    pub fn open(
        folder: &Path,
        subject: &Subject,
        lattice: &Lattice,
        missing: Missing,
        now: Timestamp,
    ) -> Result<(Self, Startup), StateError> {
        let Started { files, lock, log, replayed, earlier, highest, startup, fresh } =
            startup::start(folder, subject, lattice, missing, now)?;
        let unknown = replayed.unknown_name.is_some();
        let mut published = replayed.published;
        // A label that can't be told any more: what was not recorded because that label dominated it would be lost if
        // the name came back. So it is the top for good, or gone.
        if unknown {
            replayed.table.clear();
            published.low = None;
        }
        for lost in replayed.lost {
            replayed.table.remove(lost);
        }
        let clock = replayed.clock;
        let mut journal = Journal {
            log: Arc::new(log),
            len: replayed.len,
            settled: replayed.len,
            dead: replayed.dead,
            broken: false,
            failed: Vec::new(),
            pending: Vec::new(),
            side: 0,
            last_raise: replayed.last_raise,
            last_close: 0,
            next_number: replayed.next_number,
            lattice: lattice.clone(),
            floor: subject.floor.clone(),
            spent_for_good: replayed.spent.clone(),
            spent: replayed.spent,
            budgets_unknown: replayed.budgets_unknown,
            labels: replayed.labels,
            tasks: replayed.tasks,
        };
        // An earlier process may have failed to sync what we have just read, and a sync of ours would not tell.
        if !fresh {
            rewrite(&files, &mut journal, &published, &replayed.table, clock)?.named?;
        }
        let mut more = Vec::new();
        if unknown {
            more.push((LinkKind::Damaged, lattice.top(), None));
        }
        if let Some(earlier) = earlier {
            more.push((LinkKind::TakenOver, earlier.label, earlier.cause));
        }
        more.push((LinkKind::Policy, subject.floor.clone(), None));
        for (kind, label, because) in more {
            if published.instance.label.dominates(&label) && kind != LinkKind::Damaged {
                continue;
            }
            published.raise(kind, &label, because.clone().map(Arc::new).as_ref());
            let record = Record::Instance { kind, label: lattice.text(&label), because, budgets_unknown: false };
            journal.append(&record).map_err(files.writing(&files.journal))?;
        }
        journal.log.sync().map_err(files.writing(&files.journal))?;
        journal.settled = journal.len;
        files.folder.remove(&files.earlier).map_err(files.writing(&files.earlier))?;
        files.folder.remove(&files.aside).map_err(files.writing(&files.aside))?;
        startup::keep_clearance(&files, lattice, subject, &highest)?;
        let watermark = Self {
            files,
            published: Swap::new(Arc::new(published)),
            table: replayed.table,
            journal: Mutex::new(journal),
            passing: Arc::new(Passings::new()),
            sync: Mutex::new(()),
            version: AtomicU64::new(0),
            latest: AtomicU64::new(clock.max(now.0)),
            kept_clock: AtomicU64::new(clock),
            listeners: Mutex::new(Vec::new()),
            _lock: lock,
        };
        Ok((watermark, startup))
    }

    /// The label of the instance as it is now, without a lock.
    #[must_use]
    pub fn reading(&self) -> Arc<Reading> {
        Arc::clone(&self.published.load().instance)
    }

    /// The label of `handle` as it is now, without a lock: what it started with, what was observed under it, and what came
    /// without a handle since it was opened. That of a closed handle still rises and never falls.
    #[must_use]
    pub fn reading_of(&self, handle: &Handle) -> Reading {
        let (label, version) = self.published.load().of(handle);
        Reading { label, cause: None, version }
    }

    /// Moves with every change that a decision or a release can depend on, of the instance and of all handles.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Has `call` called after each change, on the thread that made it; it must not block.
    pub fn on_change(&self, call: Arc<dyn Fn() + Send + Sync>) {
        self.listeners.lock().push(call);
    }

    /// Says that bytes of this label are on their way to the workload. Taken before the raise, held until the bytes have
    /// left: a reset, and the opening of a handle where these bytes go out without one, start no lower.
    pub fn passing(&self, handle: Option<&Handle>, label: &SecurityLabel) -> Passing {
        self.passing.begin(handle.is_some(), label)
    }

    /// What was observed without a handle: joins `label` into the instance and into all open handles, and returns once
    /// that is durable. Where nothing rises that costs a comparison, no lock, and `because` is not called.
    ///
    /// # Errors
    ///
    /// When it could not be made durable: nothing has changed then and nothing may be released.
    pub fn raise(&self, label: &SecurityLabel, because: impl FnOnce() -> Observation) -> Result<Raised, StateError> {
        self.raise_those(None, label, because)
    }

    /// What was observed under `handle`: joins `label` into the instance and this handle, and returns once that is durable.
    ///
    /// # Errors
    ///
    /// As [`Watermark::raise`].
    pub fn raise_under(
        &self,
        handle: &Arc<Handle>,
        label: &SecurityLabel,
        because: impl FnOnce() -> Observation,
    ) -> Result<Raised, StateError> {
        self.raise_those(Some(handle), label, because)
    }

    fn raise_those(
        &self,
        handle: Option<&Arc<Handle>>,
        label: &SecurityLabel,
        because: impl FnOnce() -> Observation,
    ) -> Result<Raised, StateError> {
        let seen = self.published.load();
        if seen.covers(handle.map(AsRef::as_ref), label) {
            return Ok(Raised { reading: Arc::clone(&seen.instance), rose: false });
        }
        drop(seen);
        let because = Arc::new(because());
        let mut journal = self.ready()?;
        let seen = self.published.load_full();
        if seen.covers(handle.map(AsRef::as_ref), label) {
            return Ok(Raised { reading: Arc::clone(&seen.instance), rose: false });
        }
        if let Some(slot) = journal.covering(handle.map(AsRef::as_ref), label) {
            drop(journal);
            self.settle(&slot)?;
            self.changed();
            return Ok(Raised { reading: self.reading(), rose: false });
        }
        if !journal.lattice.owns(label) {
            return Err(StateError::OtherLattice);
        }
        let slot = self.append_raise(&mut journal, handle, label, because)?;
        drop(journal);
        self.settle(&slot)?;
        self.changed();
        Ok(Raised { reading: self.reading(), rose: true })
    }

    /// Tells who asked to be told.
    pub(crate) fn changed(&self) {
        let listeners = self.listeners.lock().clone();
        listeners.iter().for_each(|call| call());
    }

    /// Something that is published without a line of its own.
    pub(crate) fn moved(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}
