//! How much work one comparison of a document with a schema may take, counted instead of timed.
//!
//! Every look of the validator at a value costs something here. Once nothing is left, values look
//! like an empty `null`, so that whatever the validator is in the middle of ends at once; its
//! answer is then thrown away. The same document always costs the same.

use std::cell::Cell;

/// Bytes of a string that cost as much as one look at a value.
const BYTES_PER_STEP: usize = 64;

/// What is left.
pub(crate) struct Meter {
    steps: Cell<u64>,
    spent: Cell<bool>,
}

impl Meter {
    pub(crate) fn new(steps: u64) -> Self {
        Self { steps: Cell::new(steps), spent: Cell::new(false) }
    }

    /// Takes what looking at this many bytes costs. False once nothing is left.
    pub(crate) fn look(&self, bytes: usize) -> bool {
        self.take(1_u64.saturating_add(wide(bytes / BYTES_PER_STEP)))
    }

    /// Takes this many steps. False once nothing is left.
    pub(crate) fn take(&self, steps: u64) -> bool {
        if self.spent.get() {
            return false;
        }
        match self.steps.get().checked_sub(steps) {
            Some(left) => self.steps.set(left),
            None => self.spent.set(true),
        }
        !self.spent.get()
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.get()
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
