//! `read_down` of a grant: observing an object that does not dominate the current label, within a budget.

use std::sync::Arc;

/// What a grant allows of reading down.
#[derive(Debug)]
pub struct ReadDown {
    /// The grant's rule ID, under which the budget is spent.
    pub rule: Arc<str>,
    /// Bytes of target and headers, in all until a reset.
    pub budget: u64,
    /// Names of the headers that are kept, in lower case; all else is dropped.
    pub headers: Vec<String>,
}
