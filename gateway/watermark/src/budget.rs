//! Bytes spent by reads of lower objects (`read_down`).

use crate::state::StateError;

/// Why bytes may not be spent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpendError {
    /// It would be more than the budget.
    #[error("{asked} bytes are more than the {left} that are left of this budget; an operator can reset it")]
    OverBudget {
        /// What was asked for.
        asked: u64,
        /// What is left.
        left: u64,
    },
    /// It could not be made durable.
    #[error(transparent)]
    State(#[from] StateError),
}
