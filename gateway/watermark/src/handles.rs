//! Opening, finding and closing handles, and what raised them.

use std::sync::Arc;

use bellgate_policy::{Observation, SecurityLabel, Timestamp};

use crate::handle::{Handle, HandleError, HandleId, MAX_TASK_BYTES, MAX_TASK_BYTES_IN_ALL, Opened, Opening};
use crate::journal::Journal;
use crate::published::Published;
use crate::reading::{Link, LinkKind};
use crate::record::{Record, read_one};
use crate::state::StateError;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, Swap};
use crate::watermark::Watermark;

/// How many lines that came without a handle are looked at to tell what raised one; the newest.
const MAX_RAISES_READ: usize = 4096;

impl Watermark {
    /// Opens a handle. It is written down but not synced: one that a power cut takes is refused afterwards, and what was
    /// observed under it is synced together with it. `now` is what [`Watermark::clock`] gave.
    ///
    /// # Errors
    ///
    /// When as many are open as may be, or it could not be written down.
    pub fn open_handle(&self, opening: Opening, now: Timestamp) -> Result<Opened, HandleError> {
        if let Some(long) = opening.task.as_ref().map(String::len).filter(|bytes| *bytes > MAX_TASK_BYTES) {
            return Err(HandleError::TaskTooLong(long));
        }
        let id = HandleId::draw()?;
        if self.table.len() >= opening.limit {
            self.close_expired(now);
        }
        let mut journal = self.ready()?;
        if self.table.len() >= opening.limit {
            return Err(HandleError::LimitReached { limit: opening.limit });
        }
        if !journal.lattice.owns(&opening.start) {
            return Err(HandleError::State(StateError::OtherLattice));
        }
        let task = match &opening.task {
            Some(text) => {
                let shared = journal.tasks.shared(text, MAX_TASK_BYTES_IN_ALL).ok_or(HandleError::TasksFull)?;
                Some(Arc::new(shared))
            }
            None => None,
        };
        // What is about to raise all handles would miss one that comes now.
        let start = journal.join_pending(opening.start.join(&journal.floor));
        // First raises have to look for it, then what passes is looked at: `passing.rs`.
        let lowered = self.lower(&start);
        let start = self.passing.join_handleless(start);
        let life = u64::try_from(opening.life.as_millis()).unwrap_or(u64::MAX);
        let expires = Timestamp(now.0.saturating_add(life));
        let record = Record::Open {
            handle: id.key(),
            start: journal.lattice.text(&start),
            listener: opening.listener,
            at: now.0,
            expires: expires.0,
            task: opening.task,
            because: opening.because,
        };
        let offset = journal.append(&record).map_err(self.files.writing(&self.files.journal))?;
        let mut places = [AtomicU64::new(0), AtomicU64::new(0)];
        if let Some(place) = places.get_mut(journal.side) {
            *place = AtomicU64::new(offset);
        }
        let handle = Arc::new(Handle {
            key: id.key(),
            number: journal.next_number,
            mark: Swap::new(journal.labels.shared(start)),
            moves: AtomicU32::new(0),
            bytes: AtomicU32::new(u32::try_from(journal.since(offset)).unwrap_or(u32::MAX)),
            places,
            opened_at: now,
            expires,
            task,
            listener: opening.listener,
            open: AtomicBool::new(true),
        });
        journal.next_number = journal.next_number.saturating_add(1);
        self.table.insert(&handle);
        drop(journal);
        if lowered {
            self.changed();
        }
        Ok(Opened { id, handle })
    }

    /// From now on a handle with this label is open. The journal is locked. Answers whether that changed anything.
    fn lower(&self, start: &SecurityLabel) -> bool {
        let mut published = Published::clone(&self.published.load());
        let lowered = published.lower(start);
        if lowered {
            self.published.store(Arc::new(published));
            self.moved();
        }
        lowered
    }

    /// The open handle with this ID. `now` is what [`Watermark::clock`] gave; one that has expired is closed for good.
    #[must_use]
    pub fn handle(&self, id: &HandleId, now: Timestamp) -> Option<Arc<Handle>> {
        let found = self.table.get(id.key())?;
        if found.expires <= now {
            self.close_handle(&found);
            return None;
        }
        Some(found)
    }

    /// Closes a handle. Answers whether it was open.
    pub fn close_handle(&self, handle: &Handle) -> bool {
        self.close(&mut self.journal.lock(), handle)
    }

    /// Written down, not synced. Where that fails, the journal that is written anew does not have the handle any more. Until
    /// one of the two is durable, what comes without a handle is recorded as if it were open: a crash may bring it back.
    fn close(&self, journal: &mut Journal, handle: &Handle) -> bool {
        if !self.table.remove(handle.key) {
            return false;
        }
        let from = journal.len;
        let appended = !journal.broken && journal.append(&Record::Close { handle: handle.key }).is_ok();
        journal.last_close = if appended { from } else { u64::MAX };
        let its = u64::from(handle.bytes.load(Ordering::Relaxed));
        journal.dead = journal.dead.saturating_add(its).saturating_add(journal.since(from));
        true
    }

    pub(crate) fn close_expired(&self, now: Timestamp) {
        let expired = self.table.expired(now);
        if expired.is_empty() {
            return;
        }
        let mut journal = self.journal.lock();
        for handle in expired {
            self.close(&mut journal, &handle);
        }
    }

    /// How many handles are open.
    #[must_use]
    pub fn handles_open(&self) -> usize {
        self.table.len()
    }

    /// Open handles, at most so many, in no order.
    #[must_use]
    pub fn handles(&self, at_most: usize) -> Vec<Arc<Handle>> {
        let mut some = Vec::new();
        self.table.visit(|handle| {
            let more = some.len() < at_most;
            if more {
                some.push(Arc::clone(handle));
            }
            more
        });
        some
    }

    /// The earliest observation after which `object` no longer dominated the label: why a write to it is refused. `None`
    /// where it dominates, or where no single observation is to blame (missing state, a floor, a declaration). A handle's
    /// chain is read from disk.
    #[must_use]
    pub fn cause(&self, handle: Option<&Handle>, object: &SecurityLabel) -> Option<Arc<Observation>> {
        let first = |chain: &[Link]| chain.iter().find(|link| !object.dominates(&link.label_after)).cloned();
        let found = match handle {
            None => first(&self.published.load().chain),
            Some(handle) => match first(&self.chain(Some(handle))) {
                // It started where the instance was.
                Some(Link { kind: LinkKind::Opened, observation: None, .. }) => first(&self.published.load().chain),
                found => found,
            },
        };
        found.and_then(|link| link.observation)
    }

    /// Everything that raised the instance since it started or was reset, or this handle since it was opened; oldest first.
    #[must_use]
    pub fn chain(&self, handle: Option<&Handle>) -> Vec<Link> {
        match handle {
            None => Vec::clone(&self.published.load().chain),
            Some(handle) => self.chain_of(handle).unwrap_or_else(|| {
                let label_after = self.reading_of(handle).label;
                vec![Link { kind: LinkKind::Opened, observation: None, label_after }]
            }),
        }
    }

    /// `None` where the disk does not tell.
    fn chain_of(&self, handle: &Handle) -> Option<Vec<Link>> {
        let (log, mut at, mut raise_at, settled, failed, lattice) = {
            let journal = self.journal.lock();
            let failed = journal.failed.clone();
            let lattice = journal.lattice.clone();
            (Arc::clone(&journal.log), handle.place(journal.side), journal.last_raise, journal.settled, failed, lattice)
        };
        let label = |text: &str| lattice.parse_label(text).unwrap_or_else(|_| lattice.top());
        let took_effect = |offset: u64| !failed.contains(&offset);
        let mut raises: Vec<(u64, SecurityLabel, Option<Arc<Observation>>)> = Vec::new();
        let (opened_at, mut current, because) = loop {
            match read_one(&log, at).ok()? {
                Record::Under { handle: key, label: text, because, before } if key == handle.key && before < at => {
                    if took_effect(at) && at < settled {
                        raises.push((at, label(&text), because.map(Arc::new)));
                    }
                    at = before;
                }
                Record::Open { handle: key, start, because, .. } if key == handle.key => {
                    break (at, label(&start), because.map(Arc::new));
                }
                Record::Head { .. }
                | Record::Instance { .. }
                | Record::Reset { .. }
                | Record::Raise { .. }
                | Record::Under { .. }
                | Record::Open { .. }
                | Record::Close { .. }
                | Record::Spend { .. }
                | Record::Clock { .. } => return None,
            }
        };
        let mut read = 0;
        while raise_at > opened_at && read < MAX_RAISES_READ {
            let Ok(Record::Raise { label: text, because, before }) = read_one(&log, raise_at) else { break };
            if took_effect(raise_at) && raise_at < settled {
                raises.push((raise_at, label(&text), Some(Arc::new(because))));
            }
            if before >= raise_at {
                break;
            }
            raise_at = before;
            read += 1;
        }
        raises.sort_by_key(|(offset, ..)| *offset);
        let mut chain = vec![Link { kind: LinkKind::Opened, observation: because, label_after: current.clone() }];
        for (_, label, observation) in raises {
            if !current.dominates(&label) {
                current = current.join(&label);
                chain.push(Link { kind: LinkKind::Observed, observation, label_after: current.clone() });
            }
        }
        Some(chain)
    }
}
