//! The table of releases: what an answer carries, and whether it is released.

use bellgate_policy::{
    Answer, Asked, Content, Mode, Permit, Policy, Question, Release, RequestShape, Serving, Standing, Timestamp,
    decide, release, release_guarded,
};

use crate::world::{id, label, rows, world};

const TABLE: &str = "
# object            current               serving                               declared              released as

# A workload with a gateway: object, floor and what it states.
drafts              PUBLIC                stated PUBLIC                         -                     PUBLIC
drafts              PUBLIC                stated STANDARD                       -                     STANDARD
drafts              PUBLIC                unstated                              -                     CONFIDENTIAL
drafts              PUBLIC                stated PUBLIC:keys                    -                     withheld PUBLIC:keys
records             PUBLIC                stated CONFIDENTIAL:clinical          -                     CONFIDENTIAL:clinical
records             PUBLIC                stated PUBLIC                         -                     CONFIDENTIAL:clinical
records/patients    PUBLIC                stated CONFIDENTIAL:clinical          -                     RESTRICTED:clinical
records/patients    PUBLIC                stated RESTRICTED:clinical,genomics   -                     withheld RESTRICTED:clinical,genomics
records             PUBLIC                unstated                              -                     withheld RESTRICTED:clinical,genomics

# What the upstream itself declares: believed of records, of nobody else.
records             PUBLIC                stated CONFIDENTIAL:clinical          RESTRICTED            RESTRICTED:clinical
records             PUBLIC                stated CONFIDENTIAL:clinical          PUBLIC:keys           withheld CONFIDENTIAL:clinical,keys
drafts              PUBLIC                stated PUBLIC                         RESTRICTED:keys       PUBLIC

# Multilevel: the object's label, whatever is stated.
search/ask          PUBLIC                stated STANDARD                       -                     PUBLIC
search/ask          PUBLIC                unstated                              -                     PUBLIC

# Outside the mesh: what the policy says.
web                 PUBLIC                stated RESTRICTED:keys                RESTRICTED:keys       PUBLIC:untrusted
web                 PUBLIC                unstated                              -                     PUBLIC:untrusted

# A capability: the call's label, never below its caller's; the capability's own where nobody says.
deidentify          PUBLIC                stated PUBLIC                         -                     PUBLIC
deidentify          CONFIDENTIAL          stated PUBLIC                         -                     CONFIDENTIAL
deidentify          PUBLIC                stated RESTRICTED:clinical            -                     RESTRICTED:clinical
deidentify          PUBLIC                stated RESTRICTED:keys                -                     withheld RESTRICTED:keys
deidentify          PUBLIC                unstated                              -                     RESTRICTED:clinical
";

fn permit(policy: &Policy, name: &str, current: &str) -> Permit {
    let object = policy.object(name).unwrap();
    let watermark = label(policy, current);
    let standing = Standing::Own { watermark: &watermark, own: &watermark, declared: None };
    Mode::ALL
        .into_iter()
        .find_map(|mode| {
            let question = Question {
                subject: &id("planner"),
                object: Asked::Known(object),
                mode,
                standing,
                task: None,
                target: None,
                content: Content::Nothing,
                now: Timestamp(0),
            };
            decide(policy, &question).permit()
        })
        .unwrap()
}

#[test]
fn the_table_holds() {
    let policy = world();
    let mut wrong = Vec::new();
    for [name, current, serving, declared, expected] in rows(TABLE) {
        let permit = permit(&policy, name, current);
        let stated = serving.strip_prefix("stated ").map(|text| label(&policy, text));
        let declared = (declared != "-").then(|| label(&policy, declared));
        let answer =
            Answer { serving: stated.as_ref().map_or(Serving::Unstated, Serving::Stated), declared: declared.as_ref() };
        let text = |label| policy.lattice().text(label);
        let found = match release(&policy, &permit, &answer) {
            Release::Released { label } => text(&label),
            Release::Withheld(denial) => {
                assert_eq!(denial.first().code(), "withheld");
                format!("withheld {}", text(denial.decision().object_label.as_ref().unwrap()))
            }
        };
        if found != expected {
            wrong.push(format!("{name} {current} {serving}: {expected}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_workload_without_a_gateway_is_taken_at_its_clearance() {
    let text = crate::world::WORLD
        .replace("floor: PUBLIC, clearance: CONFIDENTIAL, gateway: true }", "floor: PUBLIC, clearance: CONFIDENTIAL }");
    let policy = crate::world::read(&text);
    let stated = policy.lattice().bottom();
    let answer = Answer { serving: Serving::Stated(&stated), declared: None };
    match release(&policy, &permit(&policy, "drafts", "PUBLIC"), &answer) {
        Release::Released { label: found } => assert_eq!(found, label(&policy, "CONFIDENTIAL")),
        Release::Withheld(_) => panic!("withheld"),
    }
}

/// What the planner is given of its inbox, and of mail to several, through guards and without.
#[test]
fn a_guarded_answer_carries_what_the_guard_gives_it_and_never_hides_one_that_is_too_high() {
    let policy = crate::world::read(crate::lifting::LIFTING);
    let permit = permit(&policy, "mail/read", "PUBLIC");
    assert_eq!(permit.release_guard().unwrap().capability.as_str(), "deidentify");
    let text = |release: Release| match release {
        Release::Released { label } => policy.lattice().text(&label),
        Release::Withheld(denial) => {
            let label = denial.decision().object_label.as_ref().map(|label| policy.lattice().text(label));
            format!("{} {}", denial.first(), label.unwrap_or_default())
        }
    };
    // Its server is cleared for more than the guard may read, and its floor is as high.
    let answer = Answer { serving: Serving::Unstated, declared: None };
    assert_eq!(text(release(&policy, &permit, &answer)), "RESTRICTED:bank,clinical,untrusted");
    assert_eq!(text(release_guarded(&policy, &permit, &answer)), "guard-failed RESTRICTED:bank,clinical,untrusted");
    for (clearance, floor, plain, guarded) in [
        ("RESTRICTED:clinical", "CONFIDENTIAL", "CONFIDENTIAL:clinical", "STANDARD"),
        ("RESTRICTED:clinical", "RESTRICTED:clinical", "RESTRICTED:clinical", "STANDARD"),
        (
            "RESTRICTED:bank,clinical",
            "CONFIDENTIAL:bank",
            "CONFIDENTIAL:bank,clinical",
            "guard-failed CONFIDENTIAL:bank,clinical",
        ),
    ] {
        let served = format!("floor: \"{floor}\", clearance: \"{clearance}\", holds_no_data: passes on");
        let text_of = crate::lifting::LIFTING
            .replace(
                "floor: \"RESTRICTED:clinical,bank,untrusted\", clearance: \"RESTRICTED:clinical,bank,untrusted\"",
                &served,
            )
            .replace("            list: { one_of: [a@x.example, b@x.example], label: \"STANDARD:untrusted\" }\n", "");
        let changed = crate::world::read(&text_of);
        let stated = label(&changed, "CONFIDENTIAL:clinical");
        let answer = Answer { serving: Serving::Stated(&stated), declared: None };
        assert_eq!(text(release(&changed, &permit, &answer)), plain, "{floor}");
        assert_eq!(text(release_guarded(&changed, &permit, &answer)), guarded, "{floor}");
    }
    // A clearance that does not dominate the answer as it was: the guard hides nothing of that.
    let lowered = crate::world::read(&crate::lifting::LIFTING.replace(
        "    clearance: \"RESTRICTED:clinical,bank,untrusted\"\n    gateway: true\n    handles: { reason: \"each",
        "    clearance: RESTRICTED\n    gateway: true\n    handles: { reason: \"each",
    ));
    assert_eq!(text(release_guarded(&lowered, &permit, &answer)), "withheld RESTRICTED:bank,clinical,untrusted");
    // Without a guard it is the same as `release`.
    let unguarded = self::permit(&policy, "wiki/page", "PUBLIC");
    assert_eq!(text(release_guarded(&policy, &unguarded, &answer)), "PUBLIC");
}

#[test]
fn an_answer_carries_the_labels_of_all_objects_that_the_request_reached() {
    let policy = crate::world::read(&crate::lifting::LIFTING.replace("workload: mail", "web: mail.example.com"));
    let shape = RequestShape { method: "POST", path: "/tools/send_email", has_body: true, upgrade: false };
    let bottom = policy.lattice().bottom();
    for (recipients, expected) in [
        (vec!["a@example.org"], "CONFIDENTIAL"),
        (vec!["a@example.org", "a@x.example"], "CONFIDENTIAL:untrusted"),
        (vec!["x@y"], "PUBLIC"),
        (vec!["x@y", "a@clinic.example", "b@x.example"], "RESTRICTED:clinical,untrusted"),
    ] {
        let body = serde_json::json!({ "recipients": recipients });
        let content = Content::Json(&body);
        let target = policy.resolve(policy.upstream("mail").unwrap(), &shape, content);
        let question = Question {
            subject: &id("planner"),
            object: Asked::Several(&target.objects),
            mode: target.mode,
            standing: Standing::Own { watermark: &bottom, own: &bottom, declared: None },
            task: None,
            target: Some("/tools/send_email"),
            content,
            now: Timestamp(0),
        };
        let permit = decide(&policy, &question).permit().unwrap();
        let answer = Answer { serving: Serving::Unstated, declared: None };
        match release(&policy, &permit, &answer) {
            Release::Released { label: found } => assert_eq!(policy.lattice().text(&found), expected, "{recipients:?}"),
            Release::Withheld(_) => panic!("withheld"),
        }
    }
}

#[test]
fn nothing_of_an_append_is_released() {
    let policy = world();
    let stated = policy.lattice().bottom();
    let watermark = policy.lattice().bottom();
    for name in ["vault/deposit", "search/notes"] {
        let question = Question {
            subject: &id("planner"),
            object: Asked::Known(policy.object(name).unwrap()),
            mode: Mode::Append,
            standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        };
        let permit = decide(&policy, &question).permit().unwrap();
        let answer = Answer { serving: Serving::Stated(&stated), declared: None };
        assert!(matches!(release(&policy, &permit, &answer), Release::Withheld(_)), "{name}");
    }
}
