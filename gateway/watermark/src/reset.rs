//! An operator's reset.
//!
//! **What holds.** What counts is when bytes are released. What is on its way to the workload, or about to be, is not made
//! unseen by a reset in between: it counts afterwards, too.

use std::sync::Arc;

use bellgate_policy::{Observation, SecurityLabel, Subject, Timestamp};

use crate::journal::{Effect, Journal};
use crate::published::Published;
use crate::reading::{Link, LinkKind, Reading};
use crate::record::Record;
use crate::rewrite::Writer;
use crate::state::StateError;
use crate::sync::Ordering;
use crate::watermark::Watermark;

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
        journal.last_close = 0;
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
        let link = Link { kind: LinkKind::Reset, observation: None, label_after: after.clone() };
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
}
