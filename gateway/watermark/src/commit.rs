//! How a line becomes durable and takes effect.
//!
//! Two locks, always taken in this order: `sync`, held by the one who syncs or writes the journal anew, and `journal`, held
//! for as long as a line takes to append. Readers take neither.

use std::io;
use std::sync::Arc;

use bellgate_policy::{Observation, SecurityLabel};

use crate::handle::Handle;
use crate::journal::{Effect, Journal, Slot};
use crate::published::Published;
use crate::reading::LinkKind;
use crate::record::Record;
use crate::rewrite::rewrite;
use crate::state::StateError;
use crate::sync::{MutexGuard, Ordering};
use crate::watermark::Watermark;

impl Watermark {
    pub(crate) fn append_raise(
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
    pub(crate) fn mend(&self, journal: &mut Journal) -> Result<(), StateError> {
        let broken = journal.broken;
        if !broken && !journal.is_mostly_dead() {
            return Ok(());
        }
        let published = self.published.load_full();
        let latest = self.latest.load(Ordering::Acquire);
        match rewrite(&self.files, journal, &published, &self.table, latest) {
            Ok(finished) => match finished.named {
                Ok(()) => {
                    self.publish(journal, usize::MAX, journal.len);
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
    pub(crate) fn settle(&self, slot: &Slot) -> Result<(), StateError> {
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
                self.publish(&mut journal, count, upto);
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

    /// The first `count` pending lines, all those before `upto`, take effect. The journal is locked.
    fn publish(&self, journal: &mut Journal, count: usize, upto: u64) {
        let count = count.min(journal.pending.len());
        let seen = self.published.load_full();
        let none_open = self.table.len() == 0 && journal.last_close < upto;
        if count == 0 && !(none_open && seen.low.is_some()) {
            return;
        }
        let mut published = Published::clone(&seen);
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
        if none_open {
            published.low = None;
        }
        self.published.store(Arc::new(published));
        if settled.iter().any(|pending| pending.effect.label().is_some()) {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        for pending in settled {
            pending.slot.put(Ok(()));
        }
    }

    /// Makes all pending lines durable. Both locks are held.
    pub(crate) fn flush(&self, journal: &mut Journal) -> Result<(), StateError> {
        if let Err(error) = self.files.folder.keep(&journal.log, &self.files.journal) {
            journal.broken = true;
            let error = self.files.writing(&self.files.journal)(error);
            journal.fail_pending(&error);
            return Err(error);
        }
        journal.settled = journal.len;
        self.publish(journal, usize::MAX, journal.len);
        Ok(())
    }
}
