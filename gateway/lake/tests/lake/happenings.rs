//! Events to test with, and a lake to put them into.

use std::path::Path;
use std::time::Duration;

use bellgate_lake::read::preview;
use bellgate_lake::{Lake, LakeConfig, LakeHandle, Table};
use bellgate_policy::Timestamp;
use bellgate_telemetry::{
    CapabilityCallEvent, DecisionEvent, DowngradeEvent, Event, EventSender, ExchangeEvent, Listener, Point, Ruling,
    StreamEvent, Tenant, channel,
};
use serde_json::Value;

/// 2026-01-01T00:00:00Z
pub(crate) const NEW_YEAR: u64 = 1_767_225_600_000;

pub(crate) const PLANNER: &str = "spiffe://demo.bellgate.test/planner";

pub(crate) fn exchange(request: u64) -> ExchangeEvent {
    ExchangeEvent {
        request_id: format!("request-{request}"),
        instance: "9f1c".into(),
        at: Timestamp(NEW_YEAR + request),
        listener: Listener::Egress,
        method: "POST".into(),
        subject: PLANNER.into(),
        object: "search".into(),
        mode: "alter".into(),
        verdict: Ruling::Permit,
        reason: None,
        status: 200,
        request_bytes: request,
        response_bytes: 2 * request,
        duration_us: 1000,
        label: "PUBLIC".into(),
        stream: false,
        policy: "sha256:00".into(),
    }
}

pub(crate) fn refused(request: u64) -> DecisionEvent {
    DecisionEvent {
        request_id: format!("request-{request}"),
        point: Point::Request,
        at: Timestamp(NEW_YEAR + request),
        subject: PLANNER.into(),
        object: "search".into(),
        mode: "alter".into(),
        permit: false,
        reasons: vec!["no-write-down".into(), "not-granted".into()],
        current: Some("RESTRICTED:clinical".into()),
        object_label: Some("PUBLIC".into()),
        clearance: Some("RESTRICTED:clinical".into()),
        rule: None,
        cause_request_id: Some("request-0".into()),
        cause_object: Some("records/patients".into()),
        cause_at: Some(Timestamp(NEW_YEAR)),
        cause_label: Some("RESTRICTED:clinical".into()),
        downgrade: Some(DowngradeEvent { kind: "guard".into(), rule: "grants[1]".into(), label: "PUBLIC".into() }),
        handle: Some("3f9a1c02d4e5".into()),
        policy: "sha256:00".into(),
        label: "RESTRICTED:clinical".into(),
    }
}

pub(crate) fn token(stream: u64, offset: u64) -> StreamEvent {
    StreamEvent {
        stream_id: format!("request-{stream}"),
        offset,
        at: Timestamp(NEW_YEAR + offset),
        event_type: "message".into(),
        event_id: offset.is_multiple_of(2).then(|| offset.to_string()),
        data_bytes: 10 + offset,
        label: "CONFIDENTIAL:clinical,genomics".into(),
    }
}

pub(crate) fn call(request: u64) -> CapabilityCallEvent {
    CapabilityCallEvent {
        request_id: format!("request-{request}"),
        at: Timestamp(NEW_YEAR + request),
        capability: "deidentify".into(),
        urn: "urn:bellgate:actionspace:solver:deidentify:v1".into(),
        digest: "00ff".into(),
        outcome: if request.is_multiple_of(2) { "ok".into() } else { "fuel-exhausted".into() },
        input_bytes: 300,
        output_bytes: 250,
        duration_us: 900,
        label: "RESTRICTED:clinical".into(),
    }
}

/// One that goes to quarantine.
pub(crate) fn unreadable(request: u64) -> ExchangeEvent {
    ExchangeEvent { label: "no such label".into(), ..exchange(request) }
}

/// Some of each kind.
pub(crate) fn some_of_each(count: u64) -> Vec<Event> {
    (0..count)
        .flat_map(|n| {
            [
                Event::Exchange(Box::new(exchange(n))),
                Event::Decision(Box::new(refused(n))),
                Event::StreamEvent(Box::new(token(0, n))),
                Event::CapabilityCall(Box::new(call(n))),
                Event::Exchange(Box::new(unreadable(n))),
            ]
        })
        .collect()
}

/// A lake that writes only when it is told to, unless `flush_rows` are there.
pub(crate) fn config(root: &Path, flush_rows: usize) -> LakeConfig {
    LakeConfig {
        flush_rows,
        flush_interval: Duration::from_secs(3600),
        ..LakeConfig::new(root, Tenant::parse("demo").unwrap(), "RESTRICTED:clinical")
    }
}

pub(crate) fn start(config: LakeConfig) -> (EventSender, LakeHandle) {
    let (sender, receiver) = channel(100_000);
    (sender, Lake::start(config, receiver).unwrap())
}

/// Writes these events in batches of `flush_rows`, and ends the lake.
pub(crate) fn write(root: &Path, flush_rows: usize, events: &[Event]) {
    let (sender, lake) = start(config(root, flush_rows));
    for event in events {
        assert!(sender.offer(event.clone()));
    }
    lake.close().unwrap();
}

/// All rows of a table.
pub(crate) fn rows(root: &Path, table: Table) -> Vec<Value> {
    preview(root, table, u32::MAX).unwrap().rows
}

/// A member of a row, as text.
pub(crate) fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_else(|| panic!("`{column}` of {row}"))
}
