//! What outlives a reload: permits, objects and labels of an earlier policy can cause refusals, and never a permit that
//! the new policy would not give.

use bellgate_policy::{
    Answer, Asked, Content, Mode, Question, Reason, Release, RequestShape, Serving, Standing, Timestamp, decide,
    release,
};

use crate::world::{WORLD, id, label, read, world};

#[test]
fn an_object_of_the_old_policy_is_decided_by_the_new_ones_grants_and_labels() {
    let old = world();
    // One subject and one upstream more in front: every number in the policy moves.
    let moved = read(
        &WORLD
            .replace("subjects:\n", "subjects:\n  zero: { id: spiffe://demo.bellgate.test/zero, clearance: PUBLIC }\n")
            .replace("upstreams:\n", "upstreams:\n  zero: { workload: zero, label: PUBLIC }\n"),
    );
    let lowered = read(&WORLD.replace(
        "label: \"RESTRICTED:clinical\" }\n      genomes",
        "label: \"CONFIDENTIAL:clinical\" }\n      genomes",
    ));
    let revoked = read(&WORLD.replace("object: records, modes: [observe, alter]", "object: records, modes: [alter]"));
    let watermark = label(&old, "RESTRICTED:clinical");
    let question = Question {
        subject: &id("planner"),
        object: Asked::Known(old.object("records/patients").unwrap()),
        mode: Mode::Observe,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(0),
    };
    assert!(decide(&old, &question).permit().is_some());
    assert!(decide(&moved, &question).permit().is_some());
    assert_eq!(decide(&lowered, &question).reasons(), [Reason::NoWriteDown]);
    assert_eq!(decide(&revoked, &question).reasons(), [Reason::NotGranted]);
}

#[test]
fn labels_of_another_lattice_are_refused_until_they_are_translated() {
    let old = world();
    let new = read(&WORLD.replace("categories: [genomics, clinical,", "categories: [aaa, genomics, clinical,"));
    let watermark = label(&old, "PUBLIC");
    let mut question = Question {
        subject: &id("planner"),
        object: Asked::Known(new.object("records").unwrap()),
        mode: Mode::Observe,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(0),
    };
    assert_eq!(decide(&new, &question).reasons(), [Reason::NoWriteDown]);
    question.standing = Standing::Stated { label: &watermark, rule: None };
    assert_eq!(decide(&new, &question).reasons(), [Reason::LabelOutOfRange, Reason::NoWriteDown]);
    let carried = old.lattice().translate(&watermark, new.lattice()).unwrap();
    question.standing = Standing::Own { watermark: &carried, own: &carried, declared: None };
    assert!(decide(&new, &question).permit().is_some());
}

#[test]
fn an_open_answer_is_decided_under_the_new_policy() {
    let old = world();
    let watermark = old.lattice().bottom();
    let question = Question {
        subject: &id("planner"),
        object: Asked::Known(old.object("records").unwrap()),
        mode: Mode::Observe,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(0),
    };
    let permit = decide(&old, &question).permit().unwrap();
    let stated = label(&old, "CONFIDENTIAL:clinical");
    let answer = Answer { serving: Serving::Stated(&stated), declared: None };
    assert!(matches!(release(&old, &permit, &answer), Release::Released { .. }));

    let lowered = read(&WORLD.replace("\"RESTRICTED:clinical,untrusted\"", "STANDARD"));
    let without_subject = read("version: 1\ncategories: [genomics, clinical, keys, untrusted]\n");
    for new in [&lowered, &without_subject] {
        assert!(matches!(release(new, &permit, &answer), Release::Withheld(_)));
    }
}

#[test]
fn what_a_body_named_under_the_old_policy_is_decided_under_the_new_one() {
    use crate::lifting::LIFTING;
    let old = read(LIFTING);
    let body = serde_json::json!({ "recipients": ["a@example.org", "boss@partner.example"] });
    let shape = RequestShape { method: "POST", path: "/tools/send_email", has_body: true, upgrade: false };
    let target = old.resolve(old.upstream("mail").unwrap(), &shape, Content::Json(&body));
    let verdict = |policy: &bellgate_policy::Policy, now| {
        let current = label(policy, "RESTRICTED:clinical");
        let question = Question {
            subject: &id("mailer"),
            object: Asked::Several(&target.objects),
            mode: target.mode,
            standing: Standing::Own { watermark: &current, own: &current, declared: None },
            task: None,
            target: Some("/tools/send_email"),
            content: Content::Json(&body),
            now,
        };
        decide(policy, &question).reasons().to_vec()
    };
    let now = Timestamp::from_author("2026-11-01T00:00:00Z").unwrap();
    assert_eq!(verdict(&old, now), []);
    for (what, from, to, expected) in [
        ("as before", "PUBLIC", "PUBLIC", vec![]),
        (
            "a case is gone",
            "            boss: { equals",
            "            chief: { equals",
            vec![Reason::NotGranted, Reason::NoWriteDown],
        ),
        ("the rule is gone", "id: outbox, subject: mailer", "id: outbox, subject: stray", vec![Reason::NoWriteDown]),
        (
            "the rule is narrower",
            "mail/send/inner, mail/send/boss], label: STANDARD",
            "mail/send/inner], label: STANDARD",
            vec![Reason::NoWriteDown],
        ),
        (
            "the grant is gone",
            "subject: mailer, object: mail/send",
            "subject: stray, object: mail/send",
            vec![Reason::NotGranted, Reason::NoWriteDown],
        ),
        (
            "the rule gives what one can't take",
            "label: STANDARD, reason: \"it sends",
            "label: CONFIDENTIAL, reason: \"it sends",
            vec![Reason::NoWriteDown],
        ),
    ] {
        let text = LIFTING.replace(from, to);
        let text = if what == "a case is gone" {
            text.replace("mail/send/boss]", "mail/send/chief]")
        } else if what.contains("take") {
            // Only one of the two objects can be named with that label.
            text.replace(
                "objects: [mail/send/inner, mail/send/boss], label: CONFIDENTIAL",
                "objects: [mail], label: CONFIDENTIAL",
            )
        } else {
            text
        };
        assert_eq!(verdict(&read(&text), now), expected, "{what}");
    }
    assert_eq!(verdict(&old, Timestamp::from_author("2027-06-30T00:00:00Z").unwrap()), [Reason::NoWriteDown]);
}
