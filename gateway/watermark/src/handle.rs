//! Handles: watermarks within an instance, one for each session that the workload keeps apart.
//!
//! **What holds.** An ID is 128 bits of the operating system's randomness. Who was not given it can't name a handle, and
//! neither memory nor the journal keeps it: both keep the first half of its SHA-256, by which it is looked up, so that the
//! time of a lookup tells nothing of an ID either.
//!
//! **What is absent on purpose.** `Debug` and `Display` of an ID: it is worth as much as what was read under it.
//! [`HandleId::short`] is for records.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Observation, SecurityLabel, Timestamp};
use rand::TryRngCore as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::state::StateError;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, Swap};

/// The longest text of a task, as [`Opening::task`] takes it.
pub const MAX_TASK_BYTES: usize = 8 * 1024;
/// What the texts of all tasks may take together; equal texts count once.
pub const MAX_TASK_BYTES_IN_ALL: usize = 64 * 1024 * 1024;

/// What a workload sends to name a handle: 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct HandleId([u8; 16]);

/// What a handle is kept and looked up by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandleKey(pub(crate) [u8; 16]);

impl HandleId {
    /// A new one.
    pub(crate) fn draw() -> Result<Self, HandleError> {
        let mut bits = [0; 16];
        rand::rngs::OsRng.try_fill_bytes(&mut bits).map_err(|_| HandleError::NoRandomness)?;
        Ok(Self(bits))
    }

    /// Reads exactly 32 lower-case hexadecimal digits; there is no other spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut bits = [0; 16];
        hex::decode_to_slice(text, &mut bits).ok()?;
        Some(Self(bits))
    }

    /// The text that the workload is given: for the header towards the workload, and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// Twelve hexadecimal digits that name the handle in records, and from which it can't be told.
    #[must_use]
    pub fn short(&self) -> String {
        self.key().short()
    }

    pub(crate) fn key(&self) -> HandleKey {
        let digest = Sha256::digest(self.0);
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        HandleKey(key)
    }
}

impl HandleKey {
    fn short(self) -> String {
        self.0.iter().take(6).fold(String::with_capacity(12), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Eight of its bytes; all are as random as each other.
    pub(crate) fn bits(self) -> u64 {
        self.0.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    /// A byte that is not among [`HandleKey::bits`].
    pub(crate) fn shard(self) -> usize {
        self.0.last().copied().map_or(0, usize::from)
    }
}

impl Serialize for HandleKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for HandleKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut key = [0; 16];
        hex::decode_to_slice(text.as_bytes(), &mut key).map_err(serde::de::Error::custom)?;
        Ok(Self(key))
    }
}

/// The listener that a handle is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandleListener {
    /// The workload's own egress listener.
    Egress,
    /// The listener of the Envoy beside us.
    Envoy,
}

impl HandleListener {
    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Envoy => "envoy",
        }
    }
}

/// An open handle, or one that was open. A million of them fit into memory: labels are shared, and what raised them is on
/// disk alone.
pub struct Handle {
    pub(crate) key: HandleKey,
    /// Its number in the order of opening, in this process.
    pub(crate) number: u64,
    /// What it started with, joined with what was observed under it. What came without a handle is in the steps.
    pub(crate) mark: Swap<SecurityLabel>,
    /// How often `mark` moved.
    pub(crate) moves: AtomicU32,
    /// Bytes of its lines in the journal.
    pub(crate) bytes: AtomicU32,
    /// Offset of its last line, in the journal and in the one that is being written to replace it; which is which, the
    /// journal knows.
    pub(crate) places: [AtomicU64; 2],
    pub(crate) opened_at: Timestamp,
    pub(crate) expires: Timestamp,
    // One word where there is none, which is nearly always.
    pub(crate) task: Option<Arc<Arc<str>>>,
    pub(crate) listener: HandleListener,
    pub(crate) open: AtomicBool,
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
        self.task.as_deref()
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

    /// Twelve hexadecimal digits that name it in records, the same as [`HandleId::short`].
    #[must_use]
    pub fn short(&self) -> String {
        self.key.short()
    }

    /// Joins what was observed under it. Called by one thread at a time.
    pub(crate) fn raise(&self, label: &SecurityLabel, shared: impl FnOnce(SecurityLabel) -> Arc<SecurityLabel>) {
        let mark = self.mark.load_full();
        if !mark.dominates(label) {
            // The label first: who reads the old count with the new label looks once more.
            self.mark.store(shared(mark.join(label)));
            self.moves.fetch_add(1, Ordering::Release);
        }
    }

    pub(crate) fn place(&self, side: usize) -> u64 {
        self.places.get(side).map_or(0, |place| place.load(Ordering::Acquire))
    }

    /// Notes a line of `bytes` at `offset`.
    pub(crate) fn put(&self, side: usize, offset: u64) {
        if let Some(place) = self.places.get(side) {
            place.store(offset, Ordering::Release);
        }
    }
}

/// A handle that was just opened, with its ID, which is kept nowhere else.
pub struct Opened {
    /// What the workload is given.
    pub id: HandleId,
    /// The handle.
    pub handle: Arc<Handle>,
}

/// How a handle is opened.
pub struct Opening {
    /// Where it starts; it is joined with the floor.
    pub start: SecurityLabel,
    /// What gave it that label, where that was one observation.
    pub because: Option<Observation>,
    /// Which listener it is bound to.
    pub listener: HandleListener,
    /// The task that it was opened for, in its text form, at most [`MAX_TASK_BYTES`].
    pub task: Option<String>,
    /// How long it lives.
    pub life: Duration,
    /// How many may be open at once, this one included.
    pub limit: usize,
}

/// Why no handle was opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HandleError {
    /// As many are open as may be.
    #[error("{limit} handles are open, as many as the policy allows; close one or wait until one expires")]
    LimitReached {
        /// What the policy allows.
        limit: usize,
    },
    /// The task's text is longer than [`MAX_TASK_BYTES`].
    #[error("the task has {0} bytes, expected at most {MAX_TASK_BYTES}")]
    TaskTooLong(usize),
    /// The texts of all tasks together would be longer than [`MAX_TASK_BYTES_IN_ALL`].
    #[error("the tasks of all open handles would take more than {MAX_TASK_BYTES_IN_ALL} bytes; close some")]
    TasksFull,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; no handle can be made without it")]
    NoRandomness,
    /// It could not be written down.
    #[error(transparent)]
    State(#[from] StateError),
}
