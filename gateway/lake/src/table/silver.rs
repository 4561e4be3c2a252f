//! The tables that have a row for each event.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use bellgate_policy::Timestamp;
use bellgate_telemetry::{CapabilityCallEvent, DecisionEvent, Event, ExchangeEvent, SilverRow, StreamEvent, Tenant};

use crate::columns::Columns;

/// What a file is sorted by.
pub(super) fn order(row: &SilverRow) -> (Timestamp, &[u8], &Event) {
    (row.event().at(), row.name(), row.event())
}

/// One event with the name of its identity.
struct Named<'a, E> {
    name: &'a [u8],
    event: &'a E,
}

/// The columns of rows of one table; `None` without rows.
pub(super) fn batch(rows: &[SilverRow], tenant: &Tenant) -> Result<Option<RecordBatch>, ArrowError> {
    let Some(first) = rows.first() else { return Ok(None) };
    match first.event() {
        Event::Exchange(_) => exchanges(
            &named(rows, |event| match event {
                Event::Exchange(event) => Some(&**event),
                Event::Decision(_) | Event::StreamEvent(_) | Event::CapabilityCall(_) => None,
            })?,
            tenant,
        ),
        Event::Decision(_) => decisions(
            &named(rows, |event| match event {
                Event::Decision(event) => Some(&**event),
                Event::Exchange(_) | Event::StreamEvent(_) | Event::CapabilityCall(_) => None,
            })?,
            tenant,
        ),
        Event::StreamEvent(_) => stream_tokens(
            &named(rows, |event| match event {
                Event::StreamEvent(event) => Some(&**event),
                Event::Exchange(_) | Event::Decision(_) | Event::CapabilityCall(_) => None,
            })?,
            tenant,
        ),
        Event::CapabilityCall(_) => capability_calls(
            &named(rows, |event| match event {
                Event::CapabilityCall(event) => Some(&**event),
                Event::Exchange(_) | Event::Decision(_) | Event::StreamEvent(_) => None,
            })?,
            tenant,
        ),
    }
    .map(Some)
}

/// All rows as events of one kind. One of another kind would be a mistake of this package, and is told as such.
fn named<E>(rows: &[SilverRow], of_kind: impl Fn(&Event) -> Option<&E>) -> Result<Vec<Named<'_, E>>, ArrowError> {
    rows.iter()
        .map(|row| {
            let event = of_kind(row.event()).ok_or_else(|| {
                ArrowError::InvalidArgumentError(format!("a row of `{}` among others", row.table().as_str()))
            })?;
            Ok(Named { name: row.name(), event })
        })
        .collect()
}

fn exchanges(rows: &[Named<'_, ExchangeEvent>], tenant: &Tenant) -> Result<RecordBatch, ArrowError> {
    Columns::identified(rows, tenant, |row| row.name)?
        .time("occurred_at", |row| row.event.at)
        .text("request_id", |row| &row.event.request_id)
        .text("instance", |row| &row.event.instance)
        .text("listener", |row| row.event.listener.as_str())
        .text("method", |row| &row.event.method)
        .text("subject", |row| &row.event.subject)
        .text("object", |row| &row.event.object)
        .text("mode", |row| &row.event.mode)
        .text("verdict", |row| row.event.verdict.as_str())
        .optional_text("reason", |row| row.event.reason.as_deref())
        .small_count("status", |row| row.event.status.into())
        .count("request_bytes", |row| row.event.request_bytes)
        .count("response_bytes", |row| row.event.response_bytes)
        .count("duration_us", |row| row.event.duration_us)
        .truth("stream", |row| row.event.stream)
        .text("policy", |row| &row.event.policy)
        .batch()
}

fn decisions(rows: &[Named<'_, DecisionEvent>], tenant: &Tenant) -> Result<RecordBatch, ArrowError> {
    Columns::identified(rows, tenant, |row| row.name)?
        .time("occurred_at", |row| row.event.at)
        .text("request_id", |row| &row.event.request_id)
        .text("point", |row| row.event.point.as_str())
        .text("subject", |row| &row.event.subject)
        .text("object", |row| &row.event.object)
        .text("mode", |row| &row.event.mode)
        .truth("permit", |row| row.event.permit)
        .texts("reasons", |row| &row.event.reasons)
        .optional_text("current", |row| row.event.current.as_deref())
        .optional_text("object_label", |row| row.event.object_label.as_deref())
        .optional_text("clearance", |row| row.event.clearance.as_deref())
        .optional_text("rule", |row| row.event.rule.as_deref())
        .optional_text("cause_request_id", |row| row.event.cause_request_id.as_deref())
        .optional_text("cause_object", |row| row.event.cause_object.as_deref())
        .optional_time("cause_at", |row| row.event.cause_at)
        .optional_text("cause_label", |row| row.event.cause_label.as_deref())
        .optional_text("downgrade", |row| row.event.downgrade.as_ref().map(|downgrade| downgrade.kind.as_str()))
        .optional_text("downgrade_rule", |row| row.event.downgrade.as_ref().map(|downgrade| downgrade.rule.as_str()))
        .optional_text("downgrade_label", |row| row.event.downgrade.as_ref().map(|downgrade| downgrade.label.as_str()))
        .optional_text("handle", |row| row.event.handle.as_deref())
        .text("policy", |row| &row.event.policy)
        .batch()
}

fn stream_tokens(rows: &[Named<'_, StreamEvent>], tenant: &Tenant) -> Result<RecordBatch, ArrowError> {
    Columns::identified(rows, tenant, |row| row.name)?
        .time("occurred_at", |row| row.event.at)
        .text("stream_id", |row| &row.event.stream_id)
        .count("stream_offset", |row| row.event.offset)
        .text("event_type", |row| &row.event.event_type)
        .optional_text("event_id", |row| row.event.event_id.as_deref())
        .count("data_bytes", |row| row.event.data_bytes)
        .batch()
}

fn capability_calls(rows: &[Named<'_, CapabilityCallEvent>], tenant: &Tenant) -> Result<RecordBatch, ArrowError> {
    Columns::identified(rows, tenant, |row| row.name)?
        .time("occurred_at", |row| row.event.at)
        .text("request_id", |row| &row.event.request_id)
        .text("capability", |row| &row.event.capability)
        .text("urn", |row| &row.event.urn)
        .text("digest", |row| &row.event.digest)
        .text("outcome", |row| &row.event.outcome)
        .count("input_bytes", |row| row.event.input_bytes)
        .count("output_bytes", |row| row.event.output_bytes)
        .count("duration_us", |row| row.event.duration_us)
        .batch()
}
