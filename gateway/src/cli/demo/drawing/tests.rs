//! Pictures of made-up logs: what is there is drawn, what is not is not, and nothing comes from anywhere else.

use serde_json::{Value, json};

use super::*;

const POLICY: &str = "\
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: 'RESTRICTED:clinical', gateway: true }
  helper: { id: spiffe://td.test/helper, floor: PUBLIC, clearance: 'RESTRICTED:clinical', gateway: true, holds_no_data: 'none' }
  records: { id: spiffe://td.test/records, clearance: 'RESTRICTED:clinical', gateway: true }
  stranger: { id: spiffe://td.test/stranger, clearance: PUBLIC }
upstreams:
  search: { web: search.test, label: PUBLIC }
  helper: { workload: helper, label: 'RESTRICTED:clinical' }
  records: { workload: records, label: 'RESTRICTED:clinical' }
grants:
  - { subject: planner, object: search, modes: [alter] }
";

fn decision(listener: &str, fields: Value) -> Record {
    let mut decision = json!({
        "request_id": "r", "point": "request", "at": "2026-11-23T12:00:00.000Z", "subject": "spiffe://td.test/planner",
        "object": "search", "mode": "alter", "permit": true, "reasons": [], "current": "PUBLIC", "object_label": "PUBLIC",
        "clearance": null, "rule": null, "cause_request_id": null, "cause_object": null, "cause_at": null, "policy": "p", "label": "PUBLIC",
    });
    decision.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(json!({"kind": "decision", "listener": listener, "decision": decision})).unwrap()
}

fn raised(request: &str, at: &str, object: &str) -> Record {
    let label = "RESTRICTED:clinical";
    serde_json::from_value(json!({"kind": "watermark-raised", "at": at, "request_id": request, "object": object,
               "observed": label, "before": "PUBLIC", "label": label}))
    .unwrap()
}

/// The planner reads a record, then is refused a search; it asks the helper, which rises; a stranger is refused by the records.
fn logs() -> Vec<(String, Vec<Record>)> {
    let clinical = "RESTRICTED:clinical";
    let at = |second: u32| format!("2026-11-23T12:00:{second:02}.000Z");
    let planner = vec![
        decision(
            "egress",
            json!({"request_id": "r1", "object": "records", "mode": "observe", "at": at(1), "object_label": clinical}),
        ),
        raised("r1", &at(2), "records"),
        decision(
            "egress",
            json!({"request_id": "r2", "at": at(3), "permit": false, "reasons": ["no-write-down"], "current": clinical,
                                   "cause_request_id": "r1", "cause_object": "records", "cause_at": at(2)}),
        ),
        decision(
            "egress",
            json!({"request_id": "r3", "object": "helper", "at": at(4), "current": clinical, "object_label": clinical}),
        ),
        // Refused by a schema: labels have nothing to say of it.
        decision("egress", json!({"request_id": "r4", "object": "records", "at": at(7), "current": clinical})),
        serde_json::from_value(
            json!({"kind": "label-reset", "at": at(8), "uid": 0, "reason": "a <new> process", "subject": "s",
                                      "before": clinical, "label": "PUBLIC", "handles_closed": 0}),
        )
        .unwrap(),
    ];
    let helper = vec![
        decision("ingress", json!({"request_id": "h1", "object": "helper", "at": at(5), "point": "delivery"})),
        raised("h1", &at(5), "helper"),
    ];
    let records = vec![
        decision("ingress", json!({"request_id": "x1", "object": "records", "at": at(1)})),
        decision(
            "ingress",
            json!({"request_id": "x2", "object": "records", "at": at(9), "permit": false, "reasons": ["not-granted"],
                                    "subject": "spiffe://td.test/stranger"}),
        ),
    ];
    vec![("planner".into(), planner), ("helper".into(), helper), ("records".into(), records)]
}

fn outcomes() -> Outcomes {
    let of = |refused: Option<&str>| Outcome {
        method: "POST".into(),
        refused: refused.map(str::to_owned),
        milliseconds: 1500,
    };
    let all = [
        ("r1", None),
        ("r2", Some("no-write-down")),
        ("r3", None),
        ("r4", Some("manifest")),
        ("x2", Some("not-granted")),
    ];
    all.into_iter().map(|(request, refused)| (request.to_owned(), of(refused))).collect()
}

fn drawn(logs: &[(String, Vec<Record>)]) -> String {
    picture(&Policy::parse("policy.yaml", POLICY).unwrap(), logs, &outcomes())
}

#[test]
fn what_the_logs_say_is_drawn_and_nothing_else() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let story = story::read(&policy, &logs(), &outcomes());
    assert_eq!(story.columns, ["planner", "helper", "records", "stranger", "search.test"]);
    let shown: Vec<String> = story
        .rows
        .iter()
        .map(|row| match &row.what {
            story::What::Exchange(exchange) => {
                let refused = exchange
                    .refused
                    .as_ref()
                    .map(|refused| (refused.reason.as_str(), refused.there, refused.because.clone()));
                format!(
                    "{} -> {} {:?} {:?} {refused:?} {:?} {:?}",
                    exchange.from, exchange.to, exchange.goes, exchange.back, exchange.raised, exchange.raised_there
                )
            }
            story::What::Reset { who, after, text } => format!("{who} {after} {text}"),
        })
        .collect();
    let clinical = r#"Some("RESTRICTED:clinical")"#;
    assert_eq!(
        shown,
        [
            format!(r#"0 -> 2 Some("PUBLIC") {clinical} None {clinical} None"#),
            format!(r#"0 -> 4 {clinical} None Some(("no-write-down", false, Some(("records", Some(0))))) None None"#),
            format!(r#"0 -> 1 {clinical} {clinical} None None {clinical}"#),
            r#"0 PUBLIC reset by uid 0: a <new> process"#.to_owned(),
            r#"3 -> 2 Some("PUBLIC") None Some(("not-granted", true, None)) None None"#.to_owned(),
        ]
    );
}

#[test]
fn the_same_logs_give_the_same_picture_and_texts_are_escaped() {
    let picture = drawn(&logs());
    assert_eq!(picture, drawn(&logs()));
    assert!(picture.contains("a &lt;new&gt; process") && !picture.contains("<new>"));
    assert!(picture.contains("no-write-down, because of records"));
    for text in ["planner", "helper", "stranger", "search.test"] {
        assert!(picture.contains(&format!(">{text}</text>")), "{text}");
    }
    assert!(!drawn(&[]).contains("planner"), "names come from the logs alone");
}

#[test]
fn a_refusal_of_the_callees_gateway_ends_the_callers_arrow_there() {
    let mut logs = logs();
    logs[1].1.push(decision(
        "ingress",
        json!({"request_id": "h2", "object": "helper", "at": "2026-11-23T12:00:05.500Z", "permit": false, "reasons": ["label-out-of-range"]}),
    ));
    let story = story::read(&Policy::parse("policy.yaml", POLICY).unwrap(), &logs, &outcomes());
    let story::What::Exchange(exchange) = &story.rows[2].what else { panic!("an exchange") };
    assert!(exchange.refused.as_ref().is_some_and(|refused| refused.there && refused.reason == "label-out-of-range"));
    assert_eq!((story.rows.len(), exchange.back.as_deref()), (5, None));
}
