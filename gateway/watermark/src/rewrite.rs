//! Writing the journal anew: aside, synced, renamed.
//!
//! Done when more of it is dead than alive, and after a failed write or sync. What is alive is copied from the old file,
//! line by line, so that chains stay whole without ever being in memory; what is not readable there any more is told from
//! memory, with its label and without its history.
//!
//! **What holds.** The new file says at least what is published and what is pending. The old one stays until the new one is
//! durable; a crash at any instant finds one of the two.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use bellgate_policy::{Lattice, SecurityLabel};

use crate::disk::Log;
use crate::handle::Handle;
use crate::journal::Journal;
use crate::published::Published;
use crate::reading::LinkKind;
use crate::record::{FORMAT, Line, Record, Scan, widen};
use crate::state::{Files, StateError};
use crate::table::Table;

/// A new file, filled through a buffer.
pub(crate) struct Writer {
    log: Log,
    len: u64,
    buffer: Vec<u8>,
}

const BUFFER_BYTES: usize = 256 * 1024;

impl Writer {
    /// Begins with the head.
    pub(crate) fn new(files: &Files, clock: u64) -> io::Result<Self> {
        let mut writer = Self { log: files.folder.create(&files.aside)?, len: 0, buffer: Vec::new() };
        writer.put(&Record::Head { format: FORMAT, subject: files.subject.clone(), clock })?;
        Ok(writer)
    }

    /// Answers the offset of the line.
    pub(crate) fn put(&mut self, record: &Record) -> io::Result<u64> {
        let line = record.to_line()?;
        let offset = self.len.saturating_add(widen(self.buffer.len()));
        self.buffer.extend_from_slice(&line);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.write_at(self.len, &self.buffer)?;
        self.len = self.len.saturating_add(widen(self.buffer.len()));
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file durable under its own name. Whatever is told wrong after the rename, the new file is the one that is
    /// found: it is given back with the error.
    pub(crate) fn finish(mut self, files: &Files) -> Result<Finished, StateError> {
        let written = self.flush().and_then(|()| self.log.sync());
        let renamed = written.and_then(|()| files.folder.rename(&files.aside, &files.journal));
        renamed.map_err(files.writing(&files.journal))?;
        let named = files.folder.sync().map_err(files.writing(&files.journal));
        Ok(Finished { log: Arc::new(self.log), len: self.len, named })
    }
}

/// A file that has the journal's name.
pub(crate) struct Finished {
    pub(crate) log: Arc<Log>,
    pub(crate) len: u64,
    /// Whether the name is durable.
    pub(crate) named: Result<(), StateError>,
}

/// What is alive of `journal`, as a new file that has taken its place. Both locks are held; nothing of the journal has
/// changed after an error.
///
/// # Errors
///
/// When the operating system gives one.
pub(crate) fn rewrite(
    files: &Files,
    journal: &mut Journal,
    published: &Published,
    table: &Table,
    clock: u64,
) -> Result<Finished, StateError> {
    let writer = Writer::new(files, clock).map_err(files.writing(&files.journal))?;
    let mut copy = Copy {
        writer,
        lattice: &journal.lattice,
        table,
        side: 1 - journal.side,
        instance: None,
        low: None,
        last_raise: 0,
        failed: journal.failed.iter().copied().collect(),
        moved: journal.pending.iter().map(|pending| (pending.offset, 0)).collect(),
    };
    copy.all(journal, published).map_err(files.writing(&files.journal))?;
    let Copy { writer, last_raise, moved, .. } = copy;
    let finished = writer.finish(files)?;
    for pending in &mut journal.pending {
        // One that was told in a sum has no line of its own; at 0 is the head.
        pending.offset = moved.get(&pending.offset).copied().unwrap_or(0);
    }
    journal.log = Arc::clone(&finished.log);
    journal.len = finished.len;
    journal.settled = finished.len;
    journal.dead = 0;
    journal.failed.clear();
    journal.side = 1 - journal.side;
    journal.last_raise = last_raise;
    journal.last_close = 0;
    journal.broken = false;
    Ok(finished)
}

struct Copy<'a> {
    writer: Writer,
    lattice: &'a Lattice,
    table: &'a Table,
    side: usize,
    /// Where the lines that were written put the instance.
    instance: Option<SecurityLabel>,
    /// Dominated by the labels of all live handles that were written.
    low: Option<SecurityLabel>,
    last_raise: u64,
    failed: HashSet<u64>,
    /// Where the pending lines went.
    moved: HashMap<u64, u64>,
}

impl Copy<'_> {
    fn all(&mut self, journal: &Journal, published: &Published) -> io::Result<()> {
        // An attempt before this one may have left places.
        self.table.visit(|handle| {
            handle.put(self.side, 0);
            true
        });
        let readable = self.copy(&journal.log, journal.len)?;
        if readable < journal.len {
            log::warn!(
                "{} bytes of the watermark's journal can't be read back; labels are kept, some causes are lost",
                journal.len - readable
            );
            self.tell(journal, published)?;
        }
        for (rule, bytes) in &journal.spent {
            self.writer.put(&Record::Spend { rule: rule.clone(), bytes: *bytes })?;
        }
        Ok(())
    }

    /// Copies what is alive, up to the first line that can't be read. Answers where that is.
    fn copy(&mut self, log: &Log, end: u64) -> io::Result<u64> {
        let mut scan = Scan::new(log, end);
        loop {
            // A file that can't be read any more is told from memory.
            let Ok(next) = scan.next() else { return Ok(scan.position()) };
            let Some((offset, Line::Whole(record, _))) = next else { return Ok(scan.position()) };
            let took_effect = !self.failed.contains(&offset);
            let placed = if took_effect { self.line(*record)? } else { None };
            if let (Some(moved), Some(placed)) = (self.moved.get_mut(&offset), placed) {
                *moved = placed;
            }
        }
    }

    fn line(&mut self, record: Record) -> io::Result<Option<u64>> {
        match record {
            // The head is new; budgets are told in sums.
            Record::Head { .. } | Record::Close { .. } | Record::Spend { .. } | Record::Clock { .. } => Ok(None),
            Record::Instance { ref label, .. } | Record::Reset { ref label, .. } => {
                let label = self.label(label);
                let first = self.instance.is_none();
                let rises = self.raise_instance(label.as_ref());
                if first || rises { self.writer.put(&record).map(Some) } else { Ok(None) }
            }
            Record::Raise { label: text, because, .. } => {
                let label = self.label(&text);
                let covers = |low: &SecurityLabel| label.as_ref().is_some_and(|label| low.dominates(label));
                let raises_handles = self.low.as_ref().is_some_and(|low| !covers(low));
                if !(self.raise_instance(label.as_ref()) | raises_handles) {
                    return Ok(None);
                }
                if let (Some(low), Some(label)) = (&self.low, &label) {
                    self.low = Some(low.join(label));
                }
                let offset = self.writer.put(&Record::Raise { label: text, because, before: self.last_raise })?;
                self.last_raise = offset;
                Ok(Some(offset))
            }
            Record::Under { handle: key, label: text, because, .. } => {
                let label = self.label(&text);
                let live = self.table.get(key);
                if !self.raise_instance(label.as_ref()) && live.is_none() {
                    return Ok(None);
                }
                let before = live.as_ref().map_or(0, |handle| handle.place(self.side));
                let offset = self.writer.put(&Record::Under { handle: key, label: text, because, before })?;
                if let Some(handle) = live {
                    handle.put(self.side, offset);
                }
                Ok(Some(offset))
            }
            Record::Open { ref handle, ref start, .. } => {
                let Some(live) = self.table.get(*handle) else { return Ok(None) };
                let start = self.label(start).unwrap_or_else(|| self.lattice.bottom());
                self.open(&live, &start, &record).map(Some)
            }
        }
    }

    fn open(&mut self, handle: &Handle, start: &SecurityLabel, record: &Record) -> io::Result<u64> {
        self.low = Some(self.low.as_ref().map_or_else(|| start.clone(), |low| low.meet(start)));
        let offset = self.writer.put(record)?;
        handle.put(self.side, offset);
        Ok(offset)
    }

    /// `None` for names that the policy does not know. Such a line counts as the top where it is read, but it makes no
    /// other line needless: the names may come back, and then it says less.
    fn label(&self, text: &str) -> Option<SecurityLabel> {
        self.lattice.parse_label(text).ok()
    }

    fn raise_instance(&mut self, label: Option<&SecurityLabel>) -> bool {
        let Some(label) = label else {
            self.instance.get_or_insert_with(|| self.lattice.bottom());
            return true;
        };
        match &self.instance {
            Some(instance) if instance.dominates(label) => false,
            Some(instance) => {
                self.instance = Some(instance.join(label));
                true
            }
            None => {
                self.instance = Some(label.clone());
                true
            }
        }
    }

    /// What memory knows: labels, without what raised them.
    fn tell(&mut self, journal: &Journal, published: &Published) -> io::Result<()> {
        let mut whole = published.clone();
        for label in journal.pending.iter().filter_map(|pending| pending.effect.label()) {
            whole.raise(LinkKind::Observed, label, None);
        }
        let label = &whole.instance.label;
        if self.instance.is_none() || self.raise_instance(Some(label)) {
            self.writer.put(&Record::Instance {
                kind: LinkKind::Damaged,
                label: self.lattice.text(label),
                because: whole.instance.cause.as_deref().cloned(),
                budgets_unknown: journal.budgets_unknown,
            })?;
        }
        let mut handles = Vec::new();
        self.table.visit(|handle| {
            handles.push(Arc::clone(handle));
            true
        });
        handles.sort_by_key(|handle| handle.place(1 - self.side));
        for handle in handles {
            let (mut label, _) = published.of(&handle);
            for pending in &journal.pending {
                label = pending.effect.label().map_or(label.clone(), |more| label.join(more));
            }
            let text = self.lattice.text(&label);
            // The place of its last line is that of its opening, or behind it.
            if handle.place(self.side) == 0 {
                let record = Record::Open {
                    handle: handle.key,
                    start: text,
                    listener: handle.listener,
                    at: handle.opened_at.0,
                    expires: handle.expires.0,
                    task: handle.task().map(|task| task.to_string()),
                    because: None,
                };
                self.open(&handle, &label, &record)?;
            } else {
                let before = handle.place(self.side);
                let offset =
                    self.writer.put(&Record::Under { handle: handle.key, label: text, because: None, before })?;
                handle.put(self.side, offset);
            }
        }
        Ok(())
    }
}
