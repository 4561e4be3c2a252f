//! The table of what could not be refined, with why.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bellgate_policy::Timestamp;
use bellgate_telemetry::{Quarantined, Tenant};

use crate::columns::Columns;

/// What a file is sorted by.
pub(super) fn order(row: &Quarantined) -> (Timestamp, Box<[u8]>) {
    (row.at(), row.name())
}

/// The columns; `None` without rows.
pub(super) fn batch(rows: &[Quarantined], tenant: &Tenant) -> Result<Option<RecordBatch>, ArrowError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let rows: Vec<Row<'_>> = rows.iter().map(|row| Row { name: row.name(), json: row.event_json(), row }).collect();
    Columns::identified(&rows, tenant, |row| &row.name)?
        .time("occurred_at", |row| row.row.at())
        .text("event_kind", |row| row.row.record.event.kind().as_str())
        .text("request_id", |row| row.row.record.event.request_id())
        .text("why", |row| row.row.why.code())
        .text("event", |row| &row.json)
        .batch()
        .map(Some)
}

struct Row<'a> {
    name: Box<[u8]>,
    json: String,
    row: &'a Quarantined,
}
