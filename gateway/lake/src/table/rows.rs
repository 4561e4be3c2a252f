//! The rows of one partition, waiting to be written.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bellgate_policy::Timestamp;
use bellgate_telemetry::{Quarantined, SilverRow, Table, Tenant};

use super::{Entities, quarantine, silver};

/// Rows of one table, label and day.
pub(crate) enum Rows {
    Silver(Vec<SilverRow>),
    Entities(Entities),
    Quarantine(Vec<Quarantined>),
}

impl Rows {
    /// No rows yet.
    pub(crate) fn of(table: Table) -> Self {
        match table {
            Table::Events | Table::Decisions | Table::StreamTokens | Table::CapabilityCalls => Self::Silver(Vec::new()),
            Table::Entities => Self::Entities(Entities::default()),
            Table::Quarantine => Self::Quarantine(Vec::new()),
        }
    }

    /// Adds a row of a table that has one for each event. Says whether it did.
    pub(crate) fn push(&mut self, row: SilverRow) -> bool {
        match self {
            Self::Silver(rows) => rows.push(row),
            Self::Entities(_) | Self::Quarantine(_) => return false,
        }
        true
    }

    /// Adds a quarantined record. Says whether it did.
    pub(crate) fn push_quarantined(&mut self, record: Quarantined) -> bool {
        match self {
            Self::Quarantine(rows) => rows.push(record),
            Self::Entities(_) | Self::Silver(_) => return false,
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Silver(rows) => rows.len(),
            Self::Entities(rows) => rows.len(),
            Self::Quarantine(rows) => rows.len(),
        }
    }

    /// The columns of all rows, and the time of the first; `None` if there is no row.
    pub(crate) fn batch(&mut self, tenant: &Tenant) -> Result<Option<(RecordBatch, Timestamp)>, ArrowError> {
        let (batch, first) = match self {
            Self::Silver(rows) => {
                rows.sort_by(|one, other| silver::order(one).cmp(&silver::order(other)));
                (silver::batch(rows, tenant)?, rows.first().map(|row| row.event().at()))
            }
            Self::Entities(entities) => (entities.batch(tenant)?, entities.first_seen()),
            Self::Quarantine(rows) => {
                rows.sort_by_cached_key(quarantine::order);
                (quarantine::batch(rows, tenant)?, rows.first().map(|row| row.at()))
            }
        };
        Ok(batch.zip(first))
    }
}
