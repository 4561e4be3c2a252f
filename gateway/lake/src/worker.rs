//! The lake's thread: takes events, refines them, writes them when a batch is full or old enough.
//!
//! It looks into the queue every few milliseconds instead of being woken for each event, so that a request never pays
//! for waking it. A failure of the disk is told in the log, once for each attempt, and the attempts get rarer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bellgate_policy::Timestamp;
use bellgate_telemetry::{BronzeRecord, Event, EventReceiver, refine};

use crate::aside::Aside;
use crate::config::LakeConfig;
use crate::encode::{Encoded, encode};
use crate::handle::LakeError;
use crate::partition;
use crate::pending::{Bound, Full, Pending, Place, Waiting};
use crate::stats::Counters;

/// How long an empty queue is left alone. At a million events a second, 5,000 wait meanwhile.
const POLL: Duration = Duration::from_millis(5);
/// The longest pause between two attempts on a disk that refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Attempts on a disk that refuses while the lake is being closed, and the pause between them.
const LAST_ATTEMPTS: u32 = 3;
const LAST_PAUSE: Duration = Duration::from_millis(300);
/// Events that are taken before commands are looked at again.
const AT_ONCE: usize = 4096;

/// What the thread is asked to do, and where to answer.
pub(crate) enum Command {
    /// Write all that was accepted so far.
    Flush(SyncSender<Result<(), LakeError>>),
    /// The same, and end.
    Close(SyncSender<Result<(), LakeError>>),
}

/// The state of the thread.
pub(crate) struct Worker {
    config: LakeConfig,
    events: EventReceiver,
    inbox: Receiver<Command>,
    aside: Aside,
    counters: Arc<Counters>,
    pending: Pending,
    /// When the oldest pending row came in.
    since: Option<Instant>,
    refusal: Option<Refusal>,
}

/// A disk that refuses.
struct Refusal {
    pause: Duration,
    next_attempt: Instant,
    cause: String,
}

/// Why a file is not there.
enum Unwritten {
    /// The disk refused; later it may not.
    Refused { path: PathBuf, error: io::Error },
    /// The rows can't be made into a file, now or later. A mistake of this package.
    Impossible(String),
}

impl Worker {
    pub(crate) fn new(
        config: LakeConfig,
        events: EventReceiver,
        inbox: Receiver<Command>,
        aside: Aside,
        counters: Arc<Counters>,
    ) -> Self {
        let pending = Pending::new(Bound { rows: config.max_rows, bytes: config.max_bytes });
        Self { config, events, inbox, aside, counters, pending, since: None, refusal: None }
    }

    /// Runs until it is told to close, or its handle is gone.
    pub(crate) fn run(mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Flush(answer)) => {
                    self.take_all();
                    let outcome = self.flush();
                    let _ = answer.send(outcome); // who asked may have given up
                }
                Ok(Command::Close(answer)) => {
                    let _ = answer.send(self.close());
                    return;
                }
                Err(TryRecvError::Disconnected) => {
                    let _ = self.close();
                    return;
                }
                Err(TryRecvError::Empty) => {
                    let took_any = self.take(AT_ONCE) > 0;
                    if self.is_due() {
                        let _ = self.flush(); // told in the log and in the counts
                    } else if !took_any {
                        std::thread::park_timeout(POLL);
                    }
                }
            }
        }
    }

    /// Takes up to `most` events, writing whenever a batch is full. Says how many it took.
    fn take(&mut self, most: usize) -> usize {
        for taken in 0..most {
            let Ok(event) = self.events.try_recv() else { return taken };
            self.add(event);
            if self.is_full() && self.may_attempt() {
                let _ = self.flush();
            }
        }
        most
    }

    /// Takes all events that are there now, but not what comes in for ever.
    fn take_all(&mut self) {
        let waiting = self.events.reading().waiting();
        self.take(usize::try_from(waiting).unwrap_or(usize::MAX));
    }

    fn add(&mut self, event: Event) {
        let outcome = match refine(BronzeRecord { tenant: self.config.tenant.clone(), event }) {
            Ok(row) => self.pending.add(row),
            Err(record) => {
                self.counters.quarantined(record.why);
                self.pending.add_quarantined(record, &self.config.label)
            }
        };
        if let Err(Full(table)) = outcome {
            self.counters.dropped(table, 1);
        }
        self.since.get_or_insert_with(Instant::now);
        self.counters.pending(self.pending.rows());
    }

    fn is_full(&self) -> bool {
        self.pending.rows() >= self.config.flush_rows.min(self.config.max_rows)
            || self.pending.bytes() >= self.config.max_bytes / 2
    }

    fn is_due(&self) -> bool {
        let is_old = self.since.is_some_and(|since| since.elapsed() >= self.config.flush_interval);
        (is_old || self.is_full()) && self.pending.rows() > 0 && self.may_attempt()
    }

    fn may_attempt(&self) -> bool {
        self.refusal.as_ref().is_none_or(|refusal| Instant::now() >= refusal.next_attempt)
    }

    /// Writes all pending rows. Those that could not be are pending again.
    fn flush(&mut self) -> Result<(), LakeError> {
        let mut refused = None;
        for (place, mut waiting) in self.pending.take().collect::<Vec<_>>() {
            match self.write(&place, &mut waiting) {
                Ok(()) => {}
                Err(Unwritten::Refused { path, error }) => {
                    refused = Some(format!("`{}`: {error}", path.display()));
                    self.counters.failed(&error.to_string());
                    self.pending.put_back(place, waiting);
                }
                Err(Unwritten::Impossible(why)) => {
                    log::error!(
                        "lake: {} rows of `{}` can't be written and are dropped: {why}",
                        waiting.rows.len(),
                        place.table.as_str()
                    );
                    self.counters.failed(&why);
                    self.counters.dropped(place.table, waiting.rows.len());
                }
            }
        }
        self.counters.pending(self.pending.rows());
        match refused {
            None => {
                self.accepted();
                Ok(())
            }
            Some(cause) => Err(self.refused(cause)),
        }
    }

    fn write(&mut self, place: &Place, waiting: &mut Waiting) -> Result<(), Unwritten> {
        let LakeConfig { root, tenant, .. } = &self.config;
        let rows = waiting.rows.len();
        let batch = waiting.rows.batch(tenant).map_err(|error| Unwritten::Impossible(error.to_string()))?;
        let Some((batch, first)) = batch else { return Ok(()) };
        let Encoded { name, bytes } = encode(place.table, &place.label, &batch, first)
            .map_err(|error| Unwritten::Impossible(error.to_string()))?;
        let folder = partition::folder(root, tenant, place.table, &place.label, place.day);
        self.aside
            .write(&folder, &name, &bytes)
            .map_err(|error| Unwritten::Refused { path: folder.join(&name), error })?;
        self.counters.wrote(place.table, rows, bytes.len());
        Ok(())
    }

    fn accepted(&mut self) {
        self.since = None;
        if self.refusal.take().is_some() {
            log::info!("lake: written again, nothing is waiting");
        }
        self.counters.flushed(now());
    }

    fn refused(&mut self, cause: String) -> LakeError {
        let pause = match &self.refusal {
            None => self.config.flush_interval.max(POLL),
            Some(before) => before.pause.saturating_mul(2),
        }
        .min(LONGEST_PAUSE);
        let rows = self.pending.rows();
        log::error!("lake: could not write {cause}; {rows} rows are kept, tried again in {} ms", pause.as_millis());
        self.refusal = Some(Refusal { pause, next_attempt: Instant::now() + pause, cause: cause.clone() });
        LakeError::NotWritten { rows, cause }
    }

    /// Takes and writes what is left, and drops what the disk refuses to the end.
    fn close(&mut self) -> Result<(), LakeError> {
        self.events.close();
        self.take(usize::MAX);
        for attempt in 1..=LAST_ATTEMPTS {
            if self.flush().is_ok() {
                return Ok(());
            }
            if attempt < LAST_ATTEMPTS {
                std::thread::sleep(LAST_PAUSE);
            }
        }
        let rows = self.pending.rows();
        for (place, waiting) in self.pending.take() {
            self.counters.dropped(place.table, waiting.rows.len());
        }
        self.counters.pending(0);
        let cause = self.refusal.take().map(|refusal| refusal.cause).unwrap_or_default();
        Err(LakeError::Lost { rows, cause })
    }
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
