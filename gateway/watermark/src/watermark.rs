//! Raise, read, spend, reset.
//!
//! Two locks, always taken in this order: `sync`, held by the one who syncs or writes the journal anew, and `journal`, held
//! for as long as a line takes to append. Readers take neither.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bellgate_policy::{Lattice, Observation, SecurityLabel, Subject, Timestamp};

use crate::budget::SpendError;
use crate::clearance;
use crate::disk::Lock;
use crate::handle::Handle;
use crate::journal::{Effect, Journal, Slot};
use crate::passing::{Passing, Passings};
use crate::published::Published;
use crate::reading::{LinkKind, Raised, Reading};
use crate::record::Record;
use crate::rewrite::{Writer, rewrite};
use crate::startup::{self, Missing, Started, Startup};
use crate::state::{Files, StateError};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, Swap};
use crate::table::Table;

/// How often the clock is written down; what a crash may forget of it.
const CLOCK_MS: u64 = 1000;

type Listener = Arc<dyn Fn() + Send + Sync>;

/// The high-water mark of one instance of one subject, and of its handles.
pub struct Watermark {
    pub(crate) files: Files,
    pub(crate) published: Swap<Published>,
    pub(crate) table: Table,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) passing: Arc<Passings>,
    sync: Mutex<()>,
    version: AtomicU64,
    /// The latest wall time that was seen, and the latest that is in the journal.
    latest: AtomicU64,
    kept_clock: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
    _lock: Lock,
}

/// What a reset did.
pub struct Reset {
    /// The label before.
    pub before: SecurityLabel,
    /// The label afterwards: the floor, joined with what was on its way to the workload.
    pub after: SecurityLabel,
    /// How many handles were closed.
    pub handles_closed: usize,
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

    fn append_raise(
        &self,
        journal: &mut Journal,
        handle: Option<&Arc<Handle>>,
        label: &SecurityLabel,
        because: Arc<Observation>,
    ) -> Result<Arc<Slot>, StateError> {
        let text = journal.lattice.text(label);
        let observation = Observation::clone(&because);
        let writing = self.files.writing(&self.files.journal);
        let (label, side) = (label.clone(), journal.side);
        let Some(handle) = handle else {
            let record = Record::Raise { label: text, because: observation, before: journal.last_raise };
            let offset = journal.append(&record).map_err(writing)?;
            journal.last_raise = offset;
            journal.dead = journal.dead.saturating_add(journal.since(offset));
            let upto = journal.next_number;
            return Ok(journal.expect(offset, Effect::Raise { label, because, upto }));
        };
        let before = if handle.is_open() { handle.place(side) } else { 0 };
        let record = Record::Under { handle: handle.key, label: text, because: Some(observation), before };
        let offset = journal.append(&record).map_err(writing)?;
        handle.put(side, offset);
        crate::replay::add(&handle.bytes, journal.since(offset));
        Ok(journal.expect(offset, Effect::Under { handle: Arc::clone(handle), label, because }))
    }

    /// The journal, ready to be appended to.
    pub(crate) fn ready(&self) -> Result<MutexGuard<'_, Journal>, StateError> {
        let journal = self.journal.lock();
        if !journal.broken && !journal.is_mostly_dead() {
            return Ok(journal);
        }
        drop(journal);
        let turn = self.sync.lock();
        let mut journal = self.journal.lock();
        self.mend(&mut journal)?;
        drop(turn);
        Ok(journal)
    }

    /// Writes the journal anew where it needs that. Both locks are held.
    fn mend(&self, journal: &mut Journal) -> Result<(), StateError> {
        let broken = journal.broken;
        if !broken && !journal.is_mostly_dead() {
            return Ok(());
        }
        let published = self.published.load_full();
        let latest = self.latest.load(Ordering::Acquire);
        match rewrite(&self.files, journal, &published, &self.table, latest) {
            Ok(finished) => match finished.named {
                Ok(()) => {
                    self.publish(journal, usize::MAX);
                    Ok(())
                }
                Err(error) => {
                    journal.broken = true;
                    journal.fail_pending(&error);
                    Err(error)
                }
            },
            Err(error) if broken => Err(error),
            Err(error) => {
                log::warn!("the watermark's journal could not be made smaller: {error}");
                // Not with every line: when as much again is dead.
                journal.dead = 0;
                Ok(())
            }
        }
    }

    /// Returns once the line of `slot` is durable, and published, or has failed. Whoever comes first syncs for all.
    fn settle(&self, slot: &Slot) -> Result<(), StateError> {
        let turn = self.sync.lock();
        if let Some(result) = slot.get() {
            return result;
        }
        // It was appended before this, so it is among the first `count`.
        let (log, upto, count) = {
            let journal = self.journal.lock();
            (Arc::clone(&journal.log), journal.len, journal.pending.len())
        };
        let synced = self.files.folder.keep(&log, &self.files.journal);
        let mut journal = self.journal.lock();
        match synced {
            Ok(()) => {
                self.publish(&mut journal, count);
                journal.settled = upto;
            }
            Err(error) => {
                journal.broken = true;
                let error = self.files.writing(&self.files.journal)(error);
                journal.fail_pending(&error);
            }
        }
        drop(journal);
        drop(turn);
        let unsettled = || self.files.writing(&self.files.journal)(io::Error::other("a line was never settled"));
        slot.get().unwrap_or_else(|| Err(unsettled()))
    }

    /// The first `count` pending lines take effect. The journal is locked.
    fn publish(&self, journal: &mut Journal, count: usize) {
        let count = count.min(journal.pending.len());
        if count == 0 {
            return;
        }
        let mut published = Published::clone(&self.published.load());
        let settled: Vec<_> = journal.pending.drain(..count).collect();
        for pending in &settled {
            match &pending.effect {
                Effect::Raise { label, because, upto } => {
                    published.raise(LinkKind::Observed, label, Some(because));
                    published.raise_handles(*upto, label);
                }
                Effect::Under { handle, label, because } => {
                    published.raise(LinkKind::Observed, label, Some(because));
                    handle.raise(label, |label| journal.labels.shared(label));
                }
                Effect::Spend { rule, bytes } => {
                    let total = journal.spent_for_good.entry(rule.clone()).or_default();
                    *total = total.saturating_add(*bytes);
                }
            }
        }
        self.published.store(Arc::new(published));
        if settled.iter().any(|pending| pending.effect.label().is_some()) {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        for pending in settled {
            pending.slot.put(Ok(()));
        }
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

    /// Debits `bytes` from the budget of `rule`, and answers what is left of it once that is durable. Check and debit are
    /// one step. After damaged state, what was spent is not known, and nothing is left of any budget until a reset.
    ///
    /// # Errors
    ///
    /// When it would be more than `budget`, or could not be made durable; nothing may leave then.
    pub fn spend(&self, rule: &str, bytes: u64, budget: u64) -> Result<u64, SpendError> {
        let mut journal = self.ready()?;
        let spent = journal.spent.get(rule).copied().unwrap_or(0);
        let left = if journal.budgets_unknown { 0 } else { budget.saturating_sub(spent) };
        let after = left.checked_sub(bytes).ok_or(SpendError::OverBudget { asked: bytes, left })?;
        if bytes == 0 {
            return Ok(after);
        }
        let record = Record::Spend { rule: rule.to_owned(), bytes };
        let offset = journal.append(&record).map_err(self.files.writing(&self.files.journal))?;
        journal.dead = journal.dead.saturating_add(journal.since(offset));
        journal.spent.insert(rule.to_owned(), spent.saturating_add(bytes));
        let slot = journal.expect(offset, Effect::Spend { rule: rule.to_owned(), bytes });
        drop(journal);
        self.settle(&slot)?;
        Ok(after)
    }

    /// What was spent since the last reset, by rule.
    #[must_use]
    pub fn spent(&self) -> BTreeMap<String, u64> {
        self.journal.lock().spent_for_good.clone()
    }

    /// An operator's act: the instance to its floor joined with what is on its way to the workload, budgets to nothing
    /// spent, all handles closed. The journal begins anew with it, so that a crash finds the state before or after.
    ///
    /// # Errors
    ///
    /// When it could not be made durable. Nothing has changed then; only where the file's name alone could not be made
    /// durable has it happened, and may be undone by a power cut.
    pub fn reset(&self, reason: &str, uid: u32, at: Timestamp, subject: &Subject) -> Result<Reset, StateError> {
        let turn = self.sync.lock();
        let mut journal = self.journal.lock();
        let before = self.published.load_full();
        let passing = self.passing.freeze();
        let after = passing.iter().fold(subject.floor.clone(), |sum, shard| shard.join(sum, false));
        let writing = || self.files.writing(&self.files.journal);
        let mut writer = Writer::new(&self.files, self.latest.load(Ordering::Acquire)).map_err(writing())?;
        let mut last_raise = 0;
        let lattice = journal.lattice.clone();
        let record = Record::Reset {
            label: lattice.text(&after),
            before: lattice.text(&before.instance.label),
            reason: reason.to_owned(),
            uid,
            at: at.0,
        };
        writer.put(&record).map_err(writing())?;
        // What is about to be released was not released before the reset.
        for pending in &journal.pending {
            if let Effect::Raise { label, because, .. } | Effect::Under { label, because, .. } = &pending.effect {
                let because = Observation::clone(because);
                let record = Record::Raise { label: lattice.text(label), because, before: last_raise };
                last_raise = writer.put(&record).map_err(writing())?;
            }
        }
        let finished = writer.finish(&self.files)?;
        let handles_closed = self.table.clear();
        journal.log = finished.log;
        journal.len = finished.len;
        journal.settled = finished.len;
        journal.dead = 0;
        journal.broken = finished.named.is_err();
        journal.failed.clear();
        journal.last_raise = last_raise;
        journal.spent.clear();
        journal.spent_for_good.clear();
        journal.budgets_unknown = false;
        journal.floor = subject.floor.clone();
        let published = self.published_after_reset(&before, &journal, after);
        let after = published.instance.label.clone();
        self.published.store(Arc::new(published));
        self.version.fetch_add(1, Ordering::AcqRel);
        for pending in journal.pending.drain(..) {
            pending.slot.put(finished.named.clone());
        }
        drop(passing);
        drop(journal);
        drop(turn);
        self.changed();
        finished.named?;
        Ok(Reset { before: before.instance.label.clone(), after, handles_closed })
    }

    fn published_after_reset(&self, before: &Published, journal: &Journal, after: SecurityLabel) -> Published {
        let link = crate::reading::Link { kind: LinkKind::Reset, observation: None, label_after: after.clone() };
        let mut published = Published::starting(link);
        let version = before.instance.version.saturating_add(1);
        published.instance = Arc::new(Reading { label: after, cause: None, version });
        // Flows that are still open under a handle of before pass nothing more.
        published.steps = before.steps.clone();
        published.steps.raise(journal.next_number, &journal.lattice.top());
        for pending in &journal.pending {
            if let Effect::Raise { label, because, .. } | Effect::Under { label, because, .. } = &pending.effect {
                published.raise(LinkKind::Observed, label, Some(because));
            }
        }
        published
    }

    /// The latest wall time that was ever seen here, `wall` included: what has expired stays so when the clock steps back.
    /// Where it has moved by a second, it is written down and what has expired is closed.
    #[must_use]
    pub fn clock(&self, wall: Timestamp) -> Timestamp {
        let latest = self.latest.fetch_max(wall.0, Ordering::AcqRel).max(wall.0);
        let kept = self.kept_clock.load(Ordering::Acquire);
        if latest.saturating_sub(kept) >= CLOCK_MS && self.kept_clock.fetch_max(latest, Ordering::AcqRel) == kept {
            self.tick(Timestamp(latest));
        }
        Timestamp(latest)
    }

    /// Once a second, by whichever request comes first. What fails here fails again where it matters.
    fn tick(&self, now: Timestamp) {
        self.close_expired(now);
        let Ok(mut journal) = self.ready() else { return };
        if let Ok(offset) = journal.append(&Record::Clock { at: now.0 }) {
            journal.dead = journal.dead.saturating_add(journal.since(offset));
        }
    }

    /// Carries the watermark over to a new policy: raised by the outgoing floor, which is part of
    /// every reading, then told in the new policy's names. A name that the new policy does not
    /// know puts it at the top of the lattice, and closes the handles.
    ///
    /// # Errors
    ///
    /// When the result could not be made durable; the old policy must then stay in force.
    pub fn rebase(&self, subject: &Subject, lattice: &Lattice) -> Result<Arc<Reading>, StateError> {
        let turn = self.sync.lock();
        let mut journal = self.journal.lock();
        self.mend(&mut journal)?;
        self.flush(&mut journal)?;
        let highest = clearance::read(&self.files, lattice)?;
        startup::keep_clearance(&self.files, lattice, subject, &highest)?;
        let mut published = Published::clone(&self.published.load());
        let same = lattice.owns(&published.instance.label);
        let carried =
            |label: &SecurityLabel| journal.lattice.translate(label, lattice).unwrap_or_else(|| lattice.top());
        let label = carried(&published.instance.label).join(&subject.floor);
        if !same || !published.instance.label.dominates(&label) {
            let text = lattice.text(&label);
            let record =
                Record::Instance { kind: LinkKind::Policy, label: text, because: None, budgets_unknown: false };
            let appended =
                journal.append(&record).and_then(|_| self.files.folder.keep(&journal.log, &self.files.journal));
            if let Err(error) = appended {
                journal.broken = true;
                return Err(self.files.writing(&self.files.journal)(error));
            }
            journal.settled = journal.len;
        }
        if !same {
            self.translate(&mut published, &journal, lattice);
        }
        published.raise(LinkKind::Policy, &label, None);
        let reading = Arc::clone(&published.instance);
        self.published.store(Arc::new(published));
        self.version.fetch_add(1, Ordering::AcqRel);
        journal.floor = subject.floor.clone();
        journal.lattice = lattice.clone();
        drop(journal);
        drop(turn);
        self.changed();
        Ok(reading)
    }

    /// Everything in the names of another lattice. A handle whose label it can't tell is closed; so are all, since what was
    /// observed without one is told of none.
    fn translate(&self, published: &mut Published, journal: &Journal, lattice: &Lattice) {
        let carried =
            |label: &SecurityLabel| journal.lattice.translate(label, lattice).unwrap_or_else(|| lattice.top());
        let mut chain = Vec::clone(&published.chain);
        chain.iter_mut().for_each(|link| link.label_after = carried(&link.label_after));
        published.chain = Arc::new(chain);
        published.instance = Arc::new(Reading {
            label: carried(&published.instance.label),
            cause: published.instance.cause.clone(),
            version: published.instance.version.saturating_add(1),
        });
        self.table.clear();
        published.low = None;
        published.steps.map(carried);
        published.steps.raise(journal.next_number, &lattice.top());
    }

    /// Makes all pending lines durable. Both locks are held.
    fn flush(&self, journal: &mut Journal) -> Result<(), StateError> {
        if let Err(error) = self.files.folder.keep(&journal.log, &self.files.journal) {
            journal.broken = true;
            let error = self.files.writing(&self.files.journal)(error);
            journal.fail_pending(&error);
            return Err(error);
        }
        journal.settled = journal.len;
        self.publish(journal, usize::MAX);
        Ok(())
    }
}
