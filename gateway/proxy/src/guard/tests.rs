use bellgate_policy::{Asked, Content, Mode, Policy, Question, SpiffeId, Standing, Timestamp, decide};
use http::{Response, StatusCode};

use super::answer::examine;
use super::*;
use crate::label_header::Stated;

const POLICY: &str = r#"
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://a.test/planner, floor: PUBLIC, clearance: "RESTRICTED:clinical", gateway: true }
  search: { id: spiffe://a.test/search, clearance: PUBLIC, gateway: true }
  records: { id: spiffe://a.test/records, clearance: "RESTRICTED:clinical", gateway: true }
upstreams:
  search: { workload: search, label: PUBLIC, routes: { ask: { methods: [POST], path: /ask } } }
  records: { workload: records, label: "RESTRICTED:clinical" }
capabilities:
  clean: { urn: "urn:bellgate:x:y:clean:v1", sha256: "0000000000000000000000000000000000000000000000000000000000000000", entry: run, label: "RESTRICTED:clinical" }
grants:
  - { subject: planner, object: search/ask, modes: [alter], guard: { capability: clean, label: PUBLIC, on: egress, headers: { content-type: [application/json], x-a: [one, two] } } }
  - { subject: planner, object: records, modes: [observe, alter], guard: { capability: clean, label: PUBLIC, on: release, statuses: [200, 203, 204, 304] } }
"#;

fn permit(object: &str, mode: Mode, watermark: &str) -> Permit {
    let policy = Policy::parse("test.yaml", POLICY).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let subject = SpiffeId::parse("spiffe://a.test/planner").unwrap();
    let watermark = policy.lattice().parse_label(watermark).unwrap();
    let question = Question {
        subject: &subject,
        object: Asked::Known(policy.object(object).unwrap()),
        mode,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: Some("/ask"),
        content: Content::Nothing,
        now: Timestamp(0),
    };
    decide(&policy, &question).permit().unwrap()
}

fn facts(method: &str, direction: Direction, has_body: bool, upgrade: bool) -> RequestFacts {
    RequestFacts {
        direction,
        host: "search".into(),
        method: method.into(),
        path: "/ask".into(),
        target: "/ask".into(),
        has_body,
        upgrade,
        websocket: false,
        label: Stated::Absent,
        rule: Ok(None),
        content: Known::Nothing,
    }
}

#[test]
fn a_guard_runs_where_there_is_a_whole_body_and_at_its_readers_gateway() {
    let guarded = permit("search/ask", Mode::Alter, "RESTRICTED:clinical");
    let plain = permit("search/ask", Mode::Alter, "PUBLIC");
    let answer = permit("records", Mode::Observe, "PUBLIC");
    let (out, inward) = (Direction::Outbound, Direction::Inbound);
    assert!(guarded.guard().is_some() && plain.guard().is_none() && answer.release_guard().is_some());
    for (permit, method, direction, body, upgrade, grpc, runs) in [
        (&guarded, "POST", out, true, false, false, true),
        (&guarded, "POST", out, false, false, false, false),
        (&guarded, "POST", out, true, true, false, false),
        (&guarded, "POST", out, true, false, true, false),
        (&guarded, "POST", inward, false, true, true, true),
        (&plain, "POST", out, false, true, true, true),
        (&answer, "GET", out, false, false, false, true),
        (&answer, "POST", out, true, false, false, true),
        (&answer, "HEAD", out, false, false, false, false),
        (&answer, "GET", out, false, true, false, false),
        (&answer, "POST", out, true, false, true, false),
        (&answer, "HEAD", inward, false, true, true, true),
    ] {
        let asked = facts(method, direction, body, upgrade);
        assert_eq!(runs_here(permit, &asked, grpc), runs, "{method} {direction:?} {body} {upgrade} {grpc}");
    }
    assert!(needs_body(&guarded, out) && needs_body(&answer, out) && !needs_body(&plain, out));
    assert!(!needs_body(&guarded, inward) && !needs_body(&answer, inward));
    assert!(guards_answer(&answer, inward).is_none());
}

#[test]
fn only_the_guard_that_has_run_counts() {
    let guarded = permit("search/ask", Mode::Alter, "RESTRICTED:clinical");
    let other = permit("search/ask", Mode::Alter, "RESTRICTED:clinical");
    let plain = permit("search/ask", Mode::Alter, "PUBLIC");
    let out = Direction::Outbound;
    assert!(has_run(None, &plain, out) && has_run(guarded.guard(), &plain, out));
    assert!(!has_run(None, &guarded, out));
    assert!(has_run(guarded.guard(), &guarded, out));
    // The same rule of a policy that was read anew may have another capability behind its name.
    assert!(!has_run(other.guard(), &guarded, out));
}

#[test]
fn beside_a_body_goes_what_is_listed_with_a_listed_value_once() {
    let permit = permit("search/ask", Mode::Alter, "RESTRICTED:clinical");
    let guard = permit.guard().unwrap();
    for (given, expected) in [
        (vec![], vec![]),
        (
            vec![("content-type", "application/json"), ("x-a", "one")],
            vec!["content-type: application/json", "x-a: one"],
        ),
        (vec![("x-a", "two"), ("x-a", "secret")], vec!["x-a: two"]),
        (vec![("x-a", "secret"), ("x-a", "two")], vec![]),
        (vec![("content-type", "application/json; charset=secret")], vec![]),
        (vec![("cookie", "one"), ("host", "one"), ("bellgate-label", "one"), ("x-b", "one")], vec![]),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in &given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let kept = listed(guard, &headers);
        let mut kept: Vec<String> =
            kept.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        kept.sort();
        assert_eq!(kept, expected, "{given:?}");
    }
}

#[test]
fn an_answer_is_told_by_its_head_as_far_as_that_goes() {
    let permit = permit("records", Mode::Observe, "PUBLIC");
    let guard = permit.release_guard().unwrap();
    for (status, name, value, expected) in [
        (200, "x", "y", ""),
        (203, "content-encoding", "identity", ""),
        (200, "content-type", "application/json", ""),
        (201, "x", "y", "status"),
        (404, "x", "y", "status"),
        // In the rule's list, and without a body all the same.
        (204, "x", "y", "status"),
        (304, "x", "y", "status"),
        (101, "upgrade", "websocket", "status"),
        (200, "content-encoding", "gzip", "coding"),
        (200, "content-type", "text/event-stream", "coding"),
        (200, "content-type", "Text/Event-Stream; charset=utf-8", "coding"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let (head, ()) = Response::builder().status(status).header(name, value).body(()).unwrap().into_parts();
        let told = examine(guard, &head).err().map_or("", |fault| fault.code());
        assert_eq!(told, expected, "{status} {name}: {value}");
    }
}
