//! Raise and read.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bellgate_policy::{Lattice, Observation, SecurityLabel, Subject, Timestamp};
use parking_lot::Mutex;

use crate::budget::SpendError;
use crate::handle::{HandleError, HandleId, HandleKey, HandleListener, MAX_TASK_BYTES, MAX_TASK_BYTES_IN_ALL, Opening};
use crate::passing::{Passing, Passings};
use crate::reading::{Link, LinkKind, Raised, Reading};
use crate::state::{StateError, StateFile};

/// Where a watermark starts when there is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// At the floor: state, workload and every storage that it can write end together (an
    /// `emptyDir` in a pod without other volumes).
    Floor,
    /// At the clearance: the workload may remember what this gateway does not.
    Clearance,
}

/// How a watermark came to where it starts; worth a line in the log.
#[derive(Debug)]
pub enum Startup {
    /// The label that was kept here.
    Restored,
    /// State of an earlier format was taken over.
    TakenOver,
    /// Nothing was kept, and the configuration says that the workload is as new as the state.
    NewAtFloor,
    /// Nothing was kept.
    MissingAtClearance,
    /// What was kept could not be used: the watermark starts at the highest clearance that was ever kept here.
    DamagedAtClearance(StateError),
    /// What was kept could not be used, and no clearance was kept either: the watermark starts at the top of the lattice.
    DamagedAtTop(StateError),
}

/// An open handle, or one that was open.
pub struct Handle {
    pub(crate) key: HandleKey,
    listener: HandleListener,
    task: Option<Arc<str>>,
    opened_at: Timestamp,
    expires: Timestamp,
    open: AtomicBool,
    mark: ArcSwap<Reading>,
    chain: Mutex<Vec<Link>>,
}

impl Handle {
    /// The listener that it is bound to.
    #[must_use]
    pub fn listener(&self) -> HandleListener {
        self.listener
    }

    /// The text of the task that it was opened for.
    #[must_use]
    pub fn task(&self) -> Option<&Arc<str>> {
        self.task.as_ref()
    }

    /// When it was opened.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether it is neither closed nor found expired.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Twelve hexadecimal digits that name it in records.
    #[must_use]
    pub fn short(&self) -> String {
        self.key.short()
    }
}

/// A handle that was just opened, with its ID, which is kept nowhere else.
pub struct Opened {
    /// What the workload is given.
    pub id: HandleId,
    /// The handle.
    pub handle: Arc<Handle>,
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

struct Inner {
    lattice: Lattice,
    floor: SecurityLabel,
    handles: HashMap<HandleKey, Arc<Handle>>,
    chain: Vec<Link>,
    spent: BTreeMap<String, u64>,
}

type Listener = Arc<dyn Fn() + Send + Sync>;

/// The high-water mark of one instance of one subject, and of its handles.
pub struct Watermark {
    file: StateFile,
    inner: Mutex<Inner>,
    now: ArcSwap<Reading>,
    version: AtomicU64,
    latest: AtomicU64,
    passing: Arc<Passings>,
    listeners: Mutex<Vec<Listener>>,
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
        let file = StateFile::new(folder, &subject.id);
        let (label, cause, startup) = match file.read() {
            Ok(Some(state)) => match lattice.parse_label(&state.label) {
                Ok(label) => (label.join(&subject.floor), state.cause.map(Arc::new), Startup::Restored),
                Err(error) => {
                    let why = file.damaged(format!("its label is not one of this policy, {error}"));
                    (lattice.top(), None, Startup::DamagedAtTop(why))
                }
            },
            Ok(None) => match missing {
                Missing::Floor => (subject.floor.clone(), None, Startup::NewAtFloor),
                Missing::Clearance => (subject.clearance.clone(), None, Startup::MissingAtClearance),
            },
            Err(error @ StateError::Damaged { .. }) => (lattice.top(), None, Startup::DamagedAtTop(error)),
            Err(error) => return Err(error),
        };
        // Written at once: a folder that cannot be written is found out now, and a second start
        // finds state.
        file.write(lattice.text(&label), cause.as_deref())?;
        let kind = match startup {
            Startup::Restored => LinkKind::Observed,
            Startup::TakenOver => LinkKind::TakenOver,
            Startup::NewAtFloor => LinkKind::Start,
            Startup::MissingAtClearance => LinkKind::Missing,
            Startup::DamagedAtClearance(_) | Startup::DamagedAtTop(_) => LinkKind::Damaged,
        };
        let chain = vec![Link { kind, observation: cause.clone(), label_after: label.clone() }];
        let inner = Inner {
            lattice: lattice.clone(),
            floor: subject.floor.clone(),
            handles: HashMap::new(),
            chain,
            spent: BTreeMap::new(),
        };
        let watermark = Self {
            file,
            inner: Mutex::new(inner),
            now: ArcSwap::from_pointee(Reading { label, cause, version: 0 }),
            version: AtomicU64::new(0),
            latest: AtomicU64::new(now.0),
            passing: Arc::default(),
            listeners: Mutex::default(),
        };
        Ok((watermark, startup))
    }

    /// The label of the instance as it is now, without a lock.
    #[must_use]
    pub fn reading(&self) -> Arc<Reading> {
        self.now.load_full()
    }

    /// The label of `handle` as it is now, without a lock: what was observed under it, and what came without a handle
    /// since it was opened. That of a closed handle still rises and never falls.
    #[must_use]
    pub fn reading_of(&self, handle: &Handle) -> Reading {
        Reading::clone(&handle.mark.load())
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
        handle: &Handle,
        label: &SecurityLabel,
        because: impl FnOnce() -> Observation,
    ) -> Result<Raised, StateError> {
        self.raise_those(Some(handle), label, because)
    }

    fn raise_those(
        &self,
        handle: Option<&Handle>,
        label: &SecurityLabel,
        because: impl FnOnce() -> Observation,
    ) -> Result<Raised, StateError> {
        let mut inner = self.inner.lock();
        let seen = self.now.load_full();
        let rises = |handle: &Handle| !handle.mark.load().label.dominates(label);
        let handle_rises = match handle {
            Some(handle) => rises(handle),
            None => inner.handles.values().any(|handle| rises(handle)),
        };
        let instance_rises = !seen.label.dominates(label);
        if !instance_rises && !handle_rises {
            return Ok(Raised { reading: seen, rose: false });
        }
        let observation = Arc::new(because());
        let mut reading = seen;
        if instance_rises {
            let raised = reading.label.join(label);
            self.file.write(inner.lattice.text(&raised), Some(&observation))?;
            reading = Arc::new(Reading {
                label: raised.clone(),
                cause: Some(Arc::clone(&observation)),
                version: reading.version.saturating_add(1),
            });
            self.now.store(Arc::clone(&reading));
            inner.chain.push(Link {
                kind: LinkKind::Observed,
                observation: Some(Arc::clone(&observation)),
                label_after: raised,
            });
        }
        let raise = |handle: &Handle| {
            let mark = handle.mark.load_full();
            if !mark.label.dominates(label) {
                let label_after = mark.label.join(label);
                let link = Link { kind: LinkKind::Observed, observation: Some(Arc::clone(&observation)), label_after };
                let label = link.label_after.clone();
                handle.chain.lock().push(link);
                handle.mark.store(Arc::new(Reading { label, cause: None, version: mark.version.saturating_add(1) }));
            }
        };
        match handle {
            Some(handle) => raise(handle),
            None => inner.handles.values().for_each(|handle| raise(handle)),
        }
        drop(inner);
        self.changed();
        Ok(Raised { reading, rose: true })
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
        let listeners = self.listeners.lock().clone();
        listeners.iter().for_each(|call| call());
    }

    /// The earliest observation after which `object` no longer dominated the label: why a write to it is refused. `None`
    /// where it dominates, or where no single observation is to blame (missing state, a floor, a declaration).
    #[must_use]
    pub fn cause(&self, handle: Option<&Handle>, object: &SecurityLabel) -> Option<Arc<Observation>> {
        let chain = self.chain(handle);
        chain.into_iter().find(|link| !object.dominates(&link.label_after)).and_then(|link| link.observation)
    }

    /// Everything that raised the instance, or this handle, oldest first, since the last reset.
    #[must_use]
    pub fn chain(&self, handle: Option<&Handle>) -> Vec<Link> {
        match handle {
            Some(handle) => handle.chain.lock().clone(),
            None => self.inner.lock().chain.clone(),
        }
    }

    /// Opens a handle. `now` is what [`Watermark::clock`] gave.
    ///
    /// # Errors
    ///
    /// When as many are open as may be, or it could not be written down.
    pub fn open_handle(&self, opening: Opening, now: Timestamp) -> Result<Opened, HandleError> {
        if let Some(long) = opening.task.as_ref().map(String::len).filter(|bytes| *bytes > MAX_TASK_BYTES) {
            return Err(HandleError::TaskTooLong(long));
        }
        let id = HandleId::draw()?;
        let mut inner = self.inner.lock();
        inner.handles.retain(|_, handle| {
            let lives = handle.expires > now;
            handle.open.fetch_and(lives, Ordering::AcqRel);
            lives
        });
        if inner.handles.len() >= opening.limit {
            return Err(HandleError::LimitReached { limit: opening.limit });
        }
        let kept: usize = inner.handles.values().filter_map(|handle| handle.task.as_ref()).map(|task| task.len()).sum();
        if kept.saturating_add(opening.task.as_ref().map_or(0, String::len)) > MAX_TASK_BYTES_IN_ALL {
            return Err(HandleError::TasksFull);
        }
        let label = self.passing.joined(&opening.start.join(&inner.floor), true);
        let life = u64::try_from(opening.life.as_millis()).unwrap_or(u64::MAX);
        let observation = opening.because.map(Arc::new);
        let chain = vec![Link { kind: LinkKind::Opened, observation, label_after: label.clone() }];
        let handle = Arc::new(Handle {
            key: id.key(),
            listener: opening.listener,
            task: opening.task.map(Arc::from),
            opened_at: now,
            expires: Timestamp(now.0.saturating_add(life)),
            open: AtomicBool::new(true),
            mark: ArcSwap::from_pointee(Reading { label, cause: None, version: 0 }),
            chain: Mutex::new(chain),
        });
        inner.handles.insert(handle.key, Arc::clone(&handle));
        drop(inner);
        self.changed();
        Ok(Opened { id, handle })
    }

    /// The open handle with this ID. `now` is what [`Watermark::clock`] gave; one that has expired is closed for good.
    #[must_use]
    pub fn handle(&self, id: &HandleId, now: Timestamp) -> Option<Arc<Handle>> {
        let key = id.key();
        let found = self.inner.lock().handles.get(&key).cloned()?;
        if found.expires <= now {
            self.close_handle(&found);
            return None;
        }
        Some(found)
    }

    /// Closes a handle. Answers whether it was open.
    pub fn close_handle(&self, handle: &Handle) -> bool {
        let was = self.inner.lock().handles.remove(&handle.key).is_some();
        handle.open.store(false, Ordering::Release);
        was
    }

    /// How many handles are open.
    #[must_use]
    pub fn handles_open(&self) -> usize {
        self.inner.lock().handles.len()
    }

    /// Open handles, at most so many, in no order.
    #[must_use]
    pub fn handles(&self, at_most: usize) -> Vec<Arc<Handle>> {
        self.inner.lock().handles.values().take(at_most).cloned().collect()
    }

    /// Debits `bytes` from the budget of `rule`, and answers what is left of it once that is durable. Check and debit are
    /// one step.
    ///
    /// # Errors
    ///
    /// When it would be more than `budget`, or could not be made durable; nothing may leave then.
    pub fn spend(&self, rule: &str, bytes: u64, budget: u64) -> Result<u64, SpendError> {
        let mut inner = self.inner.lock();
        let spent = inner.spent.entry(rule.to_owned()).or_default();
        let left = budget.saturating_sub(*spent);
        match left.checked_sub(bytes) {
            Some(after) => {
                *spent = spent.saturating_add(bytes);
                Ok(after)
            }
            None => Err(SpendError::OverBudget { asked: bytes, left }),
        }
    }

    /// What was spent since the last reset, by rule.
    #[must_use]
    pub fn spent(&self) -> BTreeMap<String, u64> {
        self.inner.lock().spent.clone()
    }

    /// An operator's act: the instance to its floor joined with what is on its way to the workload, budgets to nothing
    /// spent, all handles closed.
    ///
    /// # Errors
    ///
    /// When it could not be made durable; nothing has changed then.
    pub fn reset(&self, reason: &str, uid: u32, at: Timestamp, subject: &Subject) -> Result<Reset, StateError> {
        let _ = (reason, uid, at);
        let mut inner = self.inner.lock();
        let before = self.now.load_full();
        let after = self.passing.joined(&subject.floor, false);
        self.file.write(inner.lattice.text(&after), None)?;
        let handles_closed = inner.handles.len();
        for (_, handle) in inner.handles.drain() {
            handle.open.store(false, Ordering::Release);
        }
        inner.spent.clear();
        inner.chain = vec![Link { kind: LinkKind::Reset, observation: None, label_after: after.clone() }];
        self.now.store(Arc::new(Reading {
            label: after.clone(),
            cause: None,
            version: before.version.saturating_add(1),
        }));
        drop(inner);
        self.changed();
        Ok(Reset { before: before.label.clone(), after, handles_closed })
    }

    /// The latest wall time that was ever seen here, `wall` included: what has expired stays so when the clock steps back.
    #[must_use]
    pub fn clock(&self, wall: Timestamp) -> Timestamp {
        Timestamp(self.latest.fetch_max(wall.0, Ordering::AcqRel).max(wall.0))
    }

    /// Carries the watermark over to a new policy: raised by the outgoing floor, which is part of
    /// every reading, then told in the new policy's names. A name that the new policy does not
    /// know puts it at the top of the lattice.
    ///
    /// # Errors
    ///
    /// When the result could not be made durable; the old policy must then stay in force.
    pub fn rebase(&self, subject: &Subject, lattice: &Lattice) -> Result<Arc<Reading>, StateError> {
        let mut inner = self.inner.lock();
        let seen = self.now.load_full();
        let carried = |label: &SecurityLabel| inner.lattice.translate(label, lattice).unwrap_or_else(|| lattice.top());
        let label = carried(&seen.label).join(&subject.floor);
        self.file.write(lattice.text(&label), seen.cause.as_deref())?;
        for handle in inner.handles.values() {
            let mark = handle.mark.load_full();
            let label = carried(&mark.label).join(&subject.floor);
            handle.mark.store(Arc::new(Reading { label, cause: None, version: mark.version.saturating_add(1) }));
        }
        let reading = Arc::new(Reading { label, cause: seen.cause.clone(), version: seen.version.saturating_add(1) });
        self.now.store(Arc::clone(&reading));
        inner.chain.push(Link { kind: LinkKind::Policy, observation: None, label_after: reading.label.clone() });
        inner.floor = subject.floor.clone();
        inner.lattice = lattice.clone();
        drop(inner);
        self.changed();
        Ok(reading)
    }
}
