//! What a journal says, from its first line to its last.
//!
//! **What holds.** The same lines in the same order give the same watermark, and every line raises or closes: leaving out
//! a part of the end never gives a label that was not there once. What the policy no longer knows by name counts as the
//! top of the lattice.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellgate_policy::{Lattice, SecurityLabel, Timestamp};

use crate::disk::Log;
use crate::handle::{Handle, HandleKey, HandleListener, MAX_TASK_BYTES_IN_ALL};
use crate::journal::{Labels, Tasks};
use crate::published::Published;
use crate::reading::{Link, LinkKind};
use crate::record::{FORMAT, Line, Record, Scan};
use crate::state::{Files, StateError};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Swap};
use crate::table::Table;

/// What was read.
pub(crate) struct Replayed {
    pub(crate) published: Published,
    pub(crate) table: Table,
    pub(crate) spent: BTreeMap<String, u64>,
    pub(crate) budgets_unknown: bool,
    pub(crate) labels: Labels,
    pub(crate) tasks: Tasks,
    pub(crate) clock: u64,
    pub(crate) next_number: u64,
    pub(crate) last_raise: u64,
    /// Where the last whole line ends.
    pub(crate) len: u64,
    pub(crate) dead: u64,
    /// A label of the instance has a name that the policy does not know.
    pub(crate) unknown_name: Option<String>,
    /// Handles that the policy no longer knows the labels of.
    pub(crate) lost: Vec<HandleKey>,
}

/// A builder: the first line makes it, the second gives it a label.
struct Replay<'a> {
    lattice: &'a Lattice,
    parsed: std::collections::HashMap<String, Arc<SecurityLabel>>,
    now: Timestamp,
    so_far: Replayed,
}

/// Texts of labels that are kept while reading; few labels are in use, and a journal can't make them many.
const PARSED: usize = 4096;

/// Reads the whole journal.
///
/// # Errors
///
/// When the operating system gives an error, or the journal is damaged.
pub(crate) fn replay(files: &Files, log: &Log, lattice: &Lattice, now: Timestamp) -> Result<Replayed, StateError> {
    let name = &files.journal;
    let end = log.len().map_err(files.reading(name))?;
    let mut scan = Scan::new(log, end);
    let clock = match scan.next().map_err(files.reading(name))? {
        Some((_, Line::Whole(record, _))) => match *record {
            Record::Head { format: FORMAT, subject, clock } if subject == files.subject => clock,
            Record::Head { format: FORMAT, .. } => {
                return Err(files.damage(name, format!("expected the state of `{}`, found another's", files.subject)));
            }
            Record::Head { format, .. } => {
                return Err(files.damage(name, format!("expected format {FORMAT}, found {format}")));
            }
            Record::Instance { .. }
            | Record::Reset { .. }
            | Record::Raise { .. }
            | Record::Under { .. }
            | Record::Open { .. }
            | Record::Close { .. }
            | Record::Spend { .. }
            | Record::Clock { .. } => return Err(files.damage(name, "its first line is no head".into())),
        },
        Some((_, Line::Torn)) | None => return Err(files.damage(name, "it has no head".into())),
        Some((_, Line::Damaged(why))) => return Err(files.damage(name, format!("at its first line: {why}"))),
    };
    let mut replay: Option<Replay<'_>> = None;
    let mut len = end;
    while let Some((offset, line)) = scan.next().map_err(files.reading(name))? {
        let (record, bytes) = match line {
            Line::Whole(record, bytes) => (record, crate::record::widen(bytes)),
            // What was not whole was never relied on.
            Line::Torn => {
                len = offset;
                break;
            }
            Line::Damaged(why) => return Err(files.damage(name, format!("at byte {offset}: {why}"))),
        };
        match &mut replay {
            Some(replay) => {
                replay
                    .apply(*record, offset, bytes)
                    .map_err(|why| files.damage(name, format!("at byte {offset}: {why}")))?;
            }
            None => {
                replay = Some(Replay::start(lattice, now, clock, *record).ok_or_else(|| {
                    files.damage(name, format!("at byte {offset}: expected where the instance starts"))
                })?);
            }
        }
    }
    let mut so_far =
        replay.ok_or_else(|| files.damage(name, "it does not say where the instance starts".into()))?.so_far;
    so_far.len = len;
    so_far.finish(now);
    Ok(so_far)
}

impl<'a> Replay<'a> {
    fn start(lattice: &'a Lattice, now: Timestamp, clock: u64, record: Record) -> Option<Self> {
        let (kind, text, because, budgets_unknown) = match record {
            Record::Instance { kind, label, because, budgets_unknown } => (kind, label, because, budgets_unknown),
            Record::Reset { label, .. } => (LinkKind::Reset, label, None, false),
            Record::Head { .. }
            | Record::Raise { .. }
            | Record::Under { .. }
            | Record::Open { .. }
            | Record::Close { .. }
            | Record::Spend { .. }
            | Record::Clock { .. } => return None,
        };
        let known = lattice.parse_label(&text).ok();
        let unknown_name = known.is_none().then_some(text);
        let label_after = known.unwrap_or_else(|| lattice.top());
        let link = Link { kind, observation: because.map(Arc::new), label_after };
        let so_far = Replayed {
            published: Published::starting(link),
            table: Table::new(),
            spent: BTreeMap::new(),
            budgets_unknown,
            labels: Labels::default(),
            tasks: Tasks::default(),
            clock,
            next_number: 0,
            last_raise: 0,
            len: 0,
            dead: 0,
            unknown_name,
            lost: Vec::new(),
        };
        Some(Self { lattice, parsed: std::collections::HashMap::new(), now, so_far })
    }

    fn apply(&mut self, record: Record, offset: u64, bytes: u64) -> Result<(), String> {
        match record {
            Record::Head { .. } | Record::Reset { .. } => {
                return Err("a line that only a journal's beginning has".into());
            }
            Record::Instance { kind, label, because, budgets_unknown } => {
                let label = self.instance_label(&label);
                self.so_far.published.raise(kind, &label, because.map(Arc::new).as_ref());
                self.so_far.budgets_unknown |= budgets_unknown;
            }
            Record::Raise { label, because, .. } => {
                let label = self.instance_label(&label);
                self.so_far.published.raise(LinkKind::Observed, &label, Some(&Arc::new(because)));
                self.so_far.published.raise_handles(self.so_far.next_number, &label);
                self.so_far.last_raise = offset;
                self.so_far.dead = self.so_far.dead.saturating_add(bytes);
            }
            Record::Under { handle, label, because, .. } => {
                let label = self.instance_label(&label);
                self.so_far.published.raise(LinkKind::Observed, &label, because.map(Arc::new).as_ref());
                match self.so_far.table.get(handle) {
                    Some(found) => {
                        found.raise(&label, |label| self.so_far.labels.shared(label));
                        found.put(0, offset);
                        add(&found.bytes, bytes);
                    }
                    None => self.so_far.dead = self.so_far.dead.saturating_add(bytes),
                }
            }
            Record::Open { handle, start, listener, at, expires, task, .. } => {
                self.open(handle, &start, listener, (at, expires), task.as_deref(), (offset, bytes));
            }
            Record::Close { handle } => self.so_far.close(handle, bytes),
            Record::Spend { rule, bytes: spent } => {
                let total = self.so_far.spent.entry(rule).or_default();
                *total = total.saturating_add(spent);
                self.so_far.dead = self.so_far.dead.saturating_add(bytes);
            }
            Record::Clock { at } => {
                self.so_far.clock = self.so_far.clock.max(at);
                self.so_far.dead = self.so_far.dead.saturating_add(bytes);
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        key: HandleKey,
        start: &str,
        listener: HandleListener,
        (at, expires): (u64, u64),
        task: Option<&str>,
        (offset, bytes): (u64, u64),
    ) {
        let so_far = &mut self.so_far;
        let number = so_far.next_number;
        so_far.next_number = number.saturating_add(1);
        so_far.clock = so_far.clock.max(at);
        let task = match task {
            // Bounded when it was written; a task that does not fit is one that nobody could have opened.
            Some(text) => match so_far.tasks.shared(text, MAX_TASK_BYTES_IN_ALL) {
                Some(text) => Some(Arc::new(text)),
                None => return so_far.lost.push(key),
            },
            None => None,
        };
        if expires <= self.now.0.max(so_far.clock) {
            so_far.dead = so_far.dead.saturating_add(bytes);
            return;
        }
        let Some(mark) = self.label(start) else { return self.so_far.lost.push(key) };
        let so_far = &mut self.so_far;
        so_far.published.lower(&mark);
        let mark = so_far.labels.shared(SecurityLabel::clone(&mark));
        so_far.table.insert(&Arc::new(Handle {
            key,
            number,
            mark: Swap::new(mark),
            moves: AtomicU32::new(0),
            bytes: AtomicU32::new(u32::try_from(bytes).unwrap_or(u32::MAX)),
            places: [AtomicU64::new(offset), AtomicU64::new(0)],
            opened_at: Timestamp(at),
            expires: Timestamp(expires),
            task,
            listener,
            open: AtomicBool::new(true),
        }));
    }

    fn label(&mut self, text: &str) -> Option<Arc<SecurityLabel>> {
        if let Some(known) = self.parsed.get(text) {
            return Some(Arc::clone(known));
        }
        let label = Arc::new(self.lattice.parse_label(text).ok()?);
        if self.parsed.len() < PARSED {
            self.parsed.insert(text.to_owned(), Arc::clone(&label));
        }
        Some(label)
    }

    /// A name that the policy does not know is the top.
    fn instance_label(&mut self, text: &str) -> Arc<SecurityLabel> {
        self.label(text).unwrap_or_else(|| {
            self.so_far.unknown_name.get_or_insert_with(|| text.to_owned());
            Arc::new(self.lattice.top())
        })
    }
}

impl Replayed {
    fn close(&mut self, key: HandleKey, bytes: u64) {
        let its = self.table.get(key).map_or(0, |handle| u64::from(handle.bytes.load(crate::sync::Ordering::Relaxed)));
        self.table.remove(key);
        self.dead = self.dead.saturating_add(bytes).saturating_add(its);
        if self.table.len() == 0 {
            self.published.low = None;
        }
    }

    /// What only the whole file tells.
    fn finish(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now.0);
        for expired in self.table.expired(Timestamp(self.clock)) {
            self.close(expired.key, 0);
        }
        // Some that lowered it may be gone.
        let mut low: Option<SecurityLabel> = None;
        self.table.visit(|handle| {
            let (label, _) = self.published.of(handle);
            low = Some(low.as_ref().map_or_else(|| label.clone(), |low| low.meet(&label)));
            true
        });
        self.published.low = low;
    }
}

/// Counters of a handle stop at their end; they only steer when the journal is written anew.
pub(crate) fn add(counter: &AtomicU32, bytes: u64) {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let sum = counter.load(crate::sync::Ordering::Relaxed).saturating_add(bytes);
    counter.store(sum, crate::sync::Ordering::Relaxed);
}
