//! Whose word counts for a label, and what a request is about: as tables.

use std::sync::Arc;

use bellgate_policy::Reason;
use bellgate_watermark::{Missing, Watermark};

use super::*;

const POLICY: &str = r#"
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://a.test/planner, floor: PUBLIC, clearance: "RESTRICTED:clinical", gateway: true }
  bare: { id: spiffe://a.test/bare, floor: PUBLIC, clearance: "CONFIDENTIAL" }
  records: { id: spiffe://a.test/records, clearance: "RESTRICTED:clinical", gateway: true }
  search: { id: spiffe://a.test/search, clearance: PUBLIC, gateway: true }
upstreams:
  search: { workload: search, label: PUBLIC }
  records:
    workload: records
    routes:
      patient: { methods: [GET], path: "/v1/patients/{id}", label: "RESTRICTED:clinical" }
      notes: { methods: [POST], path: "/v1/notes", label: "RESTRICTED:clinical", mode: append, manifest: note }
  web: { web: api.example.com, label: PUBLIC }
capabilities:
  echo: { urn: "urn:bellgate:actionspace:solver:echo:v1", sha256: "0000000000000000000000000000000000000000000000000000000000000000", entry: echo, label: "RESTRICTED:clinical" }
grants:
  - { subject: planner, object: search, modes: [observe, alter] }
  - { subject: planner, object: records, modes: [observe, append] }
  - { subject: planner, object: web, modes: [alter] }
  - { subject: planner, object: echo, modes: [execute] }
  - { subject: bare, object: search, modes: [observe, alter] }
"#;

fn policy() -> Policy {
    Policy::parse("policy.yaml", POLICY).unwrap()
}

fn id(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://a.test/{name}")).unwrap()
}

fn facts(direction: Direction, host: &str, method: &str, path: &str) -> RequestFacts {
    RequestFacts {
        direction,
        host: host.into(),
        method: method.into(),
        path: path.into(),
        target: path.into(),
        has_body: method == "POST",
        upgrade: false,
        websocket: false,
        label: Stated::Absent,
        rule: Ok(None),
        content: Known::Nothing,
    }
}

/// The workload `name`, which has seen `label`, and the folder of its state.
fn seen(policy: &Policy, name: &str, label: &str) -> (Own, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let subject = policy.subject(&id(name)).unwrap();
    let (watermark, _) =
        Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, Timestamp(0)).unwrap();
    let parsed = policy.lattice().parse_label(label).unwrap();
    let observation = || bellgate_policy::Observation {
        request_id: "r".into(),
        object: "records/patient".into(),
        at: Timestamp(1),
        label: label.into(),
    };
    assert!(watermark.raise(&parsed, observation).is_ok());
    (Own { id: id(name), watermark: Arc::new(watermark) }, folder)
}

/// `permit`, or the first reason.
fn verdict(policy: &Policy, caller: &Caller, own: &str, facts: &RequestFacts, watermark: &str) -> String {
    let matter = matter(policy, &id(own), facts);
    let (own, _folder) = seen(policy, own, watermark);
    let asking = Asking { caller, own: &own, handle: None, task: None };
    match asking.decide(policy, &matter, facts, Timestamp(0)).verdict {
        Verdict::Permit(_) => "permit".into(),
        Verdict::Denial(denial) => denial.first().code().into(),
    }
}

#[test]
fn what_the_local_workload_may_ask() {
    let policy = policy();
    for (watermark, host, method, path, expected) in [
        ("PUBLIC", "search", "POST", "/x", "permit"),
        ("PUBLIC", "search.localhost", "GET", "/x", "permit"),
        ("PUBLIC", "api.example.com", "POST", "/x", "permit"),
        ("PUBLIC", "api.example.com", "GET", "/x", "not-granted"),
        ("PUBLIC", "nowhere", "GET", "/x", "not-granted"),
        ("PUBLIC", "records", "GET", "/v1/patients/1", "permit"),
        ("PUBLIC", "records", "GET", "/v1/other", "unlabelled"),
        ("PUBLIC", "records", "DELETE", "/v1/patients/1", "not-granted"),
        ("PUBLIC", "records", "POST", "/v1/notes", "permit"),
        ("PUBLIC", "enclave", "POST", "/echo", "permit"),
        ("PUBLIC", "enclave", "POST", "/urn:bellgate:actionspace:solver:echo:v1", "permit"),
        ("PUBLIC", "enclave", "POST", "/urn%3Abellgate%3Aactionspace%3Asolver%3Aecho%3Av1", "permit"),
        ("PUBLIC", "enclave", "GET", "/echo", "unsupported-here"),
        ("PUBLIC", "enclave", "POST", "/other", "not-granted"),
        ("RESTRICTED:clinical", "search", "POST", "/x", "no-write-down"),
        ("RESTRICTED:clinical", "search", "GET", "/x", "no-write-down"),
        ("RESTRICTED:clinical", "records", "GET", "/v1/patients/1", "permit"),
        ("RESTRICTED:clinical", "enclave", "POST", "/echo", "permit"),
        ("PUBLIC", "search", "TRACE", "/x", "unsupported-here"),
    ] {
        let facts = facts(Direction::Outbound, host, method, path);
        let got = verdict(&policy, &Caller::Own(id("planner")), "planner", &facts, watermark);
        assert_eq!(got, expected, "{watermark} {method} {host}{path}");
    }
}

#[test]
fn a_declaration_raises_and_never_lowers() {
    let policy = policy();
    let label = |text: &str| Stated::Label(policy.lattice().parse_label(text).unwrap());
    for (watermark, declared, expected) in [
        ("PUBLIC", Stated::Absent, "permit"),
        ("PUBLIC", label("PUBLIC"), "permit"),
        ("PUBLIC", label("CONFIDENTIAL"), "no-write-down"),
        ("RESTRICTED:clinical", label("PUBLIC"), "no-write-down"),
        ("PUBLIC", Stated::Unreadable(Unreadable::NotCanonical), "label-out-of-range"),
    ] {
        let facts = RequestFacts { label: declared, ..facts(Direction::Outbound, "search", "POST", "/x") };
        let got = verdict(&policy, &Caller::Own(id("planner")), "planner", &facts, watermark);
        assert_eq!(got, expected, "{watermark}");
    }
}

#[test]
fn whose_statement_is_believed_on_the_way_in() {
    let policy = policy();
    let label = |text: &str| Stated::Label(policy.lattice().parse_label(text).unwrap());
    // `Forwarded` stands for a peer whose word is not heard: Envoy's listener.
    for (caller, own, stated, expected) in [
        ("planner", "search", Stated::Absent, "no-write-down"),
        ("planner", "search", label("PUBLIC"), "no-write-down"),
        ("bare", "search", label("PUBLIC"), "no-write-down"),
        ("nobody", "search", label("PUBLIC"), "unknown-subject"),
    ] {
        let facts = RequestFacts { label: stated, ..facts(Direction::Inbound, "search", "POST", "/x") };
        let got = verdict(&policy, &Caller::Forwarded(id(caller)), own, &facts, "PUBLIC");
        assert_eq!(got, expected, "{caller}");
    }
}

#[test]
fn the_watermark_of_the_callee_does_not_decide_for_the_caller() {
    let policy = policy();
    let facts = facts(Direction::Inbound, "records", "GET", "/v1/patients/1");
    let got = verdict(&policy, &Caller::Forwarded(id("planner")), "records", &facts, "RESTRICTED:clinical");
    assert_eq!(got, "permit");
}

#[test]
fn the_cause_is_known_to_the_own_gateway_alone() {
    let policy = policy();
    for (caller, direction, known) in [
        (Caller::Own(id("planner")), Direction::Outbound, true),
        (Caller::Forwarded(id("planner")), Direction::Inbound, false),
    ] {
        let facts = facts(direction, "search", "POST", "/x");
        let own = if known { "planner" } else { "search" };
        let (own, _folder) = seen(&policy, own, if known { "RESTRICTED:clinical" } else { "PUBLIC" });
        let matter = matter(&policy, &own.id, &facts);
        let asking = Asking { caller: &caller, own: &own, handle: None, task: None };
        for denial in [
            asking.decide(&policy, &matter, &facts, Timestamp(2)).verdict.denial().unwrap(),
            asking.refuse(&policy, &matter, &facts, Timestamp(2), Reason::GuardFailed),
        ] {
            assert_eq!(denial.first(), Reason::NoWriteDown);
            assert_eq!(denial.decision().cause.as_ref().map(|cause| cause.request_id.as_str()), known.then_some("r"));
        }
    }
}

#[test]
fn a_permit_names_its_destination() {
    let policy = policy();
    for (host, method, path, expected) in [
        ("search", "POST", "/x", "mesh spiffe://a.test/search"),
        ("api.example.com", "POST", "/x", "web api.example.com"),
        ("enclave", "POST", "/echo", "enclave"),
    ] {
        let facts = facts(Direction::Outbound, host, method, path);
        let matter = matter(&policy, &id("planner"), &facts);
        let (own, _folder) = seen(&policy, "planner", "PUBLIC");
        let caller = Caller::Own(id("planner"));
        let asking = Asking { caller: &caller, own: &own, handle: None, task: None };
        let Verdict::Permit(permit) = asking.decide(&policy, &matter, &facts, Timestamp(0)).verdict else {
            panic!("{host} was refused");
        };
        let got = match destination(&permit) {
            Some(Destination::Mesh { id, .. }) => format!("mesh {}", id.as_str()),
            Some(Destination::Web { host, .. }) => format!("web {host}"),
            Some(Destination::Enclave) => "enclave".into(),
            None => "nowhere".into(),
        };
        assert_eq!(got, expected);
    }
}
