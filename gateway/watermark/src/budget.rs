//! Bytes spent by reads of lower objects (`read_down`).

use std::collections::BTreeMap;

use crate::journal::Effect;
use crate::record::Record;
use crate::state::StateError;
use crate::watermark::Watermark;

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

impl Watermark {
    /// Debits `bytes` from the budget of `rule`, and answers what is left of it once that is durable. Check and debit are
    /// one step. After damaged state, what was spent is not known, and nothing is left of any budget until a reset.
    ///
    /// # Errors
    ///
    /// When it would be more than `budget`, or could not be made durable; nothing may leave then.
    pub fn spend(&self, rule: &str, bytes: u64, budget: u64) -> Result<u64, SpendError> {
        let mut journal = self.ready()?;
        let spent = journal.spent.get(rule).copied().unwrap_or(0);
        let left = if journal.budgets_unknown { 0 } else { budget.saturating_sub(spent) };
        let after = left.checked_sub(bytes).ok_or(SpendError::OverBudget { asked: bytes, left })?;
        if bytes == 0 {
            return Ok(after);
        }
        let record = Record::Spend { rule: rule.to_owned(), bytes };
        let offset = journal.append(&record).map_err(self.files.writing(&self.files.journal))?;
        journal.dead = journal.dead.saturating_add(journal.since(offset));
        journal.spent.insert(rule.to_owned(), spent.saturating_add(bytes));
        let slot = journal.expect(offset, Effect::Spend { rule: rule.to_owned(), bytes });
        drop(journal);
        self.settle(&slot)?;
        Ok(after)
    }

    /// What was spent since the last reset, by rule.
    #[must_use]
    pub fn spent(&self) -> BTreeMap<String, u64> {
        self.journal.lock().spent_for_good.clone()
    }
}
