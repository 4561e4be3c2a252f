use bellgate_policy::Timestamp;
use proptest::prelude::*;

use super::check::{MAX_REASONS, MAX_TEXT_BYTES, is_label};
use super::{BronzeRecord, Table, Why, refine};
use crate::entity::{Tenant, entity_uuid};
use crate::event::{
    CapabilityCallEvent, DecisionEvent, DowngradeEvent, Event, ExchangeEvent, Listener, Point, Ruling, StreamEvent,
};

const LAST_TIME: u64 = 253_402_300_799_999;

fn tenant() -> Tenant {
    Tenant::parse("demo").unwrap()
}

fn exchange() -> ExchangeEvent {
    ExchangeEvent {
        request_id: "r1".into(),
        instance: "i1".into(),
        at: Timestamp(1_767_225_600_000),
        listener: Listener::Egress,
        method: "POST".into(),
        subject: "spiffe://demo.bellgate.test/planner".into(),
        object: "search".into(),
        mode: "alter".into(),
        verdict: Ruling::Refuse,
        reason: Some("no-write-down".into()),
        status: 403,
        request_bytes: 12,
        response_bytes: 0,
        duration_us: 300,
        label: "PUBLIC".into(),
        stream: false,
        policy: "sha256:00".into(),
    }
}

fn decision() -> DecisionEvent {
    DecisionEvent {
        request_id: "r1".into(),
        point: Point::Request,
        at: Timestamp(1_767_225_600_000),
        subject: "spiffe://demo.bellgate.test/planner".into(),
        object: "search".into(),
        mode: "alter".into(),
        permit: false,
        reasons: vec!["no-write-down".into()],
        current: Some("RESTRICTED:clinical".into()),
        object_label: Some("PUBLIC".into()),
        clearance: Some("RESTRICTED:clinical".into()),
        rule: None,
        cause_request_id: Some("r0".into()),
        cause_object: Some("records".into()),
        cause_at: Some(Timestamp(1_767_225_500_000)),
        cause_label: Some("RESTRICTED:clinical".into()),
        downgrade: None,
        handle: None,
        policy: "sha256:00".into(),
        label: "RESTRICTED:clinical".into(),
    }
}

fn stream_event() -> StreamEvent {
    StreamEvent {
        stream_id: "r1".into(),
        offset: 7,
        at: Timestamp(1_767_225_600_000),
        event_type: "message".into(),
        event_id: None,
        data_bytes: 5,
        label: "PUBLIC".into(),
    }
}

fn call() -> CapabilityCallEvent {
    CapabilityCallEvent {
        request_id: "r1".into(),
        at: Timestamp(1_767_225_600_000),
        capability: "deidentify".into(),
        urn: "urn:bellgate:actionspace:solver:deidentify:v1".into(),
        digest: "00".into(),
        outcome: "ok".into(),
        input_bytes: 10,
        output_bytes: 9,
        duration_us: 40,
        label: "RESTRICTED:clinical".into(),
    }
}

fn refined(event: Event) -> Result<super::SilverRow, Why> {
    let record = BronzeRecord { tenant: tenant(), event };
    refine(record.clone()).map_err(|quarantined| {
        assert_eq!(quarantined.record, record, "a quarantined record keeps its event");
        quarantined.why
    })
}

fn exchange_with(change: impl FnOnce(&mut ExchangeEvent)) -> Result<super::SilverRow, Why> {
    let mut event = exchange();
    change(&mut event);
    refined(Event::Exchange(Box::new(event)))
}

fn decision_with(change: impl FnOnce(&mut DecisionEvent)) -> Result<super::SilverRow, Why> {
    let mut event = decision();
    change(&mut event);
    refined(Event::Decision(Box::new(event)))
}

#[test]
fn each_event_has_its_table_its_keys_and_what_was_seen_in_it() {
    let planner = ("subject", "spiffe://demo.bellgate.test/planner");
    let rows = [
        (Event::Exchange(Box::new(exchange())), Table::Events, vec![planner, ("object", "search")]),
        (Event::Decision(Box::new(decision())), Table::Decisions, vec![planner, ("object", "search")]),
        (Event::StreamEvent(Box::new(stream_event())), Table::StreamTokens, vec![]),
        (
            Event::CapabilityCall(Box::new(call())),
            Table::CapabilityCalls,
            vec![("capability", "urn:bellgate:actionspace:solver:deidentify:v1")],
        ),
    ];
    for (event, table, seen) in rows {
        let row = refined(event.clone()).unwrap();
        assert_eq!(row.table(), table);
        assert_eq!(row.event(), &event);
        assert_eq!(row.seen().map(|seen| (seen.kind, seen.name)).collect::<Vec<_>>(), seen);
    }
}

#[test]
fn the_identity_is_that_of_the_documented_keys() {
    let row = exchange_with(|event| event.request_id = "019234ab-0000-7000-8000-000000000001".into()).unwrap();
    // The first vector of tests/vectors/entity.json.
    assert_eq!(entity_uuid(&tenant(), row.name()).to_string(), "28e77d3f-52e2-53b9-bc2e-9fe79f5d06c0");
    let row = exchange_with(|_| {}).unwrap();
    let planner = row.seen().next().unwrap();
    assert_eq!(
        &*planner.identity().unwrap(),
        b"s\0\0\0\x06entitys\0\0\0\x07subjects\0\0\0\x23spiffe://demo.bellgate.test/planner"
    );
}

#[test]
fn an_empty_name_is_no_entity() {
    let row = exchange_with(|event| event.subject = String::new()).unwrap();
    assert_eq!(row.seen().map(|seen| seen.kind).collect::<Vec<_>>(), ["object"]);
}

#[test]
fn what_cannot_be_a_row_is_quarantined_with_the_reason() {
    let most = "x".repeat(MAX_TEXT_BYTES);
    let over = "x".repeat(MAX_TEXT_BYTES + 1);
    assert_eq!(exchange_with(|e| e.request_id.clear()).unwrap_err(), Why::RequestIdMissing);
    assert_eq!(exchange_with(|e| e.label.clear()).unwrap_err(), Why::LabelUnreadable);
    assert_eq!(exchange_with(|e| e.at = Timestamp(LAST_TIME + 1)).unwrap_err(), Why::TimeOutOfRange);
    assert_eq!(decision_with(|e| e.cause_at = Some(Timestamp(u64::MAX))).unwrap_err(), Why::TimeOutOfRange);
    assert!(exchange_with(|e| e.at = Timestamp(LAST_TIME)).is_ok());
    assert!(exchange_with(|e| e.at = Timestamp(LAST_TIME - 1)).is_ok());
    assert!(exchange_with(|e| e.object.clone_from(&most)).is_ok());
    assert_eq!(exchange_with(|e| e.object.clone_from(&over)).unwrap_err(), Why::TextTooLong);
    assert_eq!(exchange_with(|e| e.reason = Some(over.clone())).unwrap_err(), Why::TextTooLong);
    assert_eq!(decision_with(|e| e.rule = Some(over.clone())).unwrap_err(), Why::TextTooLong);
    assert_eq!(decision_with(|e| e.handle = Some(over.clone())).unwrap_err(), Why::TextTooLong);
    for (kind, rule, label) in [(&over, &most, &most), (&most, &over, &most), (&most, &most, &over)] {
        let downgrade = DowngradeEvent { kind: kind.clone(), rule: rule.clone(), label: label.clone() };
        assert_eq!(decision_with(|e| e.downgrade = Some(downgrade)).unwrap_err(), Why::TextTooLong);
    }
    assert_eq!(decision_with(|e| e.reasons.push(over.clone())).unwrap_err(), Why::TextTooLong);
    assert!(decision_with(|e| e.reasons = vec!["x".into(); MAX_REASONS]).is_ok());
    assert_eq!(decision_with(|e| e.reasons = vec!["x".into(); MAX_REASONS + 1]).unwrap_err(), Why::TextTooLong);
    assert_eq!(decision_with(|e| e.permit = true).unwrap_err(), Why::Contradiction);
    assert_eq!(decision_with(|e| e.reasons.clear()).unwrap_err(), Why::Contradiction);
    let stream_event = StreamEvent { event_id: Some(over.clone()), ..stream_event() };
    assert_eq!(refined(Event::StreamEvent(Box::new(stream_event))).unwrap_err(), Why::TextTooLong);
    let call = CapabilityCallEvent { outcome: over.into(), ..call() };
    assert_eq!(refined(Event::CapabilityCall(Box::new(call))).unwrap_err(), Why::TextTooLong);
    for (status, passes) in [(0, true), (1, false), (99, false), (100, true), (999, true), (1000, false)] {
        assert_eq!(exchange_with(|e| e.status = status).is_ok(), passes, "{status}");
    }
}

#[test]
fn a_label_has_the_canonical_form() {
    let of_32 = "c".repeat(32);
    for good in ["PUBLIC", "R:a", "RESTRICTED:clinical,genomics", "a-b_9:A,B,a", &of_32] {
        assert!(is_label(good), "{good}");
    }
    let of_33 = "c".repeat(33);
    for bad in ["", ":", "R:", ":a", "R:a,", "R:,a", "R:b,a", "R:a,a", "R:a:b", "R a", "R/..", "R\n", "\u{e9}", &of_33]
    {
        assert!(!is_label(bad), "{bad:?}");
    }
    let categories = |count: u32| (0..count).map(|n| format!("c{n:030}")).collect::<Vec<_>>().join(",");
    assert!(is_label(&format!("R:{}", categories(255))));
    assert!(!is_label(&format!("R:{}", categories(257))), "longer than 8 KiB");
}

#[test]
fn a_quarantined_record_has_a_place_whatever_is_wrong_with_it() {
    let mut event = exchange();
    event.request_id = "\u{e9}".repeat(MAX_TEXT_BYTES);
    event.label = "no label".into();
    event.at = Timestamp(u64::MAX);
    let quarantined = refine(BronzeRecord { tenant: tenant(), event: Event::Exchange(Box::new(event)) }).unwrap_err();
    assert_eq!(quarantined.why, Why::LabelUnreadable);
    assert_eq!(quarantined.label(), None);
    assert_eq!(quarantined.at(), Timestamp(0));
    assert!(quarantined.event_json().len() <= MAX_TEXT_BYTES);
    assert_eq!(quarantined.name(), quarantined.clone().name());
    assert!(quarantined.name().len() < 4 * MAX_TEXT_BYTES);
}

#[test]
fn events_are_the_same_after_json() {
    for event in [
        Event::Exchange(Box::new(exchange())),
        Event::Decision(Box::new(decision())),
        Event::StreamEvent(Box::new(stream_event())),
        Event::CapabilityCall(Box::new(call())),
    ] {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}

proptest! {
    #[test]
    fn every_record_lands_in_one(
        request_id: String, label in "[A-Z]{0,3}(:[a-c]?(,[a-c])?)?|\\PC{0,9}", at: u64, object: String, status: u16,
        permit: bool, reasons in prop::collection::vec("[a-z]{1,3}", 0..3),
    ) {
        let exchange = ExchangeEvent {
            request_id: request_id.clone(), label: label.clone(), at: Timestamp(at), object: object.clone(), status,
            ..exchange()
        };
        let decision = DecisionEvent {
            request_id: request_id.clone(), label: label.clone(), at: Timestamp(at), object, permit, reasons,
            ..decision()
        };
        for event in [Event::Exchange(Box::new(exchange)), Event::Decision(Box::new(decision))] {
            match refine(BronzeRecord { tenant: tenant(), event: event.clone() }) {
                Ok(row) => {
                    prop_assert_eq!(row.event(), &event);
                    prop_assert!(is_label(event.label()) && !event.request_id().is_empty());
                }
                Err(quarantined) => {
                    prop_assert_eq!(&quarantined.record.event, &event);
                    prop_assert!(quarantined.label().is_none_or(is_label));
                }
            }
        }
    }
}
