//! The lake's own counts.

use std::sync::atomic::{AtomicU64, Ordering};

use bellgate_policy::Timestamp;
use bellgate_telemetry::{Table, Why};
use parking_lot::Mutex;

/// What the lake has done so far. Counts only rise, but for [`LakeStats::pending`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LakeStats {
    written: [u64; Table::ALL.len()],
    dropped: [u64; Table::ALL.len()],
    quarantined: [u64; Why::ALL.len()],
    /// Rows in memory.
    pub pending: u64,
    /// Files written.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Attempts to write a file that failed.
    pub errors: u64,
    /// What the last of them said.
    pub last_error: Option<String>,
    /// When all that was pending was last written.
    pub last_flush: Option<Timestamp>,
}

impl LakeStats {
    /// Rows of a table that are in files.
    pub fn written(&self, table: Table) -> u64 {
        of(Table::ALL, self.written, table)
    }

    /// Rows of a table that were dropped, because the disk refused for too long.
    pub fn dropped(&self, table: Table) -> u64 {
        of(Table::ALL, self.dropped, table)
    }

    /// Records that went to quarantine for a reason.
    pub fn quarantined(&self, why: Why) -> u64 {
        of(Why::ALL, self.quarantined, why)
    }
}

fn of<T: PartialEq, const N: usize>(all: [T; N], counts: [u64; N], one: T) -> u64 {
    all.into_iter().zip(counts).find(|(key, _)| *key == one).map_or(0, |(_, count)| count)
}

/// The counts as the lake's thread keeps them and others read them.
#[derive(Default)]
pub(crate) struct Counters {
    written: [AtomicU64; Table::ALL.len()],
    dropped: [AtomicU64; Table::ALL.len()],
    quarantined: [AtomicU64; Why::ALL.len()],
    pending: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    last_error: Option<String>,
    last_flush: Option<Timestamp>,
}

impl Counters {
    pub(crate) fn wrote(&self, table: Table, rows: usize, bytes: usize) {
        add(Table::ALL, &self.written, table, rows);
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(to_u64(bytes), Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, table: Table, rows: usize) {
        add(Table::ALL, &self.dropped, table, rows);
    }

    pub(crate) fn quarantined(&self, why: Why) {
        add(Why::ALL, &self.quarantined, why, 1);
    }

    pub(crate) fn failed(&self, error: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.told.lock().last_error = Some(error.to_owned());
    }

    pub(crate) fn flushed(&self, at: Timestamp) {
        self.told.lock().last_flush = Some(at);
    }

    pub(crate) fn pending(&self, rows: usize) {
        self.pending.store(to_u64(rows), Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> LakeStats {
        let told = self.told.lock();
        LakeStats {
            written: load(&self.written),
            dropped: load(&self.dropped),
            quarantined: load(&self.quarantined),
            pending: self.pending.load(Ordering::Relaxed),
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            last_error: told.last_error.clone(),
            last_flush: told.last_flush,
        }
    }
}

fn add<T: PartialEq, const N: usize>(all: [T; N], counters: &[AtomicU64; N], one: T, count: usize) {
    if let Some((_, counter)) = all.into_iter().zip(counters).find(|(key, _)| *key == one) {
        counter.fetch_add(to_u64(count), Ordering::Relaxed);
    }
}

fn load<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
