//! The problem of each refusal: complete, stable, and silent about what the caller may not know.

use std::sync::Arc;

use bellgate_policy::{Asked, Content, Mode, Observation, Question, SpiffeId, Standing, Timestamp, Verdict, decide};

use super::*;

const POLICY: &str = r#"
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://a.test/planner, floor: PUBLIC, clearance: "CONFIDENTIAL", gateway: true }
  search: { id: spiffe://a.test/search, clearance: PUBLIC, gateway: true }
  vault: { id: spiffe://a.test/vault, clearance: "RESTRICTED:clinical", gateway: true }
upstreams:
  search: { workload: search, label: PUBLIC }
  vault: { workload: vault, label: "RESTRICTED:clinical" }
grants:
  - { subject: planner, object: search, modes: [alter] }
  - { subject: planner, object: vault, modes: [observe] }
"#;

fn denial(policy: &Policy, object: &str, mode: Mode, watermark: &str, cause: &str) -> Denial {
    let planner = SpiffeId::parse("spiffe://a.test/planner").unwrap();
    let watermark = policy.lattice().parse_label(watermark).unwrap();
    let question = Question {
        subject: &planner,
        object: policy.object(object).map_or(Asked::Unknown(object), Asked::Known),
        mode,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(1_700_000_001_000),
    };
    match decide(policy, &question) {
        Verdict::Denial(denial) => denial.because(Some(Arc::new(Observation {
            request_id: "the-read".into(),
            object: "records/patient".into(),
            at: Timestamp(1_700_000_000_000),
            label: cause.into(),
        }))),
        Verdict::Permit(_) => panic!("permitted"),
    }
}

fn problem(policy: &Policy, refusal: &Refusal) -> Value {
    let body: Value = serde_json::from_slice(&refusal.problem(policy, "0190-id")).unwrap();
    assert_eq!(body["type"], format!("urn:bellgate:problem:{}", refusal.code()));
    assert_eq!(body["status"], refusal.status());
    assert_eq!(body["instance"], "urn:uuid:0190-id");
    assert_eq!(body["retry"], refusal.retry_can_help());
    assert!(body["title"].is_string() && body["detail"].as_str().is_some_and(|detail| detail.len() > 10));
    body
}

#[test]
fn a_write_down_names_the_read_that_caused_it() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let denial = denial(&policy, "search", Mode::Alter, "CONFIDENTIAL", "CONFIDENTIAL");
    let body = problem(&policy, &Refusal::Denied(Box::new(denial)));
    assert_eq!(body["reason"], "no-write-down");
    assert_eq!(body["decision"]["cause"]["request_id"], "the-read");
    assert_eq!(body["decision"]["cause"]["object"], "records/patient");
    assert_eq!(body["decision"]["current"], "CONFIDENTIAL");
}

#[test]
fn labels_above_the_clearance_are_not_told() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    for (object, mode, watermark) in [("vault", Mode::Observe, "PUBLIC"), ("vault", Mode::Observe, "CONFIDENTIAL")] {
        let denial = denial(&policy, object, mode, watermark, "RESTRICTED:clinical");
        let body = problem(&policy, &Refusal::Denied(Box::new(denial)));
        assert_eq!(body["reason"], "no-read-up");
        let text = body.to_string();
        assert!(!text.contains("RESTRICTED") && !text.contains("clinical"), "{text}");
    }
}

#[test]
fn what_is_not_granted_and_what_does_not_exist_sound_alike() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let told = |object: &str| {
        let denial = denial(&policy, object, Mode::Alter, "PUBLIC", "PUBLIC");
        let mut body = problem(&policy, &Refusal::Denied(Box::new(denial)));
        // The name is the caller's own.
        body["decision"]["object"] = Value::Null;
        body
    };
    assert_eq!(told("vault"), told("nowhere"));
    assert_eq!(told("vault")["reason"], "not-granted");
}

#[test]
fn every_other_refusal_has_a_whole_problem() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let refusals = [
        (Refusal::Capability(Cause::Timeout.into()), 504, true),
        (Refusal::Capability(Cause::OutputTooLarge.into()), 502, false),
        (Refusal::Module(ModuleFault::Unknown), 502, false),
        (Refusal::Module(ModuleFault::Unavailable), 503, true),
        (Refusal::Path(PathError::Ambiguous), 400, false),
        (Refusal::Authority(AuthorityError::Conflict), 400, false),
        (Refusal::Xfcc(XfccError::Several), 403, false),
        (Refusal::Untrusted("the connection has no verified X.509-SVID"), 403, false),
        (Refusal::Method, 405, false),
        (Refusal::HttpVersion, 505, false),
        (Refusal::ContentCoding, 415, false),
        (Refusal::ContentType, 415, false),
        (Refusal::BodyTooLarge(10), 413, false),
        (Refusal::BodyNeedsLength(10), 413, false),
        (Refusal::BodyUnreadable, 400, true),
        (Refusal::NotReady, 503, true),
        (Refusal::NotConfigured("the config names no enclave"), 503, false),
        (Refusal::Busy("too many at once"), 503, true),
        (Refusal::Upstream("it could not be reached"), 502, true),
        (Refusal::UpstreamTimeout, 504, true),
        (Refusal::StateNotKept, 503, true),
        (Refusal::FlowEnded, 403, false),
        (Refusal::Handle("no more sessions can be opened".into()), 403, false),
        (Refusal::BadRequest("the body must be empty"), 400, false),
        (Refusal::NotFound("there is GET /v1/label"), 404, false),
        (Refusal::Internal, 500, false),
    ];
    for (refusal, status, retry) in refusals {
        let body = problem(&policy, &refusal);
        assert_eq!(body["status"], status, "{body}");
        if !matches!(refusal, Refusal::Capability(_)) {
            assert_eq!(body["retry"], retry, "{body}");
        }
    }
}

#[test]
fn a_denial_with_a_sentence_is_the_same_denial() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let told = |why: Option<&'static str>| {
        let denial = Box::new(denial(&policy, "search", Mode::Alter, "CONFIDENTIAL", "CONFIDENTIAL"));
        let refusal =
            why.map_or_else(|| Refusal::Denied(denial.clone()), |why| Refusal::Because(denial.clone(), why.into()));
        assert!(refusal.is_denial());
        problem(&policy, &refusal)
    };
    let (plain, mut because) = (told(None), told(Some("the lattices differ")));
    assert_eq!(because["detail"], "the lattices differ");
    because["detail"] = plain["detail"].clone();
    assert_eq!(plain, because);
    assert!(plain["remedies"].is_array());
}

#[test]
fn without_a_grant_there_are_no_remedies() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let denial = denial(&policy, "vault", Mode::Alter, "PUBLIC", "PUBLIC");
    assert_eq!(problem(&policy, &Refusal::Denied(Box::new(denial)))["remedies"], Value::Null);
}

#[test]
fn a_capability_fault_is_a_manifest_conformance_error_with_its_cause() {
    let policy = Policy::parse("policy.yaml", POLICY).unwrap();
    let body = problem(&policy, &Refusal::Capability(Cause::OutputTooLarge.into()));
    assert_eq!(body["error"], "ManifestConformanceError");
    assert_eq!(body["cause"], "output-too-large");
}
