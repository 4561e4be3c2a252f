//! What a caller may see of a refusal, and what the audit log has of it.

use std::sync::Arc;

use bellgate_policy::{
    Asked, Content, Denial, Mode, Observation, Policy, Question, Reason, Standing, Timestamp, VerdictRecord, decide,
};

use crate::world::{id, label, world};

fn denial(policy: &Policy, subject: &str, object: &str, current: &str) -> Denial {
    let watermark = label(policy, current);
    let cause = Observation {
        request_id: String::from("0195-7f3"),
        object: String::from("records/patients"),
        at: Timestamp(1_772_366_591_042),
        label: current.to_owned(),
    };
    let verdict = decide(
        policy,
        &Question {
            subject: &id(subject),
            object: policy.object(object).map_or(Asked::Unknown(object), Asked::Known),
            mode: Mode::Observe,
            standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        },
    );
    verdict.denial().unwrap().because(Some(Arc::new(cause)))
}

#[test]
fn the_cause_and_both_labels_are_shown_to_who_is_cleared_for_them() {
    let policy = world();
    let shown = denial(&policy, "planner", "search", "RESTRICTED:clinical").public_record(&policy);
    assert_eq!(shown.reasons, [Reason::NoWriteDown]);
    assert_eq!(shown.current.as_deref(), Some("RESTRICTED:clinical"));
    assert_eq!(shown.object_label.as_deref(), Some("PUBLIC"));
    assert_eq!(shown.rule.as_deref(), Some("grants[0]"));
    assert_eq!(shown.cause.unwrap().request_id, "0195-7f3");
}

#[test]
fn a_label_above_the_clearance_is_in_the_audit_record_alone() {
    let policy = world();
    let denial = denial(&policy, "planner", "vault", "PUBLIC");
    let (whole, shown) = (denial.record(policy.lattice()), denial.public_record(&policy));
    assert_eq!(whole.object_label.as_deref(), Some("RESTRICTED:clinical,keys"));
    assert_eq!(shown.object_label, None);
    assert_eq!(shown.reasons, [Reason::NoReadUp]);
    assert_eq!(denial.visible_labels(policy.lattice()).object, None);
}

#[test]
fn without_a_grant_an_object_reads_like_one_that_is_not_there() {
    let policy = world();
    for subject in ["reader", "plain", "stranger"] {
        let there = denial(&policy, subject, "records", "PUBLIC").public_record(&policy);
        let not_there = denial(&policy, subject, "nowhere", "PUBLIC").public_record(&policy);
        let renamed = VerdictRecord { object: String::from("records"), ..not_there };
        assert_eq!(there, renamed, "{subject}");
    }
}

#[test]
fn the_cause_is_told_for_no_write_down_alone_and_only_below_the_clearance() {
    let policy = world();
    let up = denial(&policy, "planner", "vault", "PUBLIC");
    assert_eq!(up.decision().cause, None);
    let above = denial(&policy, "planner", "search", "RESTRICTED:keys");
    assert!(above.decision().cause.is_some());
    let shown = above.public_record(&policy);
    assert_eq!((shown.cause, shown.current), (None, None));
    let ungranted = denial(&policy, "plain", "search", "CONFIDENTIAL");
    assert!(ungranted.decision().cause.is_some());
    assert_eq!(ungranted.public_record(&policy).cause, None);
}

#[test]
fn a_record_has_its_members_in_order_and_reads_back() {
    let policy = world();
    let record = denial(&policy, "planner", "search", "RESTRICTED:clinical").record(policy.lattice());
    let json = serde_json::to_string(&record).unwrap();
    let expected = format!(
        concat!(
            r#"{{"permit":false,"reasons":["no-write-down"],"subject":"spiffe://demo.bellgate.test/planner","#,
            r#""object":"search","mode":"observe","current":"RESTRICTED:clinical","object_label":"PUBLIC","#,
            r#""clearance":"RESTRICTED:clinical,untrusted","rule":"grants[0]","#,
            r#""cause":{{"request_id":"0195-7f3","object":"records/patients","at":"2026-03-01T12:03:11.042Z","#,
            r#""label":"RESTRICTED:clinical"}},"downgrade":null,"policy":"{}"}}"#
        ),
        policy.digest()
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<VerdictRecord>(&json).unwrap(), record);
}
