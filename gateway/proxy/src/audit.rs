//! The audit log: one JSON line a decision, on a thread of its own.
//!
//! It is an object at the top of the lattice: complete, mode 0600, for operators. The queue is
//! bounded; what does not fit is counted and the count written as a line of its own, so that a gap
//! can be seen. Refusing requests that cannot be audited comes with the spool.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// About 8 MiB of records.
const QUEUE: usize = 16_384;
/// How long a record may wait in the buffer.
const FLUSH: Duration = Duration::from_millis(200);

/// Writes audit records; cheap to clone.
#[derive(Clone)]
pub struct Audit {
    queue: Option<SyncSender<Value>>,
    dropped: Arc<AtomicU64>,
}

/// Joins the writer at the end, so that what was accepted is on disk.
pub struct AuditWriter {
    thread: JoinHandle<()>,
    closing: Arc<AtomicBool>,
}

impl Audit {
    /// No audit log: the config names none.
    #[must_use]
    pub fn off() -> Self {
        Self { queue: None, dropped: Arc::default() }
    }

    /// Appends to `file`, which is created with mode 0600.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending.
    pub fn open(file: &Path) -> io::Result<(Self, AuditWriter)> {
        let out = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let closing = Arc::new(AtomicBool::new(false));
        let (counter, stop) = (Arc::clone(&dropped), Arc::clone(&closing));
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(&receiver, BufWriter::new(out), &counter, &stop))?;
        Ok((Self { queue: Some(sender), dropped }, AuditWriter { thread, closing }))
    }

    /// Whether there is a log, so that a record is worth making.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues one record; never blocks.
    pub fn record(&self, record: impl FnOnce() -> Value) {
        if let Some(queue) = &self.queue
            && queue.try_send(record()).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that did not fit, so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl AuditWriter {
    /// Returns once all that was queued before is written.
    pub fn close(self) {
        self.closing.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            log::error!("the audit writer failed; see the log above");
        }
    }
}

fn write_all(records: &Receiver<Value>, mut out: BufWriter<std::fs::File>, dropped: &AtomicU64, closing: &AtomicBool) {
    let mut told = 0;
    loop {
        let received = records.recv_timeout(FLUSH);
        let gap = dropped.load(Ordering::Relaxed);
        let written = (|| -> io::Result<()> {
            if gap > told {
                serde_json::to_writer(&mut out, &json!({"kind": "gap", "dropped": gap - told}))?;
                out.write_all(b"\n")?;
                told = gap;
            }
            match &received {
                Ok(record) => {
                    serde_json::to_writer(&mut out, record)?;
                    out.write_all(b"\n")
                }
                Err(_) => out.flush(),
            }
        })();
        if let Err(error) = written {
            dropped.fetch_add(1, Ordering::Relaxed);
            log::error!("audit record not written: {error}; check the disk of the audit file");
        }
        // The queue was found empty, so what came before `close` is written.
        let empty = received == Err(RecvTimeoutError::Timeout);
        if received == Err(RecvTimeoutError::Disconnected) || (empty && closing.load(Ordering::Acquire)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lines(file: &Path) -> Vec<Value> {
        std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_was_queued_is_on_disk_after_close_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        for run in 0..2 {
            let (audit, writer) = Audit::open(&file).unwrap();
            for number in 0..100 {
                audit.record(|| json!({"run": run, "number": number}));
            }
            writer.close();
        }
        let lines = lines(&file);
        assert_eq!(lines.len(), 200);
        assert_eq!(lines[199], json!({"run": 1, "number": 99}));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_gap_is_counted_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let (sender, receiver) = sync_channel(1);
        let audit = Audit { queue: Some(sender), dropped: Arc::default() };
        for number in 0..3 {
            audit.record(|| json!({"number": number}));
        }
        assert_eq!(audit.dropped(), 2);
        let dropped = Arc::clone(&audit.dropped);
        drop(audit);
        let out = BufWriter::new(std::fs::File::create(&file).unwrap());
        write_all(&receiver, out, &dropped, &AtomicBool::new(false));
        assert_eq!(lines(&file), [json!({"kind": "gap", "dropped": 2}), json!({"number": 0})]);
    }

    #[test]
    fn without_a_file_no_record_is_even_made() {
        Audit::off().record(|| panic!("made for nobody"));
    }
}
