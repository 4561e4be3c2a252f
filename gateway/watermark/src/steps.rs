//! What came without a handle, for each handle that was open then, without walking the handles.
//!
//! Handles are numbered in the order in which they were opened. Something observed without a handle raises all that are
//! open, which are some of those with numbers below the next one to be given. So for handle `k` it is the join of all such
//! raises at which the next number was above `k`: a function of `k` that falls as `k` rises.
//!
//! **What is bounded.** It falls strictly from step to step, so there are at most levels + categories of them.

use std::sync::Arc;

use bellgate_policy::SecurityLabel;

/// A falling function from handle numbers to labels, as its steps.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    /// `(upto, label)`: what handles below `upto`, and not below the `upto` before, were raised by.
    falling: Vec<(u64, Arc<SecurityLabel>)>,
    /// Moves with every change.
    pub(crate) version: u64,
}

impl Steps {
    /// What handle `number` was raised by.
    pub(crate) fn of(&self, number: u64) -> Option<&Arc<SecurityLabel>> {
        let at = self.falling.partition_point(|(upto, _)| *upto <= number);
        self.falling.get(at).map(|(_, label)| label)
    }

    /// Raises all handles with numbers below `upto`, which never falls from call to call.
    pub(crate) fn raise(&mut self, upto: u64, label: &SecurityLabel) {
        let mut after: Vec<(u64, Arc<SecurityLabel>)> = vec![(upto, Arc::new(label.clone()))];
        // From the newest to the oldest; what is no longer a step of its own goes.
        for (upto, before) in self.falling.drain(..).rev() {
            let joined = if before.dominates(label) { before } else { Arc::new(before.join(label)) };
            if after.last().is_some_and(|(at, newer)| *newer == joined || *at == upto) {
                // The newer reaches at least as far.
                if let Some((_, newer)) = after.last_mut() {
                    *newer = joined;
                }
            } else {
                after.push((upto, joined));
            }
        }
        after.reverse();
        self.falling = after;
        self.version = self.version.saturating_add(1);
    }

    /// The same with other labels, which must keep their order or be dropped to the same one.
    pub(crate) fn map(&mut self, to: impl Fn(&SecurityLabel) -> SecurityLabel) {
        for (_, label) in &mut self.falling {
            *label = Arc::new(to(label));
        }
        self.version = self.version.saturating_add(1);
    }
}
