//! `read_down` of a grant: observing an object that does not dominate the current label, within a budget.
//!
//! **What holds.** Only the star property is lifted, and only for `observe`: the clearance must dominate the object's label
//! as ever. The request carries the object's own label. Who keeps the budget debits target and headers durably before the
//! request leaves, and drops every header that the rule does not keep.

use std::fmt;
use std::sync::Arc;

use crate::templates::Templates;

/// What a grant allows of reading down. Built only by [`crate::Policy::parse`].
pub struct ReadDown {
    /// The grant's rule ID, under which the budget is spent.
    pub rule: Arc<str>,
    /// Bytes of target and headers, in all until a reset.
    pub budget: u64,
    /// Names of the headers that are kept, in lower case; all else is dropped, cookies always.
    pub headers: Vec<String>,
    pub(crate) templates: Templates,
}

impl fmt::Debug for ReadDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDown").field("rule", &self.rule).field("budget", &self.budget).finish_non_exhaustive()
    }
}
