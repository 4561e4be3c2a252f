//! Explanations of supposed requests and of recorded ones, as they are read.

use std::path::Path;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::{Arguments, Command};

const POLICY: &str = "\
version: 1
categories: [clinical]
subjects:
  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: 'RESTRICTED:clinical', gateway: true }
upstreams:
  search: { web: search.test, label: PUBLIC }
  wiki: { web: wiki.test, label: STANDARD }
  records: { web: records.test, label: 'RESTRICTED:clinical' }
  vault: { web: vault.test, label: 'RESTRICTED' }
grants:
  - { subject: planner, object: search, modes: [alter] }
  - { subject: planner, object: records, modes: [observe] }
";

fn explained(line: &[&str]) -> Result<String, Trouble> {
    let all = ["bellgate", "policy", "explain"].into_iter().chain(line.iter().copied());
    let Command::Policy(args) = Arguments::try_parse_from(all).unwrap().command else { panic!("another command") };
    let super::super::Command::Explain(args) = args.command else { panic!("another command") };
    told(&args).map(|told| match args.format {
        Format::Text => page::of(&told),
        Format::Json => serde_json::to_string(&told).unwrap(),
    })
}

fn policy_in(folder: &Path) -> String {
    let file = folder.join("policy.yaml");
    std::fs::write(&file, POLICY).unwrap();
    file.to_string_lossy().into_owned()
}

fn without_policy_line(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("  policy ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_supposed_request_tells_what_it_read_before_is_to_blame() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy_in(folder.path());
    let question = ["--policy", &policy, "--subject", "planner", "--object", "search", "--mode", "alter"];
    let told =
        explained(&[&question[..], &["--after", "search", "--after", "wiki", "--after", "records"]].concat()).unwrap();
    let expected = "\
refused: no-write-down

  planner (spiffe://td.test/planner) may not alter search.

  current label   RESTRICTED:clinical
  object's label  PUBLIC
  clearance       RESTRICTED:clinical
  rule            grants[0]

  why             no-write-down: PUBLIC does not dominate RESTRICTED:clinical: PUBLIC is below RESTRICTED, and it lacks clinical.
  because of      wiki, labelled STANDARD

  how the label rose
    wiki     -> STANDARD             <- from here on search is out of reach
    records  -> RESTRICTED:clinical
";
    let shown = without_policy_line(&told);
    assert!(shown.starts_with(expected), "{told}");
    let told = explained(&question).unwrap();
    assert!(told.starts_with("permitted\n") && !told.contains("because of"), "{told}");
}

#[test]
fn a_question_that_can_not_be_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy_in(folder.path());
    for (subject, mode, after, expected) in [
        ("planner", "read", "wiki", "`read` is not an access mode"),
        ("nobody", "alter", "wiki", "`nobody` is not a subject of the policy"),
        ("planner", "alter", "nothing", "`nothing` (--after) is not an object with a label"),
        ("planner", "alter", "records", ""),
    ] {
        let line = ["--policy", &policy, "--subject", subject, "--object", "search", "--mode", mode, "--after", after];
        match explained(&line) {
            Ok(_) => assert_eq!(expected, ""),
            Err(trouble) => {
                assert!(trouble.to_string().contains(expected) && !expected.is_empty(), "{trouble}");
                assert_eq!(format!("{:?}", trouble.exit()), format!("{:?}", ExitCode::from(2)));
            }
        }
    }
    let low = POLICY
        .replace("clearance: 'RESTRICTED:clinical'", "clearance: STANDARD")
        .replace("object: records", "object: wiki");
    std::fs::write(&policy, low).unwrap();
    let line =
        ["--policy", &policy, "--subject", "planner", "--object", "search", "--mode", "alter", "--after", "vault"];
    let trouble = explained(&line).unwrap_err().to_string();
    assert_eq!(
        trouble,
        "`planner` can't have read `vault` (--after): STANDARD does not dominate RESTRICTED: STANDARD is below RESTRICTED."
    );
}

fn decision(fields: Value) -> Value {
    let mut decision = json!({
        "request_id": "r", "point": "request", "at": "2026-11-23T12:00:00.000Z", "subject": "spiffe://td.test/planner",
        "object": "search", "mode": "alter", "permit": true, "reasons": [], "current": "PUBLIC", "object_label": "PUBLIC",
        "clearance": "RESTRICTED:clinical", "rule": "grants[0]", "cause_request_id": null, "cause_object": null, "cause_at": null,
        "policy": "sha256:old", "label": "PUBLIC",
    });
    decision.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"kind": "decision", "listener": "egress", "decision": decision})
}

fn log_in(folder: &Path) -> String {
    let raised = |request: &str, object: &str, before: &str, label: &str, handle: Value| {
        json!({"kind": "watermark-raised", "at": "2026-11-23T12:00:02.000Z", "request_id": request, "object": object,
               "observed": label, "before": before, "label": label, "handle": handle})
    };
    let (clinical, none) = ("RESTRICTED:clinical", Value::Null);
    let refused = |fields: Value| {
        let mut all = json!({"permit": false, "reasons": ["no-write-down"], "current": clinical});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        decision(all)
    };
    let lines = [
        raised("r-0", "old", "PUBLIC", "STANDARD", none.clone()),
        json!({"kind": "label-reset", "at": "2026-11-23T12:00:00.500Z", "uid": 0, "reason": "new", "before": "STANDARD", "label": "PUBLIC"}),
        decision(json!({"request_id": "r-1", "object": "wiki", "mode": "observe", "rule": "grants[7]"})),
        raised("r-1", "wiki", "PUBLIC", "STANDARD", none.clone()),
        json!({"kind": "handle-opened", "at": "x", "handle": "aabbcc", "label": "PUBLIC"}),
        raised("r-2o", "records", clinical, clinical, json!("ddeeff")),
        decision(
            json!({"request_id": "r-2", "object": "records", "mode": "observe", "object_label": clinical, "rule": "grants[1]"}),
        ),
        raised("r-2", "records", "STANDARD", clinical, json!("112233")),
        raised("r-2h", "records", clinical, clinical, json!("aabbcc")),
        refused(
            json!({"request_id": "r-3", "cause_request_id": "r-2", "cause_object": "records", "cause_at": "2026-11-23T12:00:02.000Z"}),
        ),
        refused(json!({"request_id": "r-4", "handle": "aabbcc", "cause_request_id": "r-2h", "cause_object": "records",
                       "cause_label": clinical, "cause_at": "2026-11-23T12:00:02.000Z"})),
        raised("r-9", "later", "PUBLIC", clinical, none),
        json!({"kind": "gap", "dropped": 2}),
    ];
    let file = folder.join("audit.jsonl");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, text + "{\"torn").unwrap();
    file.to_string_lossy().into_owned()
}

#[test]
fn a_recorded_refusal_tells_its_cause_and_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let (policy, log) = (policy_in(folder.path()), log_in(folder.path()));
    let told = explained(&["--audit", &log, "--policy", &policy, "r-3"]).unwrap();
    let expected = "\
refused: no-write-down

  planner (spiffe://td.test/planner) may not alter search.

  request         r-3, request on egress
  at              2026-11-23T12:00:00.000Z
  current label   RESTRICTED:clinical
  object's label  PUBLIC
  clearance       RESTRICTED:clinical
  rule            grants[0]
  policy          sha256:old

  why             no-write-down: PUBLIC does not dominate RESTRICTED:clinical: PUBLIC is below RESTRICTED, and it lacks clinical.
  because of      records, labelled RESTRICTED:clinical, at 2026-11-23T12:00:02.000Z
                  request r-2: observe, by grants[1]

  how the label rose
    2026-11-23T12:00:02.000Z  wiki     -> STANDARD
                              request r-1
    2026-11-23T12:00:02.000Z  records  -> RESTRICTED:clinical  <- from here on search is out of reach
                              request r-2
";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("note: 2 records of this log were dropped under load, and 1 lines are none"), "{told}");
    assert!(told.contains("note: decided by another policy than the one given, sha256:"), "{told}");
}

#[test]
fn a_handles_chain_is_its_own_and_json_has_it_all() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_in(folder.path());
    let told = explained(&["--audit", &log, "--format", "json", "r-4"]).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["asked"]["handle"], "aabbcc");
    assert_eq!(told["chain"].as_array().unwrap().len(), 1);
    assert_eq!(told["chain"][0]["request_id"], "r-2h");
    assert_eq!(told["chain"][0]["is_cause"], true);
    assert_eq!(told["cause"]["label"], "RESTRICTED:clinical");
    assert_eq!(told["reasons"][0]["text"], "PUBLIC does not dominate RESTRICTED:clinical.");
    // Permitted ones are told, too.
    let told = explained(&["--audit", &log, "r-1"]).unwrap();
    assert!(told.starts_with("permitted\n\n  spiffe://td.test/planner may observe wiki.\n"), "{told}");
}

#[test]
fn a_request_that_the_log_does_not_have_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_in(folder.path());
    let trouble = explained(&["--audit", &log, "nowhere"]).unwrap_err();
    assert!(trouble.to_string().starts_with("no decision about request `nowhere` is in `"), "{trouble}");
    assert!(trouble.to_string().contains("(13 records, 2 were dropped)"), "{trouble}");
    assert_eq!(format!("{:?}", trouble.exit()), format!("{:?}", ExitCode::from(2)));
    let trouble = explained(&["--audit", "/nowhere/audit.jsonl", "x"]).unwrap_err();
    assert!(trouble.to_string().contains("can't be read"), "{trouble}");
    for line in [
        vec!["--audit", &log],
        vec!["r-1"],
        vec!["--policy", &log, "--subject", "a"],
        vec!["--audit", &log, "r-1", "--subject", "a"],
    ] {
        let all = ["bellgate", "policy", "explain"].into_iter().chain(line.iter().copied());
        assert!(Arguments::try_parse_from(all).is_err(), "{line:?}");
    }
}
