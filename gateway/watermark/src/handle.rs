//! Handles: watermarks within an instance, one for each session that the workload keeps apart.
//!
//! **What holds.** An ID is 128 bits of the operating system's randomness. Who was not given it can't name a handle, and
//! neither memory nor the journal keeps it: both keep the first half of its SHA-256, by which it is looked up, so that the
//! time of a lookup tells nothing of an ID either.
//!
//! **What is absent on purpose.** `Debug` and `Display` of an ID: it is worth as much as what was read under it.
//! [`HandleId::short`] is for records.

use std::time::Duration;

use bellgate_policy::{Observation, SecurityLabel};
use rand::TryRngCore as _;
use sha2::{Digest, Sha256};

use crate::state::StateError;

/// The longest text of a task, as [`Opening::task`] takes it.
pub const MAX_TASK_BYTES: usize = 8 * 1024;
/// What the texts of all tasks may take together; equal texts count once.
pub const MAX_TASK_BYTES_IN_ALL: usize = 64 * 1024 * 1024;

/// What a workload sends to name a handle: 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct HandleId([u8; 16]);

/// What a handle is kept and looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
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
    pub(crate) fn short(self) -> String {
        let mut text = hex::encode(self.0);
        text.truncate(12);
        text
    }
}

/// The listener that a handle is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
