//! Sessions, objects from the body, and rules that are stated on the wire.

use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{Observation, Policy, Timestamp};
use bellgate_watermark::{HandleListener, Opened, Opening};

use crate::support::Gateway;
use crate::support::checks::{Ask, Told, ask};

const POLICY: &str = r#"
version: 1
categories: [clinical]
subjects:
  planner:
    id: spiffe://demo.bellgate.test/planner
    floor: PUBLIC
    clearance: "RESTRICTED:clinical"
    gateway: true
    holds_no_data: "it passes questions on"
    handles: { reason: "each session is a process of its own", limit: 4, life: 1h }
  writer: { id: spiffe://demo.bellgate.test/writer, floor: PUBLIC, clearance: "RESTRICTED:clinical", gateway: true }
  desk: { id: spiffe://demo.bellgate.test/desk, clearance: PUBLIC, gateway: true }
  records: { id: spiffe://demo.bellgate.test/records, clearance: "RESTRICTED:clinical" }
  search: { id: spiffe://demo.bellgate.test/search, clearance: PUBLIC }
  mailer: { id: spiffe://demo.bellgate.test/mailer, clearance: CONFIDENTIAL, multilevel: "keeps its mails apart" }
upstreams:
  planner: { workload: planner, label: "RESTRICTED:clinical" }
  records: { workload: records, label: "RESTRICTED:clinical" }
  search: { workload: search, label: PUBLIC }
  mail:
    workload: mailer
    label: CONFIDENTIAL
    routes:
      send:
        methods: [POST]
        path: /send
        manifest: email
        objects:
          at: [/recipients]
          cases:
            inner: { domain: example.org, label: CONFIDENTIAL }
grants:
  - { subject: planner, object: records, modes: [observe] }
  - { subject: planner, object: search, modes: [observe, alter], read_down: { budget: 1MiB } }
  - { subject: planner, object: mail, modes: [alter] }
  - { subject: writer, object: records, modes: [observe] }
  - { subject: writer, object: mail, modes: [alter] }
  - { subject: desk, object: planner, modes: [alter] }
trusted:
  - { id: outbox, subject: writer, objects: [mail/send], reason: "it writes what a person has read", expires: 2037-01-01T00:00:00Z }
"#;

fn gateway(name: &str) -> Gateway {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Gateway::under(Arc::new(policy), name)
}

fn open(gateway: &Gateway, listener: HandleListener, life: Duration) -> Opened {
    let start = gateway.policy.lattice().bottom();
    let now = gateway.watermark.clock(bellgate_spire::wall_clock());
    let opening = Opening { start, because: None, listener, task: None, life, limit: 8 };
    gateway.watermark.open_handle(opening, now).unwrap_or_else(|error| panic!("{error}"))
}

fn raise(gateway: &Gateway, label: &str) {
    let parsed = gateway.policy.lattice().parse_label(label).unwrap();
    let because = || Observation {
        request_id: "earlier".into(),
        object: "records".into(),
        at: Timestamp(1),
        label: label.into(),
    };
    assert!(gateway.watermark.raise(&parsed, because).is_ok());
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_session_is_believed_only_where_it_was_opened() {
    let planner = gateway("planner");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    let (ours, egress) = (open(&planner, HandleListener::Envoy, HOUR), open(&planner, HandleListener::Egress, HOUR));
    let expired = open(&planner, HandleListener::Envoy, Duration::ZERO);
    let search = || Ask::of("planner", "POST", "search/v1").body("query");
    let with = |handle: &str| search().header("bellgate-handle", handle);
    let ours = ours.id.reveal();
    for (what, question, expected) in [
        ("its own", with(&ours), "ok"),
        ("of the other listener", with(&egress.id.reveal()), "handle-refused"),
        ("expired", with(&expired.id.reveal()), "handle-refused"),
        ("never given out", with(&"0".repeat(32)), "handle-refused"),
        ("malformed", with("mine"), "handle-refused"),
        ("upper case", with(&ours.to_uppercase()), "handle-refused"),
        ("twice", Ask { raw_headers: true, ..with(&ours).header("bellgate-handle", &ours) }, "handle-refused"),
        // A peer's is not looked at.
        ("a peer's", Ask::of("desk", "POST", "planner/x").body("text").header("bellgate-handle", "mine"), "no-read-up"),
        (
            "a peer's task",
            Ask::of("desk", "POST", "planner/x").body("text").header("bellgate-task", "{}"),
            "unsupported-here",
        ),
    ] {
        assert_eq!(ask(&mut client, question).await.code(), expected, "{what}");
    }
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn one_session_reads_and_another_still_writes() {
    let planner = gateway("planner");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    let (one, two) = (open(&planner, HandleListener::Envoy, HOUR), open(&planner, HandleListener::Envoy, HOUR));
    let read = |handle: &Opened| Ask::of("planner", "GET", "records/7").header("bellgate-handle", &handle.id.reveal());
    let write = |handle: &Opened| {
        Ask::of("planner", "POST", "search/v1").body("q").header("bellgate-handle", &handle.id.reveal())
    };
    // Without a session, nothing that would raise those that are opened while its answer comes.
    assert_eq!(ask(&mut client, Ask::of("planner", "GET", "records/7")).await.code(), "unsupported-here");
    let told = ask(&mut client, read(&one)).await;
    let Told::Ok { upwards, removed, .. } = told else { panic!("{told:?}") };
    assert!(!upwards.contains_key("bellgate-handle") && removed.contains(&"bellgate-handle".to_owned()));
    assert!(removed.contains(&"bellgate-rule".to_owned()));
    assert_eq!(planner.label(), "RESTRICTED:clinical", "the workload has seen what its session has");
    assert_eq!(ask(&mut client, write(&one)).await.code(), "no-write-down");
    assert!(planner.last_seen().cause.is_some(), "it names what was read in the session");
    assert_eq!(ask(&mut client, write(&two)).await.code(), "ok");
    // Leaving the session out is no way to a lower label.
    let without = Ask::of("planner", "POST", "search/v1").body("q");
    assert_eq!(ask(&mut client, without).await.code(), "no-write-down");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn values_of_the_body_name_the_objects() {
    let planner = gateway("planner");
    raise(&planner, "CONFIDENTIAL");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    let handle = {
        let start = planner.policy.lattice().parse_label("CONFIDENTIAL").unwrap();
        let opening =
            Opening { start, because: None, listener: HandleListener::Envoy, task: None, life: HOUR, limit: 8 };
        let now = planner.watermark.clock(bellgate_spire::wall_clock());
        planner.watermark.open_handle(opening, now).unwrap_or_else(|error| panic!("{error}")).id.reveal()
    };
    let send = |body: &str| Ask::of("planner", "POST", "mail/send").body(body).header("bellgate-handle", &handle);
    for (body, expected) in [
        (r#"{"recipients":["a@example.org"]}"#, "ok"),
        (r#"{"recipients":["a@example.org","b@example.org"]}"#, "ok"),
        (r#"{"recipients":["a@example.org","b@partner.example"]}"#, "no-write-down"),
        (r#"{"recipients":["b@partner.example"]}"#, "no-write-down"),
        (r#"{"recipients":[]}"#, "no-write-down"),
        (r#"{"recipients":[7]}"#, "no-write-down"),
        ("bad", "manifest"),
    ] {
        assert_eq!(ask(&mut client, send(body)).await.code(), expected, "{body}");
    }
    let unseen = Ask::of("planner", "POST", "mail/send").header("transfer-encoding", "chunked");
    assert_eq!(ask(&mut client, unseen.header("bellgate-handle", &handle)).await.code(), "unsupported-here");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_rule_would_lift_is_not_lifted_here() {
    let planner = gateway("planner");
    raise(&planner, "CONFIDENTIAL");
    let serving = planner.serve(planner.context());
    let mut client = serving.client().await;
    // `read_down` has a budget that nobody here would debit.
    assert_eq!(ask(&mut client, Ask::of("planner", "GET", "search/x")).await.code(), "unsupported-here");
    serving.stop().await.unwrap();

    let writer = gateway("writer");
    raise(&writer, "CONFIDENTIAL");
    let serving = writer.serve(writer.context());
    let mut client = serving.client().await;
    let send = Ask::of("writer", "POST", "mail/send").body(r#"{"recipients":["b@partner.example"]}"#);
    assert_eq!(ask(&mut client, send).await.code(), "unsupported-here", "nobody here would state the rule");
    serving.stop().await.unwrap();
}
