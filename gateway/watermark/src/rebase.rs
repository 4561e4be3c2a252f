//! A new policy, and the clock: what goes on beneath a watermark while it stands.

use std::sync::Arc;

use bellgate_policy::{Lattice, SecurityLabel, Subject, Timestamp};

use crate::clearance;
use crate::journal::Journal;
use crate::published::Published;
use crate::reading::{LinkKind, Reading};
use crate::record::Record;
use crate::startup;
use crate::state::StateError;
use crate::sync::Ordering;
use crate::watermark::Watermark;

/// How often the clock is written down; what a crash may forget of it.
const CLOCK_MS: u64 = 1000;

impl Watermark {
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
            // The handles are still open there; the next line finds that out.
            journal.broken = true;
            journal.last_close = u64::MAX;
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
        published.steps.map(carried);
        published.steps.raise(journal.next_number, &lattice.top());
    }
}
